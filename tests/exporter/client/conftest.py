"""An environment without settings, and the line in which an export fails."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.errors import ExitCode, ServerError
from tests.conftest import Clock
from tests.support.blame import SECRET, Blame, Serve
from tests.support.raw_server import RawServer


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock) -> None:
    """Nothing of this machine, keys that are nowhere else, and no pause between tries."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLEARML_AUTH_TOKEN", "CLEARML_API_HOST")
    for name in (*proxies, *map(str.upper, proxies), *bundles):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLEARML_CONFIG_FILE", raising=False)
    monkeypatch.setenv("CLEARML_API_ACCESS_KEY", "ACCESS-OF-THE-TESTS")
    monkeypatch.setenv("CLEARML_API_SECRET_KEY", SECRET)


@pytest.fixture
def blame(monkeypatch: pytest.MonkeyPatch) -> Blame:
    """Log in with these variables, see it fail in one line without a secret, and give the line."""

    def run(**environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        notices: list[str] = []
        with pytest.raises(ServerError) as caught:
            Client(read_configuration(), notice=notices.append).login()
        assert caught.value.exit_code == ExitCode.SERVER
        for line in (str(caught.value), repr(caught.value), *notices):
            assert SECRET not in line
            assert "\n" not in line
        return str(caught.value)

    return run


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start raw servers; gives their ports."""
    with ExitStack() as stack:

        def start(behaviour: bytes, context: ssl.SSLContext | None = None) -> int:
            server = RawServer(behaviour, context)
            stack.callback(server.stop)
            return int(server.port)

        yield start
