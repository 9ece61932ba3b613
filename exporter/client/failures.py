"""Classifies failed requests: retry, give up, or report a wrong address."""

import email.utils
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.errors import LoginError, RefusedError
from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.exporter.unseen import storable

_TRANSIENT_STATUSES: Final = frozenset({401, 408, 425, 429, 500, 502, 503, 504, 509})
_OTHERS: Final = (("web UI", "://app.", 8080), ("files server", "://files.", 8081))
"""ClearML's other servers: how their addresses usually begin, and their ports
(docs/clearml-server.md, "Proxies")."""
_SEARCH_ENGINE: Final = 100
"""The subcode of a failure of Elasticsearch (docs/clearml-server.md, "Envelope and errors")."""
_LONGEST_NAME: Final = 80
"""Characters of a name in an error message."""
_FOR_EVER: Final = 365 * 86_400.0
"""Longer pauses, in seconds, are reported without their length."""
_SPEAKS_TLS: Final = (b"HTTPS port", b"HTTPS server", b"SSL-enabled server port")
"""What nginx, Go and Apache answer to a request without TLS."""


class DamagedBodyError(Exception):
    """A body that is not an answer of a ClearML server; decoders raise it, the call is repeated."""

    status = 0
    """The HTTP status to report; 0 means that there was no answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(storable(reason))


class MixedUpError(DamagedBodyError):
    """A body that answers a different request, as a cache in between may return it."""

    status = 200


def in_short(name: object) -> str:
    """Shorten a received value to the length of a name, for an error message."""
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


class TryAgainError(Exception):
    """One try failed, and another one may succeed.

    Attributes:
        after: seconds to wait, as requested by the server.
        wrong_address: there seems to be no ClearML server at this address.
        was_dropped: the other side closed the connection without an answer.
        status: the HTTP status; 0 without an answer.
        subcode: ClearML's subcode; None if the answer was not from ClearML.
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float = 0.0,
        wrong_address: bool = False,
        was_dropped: bool = False,
        status: int = 0,
        subcode: int | None = None,
    ) -> None:
        super().__init__(storable(scrub(reason)))
        self.after = after
        self.wrong_address = wrong_address
        self.was_dropped = was_dropped
        self.status = status
        self.subcode = subcode

    @property
    def is_about_the_request(self) -> bool:
        """Whether ClearML itself answered, and not only that it is busy or shutting down."""
        is_its_error = self.subcode is not None and self.status in {401, 500}
        return is_its_error or self.status == MixedUpError.status


def failure(
    route: Route, endpoint: str, status: int, body: bytes, *, login: bool = False
) -> LoginError | RefusedError | TryAgainError:
    """Turn an HTTP error into the exception that matches what the caller can do about it."""
    subcode = _meta(body).get("result_subcode")
    if status in _TRANSIENT_STATUSES:
        reason = message(body)
        return TryAgainError(
            f"{endpoint}: HTTP {status}{f' ({reason})' if reason else ''}{route.through}",
            status=status,
            subcode=subcode if isinstance(subcode, int) else None,
        )
    if login and isinstance(subcode, int):
        return LoginError(f"{route.host} refused the login: {message(body)}")
    if not isinstance(subcode, int):
        return TryAgainError(_not_clearml(route, endpoint, status, body), wrong_address=True)
    return RefusedError(
        f"{route.host} refused {endpoint}: {message(body)}", status=status, subcode=subcode
    )


def _not_clearml(route: Route, endpoint: str, status: int, body: bytes) -> str:
    if status == 407:
        return needs_login(route)
    if status == 400 and any(mark in body for mark in _SPEAKS_TLS):
        return f"this port expects TLS: start the address with https://; {route.check}"
    return f"{endpoint} answered HTTP {status} with {looks_like(body)}; {is_it_the_api(route)}"


def is_it_the_api(route: Route) -> str:
    """Write the hint that an address may not be the API server's, and what it looks like."""
    parts = urlsplit(route.host)
    which = next(
        (name for name, start, port in _OTHERS if start in route.host or parts.port == port), None
    )
    looks = f"the address looks like that of the {which}; " if which else ""
    return (
        f"{looks}is {route.host} the API server (not the web UI, not the files server)? "
        f"{route.check}, e.g. https://api.clear.ml or port 8008{route.through}"
    )


def speaks_it(route: Route) -> str:
    """Write the hint that a port which drops connections may use another protocol."""
    return f"is this a port for {urlsplit(route.host).scheme}? {route.check}"


def asks_to_wait(host: str, error: TryAgainError, patience: float) -> str:
    """Write the error for a pause that is longer than the user is willing to wait."""
    limit = setting("give_up_after", patience, typed=f"{patience:g}")
    until = f"{error.after:.0f} s" if error.after < _FOR_EVER else "unlimited length"
    return (
        f"{host} is not answering: {error}, and requests a pause of {until} (Retry-After), "
        f"which is longer than {limit} allows; what is committed is kept, run it again later"
    )


def fails_each_task(host: str, endpoint: str, error: TryAgainError, task: str) -> str:
    """Write the error for an endpoint that fails for every task although the server answers.

    Args:
        host: the server.
        endpoint: the endpoint that fails.
        error: its last failure.
        task: the task of the last failed request.
    """
    who = "its search engine (Elasticsearch)" if error.subcode == _SEARCH_ENGINE else endpoint
    return (
        f"{host} answers, but {who} fails for one task after another, the last one being "
        f"{task} ({error}); what is committed is kept, the other tasks are "
        "not read yet: run it again when the server works"
    )


def needs_login(route: Route) -> str:
    """Write the error for a proxy that requires a login, and where to set it."""
    if route.proxy is None:
        return "HTTP 407: a proxy that is not configured here requires a user name and a password"
    return (
        f"the proxy {route.proxy} requires a user name and a password (HTTP 407); set them in "
        f"{route.proxy.source}, as http://USER:PASSWORD@HOST:PORT"
    )


def _meta(body: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(body)["meta"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}


def is_of_clearml(body: bytes) -> bool:
    """Return whether a body has ClearML's envelope, whatever its content."""
    return bool(_meta(body))


def message(body: bytes) -> str:
    """Return the server's own message on one line, or an empty text."""
    return " ".join(str(_meta(body).get("result_msg") or "").split())[:300]


def looks_like(body: bytes) -> str:
    """Describe what was received instead of an answer, without quoting it."""
    start = body[:200].lstrip().lower()
    if start.startswith(b"a redirect to "):
        return body.decode(errors="replace")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "an HTML page, not ClearML's JSON"
    return "an empty body" if not start else "something that is not ClearML's JSON"


def origin(location: str) -> str:
    """Return the scheme, host and port of an address, and nothing that could be secret."""
    try:
        parts = urlsplit(location)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid address"
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else "another page"


def retry_after_seconds(retry_after: str, date: str = "") -> float:
    """Read Retry-After, which is seconds or a date; anything else counts as 0.

    Args:
        retry_after: the header.
        date: the header ``Date`` of the same answer, as the two clocks may differ.
    """
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = _moment(retry_after, 0.0) - _moment(date, time.time())
    return seconds if seconds > 0 else 0.0  # false for NaN


def _moment(text: str, otherwise: float) -> float:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return otherwise
