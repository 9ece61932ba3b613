"""Azure against its emulator Azurite, which npm installs slowly: only with SOAK=1."""

import base64
import hashlib
import hmac
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.queries import open_dataset
from tests.queries.conftest import write
from tests.support.nasty import nasty
from tests.support.same_there import assert_same_there

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = base64.b64encode(b"The emulator takes the key that it is started with.").decode()
CONTAINER: Final = "history"
soak = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 installs Azurite from npm")


def _environment(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{port}")


def test_a_store_that_cannot_describe_itself_is_never_asked_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _environment(monkeypatch, 1)
    bucket = Bucket.at(parse_address(f"az://{CONTAINER}/x"))
    assert repr(bucket).startswith("Bucket(address=")
    assert KEY not in repr(bucket)


@pytest.fixture(scope="module")
def azurite_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("azurite")
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "azurite@3.37.0"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=400,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ["node_modules/.bin/azurite-blob", "--inMemoryPersistence", "--disableTelemetry"]
    server = subprocess.Popen(
        [*command, "--skipApiVersionCheck", "--blobPort", str(port)],
        cwd=folder,
        env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        _make_container(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)  # until it listens
        else:
            return
    pytest.fail("Azurite does not start")


def _make_container(port: int) -> None:
    """Make it with a signed request; obstore cannot."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
    signed = "\n".join(
        [
            *("PUT", *[""] * 11),
            *(f"{name}:{value}" for name, value in headers.items()),
            f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}",
            "restype:container",
        ]
    )
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{ACCOUNT}/{CONTAINER}?restype=container", headers=headers)
    assert connection.getresponse().status == 201
    connection.close()


@soak
def test_a_dataset_on_azure_answers_the_same(
    tmp_path: Path, azurite_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, azurite_port)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, address = tmp_path / "data", f"az://{CONTAINER}/a b/c"
    write(data, nasty())
    assert_same_there(data, address, tmp_path / "back")


@soak
def test_errors_of_azure_are_one_line(azurite_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, azurite_port)
    with pytest.raises(UsageError, match="there is no bucket az://nothing;"):
        open_dataset("az://nothing/x")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"wrong").decode())
    with pytest.raises(SnapshotError, match=r"no permission to read az://history/x \(403 Auth"):
        open_dataset(f"az://{CONTAINER}/x")


def test_only_the_settings_of_the_cloud_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, 1)
    with pytest.raises(SnapshotError) as raised:
        open_dataset(f"az://{CONTAINER}/x")
    assert "the store does not answer" in str(raised.value)
    assert "AWS" not in str(raised.value)
