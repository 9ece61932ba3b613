"""Where the server is and how to get in, as the ClearML SDK resolves it.

The sole importer of clearml, and only of its configuration: the SDK's ``Session`` loops for ever
on 503, TLS errors and truncated bodies, prints to stdout and may write files that the
configuration names.
"""

import contextlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clearml_snapshot.exporter.errors import LoginError, ServerError, UsageError

NO_CREDENTIALS = (
    "no ClearML credentials; run clearml-init, or set CLEARML_API_ACCESS_KEY and "
    "CLEARML_API_SECRET_KEY"
)


@dataclass(frozen=True)
class ServerConfiguration:
    """An API server and the credentials for it."""

    api_host: str
    """Base address without a trailing slash and without credentials."""
    web_host: str | None
    """The web UI's base address; None where nobody knows it."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verify: bool | str = True
    """Whether to check certificates, or a CA bundle to check them against."""
    sources: tuple[tuple[str, str, str], ...] = ()
    """Setting, value fit to be shown, and where it came from."""


def read_configuration(web_host: str | None = None) -> ServerConfiguration:
    """Read ``clearml.conf`` and the ``CLEARML_*`` variables as the SDK would.

    Args:
        web_host: overrides the web UI's address.

    Raises:
        LoginError: no credentials are configured.
        ServerError: the configuration cannot be read, or its address is none.
        UsageError: ``web_host`` is no address.
    """
    settings = _load_settings()
    from clearml.backend_api.session import defs

    token, token_source = _setting(defs.ENV_AUTH_TOKEN, None, settings)
    access, access_source = _setting(defs.ENV_ACCESS_KEY, "api.credentials.access_key", settings)
    secret, secret_source = _setting(defs.ENV_SECRET_KEY, "api.credentials.secret_key", settings)
    if not token and not (access and secret):
        raise LoginError(_what_lacks(access, secret))
    host, host_source = _api_host(settings)
    web, web_source = _web_host(settings, web_host, host)
    verify, verify_source = _setting(defs.ENV_HOST_VERIFY_CERT, "api.verify_certificate", settings)
    keys = (
        (("token", "<set>", token_source),)
        if token
        else (
            ("access key", _shortened(access), access_source),
            ("secret key", "<set>", secret_source),
        )
    )
    return ServerConfiguration(
        api_host=host,
        web_host=web,
        access_key=None if token else access,
        secret_key=None if token else secret,
        token=token,
        verify=_verify(verify),
        sources=(
            ("api server", host, host_source),
            ("web server", web or "unknown", web_source),
            *keys,
            ("verify certificate", str(_verify(verify)), verify_source),
        ),
    )


def _load_settings() -> Any:
    """Load the SDK's configuration tree; what it prints goes to stderr, stdout is for data."""
    with contextlib.redirect_stdout(sys.stderr):
        from clearml.backend_api import load_config
        from clearml.backend_config import ConfigurationError
        from clearml.utilities.pyhocon import exceptions as hocon

        try:
            return load_config()  # without the defaults of the SDK's own settings: half the time
        except (ConfigurationError, hocon.ConfigException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ServerError(f"the ClearML configuration cannot be read: {reason}") from None


def _setting(entry: Any, key: str | None, settings: Any) -> tuple[str | None, str]:
    """Give a setting and its source: the environment wins over the configuration file."""
    for name in entry.keys:
        if value := os.environ.get(name, "").strip():
            return value, name
    configured = settings.get(key, None) if key else None
    if configured in (None, ""):
        return None, "not set"
    return str(configured), _file_source()


def _file_source() -> str:
    from clearml.backend_config.defs import get_active_config_file

    name = get_active_config_file()
    if name and Path(os.path.expandvars(name)).expanduser().is_file():
        return str(name)
    return "clearml's default"


def _what_lacks(access: str | None, secret: str | None) -> str:
    """Say which half of the credentials is missing, when the other one is there."""
    if not access and not secret:
        return NO_CREDENTIALS
    there, lacks = ("access", "SECRET") if access else ("secret", "ACCESS")
    return f"there is a ClearML {there} key, but CLEARML_API_{lacks}_KEY is not set; set both"


def _api_host(settings: Any) -> tuple[str, str]:
    from clearml.backend_api.session import Session, defs

    configured = settings.get("api.api_server", None) or settings.get("api.host", None)
    source = _file_source() if configured else "clearml's default"
    set_names = [name for name in defs.ENV_HOST.keys if os.environ.get(name, "").strip()]
    source = set_names[0] if set_names else source
    host = _address(Session.get_api_server_host(settings))
    if host is None:
        raise ServerError(
            "the API server's address "
            f"{_without_userinfo(Session.get_api_server_host(settings))!r} (from {source}) is no "
            "http(s) address; set CLEARML_API_HOST, e.g. https://api.clear.ml"
        )
    return host, source


def _web_host(settings: Any, given: str | None, api_host: str) -> tuple[str | None, str]:
    """Find the web UI as the SDK does, but without what it invents for an API at port 8008.

    Raises:
        UsageError, ServerError: what was given, or configured, is no address.
    """
    from clearml.backend_api.session import defs

    if given:
        if _address(given) is None:
            raise UsageError(
                f"--web-host: {_without_userinfo(given)!r} is no http(s) address, such as "
                "https://app.clear.ml"
            )
        return _address(given), "--web-host"
    unknown = (None, "set CLEARML_WEB_HOST or --web-host for links")
    configured, source = _setting(defs.ENV_WEB_HOST, "api.web_server", settings)
    if configured:
        if _address(configured) is None:
            raise ServerError(
                f"the web address {_without_userinfo(configured)!r} (from {source}) is no http(s) "
                "address; set CLEARML_WEB_HOST, e.g. https://app.clear.ml"
            )
        return _address(configured), source
    derived = api_host.replace("://api.", "://app.", 1)
    if derived == api_host or urlsplit(api_host).port == 8008:
        return unknown
    return derived, "derived from the api server"


def _address(text: str) -> str | None:
    """Give an http(s) address as it is used and shown: no credentials, no slash at its end."""
    address = _without_userinfo(text.strip()).rstrip("/")
    try:
        parts = urlsplit(address)
        (parts.hostname or "").encode("idna")
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # an odd port, half an IPv6 address, a name such as a..b
        return None
    return address if is_one and not parts.query and not parts.fragment else None


def _without_userinfo(address: str) -> str:
    """Drop ``user:password@`` so that no message and no dataset can carry it.

    Also out of what is no address: a password may hold slashes, a scheme may lack.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://)?", address)
    start = scheme[0] if scheme else ""
    return start + address[len(start) :].rpartition("@")[2]


def _shortened(key: str | None) -> str:
    return f"{key[:4]}…" if key and len(key) > 8 else "<set>"


def _verify(text: str | None) -> bool | str:
    """Read a certificate setting as the SDK does: a truth value, or the path of a CA bundle."""
    if text is None or text.lower() in {"true", "1", "yes", "on", "t", "y"}:
        return True
    return False if text.lower() in {"false", "0", "no", "off", "f", "n"} else text
