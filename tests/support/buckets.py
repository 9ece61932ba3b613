"""An S3 server from a package (moto), and a proxy before it that injects faults at the socket."""

import http.client
import itertools
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, Final, Literal
from urllib.parse import unquote

import pytest

from clearml_snapshot.exporter.store.objects import bucket, connecting
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset

ACCESS_KEY: Final = "AKIA0THE0KEY0OF0TESTS"
SECRET_KEY: Final = "aSecretThat/IsNeverPrinted+0123456789"

Kind = Literal[
    "status",  # an error answer of the store, before anything is done
    "lost",  # it is done, and the connection ends without an answer
    "truncate",  # it is done, and the connection ends in the middle of the body
    "flip",  # the right answer with one bit changed
    "drop",  # the connection ends, and nothing is done
    "stall",  # no answer until the proxy stops
]


@dataclass
class Fault:
    """One thing that goes wrong."""

    kind: Kind
    method: str = ""
    key: str = ""
    """A part of the address of the object."""
    count: int | None = None
    """How often at most; None is for ever."""
    skip: int = 0
    status: int = 503
    code: str = "SlowDown"
    fired: int = 0


@dataclass
class Seen:
    """What passed the proxy."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    """Methods and keys."""
    sent: int = 0
    """Bytes of the bodies of answers."""
    answers: list[tuple[str, int]] = field(default_factory=list)
    """Keys, and the bytes that were sent of each."""

    def count(self, method: str = "", key: str = "") -> int:
        """Count the requests with a method and a part of a key."""
        return sum(m.startswith(method) and key in k for m, k in self.requests)


class FaultyProxy:
    """Forwards requests to a server of S3."""

    def __init__(self, port: int) -> None:
        self.faults: list[Fault] = []
        self.seen = Seen()
        self.keeps_conditions = True
        """Whether it passes If-Match and If-None-Match on; some stores ignore them."""
        self.is_public = False
        """Whether everyone may read: then it signs what is not signed."""
        self._one_at_a_time = threading.Lock()
        """For conditional writes: moto's threads look and write in two steps."""
        self._upstream, self.lock, self.stopping = port, threading.Lock(), threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop it, and end what stalls."""
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def pick(self, method: str, key: str) -> Fault | None:
        """Note a request, and choose what goes wrong with it."""
        with self.lock:
            self.seen.requests.append((method, key))
            for fault in self.faults:
                if method.startswith(fault.method) and fault.key in key:
                    if fault.skip:
                        fault.skip -= 1
                    elif fault.count is None or fault.fired < fault.count:
                        fault.fired += 1
                        return fault
        return None

    def forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request on, and return the answer."""
        left_out = {"connection"} | (set() if self.keeps_conditions else _CONDITIONS)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in left_out}
        if self.is_public:
            headers.setdefault("Authorization", _SIGNED)
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream)
        is_conditional = any(name.lower() in _CONDITIONS for name in headers)
        with self._one_at_a_time if is_conditional else nullcontext():
            return _answer(connection, request, body, headers)


def _answer(
    connection: http.client.HTTPConnection,
    request: BaseHTTPRequestHandler,
    body: bytes,
    headers: dict[str, str],
) -> tuple[int, dict[str, str], bytes]:
    try:
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    """Lets hundreds of readers connect at the same moment."""

    request_queue_size = 500


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Otherwise a body waits 40 ms for the acknowledgement of its headers."""

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.pick(self.command, unquote(self.path))
        kind = None if fault is None else fault.kind
        if fault is not None and kind == "status":
            self.refuse(fault)
            return
        if kind == "stall":
            self.proxy.stopping.wait()
        if kind in ("stall", "drop"):
            self.cut()
            return
        status, headers, content = self.proxy.forward(self, body)
        if kind == "lost":
            self.cut()
            return
        if kind == "flip" and content:
            content = bytes([content[0] ^ 1]) + content[1:]
        self.send(status, headers, content, cut=kind == "truncate")

    def refuse(self, fault: Fault) -> None:
        # real stores repeat what was signed
        text = f"<Error><Code>{fault.code}</Code><Message>{self.headers.get('Authorization')} {SECRET_KEY}</Message></Error>"  # noqa: E501
        self.send(fault.status, {"Content-Type": "application/xml"}, text.encode())

    def send(
        self, status: int, headers: Mapping[str, str], content: bytes, *, cut: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        if "Content-Length" in headers and self.command == "HEAD":
            self.send_header("Content-Length", headers["Content-Length"])
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            sent = content[: len(content) // 2] if cut else content
            self.wfile.write(sent)
            with self.proxy.lock:
                self.proxy.seen.sent += len(sent)
                self.proxy.seen.answers.append((unquote(self.path), len(sent)))
        if cut:
            self.cut()

    def cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815


_SIGNED: Final = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/us-east-1/s3/aws4_request"
_CONDITIONS: Final = {"if-match", "if-none-match"}


@dataclass
class Store:
    """A bucket of its own for each test, behind the proxy."""

    proxy: FaultyProxy
    bucket: str

    def at(self, prefix: str = "data") -> str:
        """Return an address in the bucket."""
        return f"s3://{self.bucket}/{prefix}"

    def public(self, prefix: str = "data") -> str:
        """Let everyone read the bucket, and return the address for that."""
        self.proxy.is_public = True
        return f"{self.proxy.url}/{self.bucket}/{prefix}"

    def dataset(self, prefix: str = "data") -> RemoteDataset:
        """Open the dataset at an address."""
        return RemoteDataset(Bucket.at(parse_address(self.at(prefix))))

    def fault(self, kind: Kind, **options: Any) -> Fault:
        """Let something go wrong from now on."""
        fault = Fault(kind, **options)
        self.proxy.faults.append(fault)
        return fault


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Start the server of S3, once: that takes a second."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


_numbers: Final = itertools.count(1)


@pytest.fixture
def store(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Make a bucket, and let this process and those that it starts find it."""
    with proxied(s3_port) as proxy:
        name = new_bucket(s3_port)
        set_environment(monkeypatch, proxy.url)
        yield Store(proxy, name)


def new_bucket(port: int) -> str:
    """Make a bucket, and return its name."""
    name = f"bucket{next(_numbers)}"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    connection.close()
    return name


@contextmanager
def proxied(port: int) -> Iterator[FaultyProxy]:
    """Start a proxy."""
    proxy = FaultyProxy(port)
    try:
        yield proxy
    finally:
        proxy.stop()


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once to read an object.

    ``time.sleep`` stays as it is: threads that look at something again and again use it too, and
    without it they take a whole core.
    """
    monkeypatch.setattr(bucket, "time", SimpleNamespace(sleep=lambda _: None))


def set_environment(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Set what names the store and the credentials, and wait less between attempts."""
    settings = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setitem(connecting.RETRY, "max_retries", 2)
