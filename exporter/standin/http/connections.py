"""Connections: HTTP/1.1 with keep-alive on loopback, compression, and faults at the socket."""

import contextlib
import gzip
import socket
import sys
import threading
import time
import zlib
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from clearml_snapshot.exporter.standin.http.faults import Fault, FaultPlan

_PROXY_PAGE = b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_WORTH_COMPRESSING = 500


class Answers(Protocol):
    """What a connection needs from the stand-in."""

    faults: FaultPlan
    stopping: threading.Event

    def answer(
        self, path: str, authorization: str | None, payload: bytes
    ) -> tuple[int, bytes, Fault | None]:
        """Return (status, JSON body, the fault to apply)."""


class Server(ThreadingHTTPServer):
    """One thread per connection; stopping ends them all."""

    daemon_threads = True
    request_queue_size = 128
    standin: Answers

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Remember each connection, so that stopping ends it."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Close connections that clients keep alive."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect; anything else is a bug worth a traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "clearml"
    sys_version = ""
    server: Server

    def do_POST(self) -> None:  # the name that http.server calls
        """Answer a call."""
        standin = self.server.standin
        payload = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding"):
            encoding = self.headers["Content-Encoding"]
            text = f"Content encoding is not supported ({encoding})"
            self._send(415, text.encode(), "text/html; charset=utf-8")
            return
        if standin.faults.latency:
            time.sleep(standin.faults.latency)  # the fault: a slow server
        status, body, fault = standin.answer(self.path, self.headers.get("Authorization"), payload)
        if fault is None:
            self._send(status, body)
        else:
            self._misbehave(fault, status, body)

    # The SDK sends GET with a body for some calls; the server accepts that.
    do_GET = do_POST  # noqa: N815  # the name that http.server calls

    def log_message(self, *_: Any) -> None:
        """Log nothing: requests are in ``StandIn.requests``."""

    def _misbehave(self, fault: Fault, status: int, body: bytes) -> None:
        stopping = self.server.standin.stopping
        if fault.kind in ("slow", "stall"):
            stopping.wait(fault.seconds if fault.kind == "slow" else None)
        if fault.kind in ("stall", "drop"):
            self._hang_up()
        elif fault.kind == "html":
            self._send(fault.status or 200, _PROXY_PAGE, "text/html", fault.headers)
        elif fault.kind == "garbage":
            self._send(status, b"\x00\xff{not json" + body[:20], headers=fault.headers)
        elif fault.kind == "truncate":
            self._send(status, body, headers=fault.headers, cut=True)
        else:
            self._send(status, body, headers=fault.headers)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        encoding, body = _packed(body, self.headers.get("Accept-Encoding") or "")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Vary", "Accept-Encoding")
        if encoding is not None:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()


def _packed(body: bytes, accepted: str) -> tuple[str | None, bytes]:
    if len(body) < _WORTH_COMPRESSING:
        return None, body
    if "gzip" in accepted:
        return "gzip", gzip.compress(body, 1)
    if "deflate" in accepted:
        return "deflate", zlib.compress(body, 1)
    return None, body
