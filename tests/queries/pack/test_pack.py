"""Pack: what is asked for travels whole, what is not stays at home, twice gives the same bytes."""

import errno
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import (
    DatasetError,
    NoSuchNameError,
    SnapshotError,
    UsageError,
)
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.pack import Packed, pack
from clearml_snapshot.queries.pack.redaction import header_changes
from clearml_snapshot.queries.pack.secret_scan import Secrets
from tests.queries.conftest import START, write
from tests.support.nasty import nasty

Row = tuple[Any, ...]

LEAKS = {
    "users": ("u-ada", "Ada"),
    "hosts": ("https://app.secret-host.example", "http://server"),
    "params": ("0.125", "warmup"),
    "repos": ("git.inside.example", "feature/x", "abc123def", "train_it.py"),
    "comments": ("my comment", "stopped by", "no gain"),
}
"""What each category takes out, as it is in ``_telling``."""


def _telling() -> list[dict[str, Any]]:
    """Tasks in which every column that can be taken out says something."""
    common: dict[str, Any] = {
        "user_id": "u-ada",
        "user": "Ada",
        "web_url": "https://app.secret-host.example/t/1",
        "repository": "git@git.inside.example:team/repo.git",
        "branch": "feature/x",
        "commit": "abc123def",
        "entry_point": "train_it.py",
        "comment": "my comment",
        "status_reason": "stopped by somebody",
        "status_message": "no gain",
        "state": "partial",
        "reason": "http://server said: 500",
    }
    parameter = {"section": "Args", "name": "warmup", "value": "0.125", "type": "float"}
    return [
        {
            "task_id": digit * 32,
            "project_id": "a" * 32,
            "params": [parameter],
            "points": [("loss", "train", n, 1.0 / (n + 1)) for n in range(3)],
            **common,
        }
        for digit in "12"
    ]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with everything odd in it."""
    folder = tmp_path_factory.mktemp("odd") / "data"
    write(folder, nasty())
    return folder


def _pack(data: Path, target: Path, asked: TaskFilter | None = None, **options: Any) -> Packed:
    with open_dataset(data, filter=asked) as dataset:
        return pack(dataset, target, PackOptions(**options), asked)


def _rows(folder: Path, table: str) -> list[Row]:
    """Read a table with pyarrow, NaN as text, so that it can be compared."""
    files = sorted((folder / table).rglob("*.parquet"))
    rows = [
        (file.parent.name if table == "scalars" else "", *row.values())
        for file in files
        for row in pq.ParquetFile(file).read().to_pylist()
    ]
    return sorted((tuple(map(_comparable, row)) for row in rows), key=repr)


def _comparable(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _everything(folder: Path) -> str:
    """Read every text that a pack holds, those of Parquet files included."""
    texts = [path.read_text("utf-8") for path in folder.iterdir() if path.is_file()]
    rows = [repr(row) for table in TABLE_NAMES for row in _rows(folder, table)]
    return "\n".join(texts + rows)


def _dictionaries(folder: Path) -> set[str | None]:
    """Read the texts that the files of the tables hold, whether a row has them or not."""
    found: set[str | None] = set()
    for path in folder.rglob("*.parquet"):
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            for name in texts:
                for chunk in file.read([name]).column(0).chunks:
                    found.update(cast("pa.DictionaryArray[Any, Any]", chunk).dictionary.to_pylist())
    return found


def _unzipped(archive: Path) -> Path:
    folder = archive.with_suffix("")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def _listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_whole_dataset_travels_whole(odd: Path, tmp_path: Path) -> None:
    packed = _pack(odd, tmp_path / "a.zip")
    folder = _unzipped(packed.path)
    for table in TABLE_NAMES:
        assert _rows(folder, table) == _rows(odd / "current", table)
    found = verify(folder)
    assert found.problems == ()
    assert (found.tasks, found.series, found.points) == (packed.tasks, packed.series, packed.points)
    assert found.content_id == packed.content_id
    assert packed.bytes == packed.path.stat().st_size


def test_the_same_contents_give_the_same_bytes(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = TaskFilter(projects=("team",))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for name in ("a.zip", "b.zip"):
        _pack(odd, tmp_path / name, asked, metrics=("loss",), redact=frozenset({"hosts"}))
        monkeypatch.setenv("TZ", "America/Lima")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert _listing(tmp_path) == ["a.zip", "b.zip"]


def test_the_archive_is_plain(odd: Path, tmp_path: Path) -> None:
    _pack(odd, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert entries[0].filename == "README.md"


def test_some_tasks(odd: Path, tmp_path: Path) -> None:
    _pack(odd, tmp_path / "some", TaskFilter(task_ids=("1", "4")))
    wanted = {"1" * 32, "4" * 32}
    for table in ("tasks", "hyperparams", "series", "scalars"):
        kept = [row for row in _rows(odd / "current", table) if row[1] in wanted]
        assert kept
        assert _rows(tmp_path / "some", table) == kept
    assert verify(tmp_path / "some").problems == ()
    assert "--task" in (tmp_path / "some" / "snapshot.json").read_text()


def test_some_series(odd: Path, tmp_path: Path) -> None:
    """What tasks says of points and questions fits the series that travel."""
    _pack(odd, tmp_path / "some", metrics=("loss", "acc"), exclude_metrics=("acc/val",))
    pairs = {("loss", "train")}
    for table in ("series", "scalars"):
        kept = [row for row in _rows(odd / "current", table) if row[2:4] in pairs]
        assert kept
        assert _rows(tmp_path / "some", table) == kept
    assert verify(tmp_path / "some").problems == ()
    points = _points(tmp_path / "some")
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
    _pack(tmp_path / "data", tmp_path / "task", TaskFilter(task_ids=("1",)))
    _pack(tmp_path / "data", tmp_path / "metric", metrics=("loss1",))
    before, after = (_dictionaries(tmp_path / name) for name in ("data/current", "task"))
    others = {"2" * 32, f"task {'2' * 32}", "comment 2", "loss2", "lr2", "0.2"}
    assert others < before
    assert not others & after
    assert "loss2" not in _dictionaries(tmp_path / "metric")


def _points(folder: Path) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for row in _rows(folder, "scalars"):
        found[row[1]] = found.get(row[1], 0) + 1
    return found


def test_answers_of_a_pack_are_those_of_its_dataset(odd: Path, tmp_path: Path) -> None:
    asked = TaskFilter(projects=("team",))
    _pack(odd, tmp_path / "some", asked)
    with open_dataset(odd, filter=asked) as home, open_dataset(tmp_path / "some") as away:
        for name in ("max", "min", "last", "metrics", "tasks", "params", "stats"):
            typed = {} if name in ("metrics", "tasks", "params") else {"metric": ["loss"]}
            answers = [one.rows(one.query(name, **typed)).rows for one in (home, away)]
            assert repr(answers[0]) == repr(answers[1])
            assert answers[0]


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the tasks that tell something, and beside it the whole of it packed."""
    folder = tmp_path_factory.mktemp("telling")
    write(folder / "data", _telling())
    _pack(folder / "data", folder / "whole")
    return folder / "data"


@pytest.mark.parametrize("category", sorted(LEAKS))
def test_what_is_taken_out_is_nowhere(telling: Path, tmp_path: Path, category: str) -> None:
    packed = _pack(telling, tmp_path / "pack", redact=frozenset({category}))
    before, after = _everything(telling.parent / "whole"), _everything(tmp_path / "pack")
    for text in LEAKS[category]:
        assert text in before
        assert text not in after
    for other in set(LEAKS) - {category}:
        assert any(text in after for text in LEAKS[other])
    assert [line.partition(":")[0] for line in packed.taken_out] == [category]
    assert packed.taken_out[0] in (tmp_path / "pack" / "snapshot.json").read_text()
    assert verify(tmp_path / "pack").problems == ()


def test_a_selection_by_user_does_not_name_them(tmp_path: Path) -> None:
    write(tmp_path / "data", _telling())
    asked = TaskFilter(users=("Ada",))
    _pack(tmp_path / "data", tmp_path / "pack", asked, redact=frozenset({"users"}))
    assert "Ada" not in _everything(tmp_path / "pack")
    assert "--user '(taken out)'" in (tmp_path / "pack" / "snapshot.json").read_text()


def test_what_an_earlier_pack_said_is_taken_out_too(tmp_path: Path) -> None:
    write(tmp_path / "data", _telling())
    _pack(tmp_path / "data", tmp_path / "one", TaskFilter(users=("Ada",), tags=()))
    _pack(tmp_path / "one", tmp_path / "two", redact=frozenset({"users"}))
    assert "Ada" in _everything(tmp_path / "one")
    assert "Ada" not in _everything(tmp_path / "two")


def test_machines_are_taken_out_with_hosts(tmp_path: Path) -> None:
    write(tmp_path / "data", _telling())
    _pack(tmp_path / "data", tmp_path / "pack", redact=frozenset({"hosts"}))
    files = [*(tmp_path / "pack" / "scalars").rglob("*.parquet")]
    workers = [pq.ParquetFile(file).read()["worker"].to_pylist() for file in files]
    assert workers == [[None] * 6]


def test_whose_server_it_is_is_taken_out_with_hosts(tmp_path: Path) -> None:
    write(tmp_path / "data", _telling())
    server = {"host": "http://server", "web": "http://web", "company": "Inside Ltd", "version": "2"}
    snapshot = replace(open_snapshot(tmp_path / "data"), server=server)
    assert header_changes(snapshot, {"hosts"}, Secrets())["server"] == {"version": "2"}


def _with_secret(**columns: Any) -> list[dict[str, Any]]:
    return [{"task_id": "1" * 32, "points": [("loss", "train", 0, 1.0)], **columns}]


TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5"


def test_a_credential_anywhere_stops_a_pack(tmp_path: Path) -> None:
    secrets = (TOKEN, "s3cret-Pa55", "Xk29fjw0Qpa")
    columns: list[dict[str, Any]] = [
        {"name": f"run with {TOKEN}"},
        {"comment": f"use {TOKEN}"},
        {"tags": ["fine", TOKEN]},
        {"branch": TOKEN},
        {"repository": "https://ada:s3cret-Pa55@git.example/x.git"},
        {"reason": f"header {TOKEN} refused", "state": "partial"},
        {"params": [{"section": "Args", "name": "github", "value": TOKEN}]},
        {"params": [{"section": "Args", "name": "api_key", "value": "Xk29fjw0Qpa"}]},
        {"params": [{"section": "Args", "name": TOKEN, "value": "1"}]},
        {"points": [(f"loss {TOKEN}", "train", 0, 1.0), ("acc", "val", 0, 0.5)]},
        {"points": [("loss", TOKEN, 0, 1.0), ("acc", "val", 0, 0.5)]},
        {"type": TOKEN},
        {"status": f"stopped by {TOKEN}"},
        {"system_tags": ["archived", TOKEN]},
        {"user_id": TOKEN},
        {"parent": TOKEN},
        {"entry_point": f"train.py --x {TOKEN}"},
        {"params": [{"section": "Args", "name": "lr", "value": "1", "type": TOKEN}]},
        {"name": "what the other task has in api_key: Xk29fjw0Qpa"},
        {"params": [{"section": "Args", "name": "note", "value": "Xk29fjw0Qpa"}]},
    ]
    places = [
        {"points": [("loss", "train", 0, 1.0)], **place, "task_id": f"{number:032x}"}
        for number, place in enumerate(columns)
    ]
    data = tmp_path / "data"
    write(data, places)
    with pytest.raises(UsageError, match=f"{len(places)} values that look like") as refused:
        _pack(data, tmp_path / "pack.zip")
    assert not any(secret in str(refused.value) for secret in secrets)
    assert _listing(tmp_path / "data" / "..") == _listing(tmp_path)
    assert not (tmp_path / "pack.zip").exists()
    packed = _pack(data, tmp_path / "safe", redact=frozenset({"secrets"}))
    assert not any(secret in _everything(tmp_path / "safe") for secret in secrets)
    assert packed.taken_out == (f"secrets: {len(places)} values that look like a credential",)
    assert verify(tmp_path / "safe").problems == ()


def test_an_id_that_is_a_credential_stops_a_pack(tmp_path: Path) -> None:
    write(tmp_path / "data", [{**_with_secret()[0], "task_id": TOKEN, "project_id": TOKEN}])
    with pytest.raises(UsageError, match="the id of a project and of a task looks") as refused:
        _pack(tmp_path / "data", tmp_path / "pack.zip", redact=frozenset({"secrets"}))
    assert TOKEN not in str(refused.value)


def test_a_credential_in_snapshot_json_stops_a_pack(tmp_path: Path) -> None:
    with writing(tmp_path / "data") as dataset:
        stage = dataset.new_stage()
        server = {"host": "http://server", "company": f"ACME {TOKEN}", "id": "s"}
        row: dict[str, Any] = {
            "warnings": [f"look at {TOKEN}"],
            "error": f"refused {TOKEN}",
            "result": "failed",
        }
        row |= {"export_id": "1" * 32, "started": START}
        task = {"task_id": "1" * 32, "server_id": "http://server", "state": "complete"}
        stage.add({**task, "fetched_at": START, "fingerprint": "f"}, (), None)
        dataset.commit(stage, server=server, selections=[{"note": TOKEN}], export_row=row)
    with pytest.raises(UsageError, match=r"company in snapshot\.json"):
        _pack(tmp_path / "data", tmp_path / "pack.zip")
    _pack(tmp_path / "data", tmp_path / "safe", redact=frozenset({"secrets"}))
    assert TOKEN not in _everything(tmp_path / "safe")
    assert verify(tmp_path / "safe").problems == ()


def test_what_was_typed_tells_no_credential(tmp_path: Path) -> None:
    write(tmp_path / "data", _with_secret(tags=[TOKEN], params=[], comment=""))
    others = [("acc", "val", 0, 0.5), (f"loss {TOKEN}", "train", 0, 1.0)]
    write(tmp_path / "named", _with_secret(points=others))
    asked, redact = TaskFilter(tags=(TOKEN,)), frozenset({"secrets"})
    _pack(tmp_path / "data", tmp_path / "tag", asked, redact=redact)
    _pack(
        tmp_path / "named", tmp_path / "metric", exclude_metrics=(f"loss {TOKEN}",), redact=redact
    )
    for name in ("tag", "metric"):
        assert TOKEN not in _everything(tmp_path / name)


def test_what_does_not_travel_needs_no_word(tmp_path: Path) -> None:
    write(tmp_path / "data", _with_secret(comment=TOKEN))
    _pack(tmp_path / "data", tmp_path / "pack", redact=frozenset({"comments"}))
    assert TOKEN not in _everything(tmp_path / "pack")


def test_redacted_values_are_counted_at_their_task(tmp_path: Path) -> None:
    params = [{"section": "Args", "name": name, "value": TOKEN} for name in ("a", "b")]
    write(tmp_path / "data", _with_secret(params=params, comment=TOKEN, tags=[TOKEN], redacted=3))
    packed = _pack(tmp_path / "data", tmp_path / "pack", redact=frozenset({"secrets"}))
    (row,) = pq.read_table(tmp_path / "pack" / "tasks").to_pylist()
    assert row["redacted"] == 7
    assert packed.taken_out == (
        "secrets: 4 values that look like a credential",
        "secrets: 3 values that look like a credential, already at the export",
    )


def test_a_pack_can_be_packed_again(odd: Path, tmp_path: Path) -> None:
    _pack(odd, tmp_path / "one", TaskFilter(projects=("team",)), redact=frozenset({"users"}))
    _pack(tmp_path / "one", tmp_path / "two", metrics=("loss",), redact=frozenset({"params"}))
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
    first = _pack(odd, tmp_path / "a.zip")
    again = _pack(first.path, tmp_path / "b.zip", keep_secrets=True)
    assert again.points == first.points


def test_a_pack_of_what_others_wrote(odd: Path, tmp_path: Path) -> None:
    """What snapshot.json says of an earlier packing may be anything."""
    _pack(odd, tmp_path / "a")
    header = json.loads((tmp_path / "a" / "snapshot.json").read_text())
    for at, packed in enumerate(([], {"selection": 5, "metrics": ["x"], "taken_out": 7})):
        (tmp_path / "a" / "snapshot.json").write_text(json.dumps({**header, "packed": packed}))
        _pack(tmp_path / "a", tmp_path / f"b{at}")
        assert verify(tmp_path / f"b{at}").problems == ()


@pytest.mark.parametrize("table", ["hyperparams", "scalars", "tasks"])
@pytest.mark.parametrize("keep_secrets", [True, False])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, table: str, keep_secrets: bool) -> None:
    """Neither a traceback nor a target that cannot be written."""
    write(tmp_path / "data", _telling())
    (path,) = ((tmp_path / "data" / "current").resolve() / table).rglob("*.parquet")
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    with pytest.raises(DatasetError) as told:
        _pack(
            tmp_path / "data",
            tmp_path / "a.zip",
            TaskFilter(task_ids=("1",)),
            keep_secrets=keep_secrets,
        )
    assert "\n" not in str(told.value)
    assert _listing(tmp_path)[0] == "data"


def test_a_folder_has_files_of_its_own(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    _pack(odd, tmp_path / "pack")
    assert {path.stat().st_nlink for path in (tmp_path / "pack").rglob("*.parquet")} == {1}
    assert _listing(tmp_path)[0] == "pack"


def test_targets_that_cannot_be_meant(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "file").write_text("mine")
    before = _listing(tmp_path)
    for name in ("full", "folder.zip", "file", "a.tar.gz", "a.7z", "no/such/a.zip"):
        with pytest.raises(UsageError, match="-o"):
            _pack(odd, tmp_path / name)
    assert _listing(tmp_path) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_an_archive_is_replaced_in_one_step(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("the one of yesterday")
    _pack(odd, tmp_path / "a.zip")
    assert zipfile.is_zipfile(tmp_path / "a.zip")


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    (tmp_path / "a.zip").write_text("the one of yesterday")

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("clearml_snapshot.queries.pack.pack.write_archive", fail)
    with pytest.raises((SnapshotError, KeyboardInterrupt)):
        _pack(odd, tmp_path / "a.zip")
    assert _listing(tmp_path) == ["a.zip"]
    assert (tmp_path / "a.zip").read_text() == "the one of yesterday"


@pytest.mark.parametrize("name", ["a.zip", "a [1].zip"])
def test_what_a_killed_pack_left_goes_with_the_next(odd: Path, tmp_path: Path, name: str) -> None:
    left = tmp_path / f".{name}.packing-a1b2c3d4"
    (left / "pack").mkdir(parents=True)
    (left / ".clearml-snapshot-scratch").touch()
    _pack(odd, tmp_path / name)
    assert _listing(tmp_path) == [name]


@pytest.mark.parametrize("name", ["snapshots/000009", "snapshots/a.zip", "current/a.zip"])
def test_a_snapshot_never_changes(tmp_path: Path, name: str) -> None:
    write(tmp_path / "data", _telling())
    before = _listing(tmp_path)
    with pytest.raises(UsageError, match="inside or beside a snapshot"):
        _pack(tmp_path / "data", tmp_path / "data" / name)
    assert _listing(tmp_path) == before


def _rot(folder: Path, table: str) -> None:
    """Flip a bit in the first page of a table's file; its length stays."""
    path = sorted((folder / "current" / table).rglob("*.parquet"))[0]
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])


@pytest.mark.parametrize("redact", [frozenset(), frozenset({"hosts"})], ids=["taken", "edited"])
def test_a_damaged_snapshot_is_not_packed(tmp_path: Path, redact: frozenset[str]) -> None:
    """An edited file gets a new hash, with which damage would look whole."""
    write(tmp_path / "data", _telling())
    _rot(tmp_path / "data", "scalars")
    with pytest.raises(DatasetError, match="damaged"):
        _pack(tmp_path / "data", tmp_path / "a.zip", redact=redact)
    assert _listing(tmp_path) == [n for n in _listing(tmp_path) if n.startswith("data")]


def test_nothing_to_pack(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to pack"):
        _pack(odd, tmp_path / "a.zip", TaskFilter(created_after="2099-01-01"))
    with pytest.raises(NoSuchNameError):
        _pack(odd, tmp_path / "a.zip", metrics=("no such",))
    with pytest.raises(UsageError, match="no metric is left"):
        _pack(odd, tmp_path / "a.zip", metrics=("loss",), exclude_metrics=("loss",))


def test_many_ids_are_counted(odd: Path, tmp_path: Path) -> None:
    ids = tuple(digit * 32 for digit in "123456")
    with open_dataset(odd, filter=TaskFilter(task_ids=ids)) as dataset:
        asked = TaskFilter(task_ids=ids * 2)
        pack(dataset, tmp_path / "pack", typed_filter=asked)
    assert '"selection": "--task (12 ids)"' in (tmp_path / "pack" / "snapshot.json").read_text()
