"""Pack: what is selected is included completely, nothing else is, twice gives the same bytes."""

import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import (
    DatasetError,
    NoSuchNameError,
    UsageError,
)
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.queries.conftest import write
from tests.support.nasty import nasty
from tests.support.packs import (
    dictionaries,
    listing,
    pack_of,
    points_of,
    revealing_tasks,
    rows_of,
    unzipped,
)


def test_a_dataset_is_packed_completely(odd: Path, tmp_path: Path) -> None:
    packed = pack_of(odd, tmp_path / "a.zip")
    folder = unzipped(packed.path)
    for table in TABLE_NAMES:
        assert rows_of(folder, table) == rows_of(odd / "current", table)
    report = verify(folder)
    assert report.problems == ()
    assert (report.tasks, report.series, report.points) == (
        packed.tasks,
        packed.series,
        packed.points,
    )
    assert report.content_id == packed.content_id
    assert packed.bytes == packed.path.stat().st_size


def test_the_same_contents_give_the_same_bytes(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_filter = TaskFilter(projects=("team",))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for name in ("a.zip", "b.zip"):
        pack_of(odd, tmp_path / name, task_filter, metrics=("loss",), redact=frozenset({"hosts"}))
        monkeypatch.setenv("TZ", "America/Lima")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert listing(tmp_path) == ["a.zip", "b.zip"]


def test_the_archive_is_plain(odd: Path, tmp_path: Path) -> None:
    pack_of(odd, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert entries[0].filename.endswith("/README.md")


def test_some_tasks(odd: Path, tmp_path: Path) -> None:
    pack_of(odd, tmp_path / "some", TaskFilter(task_ids=("1", "4")))
    task_ids = {"1" * 32, "4" * 32}
    for table in ("tasks", "hyperparams", "series", "scalars"):
        kept = [row for row in rows_of(odd / "current", table) if row[1] in task_ids]
        assert kept
        assert rows_of(tmp_path / "some", table) == kept
    assert verify(tmp_path / "some").problems == ()
    assert "--task" in (tmp_path / "some" / "snapshot.json").read_text()


def test_some_series(odd: Path, tmp_path: Path) -> None:
    """What ``tasks`` records of points and filters fits the series that are included."""
    pack_of(odd, tmp_path / "some", metrics=("loss", "acc"), exclude_metrics=("acc/val",))
    pairs = {("loss", "train")}
    for table in ("series", "scalars"):
        kept = [row for row in rows_of(odd / "current", table) if row[2:4] in pairs]
        assert kept
        assert rows_of(tmp_path / "some", table) == kept
    assert verify(tmp_path / "some").problems == ()
    points = points_of(tmp_path / "some")
    tasks = {row["task_id"]: row for row in pq.read_table(tmp_path / "some/tasks").to_pylist()}
    assert len(tasks) == len(nasty())
    for task_id, row in tasks.items():
        assert row["points_stored"] == points.get(task_id, 0)
        is_complete = row["state"] == "complete"
        assert row["points_expected"] == (points.get(task_id, 0) if is_complete else None)
        assert row["metric_filter"] == (
            '{"asked": ["--metric loss --metric acc --exclude-metric acc/val"], '
            '"metrics": [{"metric": "loss"}]}'
        )


def test_nothing_of_others_is_left_in_the_bytes(tmp_path: Path) -> None:
    """A dictionary of a Parquet file can hold texts that no row has."""
    tasks = [
        {
            "task_id": digit * 32,
            "project_id": "a" * 32,
            "comment": f"comment {digit}",
            "points": [(f"loss{digit}", "train", 0, 1.0)],
            "params": [{"section": "Args", "name": f"lr{digit}", "value": f"0.{digit}"}],
        }
        for digit in "12"
    ]
    write(tmp_path / "data", tasks)
    pack_of(tmp_path / "data", tmp_path / "task", TaskFilter(task_ids=("1",)))
    pack_of(tmp_path / "data", tmp_path / "metric", metrics=("loss1",))
    before, after = (dictionaries(tmp_path / name) for name in ("data/current", "task"))
    others = {"2" * 32, f"task {'2' * 32}", "comment 2", "loss2", "lr2", "0.2"}
    assert others < before
    assert not others & after
    assert "loss2" not in dictionaries(tmp_path / "metric")


def test_answers_of_a_pack_are_those_of_its_dataset(odd: Path, tmp_path: Path) -> None:
    task_filter = TaskFilter(projects=("team",))
    pack_of(odd, tmp_path / "some", task_filter)
    with open_dataset(odd, filter=task_filter) as home, open_dataset(tmp_path / "some") as away:
        for name in ("max", "min", "last", "metrics", "tasks", "params", "stats"):
            typed = {} if name in ("metrics", "tasks", "params") else {"metric": ["loss"]}
            answers = [dataset.rows(dataset.query(name, **typed)).rows for dataset in (home, away)]
            assert repr(answers[0]) == repr(answers[1])
            assert answers[0]


def test_a_pack_can_be_packed_again(odd: Path, tmp_path: Path) -> None:
    pack_of(odd, tmp_path / "one", TaskFilter(projects=("team",)), redact=frozenset({"users"}))
    pack_of(tmp_path / "one", tmp_path / "two", metrics=("loss",), redact=frozenset({"params"}))
    text = (tmp_path / "two" / "snapshot.json").read_text()
    assert '"users: ' in text
    assert '"params: ' in text
    assert '"selection": "--project team"' in text
    assert verify(tmp_path / "two").problems == ()


def test_the_points_of_a_pack_are_packed(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when nothing before has read them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = pack_of(odd, tmp_path / "a.zip")
    again = pack_of(first.path, tmp_path / "b.zip", keep_secrets=True)
    assert again.points == first.points


def test_a_pack_of_what_others_wrote(odd: Path, tmp_path: Path) -> None:
    """What snapshot.json records of an earlier packing may be anything."""
    pack_of(odd, tmp_path / "a")
    header = json.loads((tmp_path / "a" / "snapshot.json").read_text())
    for at, packed in enumerate(([], {"selection": 5, "metrics": ["x"], "taken_out": 7})):
        (tmp_path / "a" / "snapshot.json").write_text(json.dumps({**header, "packed": packed}))
        pack_of(tmp_path / "a", tmp_path / f"b{at}")
        assert verify(tmp_path / f"b{at}").problems == ()


@pytest.mark.parametrize("table", ["hyperparams", "scalars", "tasks"])
@pytest.mark.parametrize("keep_secrets", [True, False])
def test_a_damaged_file_is_reported_in_one_line(
    tmp_path: Path, table: str, keep_secrets: bool
) -> None:
    """Neither a traceback nor a target that cannot be written."""
    write(tmp_path / "data", revealing_tasks())
    (path,) = ((tmp_path / "data" / "current").resolve() / table).rglob("*.parquet")
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    with pytest.raises(DatasetError) as error:
        pack_of(
            tmp_path / "data",
            tmp_path / "a.zip",
            TaskFilter(task_ids=("1",)),
            keep_secrets=keep_secrets,
        )
    assert "\n" not in str(error.value)
    assert listing(tmp_path)[0] == "data"


@pytest.mark.parametrize("name", ["snapshots/000009", "snapshots/a.zip", "current/a.zip"])
def test_a_snapshot_never_changes(tmp_path: Path, name: str) -> None:
    write(tmp_path / "data", revealing_tasks())
    before = listing(tmp_path)
    with pytest.raises(UsageError, match="inside or beside a snapshot"):
        pack_of(tmp_path / "data", tmp_path / "data" / name)
    assert listing(tmp_path) == before


def _rot(folder: Path, table: str) -> None:
    """Flip a bit in the first page of a table's file; its length stays."""
    path = sorted((folder / "current" / table).rglob("*.parquet"))[0]
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])


@pytest.mark.parametrize("redact", [frozenset(), frozenset({"hosts"})], ids=["taken", "edited"])
def test_a_damaged_snapshot_is_not_packed(tmp_path: Path, redact: frozenset[str]) -> None:
    """An edited file gets a new hash, with which damage would look intact."""
    write(tmp_path / "data", revealing_tasks())
    _rot(tmp_path / "data", "scalars")
    with pytest.raises(DatasetError, match="damaged"):
        pack_of(tmp_path / "data", tmp_path / "a.zip", redact=redact)
    assert listing(tmp_path) == [n for n in listing(tmp_path) if n.startswith("data")]


def test_nothing_to_pack(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to pack"):
        pack_of(odd, tmp_path / "a.zip", TaskFilter(created_after="2099-01-01"))
    with pytest.raises(NoSuchNameError):
        pack_of(odd, tmp_path / "a.zip", metrics=("no such",))
    with pytest.raises(UsageError, match="no metric is left"):
        pack_of(odd, tmp_path / "a.zip", metrics=("loss",), exclude_metrics=("loss",))


def test_many_ids_are_counted(odd: Path, tmp_path: Path) -> None:
    ids = tuple(digit * 32 for digit in "123456")
    with open_dataset(odd, filter=TaskFilter(task_ids=ids)) as dataset:
        task_filter = TaskFilter(task_ids=ids * 2)
        pack(dataset, tmp_path / "pack", typed_filter=task_filter)
    assert '"selection": "--task (12 ids)"' in (tmp_path / "pack" / "snapshot.json").read_text()
