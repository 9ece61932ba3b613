"""Requests under a clock, whatever the other side does.

A socket's own timeout starts anew with each byte, so a server that drips its headers could hold a
thread for hours, and nothing could end a request that waits. Here another thread cuts the line.
"""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from isal import isal_zlib
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import ContentDecodingError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from clearml_snapshot.exporter.client.connection_failures import connection_failure
from clearml_snapshot.exporter.client.failures import TryAgainError, place, retry_after_seconds
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.errors import RefusedError

_CONNECT_TIMEOUT: Final = 10.0
_CUT_AFTER: Final = 0.2
"""Seconds that the socket's own timeout gets before the line is cut."""
_CHUNK: Final = 1 << 18
_LOOK_EVERY: Final = 0.1
_DAMAGED: Any = isal_zlib.error
MOST_BODY: Final = 1 << 26
"""Bytes of one answer, packed or unpacked: 25 times a page of 10,000 events. Longer pages are asked
for in smaller ones."""
TOO_LARGE: Final = 413
"""The status of the RefusedError for an answer of more bytes; no server has sent it."""
_GZIP: Final = 31
"""What zlib calls a gzip header and trailer, in its ``wbits``."""
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept-Encoding": "gzip",
    "X-ClearML-Client": "clearml-snapshot",
}


@dataclass
class Traffic:
    """What was sent and received so far."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    """Of the bodies, as they came over the wire."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, received: int = 0) -> None:
        """Count, from any thread."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += received


class Bearer(AuthBase):
    """Set the token ourselves: without an ``auth`` requests would look into ``~/.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Line(HTTPAdapter):
    """One thread's connection to a server, which any thread can cut."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.deadline = float("inf")
        """On the monotonic clock: when to cut."""
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Give the pool that requests asks for; its connections tell us their sockets."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = self._watched(pool.ConnectionCls)
        return pool

    def cut(self) -> None:
        """End what is being sent or received; the request fails at once."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own method: it changes what the reading thread is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _watched(self, kind: Any) -> Any:
        line = self

        class Watched(kind):  # type: ignore[misc]  # http and https have different bases
            def connect(self: HTTPConnection) -> None:
                kind.connect(self)
                line._socket = self.sock

        return Watched


class TooMuchError(Exception):
    """An answer has more bytes than any should have."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Give none: requests would parse a Location, and fail on a bad one, unasked."""
        return None


def unpacked(body: bytes, encoding: str) -> bytes:
    """Decompress a body, in a third of zlib's time: it is a quarter of the work on a page.

    Raises:
        ContentDecodingError: it is damaged, or in an encoding that we did not ask for.
        TooMuchError: it becomes more than MOST_BODY.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise ContentDecodingError(f"encoding {encoding}")
    # The last four bytes say how long it becomes; with room for it at once it takes half the time.
    room = min(int.from_bytes(body[-4:], "little"), MOST_BODY) + 1
    inflater = isal_zlib.decompressobj(_GZIP)
    try:
        text = bytes(inflater.decompress(body, room))
        while not inflater.eof and inflater.unconsumed_tail and len(text) <= MOST_BODY:
            text += inflater.decompress(inflater.unconsumed_tail, MOST_BODY + 1 - len(text))
    except _DAMAGED as error:
        raise ContentDecodingError(str(error)) from None
    if len(text) > MOST_BODY:
        raise TooMuchError
    if not inflater.eof:
        raise ContentDecodingError("a truncated body")
    return text


class Lines:
    """The connections of all threads: requests does not promise to share a session."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[Line] = []
        threading.Thread(
            target=_watch, args=(weakref.ref(self),), name="watch lines", daemon=True
        ).start()

    def session(self) -> requests.Session:
        """Give the calling thread's session."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session, line = _Session(), Line()
            session.headers.update(_HEADERS)
            session.mount("http://", line)
            session.mount("https://", line)
            self._own.session, self._own.line = session, line
            self._all.append(line)
        return session

    @contextlib.contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the calling thread's line if the block takes longer."""
        self.session()
        line: Line = self._own.line
        line.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            line.deadline = float("inf")

    def cut_all(self) -> None:
        """End every request in flight."""
        for line in list(self._all):
            line.cut()

    def cut_late(self) -> None:
        """End the requests whose time is over."""
        for line in list(self._all):
            if time.monotonic() > line.deadline:
                line.cut()


class Wire:
    """Sends requests to one server and reads whole answers, each within its time."""

    def __init__(self, route: Route, verify: bool | str | None) -> None:
        self.traffic = Traffic()
        self.route = route
        self._verify = verify
        self._lines = Lines()

    def post(self, path: str, data: bytes, auth: AuthBase, allowed: float) -> tuple[int, bytes]:
        """Send one request, read its whole body in ``allowed`` seconds, and count both.

        Raises:
            TryAgainError: no whole answer came.
            RefusedError: it has more than MOST_BODY bytes; its status is TOO_LARGE.
        """
        deadline = time.monotonic() + allowed
        self.traffic.add(requests=1)
        session = self._lines.session()
        try:
            with (
                self._lines.cut_after(allowed + _CUT_AFTER),
                session.post(
                    self.route.host + path,
                    data=data,
                    auth=auth,
                    timeout=(min(_CONNECT_TIMEOUT, allowed), allowed),
                    verify=self._verify,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return response.status_code, self._read(response, deadline)
        except TooMuchError:
            raise RefusedError(
                f"{self.route.host}: {path.rpartition('/')[2]} answered more than "
                f"{MOST_BODY >> 20} MiB, and no answer that was asked for is so long",
                status=TOO_LARGE,
                subcode=0,
            ) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            late = TimeoutError() if time.monotonic() > deadline + _CUT_AFTER else error
            raise connection_failure(late, allowed, self.route) from None

    def cut_all(self) -> None:
        """End every request in flight."""
        self._lines.cut_all()

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read a body against the clock: a server that drips bytes must not hold us for ever."""
        chunks = []
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=False):
                chunks.append(chunk)
                _check_in_time(deadline)
                if response.raw.tell() > MOST_BODY:
                    raise TooMuchError
            _check_in_time(deadline)  # a line that was cut may look like the end of a body
            if response.headers.get("Location") and 300 <= response.status_code < 400:
                return f"a redirect to {place(response.headers['Location'])}".encode()
        finally:
            self.traffic.add(received=response.raw.tell())
        headers = response.headers
        if response.status_code in {429, 503} and "Retry-After" in headers:
            raise TryAgainError(
                f"HTTP {response.status_code}",
                after=retry_after_seconds(headers["Retry-After"], headers.get("Date", "")),
                status=response.status_code,
            )
        encoding = response.headers.get("Content-Encoding", "")
        return unpacked(b"".join(chunks), encoding.strip().lower())


def _check_in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise requests.ReadTimeout


def _watch(lines: "weakref.ref[Lines]") -> None:
    """Cut what is late while anybody uses the lines; one thread, not a timer for each request."""
    while (watched := lines()) is not None:
        watched.cut_late()
        del watched
        time.sleep(_LOOK_EVERY)
