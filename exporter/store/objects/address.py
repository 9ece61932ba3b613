"""Addresses of datasets: ``s3://bucket/prefix``, ``gs://…``, ``az://…``, ``https://host/path``."""

import os
import re
from dataclasses import dataclass
from typing import Final

from clearml_snapshot.exporter.errors import UsageError

WEB: Final = ("https", "http")
"""Web servers: they are only read."""
SCHEMES: Final = ("s3", "gs", "az", *WEB)
"""What is supported."""

_ADDRESS: Final = re.compile(rf"({'|'.join(SCHEMES)}):/{{1,2}}(?!/)(.*)", re.DOTALL | re.IGNORECASE)
"""``Path`` makes one / of //."""
_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_STEP: Final = re.compile(r"[\w .!*'()=+,~@&$:-]{1,250}", re.ASCII)
_WEB_STEP: Final = re.compile(r"(?:[\w.!*'()=+,~&$:-]|%[0-9A-Fa-f]{2}){1,250}", re.ASCII)
"""As in a browser: a space is ``%20``."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a dataset is: the prefix of all its keys in a bucket."""

    scheme: str
    bucket: str
    """For ``az`` the container, for ``https`` the host, with its port."""
    prefix: str
    """Without ``/`` at its ends; may be empty."""

    def __str__(self) -> str:
        """Return the address as it is typed."""
        return "/".join(filter(None, (f"{self.scheme}://{self.bucket}", self.prefix)))

    @property
    def root(self) -> str:
        """The address of the bucket."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, which is only read."""
        return self.scheme in WEB

    def of(self, key: str) -> str:
        """Return the address of an object of the dataset."""
        return f"{self}/{key}"


def is_address(text: str | os.PathLike[str]) -> bool:
    """Return whether a text is an address in a store that is supported; it may be a wrong one."""
    return _ADDRESS.fullmatch(os.fspath(text)) is not None


def as_typed(path: str | os.PathLike[str]) -> str:
    """Return a path for a message; of an address, ``Path`` has removed a slash."""
    return str(parse_address(path)) if is_address(path) else os.fspath(path)


def parse_address(text: str | os.PathLike[str]) -> Address:
    """Read an address.

    Raises:
        UsageError: it is not one, or has no bucket, or has characters that keys should not have.
    """
    match = _ADDRESS.fullmatch(os.fspath(text))
    if match is None:
        raise UsageError(f"{os.fspath(text)} is not an address such as s3://bucket/prefix")
    scheme, rest = match[1].lower(), match[2]
    if scheme in WEB:
        return _of_web(scheme, rest)
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if "@" in bucket or ":" in bucket:  # it may be a password, so it is not repeated
        raise UsageError(
            f"an address of {scheme}:// is only {scheme}://bucket/prefix; give credentials and "
            "servers as the cloud's own tools expect them, such as AWS_PROFILE and AWS_ENDPOINT_URL"
        )
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{scheme}://{rest} names no bucket; write {scheme}://bucket/prefix")
    _check(f"{scheme}://{rest}", prefix, _STEP)
    return Address(scheme, bucket, prefix)


def refuse_web(address: Address) -> None:
    """Check that an address can be written to.

    Raises:
        UsageError: it is on a web server.
    """
    if address.is_web:
        raise UsageError(
            f"{address} is on a web server, which is only read; write to the folder or the bucket "
            "that it publishes"
        )


def _of_web(scheme: str, rest: str) -> Address:
    if any(sign in rest for sign in "@?#"):  # passwords and signatures, so it is not repeated
        raise UsageError(
            f"an address of {scheme}:// is only {scheme}://host/path, without a password, ? and #; "
            "a dataset on a web server must be readable without credentials"
        )
    host, _, prefix = rest.rstrip("/").partition("/")
    if not _HOST.fullmatch(host):
        raise UsageError(f"{scheme}://{rest} names no host; write {scheme}://host/path")
    _check(f"{scheme}://{rest}", prefix, _WEB_STEP)
    if prefix.lower().endswith(".zip"):
        raise UsageError(
            f"{scheme}://{rest} is a file, and a pack is not read from a web server; download it "
            "and give its path"
        )
    return Address(scheme, host.lower(), prefix)


def _check(typed: str, prefix: str, allowed: re.Pattern[str]) -> None:
    steps = prefix.split("/") if prefix else []
    if any(not allowed.fullmatch(step) or step in (".", "..") for step in steps):
        raise UsageError(
            f"{typed}: use letters, digits and plain punctuation in the prefix, without empty parts"
        )
