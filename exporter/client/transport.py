"""HTTP transport with a hard deadline per request.

A socket's own timeout restarts with every byte, so a server that drips its headers could block a
thread for hours, and nothing could end a request that waits. Here another thread aborts it.
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
from clearml_snapshot.exporter.client.failures import TryAgainError, origin, retry_after_seconds
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.errors import RefusedError

_CONNECT_TIMEOUT: Final = 10.0
_ABORT_AFTER: Final = 0.2
"""Seconds that the socket's own timeout gets before the connection is aborted."""
_CHUNK: Final = 1 << 18
_LOOK_EVERY: Final = 0.1
_DAMAGED: Any = isal_zlib.error
MOST_BODY: Final = 1 << 26
"""Bytes of one answer, compressed or decompressed: 25 times as much as a page of 10,000 events. If
a page is longer, smaller ones are requested."""
TOO_LARGE: Final = 413
"""The status of the RefusedError for a larger answer; it does not come from the server."""
_GZIP: Final = 31
"""What zlib calls a gzip header and trailer, in its ``wbits``."""
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept-Encoding": "gzip",
    "X-ClearML-Client": "clearml-snapshot",
}


@dataclass
class Traffic:
    """Counts what was sent and received so far."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    """Of the bodies, as received."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, received: int = 0) -> None:
        """Count, from any thread."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += received


class Bearer(AuthBase):
    """Set the token here: without an ``auth``, requests would read ``~/.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header to a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Connection(HTTPAdapter):
    """One thread's connection to a server, which any thread can abort."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.deadline = float("inf")
        """When to abort, on the monotonic clock."""
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the pool that requests needs; its connections record their sockets."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = self._watched(pool.ConnectionCls)
        return pool

    def abort(self) -> None:
        """End what is being sent or received; the request fails at once."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own method, which changes what the reading thread is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _watched(self, kind: Any) -> Any:
        connection = self

        class Watched(kind):  # type: ignore[misc]  # http and https have different bases
            def connect(self: HTTPConnection) -> None:
                kind.connect(self)
                connection._socket = self.sock

        return Watched


class TooMuchError(Exception):
    """An answer is larger than MOST_BODY."""


class _Session(requests.Session):
    """All requests of a session go to one server, with the same options."""

    _settings: Any = None

    def merge_environment_settings(self, *args: Any, **options: Any) -> Any:
        """Look for proxies and CA bundles once: it takes a third of the time of a request."""
        if self._settings is None:
            self._settings = super().merge_environment_settings(*args, **options)
        return dict(self._settings)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: requests would parse a Location on its own, and fail on an invalid one."""
        return None


def unpacked(body: bytes, encoding: str) -> bytes:
    """Decompress a body, in a third of zlib's time: it is a quarter of the work on a page.

    Raises:
        ContentDecodingError: it is damaged, or in an encoding that was not requested.
        TooMuchError: it expands to more than MOST_BODY.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise ContentDecodingError(f"encoding {encoding}")
    # The last four bytes give the unpacked length; allocating it at once halves the time.
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


class Connections:
    """The connections of all threads: a requests session is not guaranteed to be thread-safe."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[Connection] = []
        threading.Thread(
            target=_watch, args=(weakref.ref(self),), name="watch connections", daemon=True
        ).start()

    def session(self) -> requests.Session:
        """Return the calling thread's session."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session, connection = _Session(), Connection()
            session.headers.update(_HEADERS)
            session.mount("http://", connection)
            session.mount("https://", connection)
            self._own.session, self._own.connection = session, connection
            self._all.append(connection)
        return session

    @contextlib.contextmanager
    def abort_after(self, seconds: float) -> Iterator[None]:
        """Abort the calling thread's connection if the block takes longer."""
        self.session()
        connection: Connection = self._own.connection
        connection.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            connection.deadline = float("inf")

    def abort_all(self) -> None:
        """End every request in flight."""
        for connection in list(self._all):
            connection.abort()

    def abort_late(self) -> None:
        """End the requests that are past their deadline."""
        for connection in list(self._all):
            if time.monotonic() > connection.deadline:
                connection.abort()


class Transport:
    """Sends requests to one server and reads each answer completely, within its time."""

    def __init__(self, route: Route, verify: bool | str | None) -> None:
        self.traffic = Traffic()
        self.route = route
        self._verify = verify
        self._connections = Connections()

    def post(self, path: str, data: bytes, auth: AuthBase, allowed: float) -> tuple[int, bytes]:
        """Send one request, read its complete body within ``allowed`` seconds, and count both.

        Raises:
            TryAgainError: no complete answer was received.
            RefusedError: it has more than MOST_BODY bytes; its status is TOO_LARGE.
        """
        deadline = time.monotonic() + allowed
        self.traffic.add(requests=1)
        session = self._connections.session()
        try:
            with (
                self._connections.abort_after(allowed + _ABORT_AFTER),
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
                f"{MOST_BODY >> 20} MiB, which is more than any valid answer has",
                status=TOO_LARGE,
                subcode=0,
            ) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            late = TimeoutError() if time.monotonic() > deadline + _ABORT_AFTER else error
            raise connection_failure(late, allowed, self.route) from None

    def abort_all(self) -> None:
        """End every request in flight."""
        self._connections.abort_all()

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Read a body before the deadline: a server that drips bytes must not block this thread."""
        chunks = []
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=False):
                chunks.append(chunk)
                _check_in_time(deadline)
                if response.raw.tell() > MOST_BODY:
                    raise TooMuchError
            _check_in_time(deadline)  # an aborted connection may look like the end of a body
            if response.headers.get("Location") and 300 <= response.status_code < 400:
                return f"a redirect to {origin(response.headers['Location'])}".encode()
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


def _watch(connections: "weakref.ref[Connections]") -> None:
    """Abort late requests while the connections are in use: one thread instead of many timers."""
    while (watched := connections()) is not None:
        watched.abort_late()
        del watched
        time.sleep(_LOOK_EVERY)  # nothing wakes it: a deadline passes by itself
