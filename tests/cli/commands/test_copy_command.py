"""`copy` on the command line: what it prints, its exit codes, and no credential anywhere."""

import sys
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from tests.support.buckets import ACCESS_KEY, SECRET_KEY, Store


def test_a_dataset_goes_to_a_bucket_and_back(
    history: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(history)]) in (0, 3)
    wanted = [x for x in capsys.readouterr().out.splitlines() if x.startswith("content id: ")]
    assert main(["copy", str(history), store.at()]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"{store.at()}: snapshot 1, 1 snapshot in all", *wanted]
    assert "1 snapshot added; " in printed.err
    assert main(["copy", store.at(), str(tmp_path / "back"), "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[1:] == wanted
    assert main(["verify", str(tmp_path / "back")]) in (0, 3)
    assert wanted[0] in capsys.readouterr().out
    assert main(["copy", store.at(), str(tmp_path / "back")]) == 0
    assert "nothing to copy: the target has every snapshot of the source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("HERE", "s3://not-there/x", "there is no bucket s3://not-there"),
        ("s3://not-there/x", "new", "there is no bucket s3://not-there"),
        ("HERE", "s3://", "names no bucket"),
        ("HERE", "https://host/x", "https://host/x is on a web server, which is only read"),
        ("HERE", "ftp://host/x", "is an address"),
        ("AT", "new", "no dataset at AT"),
        ("nothing", "AT", "no dataset at nothing"),
        ("HERE", "HERE", "the source itself"),
        ("HERE", "-", "cannot write this to stdout"),
    ],
)
def test_what_cannot_be_copied_is_one_line(
    source: str,
    target: str,
    words: str,
    history: Path,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def meant(text: str) -> str:
        return text.replace("HERE", str(history)).replace("AT", store.at("new"))

    assert main(["copy", meant(source), meant(target)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert meant(words) in printed.err
    assert [*tmp_path.iterdir()] == []


def test_a_store_that_echoes_credentials_shows_none(
    history: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.fault("status", status=403, code="SignatureDoesNotMatch")
    assert main(["copy", str(history), store.at()]) == 1
    error = capsys.readouterr().err
    assert "no permission to read" in error
    assert SECRET_KEY not in error
    assert ACCESS_KEY not in error


def test_without_the_package_nothing_is_read(
    history: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    assert main(["copy", str(history / "nothing"), store.at()]) == 2
    assert "pip install obstore" in capsys.readouterr().err
