"""What can go wrong with one request, in words and in what to do about it."""

import email.utils
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from clearml_snapshot.exporter.errors import LoginError, RefusedError

_TRANSIENT_STATUSES: Final = frozenset({401, 408, 425, 429, 500, 502, 503, 504, 509})


class DamagedBodyError(Exception):
    """A body that is no answer of a ClearML server; decoders raise it and the call is repeated."""


class TryAgainError(Exception):
    """One try failed in a way that another try may mend.

    Attributes:
        after: seconds that the server asked to wait.
        wrong_address: it looks as if no ClearML server were there at all.
        status: the HTTP status, 0 where none came.
        subcode: ClearML's subcode; None where the answer was not ClearML's own.
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float = 0.0,
        wrong_address: bool = False,
        status: int = 0,
        subcode: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.after = after
        self.wrong_address = wrong_address
        self.status = status
        self.subcode = subcode

    @property
    def is_about_the_request(self) -> bool:
        """Whether ClearML itself answered, and not to say that it is busy or going down."""
        return self.subcode is not None and self.status in {401, 500}


def decode_data(body: bytes) -> dict[str, Any]:
    """Give the ``data`` of an envelope; raises DamagedBodyError when it is none."""
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedBodyError(looks_like(body)) from None
    if not isinstance(data, dict):
        raise DamagedBodyError(looks_like(body))
    return data


def failure(
    host: str, endpoint: str, status: int, body: bytes, *, login: bool = False
) -> LoginError | RefusedError | TryAgainError:
    """Turn an HTTP error into what the caller can do about it."""
    subcode = _meta(body).get("result_subcode")
    if status in _TRANSIENT_STATUSES:
        said = message(body)
        return TryAgainError(
            f"{endpoint}: HTTP {status}{f' ({said})' if said else ''}",
            status=status,
            subcode=subcode if isinstance(subcode, int) else None,
        )
    if login and isinstance(subcode, int):
        return LoginError(f"{host} refused the login: {message(body)}")
    if not isinstance(subcode, int):
        return TryAgainError(
            f"{endpoint} answered HTTP {status} with {looks_like(body)}; is {host} the API "
            "server (not the web UI)? CLEARML_API_HOST, e.g. https://api.clear.ml or port 8008",
            wrong_address=True,
        )
    return RefusedError(
        f"{host} refused {endpoint}: {message(body)}", status=status, subcode=subcode
    )


def connection_failure(error: Exception, allowed: float) -> TryAgainError:
    """Say in a few words, without an address that could carry credentials, what went wrong."""
    text = str(error)
    if "NameResolutionError" in text:
        return TryAgainError("unknown host; check CLEARML_API_HOST", wrong_address=True)
    if isinstance(error, requests.exceptions.SSLError):
        return TryAgainError(
            f"TLS: {_tls_reason(text)}; for a private certificate authority set "
            "REQUESTS_CA_BUNDLE or api.verify_certificate",
            wrong_address=True,
        )
    if "Connection refused" in text:
        return TryAgainError(
            "connection refused; is the server up, and the port right?", wrong_address=True
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TryAgainError("the proxy does not answer; check HTTPS_PROXY", wrong_address=True)
    if isinstance(error, (requests.Timeout, TimeoutError)) or "timed out" in text:
        return TryAgainError(f"no whole answer within {allowed:.0f} s")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return TryAgainError("no valid address; check CLEARML_API_HOST", wrong_address=True)
    if isinstance(error, requests.exceptions.ContentDecodingError) or "decod" in text:
        return TryAgainError("a body that cannot be decompressed")
    if "IncompleteRead" in text:
        return TryAgainError("a truncated body")
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # requests raises a bare OSError for a CA bundle that does not exist.
        return TryAgainError(text.splitlines()[0], wrong_address=True)
    return TryAgainError("the connection was dropped")


def _tls_reason(text: str) -> str:
    for mark in ("certificate verify failed", "WRONG_VERSION_NUMBER", "hostname mismatch"):
        if mark.casefold() in text.casefold():
            return {
                "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port (http?)"
            }.get(mark, mark)
    return "the handshake failed"


def _meta(body: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(body)["meta"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}


def is_of_clearml(body: bytes) -> bool:
    """Tell whether a body has ClearML's envelope, whatever it says."""
    return bool(_meta(body))


def message(body: bytes) -> str:
    """Give the server's own words on one line, or nothing."""
    return " ".join(str(_meta(body).get("result_msg") or "").split())[:300]


def looks_like(body: bytes) -> str:
    """Name what came instead of an answer, without quoting it."""
    start = body[:200].lstrip().lower()
    if start.startswith(b"a redirect to "):
        return body.decode(errors="replace")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "an HTML page, not ClearML's JSON"
    return "an empty body" if not start else "something that is not ClearML's JSON"


def place(location: str) -> str:
    """Give the scheme, host and port of an address, and nothing that could be secret."""
    try:
        parts = urlsplit(location)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else "another page"


def retry_after_seconds(retry_after: str) -> float:
    """Read Retry-After: seconds, or a date."""
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError):
        return 0.0
