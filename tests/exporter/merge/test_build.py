"""The merged dataset on the disk: linked files, small files made one, the current format."""

import hashlib
from pathlib import Path

import pytest

from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.format.layout import FORMAT_VERSION
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts import compaction as compact
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.exporter.store.test_versions import make_older
from tests.support.merging import TRAIN, VAL, Ask, Stored, Write, values_of


def test_complete_files_are_linked_and_sources_stay(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]}), Stored("b", {VAL: [2]}, project_id="q")])
    write("theirs", [Stored("b", {VAL: [3]}, 1, project_id="q"), Stored("c", {TRAIN: [4]})])
    before = _hashes(tmp_path)
    merged = merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    assert before.items() <= _hashes(tmp_path).items()
    inodes = {path.stat().st_ino for path in tmp_path.glob("[ot]*s/snapshots/*/*/*/*.parquet")}
    mine = [path.stat().st_ino for path in merged.snapshot.glob("scalars/*/*.parquet")]
    assert len(mine) == 3
    assert set(mine) <= inodes


def _hashes(folder: Path) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_small_files_of_several_sources_are_compacted(
    tmp_path: Path, write: Write, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "MOST", 1)
    names = ["a", "b", "c"]
    for name in names:
        write(name, [Stored(name, {TRAIN: [1.0]})])
    merged = merge_datasets([tmp_path / name for name in names], tmp_path / "both")
    assert len([*merged.snapshot.glob("scalars/*/*.parquet")]) == 1
    assert values_of(ask, merged.snapshot) == {name: {TRAIN: [1.0]} for name in names}
    assert [path.name for path in (tmp_path / "both/snapshots").iterdir()] == ["000001"]
    assert verify(tmp_path / "both").is_intact


def test_an_older_format_comes_out_in_the_current_one(
    tmp_path: Path, write: Write, ask: Ask
) -> None:
    make_older(write("old", [Stored("a", {TRAIN: [1]}), Stored("b", {TRAIN: [2]})]).root, 1)
    write("new", [Stored("b", {TRAIN: [3]}, 1)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert open_snapshot(tmp_path / "both").format_version == FORMAT_VERSION
    assert values_of(ask, merged.snapshot) == {"a": {TRAIN: [1]}, "b": {TRAIN: [3]}}
    selected = ask(merged.snapshot, "SELECT task_id, selected FROM tasks ORDER BY 1")
    assert selected == [("a", None), ("b", True)]
    assert verify(tmp_path / "both").is_intact
