"""Copies of a task that differ although the task has not changed."""

from pathlib import Path

from clearml_snapshot.cli.text import merge as merge_text
from clearml_snapshot.exporter.merge.merge import merge_datasets
from tests.support.merging import TRAIN, Stored, Write


def test_unchanged_tasks_with_other_points_are_reported(write: Write, tmp_path: Path) -> None:
    """Their fingerprints are equal, so one of the two copies is not what the server had."""
    same, other = {TRAIN: [1, 2]}, {TRAIN: [1, 3]}
    write("ours", [Stored("a", same), Stored("b", same), Stored("c", same), Stored("d", same, 1)])
    theirs = [Stored("a", same), Stored("b", other), Stored("c", {TRAIN: [1]}), Stored("d", other)]
    write("theirs", theirs)
    merged = merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")
    assert merged.unlike == ("b", "c")
    (line,) = (line for line in merge_text.summary(merged) if "fingerprint" in line)
    assert line.startswith("warning: 2 tasks with different points in copies that have the same")
    assert ": b, c; compare the datasets with clearml-snapshot diff" in line
