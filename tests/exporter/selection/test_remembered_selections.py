"""Remembered selections: printed as they are typed, and removed one by one."""

import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import LockedError, NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.selection.remembered import remembered, words
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pointer import numbers
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.exporter.sync import export as run
from clearml_snapshot.exporter.sync.planning.forget_selection import forget_selection

EVERYTHING = Selection()
MUCH = Selection(
    TaskFilter(
        projects=("vision/*", "it's"),
        subprojects=False,
        task_names=("training*",),
        task_name_regex="^a b$",
        task_ids=("a" * 32,),
        tags=("model_v2", "-odd"),
        any_tags=("x",),
        exclude_tags=("y",),
        statuses=("running",),
        types=("training",),
        users=("me",),
        created_after="7d",
        created_before="2026-01-01",
        updated_after="30d",
        updated_before="1d",
        archived="only",
        hidden=True,
        limit=5,
        order="oldest",
    ),
    ("loss/train", "acc*"),
    (":monitor:*",),
)


class _ReadError(SnapshotError):
    """Ends a command when its options are read."""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Selection | None]:
    """Type options of ``export`` into the real command, which ends when it has read them."""
    selections: list[Selection | None] = []

    def export(data: Path, selection: Selection | None, **_: object) -> None:
        selections.append(selection)
        raise _ReadError

    monkeypatch.setattr(run, "export", export)

    def parse(text: str) -> Selection | None:
        assert main(["export", *shlex.split(text)]) == _ReadError.exit_code
        return selections.pop()

    return parse


@pytest.mark.parametrize(
    "selection",
    [
        EVERYTHING,
        MUCH,
        Selection(metrics=("loss",)),
        Selection(exclude_metrics=("-x",)),
        Selection(TaskFilter(order="oldest", limit=3)),
        Selection(TaskFilter(subprojects=False)),
        Selection(TaskFilter(archived="exclude")),
        Selection(TaskFilter(hidden=True)),
        Selection(TaskFilter(tags=("two words", "😀", "-minus"))),
    ],
)
def test_words_typed_again_are_the_same_selection(
    selection: Selection, parsed: Callable[[str], Selection | None]
) -> None:
    assert parsed(words(selection.as_json())) == selection


def test_words() -> None:
    selection = Selection(TaskFilter(projects=("vision",), tags=("model_v2",)), ("loss",))
    assert words(selection.as_json()) == "--project vision --tag model_v2 --metric loss"
    assert words(EVERYTHING.as_json()) == "--all"


def _made(data: Path, selections: Any) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with writing(data) as dataset:
        for number in (1, 2):
            stage = dataset.new_stage()
            row = {"task_id": f"t{number}", "server_id": "x", "state": "complete"}
            stage.add({**row, "fetched_at": now, "fingerprint": "0"})
            export = {"export_id": str(number), "started": now, "result": "complete"}
            server = {"host": "http://x"}
            dataset.commit(stage, server=server, selections=selections, export_row=export)


def _selections(data: Path) -> Sequence[str]:
    return [row.selection for row in remembered(open_snapshot(data).selections)]


def test_what_is_remembered(tmp_path: Path) -> None:
    stored = Selection(metrics=("loss",), exclude_metrics=("loss/val",)).as_json() | {"matched": 12}
    _made(tmp_path / "data", [EVERYTHING.as_json(), stored])
    first, second = remembered(open_snapshot(tmp_path / "data").selections)
    assert (first.number, first.selection, first.matched, first.metrics) == (
        1,
        "--all",
        None,
        "all",
    )
    assert (second.number, second.matched, second.metrics) == (2, 12, "loss, not loss/val")


@pytest.mark.parametrize(("written", "matched"), [({}, None), ({"matched": None}, 0)])
def test_one_that_never_found_a_task(
    tmp_path: Path, written: dict[str, Any], matched: int | None
) -> None:
    """An export writes null for it; what wrote nothing at all did not count."""
    _made(tmp_path / "data", [EVERYTHING.as_json() | written])
    (selection,) = remembered(open_snapshot(tmp_path / "data").selections)
    assert selection.matched == matched


@pytest.mark.parametrize("written", [None, {}, []])
def test_nothing_is_remembered(tmp_path: Path, written: Any) -> None:
    _made(tmp_path / "data", written)
    assert _selections(tmp_path / "data") == []
    with pytest.raises(UsageError, match="remembers no selections"):
        forget_selection(tmp_path / "data", 1)


def test_removing_changes_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    three = [Selection(metrics=(name,)).as_json() for name in "abc"]
    _made(data, three)
    before = open_snapshot(data)
    assert forget_selection(data, 2).selection == "--metric b"
    after = open_snapshot(data)
    assert _selections(data) == ["--metric a", "--metric c"]
    assert after.number == before.number + 1
    assert after.server == before.server
    assert after.totals.tasks == before.totals.tasks
    assert numbers(data) == [1, 2, 3], "no export goes for it"
    assert _rows(after, "exports") == _rows(before, "exports")
    assert verify(data).is_intact


def _rows(snapshot: Any, table: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    paths = snapshot.paths(table)
    rows = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    return sorted(rows, key=lambda row: str(row["export_id"]))


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_number_that_is_not_there(tmp_path: Path, number: int) -> None:
    data = tmp_path / "data"
    _made(data, [Selection(metrics=(name,)).as_json() for name in "ab"])
    with pytest.raises(UsageError, match="choose a number from 1 to 2"):
        forget_selection(data, number)
    assert len(_selections(data)) == 2
    assert open_snapshot(data).number == 2


def test_no_dataset_is_made(tmp_path: Path) -> None:
    with pytest.raises(NoDatasetError):
        forget_selection(tmp_path / "data", 1)
    assert not (tmp_path / "data").exists()


def test_not_beside_an_export(tmp_path: Path) -> None:
    _made(tmp_path / "data", [EVERYTHING.as_json()])
    with writing(tmp_path / "data"), pytest.raises(LockedError):
        forget_selection(tmp_path / "data", 1)
