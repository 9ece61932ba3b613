"""Verify: an intact snapshot passes, and every damage is found and named."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, SnapshotError
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.parts.parquet import writer_options
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.verify import rows as verify_rows
from clearml_snapshot.exporter.store.verify.rows import Slab, slabs
from clearml_snapshot.exporter.store.verify.verify import Verification, verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.fitting import write_fitting

Call = Callable[..., Any]
Change = Callable[[pa.Table], pa.Table]

VALUES = [1.0, math.nan, -3.5, None, 0.1, 1e300, -1e300]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, points: Call, task_row: Call) -> Path:
    """Two commits: tasks a and b in a project, c in none, d without points."""
    data = tmp_path_factory.mktemp("made") / "data"
    with writing(data) as dataset:
        for number, ids in enumerate(("ab", "cd")):
            stage = dataset.new_stage()
            for task_id in ids:
                rows = [] if task_id == "d" else _rows(task_id)
                project = None if task_id == "c" else "1" * 32
                buffer = PointBuffer(stage, project)
                buffer.add(points(rows))
                row = task_row(task_id, project, points_stored=len(rows), points_expected=len(rows))
                parameter = {"section": "Args", "name": "lr", "value": "0.1"}
                stage.add(row, [parameter], buffer.finish())
            started = row["fetched_at"] + timedelta(number)
            dataset.commit(
                stage,
                server={"host": "http://localhost:8008"},
                selections=[],
                export_row={"export_id": str(number), "started": started, "result": "complete"},
            )
    return data


def _rows(task_id: str) -> list[tuple[Any, ...]]:
    at = None
    rows: list[tuple[Any, ...]] = [
        (task_id, "loss", "train", i, at, value, "w") for i, value in enumerate(VALUES)
    ]
    rows += [(task_id, "accuracy", "val", None, at, 0.5, "w")]
    return [*rows, (task_id, "loss", "val\n\x1b[2J", -(2**63), at, 2.0, "w")]


@pytest.fixture
def snapshot(made: Path, tmp_path: Path) -> Path:
    """A copy of the snapshot, to be damaged."""
    return Path(shutil.copytree(made / "current", tmp_path / "copy"))


def _header(snapshot: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((snapshot / "snapshot.json").read_text())
    return header


def _write_header(snapshot: Path, header: dict[str, Any]) -> None:
    """Change it as a faulty writer would: its texts and SHA256SUMS fit."""
    (snapshot / "snapshot.json").write_text(json.dumps(header, indent=1))
    with suppress(TypeError, KeyError, AttributeError, ValueError):  # it makes no sense on purpose
        write_fitting(snapshot)


def _rewritten(snapshot: Path, table: str, change: Change, at: int = 0) -> None:
    """Change the rows of one file as a faulty writer would: its entry in snapshot.json fits."""
    header = _header(snapshot)
    entry = [one for one in header["files"] if one["table"] == table and one["rows"]][at]
    path = snapshot / entry["path"]
    before = pq.ParquetFile(path).read()
    rows = change(before)
    pq.write_table(rows, path, **writer_options(rows.schema))
    totals = header["totals"]
    total = {"scalars": "points"}.get(table, table)
    totals[total] = totals.get(total, 0) + rows.num_rows - before.num_rows
    totals["bytes"] += path.stat().st_size - entry["bytes"]
    entry |= {
        "rows": rows.num_rows,
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    _write_header(snapshot, header)


def _with(name: str, change: Callable[[list[Any]], list[Any]]) -> Change:
    def changed(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index(name)
        field = rows.schema.field(at)
        return rows.set_column(at, field, pa.array(change(rows[name].to_pylist()), field.type))

    return changed


def _first(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda old: [value, *old[1:]]


def _problems(snapshot: Path) -> list[str]:
    return list(verify(snapshot).problems)


def test_a_whole_dataset(made: Path) -> None:
    found = verify(made)
    assert found == Verification(
        root=(made / "snapshots" / "000002").resolve(),
        problems=(),
        notes=(),
        files=len(_header(made / "current")["files"]),
        bytes=_header(made / "current")["totals"]["bytes"],
        tasks=4,
        series=9,
        points=27,
        states={"complete": 4},
        content_id=hashlib.sha256((made / "current" / "SHA256SUMS").read_bytes()).hexdigest(),
    )
    assert found.is_intact
    assert verify(made, 1).tasks == 2


def test_a_copy_below_a_folder_that_looks_like_a_partition(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project_id=9" / "metric=x"
    shutil.copytree(made / "current", folder)
    assert verify(folder).problems == ()


def test_an_empty_dataset(tmp_path: Path, commit: Call) -> None:
    with writing(tmp_path / "data") as dataset:
        commit(dataset, {})
    assert verify(tmp_path / "data").problems == ()


def test_nothing_there(tmp_path: Path, made: Path) -> None:
    with pytest.raises(NoDatasetError):
        verify(tmp_path)
    with pytest.raises(NoDatasetError):
        verify(made, 7)


def test_a_newer_format_is_no_damage(snapshot: Path) -> None:
    _write_header(snapshot, _header(snapshot) | {"format_version": 99})
    with pytest.raises(DatasetError, match="upgrade"):
        verify(snapshot)


def _every_file(snapshot: Path) -> Iterator[Path]:
    """List all files except the two that list the others."""
    lists = ("snapshot.json", "SHA256SUMS")
    yield from sorted(p for p in snapshot.rglob("*") if p.is_file() and p.name not in lists)


def test_a_flipped_bit_in_any_file_names_it(snapshot: Path) -> None:
    """One bit of each, at the beginning, middle or ends; ``tests/bench/flips.py`` flips 1,000."""
    for turn, path in enumerate(_every_file(snapshot)):
        whole = path.read_bytes()
        at = (0, len(whole) // 3, len(whole) - 6, len(whole) - 1)[turn % 4]
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        (problem,) = verify(snapshot).problems
        assert path.relative_to(snapshot).as_posix() in problem
        path.write_bytes(whole)
    assert turn >= 4
    assert verify(snapshot).problems == ()


@pytest.mark.parametrize("name", ["snapshot.json", "SHA256SUMS"])
def test_a_flipped_bit_in_a_list_of_files_is_found(snapshot: Path, name: str) -> None:
    path = snapshot / name
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 7):  # of SHA256SUMS: in hashes and in paths
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not verify(snapshot).is_intact, whole[at - 20 : at + 20]


@pytest.mark.parametrize("table", ["tasks", "hyperparams", "series", "scalars", "exports"])
def test_a_missing_a_short_and_a_strange_file(snapshot: Path, table: str) -> None:
    first = next(one for one in _header(snapshot)["files"] if one["table"] == table)["path"]
    path = snapshot / first
    shutil.copy(path, path.with_name("copy.parquet"))
    strange = path.relative_to(snapshot).with_name("copy.parquet").as_posix()
    assert verify(snapshot).problems == (f"not listed in snapshot.json: {strange}",)
    path.with_name("copy.parquet").unlink()
    (path.with_name(".DS_Store")).write_text("")
    size = path.stat().st_size
    with path.open("rb+") as stream:
        stream.truncate(size - 1)
    found = verify(snapshot)
    assert found.problems == (f"{size - 1:,} bytes instead of {size:,}: {first}",)
    assert found.notes == (
        "ignored, as left by the system or a copying tool: "
        f"{path.with_name('.DS_Store').relative_to(snapshot).as_posix()}",
        "the rows are not checked: that needs intact files",
    )
    path.unlink()
    assert verify(snapshot).problems == (f"missing: {first}",)


def test_a_file_that_never_was_parquet(snapshot: Path) -> None:
    header = _header(snapshot)
    entry = next(one for one in header["files"] if one["table"] == "series")
    text = b"x" * entry["bytes"]
    (snapshot / entry["path"]).write_bytes(text)
    entry["sha256"] = hashlib.sha256(text).hexdigest()
    _write_header(snapshot, header)
    (problem,) = verify(snapshot).problems
    assert problem.startswith("not readable as Parquet")
    assert problem.endswith(entry["path"])


def test_pages_that_never_could_be_read(snapshot: Path) -> None:
    """The footer is intact and the hash fits, but a page in between is damaged."""
    header = _header(snapshot)
    entry = max((f for f in header["files"] if f["table"] == "scalars"), key=lambda f: f["rows"])
    path = snapshot / entry["path"]
    written = path.read_bytes()
    at = written.index(b"\x28\xb5\x2f\xfd")  # how zstd begins
    text = written[:at] + b"\xff" * 4 + written[at + 4 :]
    path.write_bytes(text)
    entry["sha256"] = hashlib.sha256(text).hexdigest()
    _write_header(snapshot, header)
    (problem,) = verify(snapshot).problems
    assert problem.startswith("not readable as Parquet (")
    assert problem.endswith(entry["path"])


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../tasks/part.parquet", "not a valid path for a file of tasks"),
        ("series/part.parquet", "not a valid path for a file of tasks"),
        ("/etc/passwd", "not a valid path for a file of tasks"),
        ("tasks/none.parquet", "missing: tasks/none.parquet"),
    ],
)
def test_a_listed_path_leads_nowhere_else(snapshot: Path, path: str, problem: str) -> None:
    header = _header(snapshot)
    next(one for one in header["files"] if one["table"] == "tasks")["path"] = path
    _write_header(snapshot, header)
    assert any(one.startswith(problem) for one in verify(snapshot).problems)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", None),
        ("files", [{"table": "tasks"}]),
        ("files", [{"table": 1, "path": "a", "rows": 1, "bytes": 1, "sha256": ""}]),
        ("files", [{"table": "tasks", "path": "a", "rows": "1", "bytes": 1, "sha256": ""}]),
        ("totals", {}),
        ("created_at", "yesterday"),
        ("number", None),
        ("format", "parquet"),
        ("format_version", "1"),
    ],
)
def test_a_header_that_makes_no_sense(snapshot: Path, key: str, value: Any) -> None:
    _write_header(snapshot, _header(snapshot) | {key: value})
    (problem,) = verify(snapshot).problems
    assert "snapshot.json" in problem or "format version" in problem


@pytest.mark.parametrize("table", ["tasks", "scalars", "exports"])
def test_a_table_without_files(snapshot: Path, table: str) -> None:
    header = _header(snapshot)
    gone = [one["path"] for one in header["files"] if one["table"] == table]
    header["files"] = [one for one in header["files"] if one["table"] != table]
    _write_header(snapshot, header)
    problems = verify(snapshot).problems
    assert f"snapshot.json lists no file of {table}" in problems
    assert {f"not listed in snapshot.json: {path}" for path in gone} <= set(problems)


@pytest.mark.parametrize(("key", "value"), [("server", None), ("selections", "x")])
def test_what_snapshot_json_says_of_itself(snapshot: Path, key: str, value: Any) -> None:
    _write_header(snapshot, _header(snapshot) | {key: value})
    assert len(verify(snapshot).problems) == 1


def test_the_number_is_that_of_the_folder(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "000003"
    shutil.copytree(made / "current", folder)
    assert verify(folder).problems == ("snapshot.json states number 2, but the folder is 000003",)


@pytest.mark.parametrize("total", ["tasks", "series", "points", "projects", "bytes"])
def test_totals(snapshot: Path, total: str) -> None:
    header = _header(snapshot)
    header["totals"][total] += 1
    _write_header(snapshot, header)
    assert any(f"{total}, but" in problem for problem in verify(snapshot).problems)


def test_a_text_that_was_edited(snapshot: Path) -> None:
    (snapshot / "open.sql").write_text("DROP TABLE students;")
    (problem,) = verify(snapshot).problems
    assert problem.startswith("content changed")
    assert problem.endswith(": open.sql")


@pytest.mark.parametrize("name", ["README.md", "open.sql", "datapackage.json", "SHA256SUMS"])
def test_a_text_that_is_gone(snapshot: Path, name: str) -> None:
    (snapshot / name).unlink()
    assert verify(snapshot).problems == (f"missing: {name}",)


def test_a_text_that_was_added(snapshot: Path) -> None:
    (snapshot / "index.html").write_text("<h1>Trust me</h1>")
    assert verify(snapshot).problems == ("not listed in SHA256SUMS: index.html",)


def test_a_file_that_only_one_of_the_lists_has(snapshot: Path) -> None:
    header = _header(snapshot)
    entries = [FileEntry(**entry) for entry in header["files"]]
    write_sums(snapshot, entries[1:])
    assert verify(snapshot).problems == (
        f"SHA256SUMS and snapshot.json disagree: {entries[0].path}",
    )
    (snapshot / "README.md").unlink()
    write_sums(snapshot, entries)
    assert verify(snapshot).problems == ("not listed in SHA256SUMS: README.md",)


def test_rows_and_schema_of_the_footers(snapshot: Path) -> None:
    header = _header(snapshot)
    entry = next(one for one in header["files"] if one["table"] == "hyperparams")
    entry["rows"] += 1
    _write_header(snapshot, header)
    assert f"2 rows instead of 3: {entry['path']}" in verify(snapshot).problems
    entry["rows"] -= 1
    _write_header(snapshot, header)
    _rewritten(snapshot, "tasks", lambda rows: rows.append_column("x", pa.array([1] * len(rows))))
    (problem,) = _problems(snapshot)
    assert problem.startswith("schema differs from the table's (x int64): tasks/")


def test_an_older_format_may_lack_columns(snapshot: Path) -> None:
    for at in (0, 1):
        _rewritten(
            snapshot, "tasks", lambda rows: rows.drop_columns([*missing_columns("tasks", 1)]), at
        )
        _rewritten(
            snapshot, "series", lambda rows: rows.drop_columns([*missing_columns("series", 1)]), at
        )
    _rewritten(
        snapshot, "exports", lambda rows: rows.drop_columns([*missing_columns("exports", 1)])
    )
    assert any(
        one.startswith("schema differs from the table's (selected") for one in _problems(snapshot)
    )
    (snapshot / "SHA256SUMS").unlink()
    header = _header(snapshot) | {"format_version": 1}
    (snapshot / "snapshot.json").write_text(json.dumps(header))
    found = verify(snapshot)
    assert found.problems == ()
    assert found.content_id is None
    assert found.notes == (
        "snapshot.json, README.md and open.sql are not checked: this older format has no hashes of "
        "them",
    )


DAMAGED: list[tuple[str, Change, str]] = [
    ("scalars", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "stored more than once: 2 times"),
    ("scalars", lambda t: t.slice(1), "points_stored is wrong: task "),
    ("scalars", lambda t: t.slice(1), "complete without all of its points: task "),
    ("scalars", _with("value", _first(9.0)), "series is not what its points give: task "),
    ("scalars", _with("variant", _first("new")), "points without a row in series: task "),
    ("scalars", _with("task_id", _first("e")), "task of scalars is not in tasks: e, 1 points"),
    ("series", lambda t: t.slice(1), "points without a row in series: task "),
    ("series", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "series in series more than once"),
    ("series", _with("variant", _first("new")), "series without points: task "),
    ("series", _with("task_id", _first("e")), "task of series is not in tasks: e, 1 series"),
    ("hyperparams", _with("task_id", _first("e")), "task of hyperparams is not in tasks: e"),
    ("tasks", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "task in tasks more than once: "),
    ("tasks", _with("points_stored", _first(3)), "points_stored is wrong: task "),
    ("tasks", _with("points_expected", _first(30)), "complete without all of its points: task "),
    ("tasks", _with("project_id", _first("2" * 32)), "points in the folder of another project: "),
    ("tasks", _with("project_id", _first("2" * 32)), "snapshot.json states 1 projects"),
]


@pytest.mark.parametrize(("table", "change", "problem"), DAMAGED)
def test_rows_that_do_not_fit_together(
    snapshot: Path, table: str, change: Change, problem: str
) -> None:
    _rewritten(snapshot, table, change)
    assert any(one.startswith(problem) for one in _problems(snapshot)), _problems(snapshot)


def _computed_columns() -> list[str]:
    from clearml_snapshot.exporter.store.format.schema import SERIES

    keys = ("task_id", "metric", "variant")
    return [n for n in SERIES.names if n not in keys and not n.startswith("server_")]


def _altered_at(at: int, values: list[Any]) -> list[Any]:
    return [*values[:at], _altered(values[at]), *values[at + 1 :]]


def _altered(value: Any) -> Any:
    if isinstance(value, str):
        return "2" * 32
    if isinstance(value, float):
        return value * (1 + 1e-8) if math.isfinite(value) and value else 7.0
    if isinstance(value, int):
        return value + 1
    return value + timedelta(milliseconds=1) if value is not None else None


def test_every_column_of_series_is_proved(tmp_path: Path, commit: Call, line: Call) -> None:
    """Ten problems of a kind are reported, so nine columns are altered at a time."""
    computed = _computed_columns()
    for start in range(0, len(computed), 9):
        columns, data = computed[start : start + 9], tmp_path / str(start)
        tasks = [f"{number}" for number in range(len(columns))]
        with writing(data) as dataset:
            commit(dataset, {(task, "p"): line(task, [1.5, 2.25, 4.0]) for task in tasks})
        assert verify(data).problems == ()
        for at, column in enumerate(columns):
            _rewritten(data / "current", "series", _with(column, partial(_altered_at, at)))
        assert _problems(data / "current") == [
            f"series is not what its points give: task {task}, loss/train ({column})"
            for task, column in zip(tasks, columns, strict=True)
        ]


def test_the_last_digits_of_a_mean_may_differ(snapshot: Path) -> None:
    """Values of 1e300 cancel out: what is left of their sum depends on the order."""
    _rewritten(
        snapshot,
        "series",
        _with("mean", lambda old: [None if v is None else v * (1 + 1e-12) + 1e-20 for v in old]),
    )
    assert _problems(snapshot) == []


def test_a_partial_task_may_lack_points_but_not_miscount(snapshot: Path) -> None:
    def partial(rows: pa.Table) -> pa.Table:
        rows = _with("state", lambda old: ["partial", *old[1:]])(rows)
        return _with("points_expected", lambda old: [99, *old[1:]])(rows)

    _rewritten(snapshot, "tasks", partial)
    said = "snapshot.json states 4 complete, but the tasks have 3 complete, 1 partial"
    assert _problems(snapshot) == [said]


def test_points_twice_in_different_files_and_slabs(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_rows.slabs, "__defaults__", (3,))
    rows = pq.ParquetFile(
        snapshot / next(f["path"] for f in _header(snapshot)["files"] if f["table"] == "scalars")
    ).read()

    def both(other: pa.Table) -> pa.Table:
        return pa.concat_tables([other, rows.filter(pc.field("metric") == "loss").slice(0, 9)])

    assert _problems(snapshot) == []
    _rewritten(snapshot, "scalars", both, at=1)
    doubled = [one for one in _problems(snapshot) if one.startswith("stored more than once")]
    told = sum(one.startswith("stored more than once: 2 times task") for one in doubled)
    assert told == 9, doubled


def test_many_problems_of_one_kind_are_counted(snapshot: Path) -> None:
    _rewritten(
        snapshot,
        "hyperparams",
        lambda t: _with("task_id", lambda old: [f"x{n:02}" for n in range(len(old))])(
            pa.concat_tables([t] * 20)
        ),
    )
    problems = _problems(snapshot)
    assert "task of hyperparams is not in tasks: x09, 1 rows" in problems
    assert "task of hyperparams is not in tasks: x10, 1 rows" not in problems
    assert any(one.endswith(": 30 more") for one in problems), problems


def test_slabs_cover_each_metric_once() -> None:
    found = list(slabs([("a", 2), ("b", 3), ("c", 9), ("d", 1)], size=5))
    assert found == [
        Slab("a", "b"),
        Slab("c", "c", 2, 0),
        Slab("c", "c", 2, 1),
        Slab("d", "d"),
    ]
    assert list(slabs([])) == []


def test_a_full_disk_is_not_called_damage(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: Could not write: No space left on device")

    monkeypatch.setattr(verify_rows, "_compute", full)
    with pytest.raises(SnapshotError, match="the rows cannot be checked: the disk is full at"):
        verify(snapshot)
