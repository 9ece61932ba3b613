"""A merge as a command makes it: targets, selections and exports, and the next export."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.merge import build as merge_build
from clearml_snapshot.exporter.merge import merge as merge_module
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing import writer as writer_module
from tests.support.merging import DAY, HOST, TRAIN, Ask, Stored, Write, values_of


def test_selections_and_exports_come_from_all(tmp_path: Path, write: Write, ask: Ask) -> None:
    vision = {"filter": {"projects": ["vision"]}}
    text = {"filter": {"projects": ["text"]}, "metrics": ["loss"]}
    write("ours", [], selections=[{**vision, "matched": 3}, {**text, "matched": None}])
    running = {"export_id": "theirs", "started": DAY, "result": "running"}
    write("theirs", [], selections=[{**vision, "matched": 7}], export_row=running)
    ended = {**running, "finished": DAY, "result": "complete"}
    unknown = {**vision, "matched": None}
    write("later", [], selections=[unknown, {**text, "matched": 2}], export_row=ended)
    merged = merge_datasets([tmp_path / n for n in ("ours", "theirs", "later")], tmp_path / "both")
    selections = open_snapshot(tmp_path / "both").selections
    assert sorted(selections, key=repr) == sorted(
        [{**vision, "matched": 7}, {**text, "matched": 2}], key=repr
    )
    exports = ask(merged.snapshot, "SELECT export_id, result FROM exports ORDER BY ALL")
    assert exports == [("ours", "complete"), ("theirs", "complete")]
    assert open_snapshot(tmp_path / "both").server == {"host": HOST}


def test_targets_that_cannot_be_meant(tmp_path: Path, write: Write) -> None:
    both = [write(name, []).root.parents[1] for name in ("ours", "theirs")]
    for target, words in (
        (tmp_path / "ours/both", "is inside"),
        (tmp_path / "ours", "already exists"),
        (tmp_path / "both.zip", "which is a folder"),
        (tmp_path / "no/both", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=words):
            merge_datasets(both, target)
    with pytest.raises(UsageError, match="two or more datasets"):
        merge_datasets(both[:1], tmp_path / "both")
    with pytest.raises(UsageError, match="ours is given twice"):
        merge_datasets([both[0], both[0]], tmp_path / "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_merge_that_ends_early(
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    existed: bool,
) -> None:
    for name in ("ours", "theirs"):
        write(name, [Stored("a", {TRAIN: [1]})])
    target = tmp_path / "both"
    if existed:
        target.mkdir()

    def build_and_fail(*arguments: Any) -> None:
        build(*arguments)
        assert (target / ".staging/000001/snapshot.json").is_file()
        raise error("no space left")

    build = merge_build.build_merged
    monkeypatch.setattr(merge_module, "build_merged", build_and_fail)
    with pytest.raises(SnapshotError if error is OSError else error):
        merge_datasets([tmp_path / "ours", tmp_path / "theirs"], target)
    assert target.exists() == existed
    assert not existed or not [*target.iterdir()]


def test_an_export_goes_on_with_it(tmp_path: Path, write: Write, ask: Ask) -> None:
    write("ours", [Stored("a", {TRAIN: [1]})])
    write("theirs", [Stored("b", {TRAIN: [2]}, project_id=None)])
    merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    two = write("both", [Stored("a", {TRAIN: [3]}, 1)])
    assert two.number == 2
    assert values_of(ask, two.root) == {"a": {TRAIN: [3]}, "b": {TRAIN: [2]}}
    assert verify(tmp_path / "both").is_intact


def test_a_clock_that_is_set_back_makes_no_snapshot_older(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write("ours", [Stored("a", {TRAIN: [1]})])

    class Earlier:
        @staticmethod
        def now(tz: Any) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(writer_module, "datetime", Earlier)
    second = write("ours", [Stored("b", {TRAIN: [1]})])
    assert second.created_at == first.created_at + timedelta(milliseconds=1)
    assert verify(tmp_path / "ours").problems == ()
