"""Google Cloud Storage as its XML API answers: moto keeps the objects, a proxy the generations.

No emulator on PyPI or npm takes the requests of obstore (gcp-storage-emulator leaves out ETag and
lists, fake-gcs-server refuses the upload). What differs from S3 is from Google's reference of the
XML API: https://cloud.google.com/storage/docs/xml-api/reference-headers (x-goog-generation,
x-goog-if-generation-match) and https://cloud.google.com/storage/docs/xml-api/reference-status
(412 PreconditionFailed; 404 for DELETE of what is not there; 429 for more than one write per second
to one object).
"""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.buckets import FaultyProxy

Answer = tuple[int, dict[str, str], bytes]

_CONDITION: Final = "x-goog-if-generation-match"


class GoogleProxy(FaultyProxy):
    """Forwards requests to a server of S3, which knows no generations."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.is_public = True  # what arrives has no signature of S3
        self._generations: dict[str, int] = {}
        self._numbers = itertools.count(1_764_000_000_000_000)
        self._alone = threading.RLock()

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """Keep the condition, send the request on, and add the generation to the answer."""
        request.path = request.path.replace("%2F", "/")
        del request.headers["Authorization"]  # a token
        key = urlsplit(request.path).path
        is_object = key.count("/") > 1
        with self._alone:
            expected = request.headers.get(_CONDITION)
            if expected is not None and int(expected) != self._generations.get(key, 0):
                return _refused(412, "PreconditionFailed")
            if request.command == "DELETE" and key not in self._generations:
                return _refused(404, "NoSuchKey")
            status, headers, content = super().forward(request, body)
            if request.command == "PUT" and status == 200:
                self._generations[key] = next(self._numbers)
            if request.command == "DELETE":
                del self._generations[key]
            elif is_object and status in (200, 206):
                headers["x-goog-generation"] = str(self._generations[key])
            return status, headers, content


def _refused(status: int, code: str) -> Answer:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return status, {"Content-Type": "application/xml"}, text.encode()


@contextmanager
def google_storage(port: int) -> Iterator[GoogleProxy]:
    """Start the proxy before a server of S3."""
    proxy = GoogleProxy(port)
    try:
        yield proxy
    finally:
        proxy.stop()


def set_google_environment(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path) -> Path:
    """Write the key of a service account that names the server, and let programs find it."""
    file = folder / "service-account.json"
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    file.write_text(json.dumps({**account, "gcs_base_url": url}), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(file))
    for name in ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    return file
