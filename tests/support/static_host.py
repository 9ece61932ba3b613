"""A web server with files, as nginx or a bucket's public address is; it knows ranges, or not."""

import io
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest

Start = Callable[..., "StaticHost"]


@dataclass
class StaticHost:
    """A running server."""

    folder: Path
    port: int
    scheme: str = "http"
    ranges: bool = True
    etags: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    """Beginnings of paths, and where they lead."""
    missing: int = 404
    """The status of what is not there."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """The paths that were requested, with their ranges."""

    def at(self, path: str = "") -> str:
        """Return an address."""
        return f"{self.scheme}://127.0.0.1:{self.port}/{path}".rstrip("/")


class _Handler(SimpleHTTPRequestHandler):
    host: StaticHost
    disable_nagle_algorithm = True  # see tests/support/buckets.py
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, directory=str(self.host.folder), **options)

    def send_head(self) -> Any:
        self.host.seen.append((self.path, self.headers.get("Range") or ""))
        for begin, target in self.host.redirects.items():
            if self.path.startswith(begin):
                return self._refuse(302, target + self.path.removeprefix(begin))
        path = self.translate_path(self.path)
        if not os.path.isfile(path):  # noqa: PTH113  # a str, as the method returns
            return self._refuse(self.host.missing)
        return self._file(path)

    def _refuse(self, status: int, location: str | None = None) -> None:
        self.send_response_only(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _file(self, path: str) -> BinaryIO:
        content = Path(path).read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        status, part = 200, content
        if match and self.host.ranges:
            status, part = 206, content[int(match[1]) : int(match[2]) + 1]
            if not part:
                self._refuse(416)
                return io.BytesIO()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(part)))
        if status == 206 and match:
            end = int(match[1]) + len(part) - 1
            self.send_header("Content-Range", f"bytes {match[1]}-{end}/{len(content)}")
        if self.host.etags:
            self.send_header("ETag", f'"{len(content)}"')
        self.end_headers()
        return io.BytesIO(part)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[Start]:
    """Start servers over folders; with a context of TLS, for https."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(
        folder: Path = tmp_path, context: ssl.SSLContext | None = None, **options: Any
    ) -> StaticHost:
        handler = type("Bound", (_Handler,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        host = StaticHost(folder, server.server_address[1], scheme, **options)
        handler.host = host  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return host

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
