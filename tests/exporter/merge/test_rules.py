"""Which copy of a task wins, and which of its series another copy adds."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.fitting import write_fitting
from tests.support.merging import (
    ACCURACY,
    DAY,
    EVERY,
    LOSS,
    TRAIN,
    Ask,
    Name,
    Stored,
    Write,
    row_of,
    values_of,
)


def test_a_series_that_the_newer_copy_did_not_select_stays(tmp_path: Path, write: Write) -> None:
    """Nothing happened to the task between the two readings, so it is as complete as before."""
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6, 7]}, day=0, project_id="p")])
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS, project_id="q")])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["state"], row["reason"], row["metric_filter"]) == ("complete", None, None)
    assert (row["points_expected"], row["points_stored"], row["points_bad"]) == (5, 5, 0)
    assert (row["name"], row["project_id"]) == ("a of day 1", "q")
    assert {path.parent.name for path in merged.snapshot.glob("scalars/*/*.parquet")} == {
        "project_id=q"
    }
    added = merged.added
    assert (added.tasks, added.series, added.points, merged.fewer) == (1, 1, 3, ())
    assert [(source.taken, source.points) for source in merged.sources] == [(0, 3), (1, 2)]
    assert verify(tmp_path / "both").is_intact


def test_what_has_no_series_counts_as_selected(tmp_path: Path, write: Write) -> None:
    """An older copy shows that there was nothing else, and nothing has happened since."""
    write("old", [Stored("a", {TRAIN: [1, 2]})])
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["metric_filter"], row["state"], row["points_expected"]) == (None, "complete", 2)
    assert (row["name"], merged.added.tasks) == ("a of day 1", 0)


def test_a_series_that_is_there_without_being_selected_comes_once(
    tmp_path: Path, write: Write, ask: Ask
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5]})])
    write("new", [Stored("a", {TRAIN: [3], ACCURACY: [6]}, day=1, asked=LOSS)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert values_of(ask, merged.snapshot) == {"a": {TRAIN: [3], ACCURACY: [6]}}


def test_a_series_that_may_be_out_of_date_makes_the_task_partial(
    tmp_path: Path, write: Write
) -> None:
    """So the next export reads it again; with "complete" the error would never be found."""
    write("old", [Stored("a", {TRAIN: [1], ACCURACY: [5]}, last_update=DAY)])
    later = DAY + timedelta(days=1)
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS, last_update=later)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["state"], row["metric_filter"], row["points_stored"]) == ("partial", None, 3)
    assert row["reason"] == (
        "1 series is of a reading at 2026-03-01 00:00 UTC, and the task has changed between the two"
    )


@pytest.mark.parametrize(
    ("claim", "values", "holds"),
    [
        ((0.0, 2.0, 2), [0.0, 1.0], [TRAIN]),
        ((0.0, 3.0, 9), [2.0, 1.0], [TRAIN]),
        ((0.0, 3.0, 9), [0.0, 3.0], [ACCURACY, TRAIN]),
    ],
)
def test_a_series_of_another_run_is_left_out_and_counted(
    tmp_path: Path,
    write: Write,
    ask: Ask,
    claim: tuple[float, float, int],
    values: list[float],
    holds: list[Name],
) -> None:
    """A task started anew goes on where the sums do and both readings have the same points."""
    old = {TRAIN: [0.0, 3.0], ACCURACY: [5.0]}
    later = DAY + timedelta(days=1)
    write("old", [Stored("a", old, claim=(0.0, 3.0, 5))])
    write("new", [Stored("a", {TRAIN: values}, 1, LOSS, started=later, claim=claim)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert sorted(values_of(ask, merged.snapshot)["a"]) == holds
    assert merged.other_run.series + merged.added.series == 1
    assert merged.other_run.points == (holds == [TRAIN])
    assert row_of(merged.snapshot, "a")["state"] == ("complete" if holds == [TRAIN] else "partial")
    assert merged.fewer == (("a",) if holds == [TRAIN] else ())


@pytest.mark.parametrize("state", ["failed", "partial"])
def test_a_newer_reading_that_did_not_reach_it_removes_nothing(
    tmp_path: Path, write: Write, state: str
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2]})])
    series = {} if state == "failed" else {TRAIN: [1.0]}
    write("new", [Stored("a", series, 1, state=state, missing=1)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert row_of(merged.snapshot, "a")["points_stored"] == 2
    ((lost,),) = [source.lost for source in merged.sources if source.lost]
    words = {"failed": "could not be read", "partial": "partial, with fewer points"}
    assert (lost.to, lost.why, lost.tasks) == (str(tmp_path / "old"), words[state], 1)


def test_fewer_points_in_the_newer_copy_are_reported(tmp_path: Path, write: Write) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2, 3]}), Stored("b", {})])
    write("new", [Stored("a", {TRAIN: [1]}, 1), Stored("b", {}, 1)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert (merged.shared, merged.fewer, merged.fewer_points) == (2, ("a",), 2)


def test_the_first_source_decides_only_what_nothing_else_does(tmp_path: Path, write: Write) -> None:
    write("one", [Stored("a", {TRAIN: [1]})])
    write("two", [Stored("a", {TRAIN: [1]}, params="2")])
    header = tmp_path / "two/current/snapshot.json"
    made = json.loads((tmp_path / "one/current/snapshot.json").read_bytes())["created_at"]
    header.write_text(json.dumps({**json.loads(header.read_bytes()), "created_at": made}))
    write_fitting(header.parent)
    for number, order in enumerate((["one", "two"], ["two", "one"])):
        merged = merge_datasets([tmp_path / name for name in order], tmp_path / f"both{number}")
        assert [source.taken for source in merged.sources] == [1, 0]
        ((lost,),) = [source.lost for source in merged.sources if source.lost]
        assert lost.why == "the same"


def test_a_task_that_any_source_selects_is_selected(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]}, selected=True)])
    write("theirs", [Stored("a", {TRAIN: [1]}, 1, selected=False)])
    merged = merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["selected"], row["name"]) == (True, "a of day 1")


def test_a_wider_copy_that_was_not_read_makes_the_task_partial(
    tmp_path: Path, write: Write
) -> None:
    """Its selection is remembered; without a word the task would count as complete."""
    for state, earlier in (("unread", 0), ("failed", 0), ("unread", 2)):
        name = f"{state} {earlier}"
        write(f"{name} a", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS)])
        write(f"{name} b", [Stored("a", {}, day=earlier, asked=EVERY, state=state, missing=5)])
        merged = merge_datasets([tmp_path / f"{name} a", tmp_path / f"{name} b"], tmp_path / name)
        row = row_of(merged.snapshot, "a")
        assert (row["state"], row["metric_filter"], row["points_stored"]) == ("partial", None, 2)
        assert row["reason"].startswith("what else was selected is of a reading at")
        assert row["reason"].endswith(f"({state}: why {state})")


@pytest.mark.parametrize("state", ["partial", "lost"])
def test_series_missing_from_the_newer_copy_come_from_the_older_one(
    tmp_path: Path, write: Write, ask: Ask, state: str
) -> None:
    """A reading in part, or after a loss, does not show that there never was such a series."""
    write("old", [Stored("a", {ACCURACY: [5, 6]})])
    later = DAY + timedelta(days=1)
    new = Stored("a", {TRAIN: [1, 2, 3]}, day=1, state=state, last_update=later)
    write("new", [new])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert values_of(ask, merged.snapshot) == {"a": {TRAIN: [1, 2, 3], ACCURACY: [5, 6]}}
    assert row_of(merged.snapshot, "a")["state"] == "partial"
    assert verify(tmp_path / "both").is_intact


def test_a_copy_from_before_the_server_lost_points_is_taken(tmp_path: Path, write: Write) -> None:
    """Nothing happened to the task in between, so it is as complete as it was."""
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6]})])
    write("new", [Stored("a", {TRAIN: [1]}, day=1, state="lost")])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["state"], row["points_stored"], merged.fewer) == ("complete", 4, ())
    assert [lost.why for lost in merged.sources[1].lost] == ["after the server lost points"]


def test_a_task_that_was_gone_before_it_was_read_takes_no_points_away(
    tmp_path: Path, write: Write
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6]})])
    write("new", [Stored("a", {}, day=1, state="gone", missing=4)])
    merged = merge_datasets([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = row_of(merged.snapshot, "a")
    assert (row["state"], row["points_stored"], merged.fewer) == ("complete", 4, ())
    assert [lost.why for lost in merged.sources[1].lost] == ["could not be read"]
