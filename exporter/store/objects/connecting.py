"""Connects to an object store, with the credentials that the tools of its cloud use."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.errors import SnapshotError, UsageError, not_installed
from clearml_snapshot.exporter.own_keys import remember
from clearml_snapshot.exporter.store.objects.store_errors import ENVIRONMENT

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

    from clearml_snapshot.exporter.store.objects.address import Address

TIMEOUT: Final = timedelta(minutes=5)
"""For one request with its body; a file of 100 MB needs that over a slow line."""
_CONNECT: Final = timedelta(seconds=10)

RETRY: Final[RetryConfig] = {
    "max_retries": 6,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
"""Of answers 429 and 5xx, of connections that end, and of readings that take too long."""

_HOST: Final = re.compile(r"[\w.:-]+", re.ASCII)
_PRINTED: Final = re.compile(r"[!-~]+")

_GOOGLE_FILES: Final = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH")
"""Variables that name the file of a service account."""

_SECRETS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
"""Variables that contain credentials; they are removed from all output."""


def connect(address: Address) -> ObjectStore:
    """Return the store that has the objects below an address; nothing is sent yet.

    Raises:
        UsageError: obstore is not installed, or a setting of the store is invalid.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise not_installed(f"{address.scheme}://", "obstore") from None
    client: ClientConfig = {"timeout": TIMEOUT, "connect_timeout": _CONNECT}
    if address.is_web:
        return _web_server(address, client)
    remember(*(os.environ.get(name) for name in _SECRETS))
    options: dict[str, Any] = _s3_options() if address.scheme == "s3" else {}
    if address.scheme == "gs":
        _check_google()
    endpoint = options.get("config", {}).get("endpoint") or ""
    if endpoint.startswith("http://") or address.scheme == "gs":
        # The user chose it: for gs:// in the file of a service account, as of an emulator.
        client["allow_http"] = True
    try:
        return from_url(str(address), client_options=client, retry_config=RETRY, **options)
    except (BaseError, ValueError):  # their texts may repeat a setting
        raise UsageError(
            f"{address} cannot be opened: a setting of the store is missing or invalid; see "
            f"{ENVIRONMENT[address.scheme]}"
        ) from None


def _web_server(address: Address, client: ClientConfig) -> ObjectStore:
    """Return the files of a web server; it gets no credentials.

    With ``https``, it cannot redirect to an address without encryption.
    """
    from obstore.exceptions import BaseError
    from obstore.store import HTTPStore

    client["allow_http"] = address.scheme == "http"
    try:
        return HTTPStore.from_url(str(address), client_options=client, retry_config=RETRY)
    except (BaseError, ValueError):
        raise UsageError(
            f"{address} is not a valid address; write {address.scheme}://host/path"
        ) from None


def _s3_options() -> dict[str, Any]:
    """Return what obstore does not take from the environment itself: profiles, an S3 endpoint."""
    config: dict[str, str] = {}
    provider = _profile(config) if _needs_profile() else None
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        if os.environ.get(name):
            config["endpoint"] = _checked_endpoint(name, os.environ[name])
    return {"config": config} | ({} if provider is None else {"credential_provider": provider})


def _checked_endpoint(name: str, value: str) -> str:
    """Return the address of a store; obstore panics at one that it cannot take apart.

    Raises:
        UsageError: it is none. It is not repeated, since it may contain a password.
    """
    try:
        parts = urlsplit(value)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:
        host = None
    if host is None or not _HOST.fullmatch(host) or not _PRINTED.fullmatch(value):
        raise UsageError(
            f"{name} is not a complete address; write http://host:port or https://host"
        )
    return value


def _check_google() -> None:
    """Check the address in the file of a service account, which names an emulator."""
    for file in filter(None, map(os.environ.get, _GOOGLE_FILES)):
        with suppress(OSError, ValueError, AttributeError):  # obstore says so
            base = json.loads(Path(file).read_bytes()).get("gcs_base_url")
            if isinstance(base, str):
                _checked_endpoint("gcs_base_url of the service account", base)


def _needs_profile() -> bool:
    """Return whether the credentials are in the files of the AWS tools."""
    if os.environ.get("AWS_PROFILE"):
        return True
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return False
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE"), os.environ.get("AWS_CONFIG_FILE")
    usual = Path("~/.aws/credentials").expanduser(), Path("~/.aws/config").expanduser()
    return any(Path(name or usual).is_file() for name, usual in zip(named, usual, strict=True))


def _profile(config: dict[str, str]) -> object | None:
    """Read the region and the endpoint of a profile, and return what renews its credentials.

    boto3 knows all kinds of profiles: keys, roles, single sign-on, other programs.

    Raises:
        UsageError: boto3 is not installed, or there is no such profile.
        SnapshotError: the profile has no credentials, or they cannot be renewed.
    """
    try:
        import boto3
        import botocore.exceptions
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise not_installed("a profile of AWS", "boto3") from None
    try:
        session = boto3.Session()
        client = session.client("s3", region_name=session.region_name or "us-east-1")
        credentials = session.get_credentials()
        if credentials is None:  # only a region, for instance: the machine's role
            return None
        frozen = credentials.get_frozen_credentials()
        provider: object = Boto3CredentialProvider(session)
    except botocore.exceptions.ProfileNotFound:
        raise UsageError("AWS_PROFILE names a profile that does not exist") from None
    except botocore.exceptions.BotoCoreError as error:
        raise SnapshotError(
            f"the credentials of the AWS profile cannot be read ({type(error).__name__}); "
            "log in again with the AWS tools"
        ) from None
    remember(frozen.access_key, frozen.secret_key, frozen.token)
    if session.region_name:
        config["region"] = session.region_name
    if not client.meta.endpoint_url.endswith(".amazonaws.com"):
        named = "endpoint_url in the AWS profile"
        config["endpoint"] = _checked_endpoint(named, client.meta.endpoint_url)
    return provider
