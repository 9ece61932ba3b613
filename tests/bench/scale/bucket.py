"""An S3 server (moto) in a process of its own, behind a proxy that counts requests per client."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tests.support.buckets import SECRET_KEY, FaultyProxy

BUCKET: Final = "simulation"
_WHO: Final = re.compile(r"Credential=([^/]+)/")


class Request(NamedTuple):
    """One request and its answer."""

    who: str
    """The access key of the client."""
    method: str
    key: str
    """Without the bucket."""
    status: int
    sent: int
    """Bytes of the body of the request."""
    received: int
    """Bytes of the body of the answer."""
    at: float
    """When the answer came, in seconds of ``time.monotonic``."""


class CountingProxy(FaultyProxy):
    """Forwards requests, and keeps a line about each."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._server.socket.listen(512)  # more connections at once than tests have
        self.log: list[Request] = []

    def forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        status, headers, content = super().forward(request, body)
        who = _WHO.search(request.headers.get("Authorization") or "")
        key = unquote(urlsplit(request.path).path).removeprefix(f"/{BUCKET}/")
        line = Request(
            who[1] if who else "",
            request.command,
            key,
            status,
            len(body),
            0 if request.command == "HEAD" else len(content),
            time.monotonic(),
        )
        with self.lock:
            self.log.append(line)
        return status, headers, content


@dataclass
class Store:
    """The bucket, and what was asked of it."""

    proxy: CountingProxy
    _from: int = field(default=0)

    def at(self, prefix: str) -> str:
        """Return an address."""
        return f"s3://{BUCKET}/{prefix}"

    def environment(self, who: str, cache: str) -> dict[str, str]:
        """Return what lets a process find the store; its requests are counted under a name."""
        return os.environ | {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "XDG_CACHE_HOME": cache,
        }

    def begin(self) -> None:
        """Count from here on."""
        self._from = len(self.proxy.log)

    def seen(self) -> Sequence[Request]:
        """Return the requests since ``begin``."""
        with self.proxy.lock:
            return self.proxy.log[self._from :]


def totals(requests: Sequence[Request]) -> dict[str, int]:
    """Add up requests as they are paid for: puts and lists, and gets and the rest."""
    written = [r for r in requests if r.method in ("PUT", "POST") or _is_list(r)]
    return {
        "requests": len(requests),
        "put_requests": len(written),
        "get_requests": len(requests) - len(written),
        "bytes_sent": sum(request.sent for request in requests),
        "bytes_received": sum(request.received for request in requests),
    }


def _is_list(request: Request) -> bool:
    return request.method == "GET" and request.key in ("", f"/{BUCKET}")


@contextmanager
def simulated_store() -> Iterator[Store]:
    """Start the server, the proxy and the bucket."""
    server, port = _started()
    try:
        proxy = CountingProxy(port)
        try:
            yield Store(proxy)
        finally:
            proxy.stop()
    finally:
        server.kill()
        server.wait()


def _started() -> "tuple[subprocess.Popen[bytes], int]":
    """Start moto, again if something else takes its port."""
    for _ in range(10):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        nowhere = subprocess.DEVNULL
        server = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        while server.poll() is None:
            if _has_bucket(port):
                return server, port
            time.sleep(0.2)  # it has no other sign that it is ready
    raise TimeoutError("moto does not start")


def _has_bucket(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("PUT", f"/{BUCKET}")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
