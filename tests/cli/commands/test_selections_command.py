"""The `selections` command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.buckets import Store
from tests.support.status import Capture


def test_selections_are_listed_and_removed(in_trouble: Path, capsys: Capture) -> None:
    listing = ["selections", "--data", str(in_trouble), "--format", "json"]
    assert main(listing) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "number": 1,
        "selection": "--project vision --tag '\x1b[2J'",
        "matched": 1,
        "metrics": "all",
    }
    assert (second["selection"], second["metrics"]) == ("--metric loss", "loss")
    assert main(["selections", "remove", "1", "--data", str(in_trouble)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert r"removed: --project vision --tag '\x1b[2J'" in err
    assert "its tasks are kept" in err
    assert main(listing) == 0
    assert [row["selection"] for row in json.loads(capsys.readouterr().out)] == ["--metric loss"]
    assert main(["selections", "remove", "1", "--data", str(in_trouble), "-q"]) == 0
    assert main(listing) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert "no selection is remembered" in err
    assert main(["verify", str(in_trouble)]) == 3


def test_a_bucket_gives_the_same(
    in_trouble: Path,
    store: Store,
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy(str(in_trouble), store.at())
    files = set(store.dataset().bucket.listing("files/"))
    said: list[list[object]] = []
    for place in (str(in_trouble), store.at()):
        said.append([])
        for words in (("remove", "3"), ("remove", "1"), (), ("remove", "1", "-q"), ()):
            code = main(["selections", *words, "--data", place])
            text = capsys.readouterr()
            said[-1].append((code, text.out, text.err))
    assert said[0] == said[1]
    assert set(store.dataset().bucket.listing("files/")) == files
    assert verify(Path(store.at())).is_intact


def test_two_that_remove_at_once(
    in_trouble: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy(str(in_trouble), store.at())
    publish: Callable[..., object] = RemoteDataset.publish

    def late(remote: RemoteDataset, choose: Callable[..., object]) -> object:
        monkeypatch.setattr(RemoteDataset, "publish", publish)
        assert main(["selections", "remove", "1", "-q", "--data", store.at()]) == 0
        return publish(remote, choose)

    monkeypatch.setattr(RemoteDataset, "publish", late)
    assert main(["selections", "remove", "2", "-q", "--data", store.at()]) == 0
    assert open_snapshot(Path(store.at())).selections == []


def test_a_store_that_refuses_is_one_line(
    in_trouble: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy(str(in_trouble), store.at())
    store.proxy.keeps_conditions = False
    assert main(["selections", "remove", "1", "--data", store.at()]) == 2
    assert "does not support conditional writes" in capsys.readouterr().err
    store.proxy.keeps_conditions = True
    store.fault("status", method="PUT", status=403, code="AccessDenied")
    assert main(["selections", "remove", "1", "--data", store.at()]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: no permission to write {store.at()}")
    assert error.count("\n") == 1
