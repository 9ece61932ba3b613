"""The options for a server with a new address, as typed; what they do is tested beside the code."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.http.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_export_merge_and_pack_after_a_move(
    server: StandIn,
    take: Callable[..., int],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert take("--all") == 0
    before = tmp_path / "before"
    assert main(["pack", "--data", str(data), "-o", str(tmp_path / "before.zip")]) == 0
    assert main(["unpack", str(tmp_path / "before.zip"), "-o", str(before)]) == 0
    new = server.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("CLEARML_API_HOST", new)
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert take() == 2
    assert "use --server-moved" in capfd.readouterr().err
    assert take("--server-moved") == 0
    assert f"{server.url} is now {new}: 6 stored tasks are the same there" in capfd.readouterr().err

    both = str(tmp_path / "both")
    assert main(["merge", str(before), str(data), "-o", both]) == 0, "the old address is noted"
    packed = tmp_path / "packed.zip"
    assert main(["pack", "--data", both, "--redact", "hosts", "-o", str(packed)]) == 0
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            assert server.url.encode() not in archive.read(name), name
            assert new.encode() not in archive.read(name), name
