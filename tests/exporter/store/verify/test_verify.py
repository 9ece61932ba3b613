"""Verify: an intact snapshot passes, and every damage is found and named."""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.format.layout import missing_columns
from clearml_snapshot.exporter.store.verify.files import Rate, points_in_words
from clearml_snapshot.exporter.store.verify.verify import Verification, verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.damage import Call, header_of, problems_of, rewritten, write_header


def test_an_intact_dataset(made: Path) -> None:
    report = verify(made)
    assert report == Verification(
        root=(made / "snapshots" / "000002").resolve(),
        problems=(),
        notes=(),
        files=len(header_of(made / "current")["files"]),
        bytes=header_of(made / "current")["totals"]["bytes"],
        tasks=4,
        series=9,
        points=27,
        states={"complete": 4},
        content_id=hashlib.sha256((made / "current" / "SHA256SUMS").read_bytes()).hexdigest(),
    )
    assert report.is_intact
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


def test_a_newer_format_is_not_damage(snapshot: Path) -> None:
    write_header(snapshot, header_of(snapshot) | {"format_version": 99})
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
    first = next(entry for entry in header_of(snapshot)["files"] if entry["table"] == table)["path"]
    path = snapshot / first
    shutil.copy(path, path.with_name("copy.parquet"))
    strange = path.relative_to(snapshot).with_name("copy.parquet").as_posix()
    assert verify(snapshot).problems == (f"not listed in snapshot.json: {strange}",)
    path.with_name("copy.parquet").unlink()
    (path.with_name(".DS_Store")).write_text("")
    size = path.stat().st_size
    with path.open("rb+") as stream:
        stream.truncate(size - 1)
    report = verify(snapshot)
    assert report.problems == (f"{size - 1:,} bytes instead of {size:,}: {first}",)
    assert report.notes == (
        "ignored, as left by the system or a copying tool: "
        f"{path.with_name('.DS_Store').relative_to(snapshot).as_posix()}",
        "the rows are not checked: that needs intact files",
    )
    path.unlink()
    assert verify(snapshot).problems == (f"missing: {first}",)


def test_a_file_that_never_was_parquet(snapshot: Path) -> None:
    header = header_of(snapshot)
    entry = next(entry for entry in header["files"] if entry["table"] == "series")
    text = b"x" * entry["bytes"]
    (snapshot / entry["path"]).write_bytes(text)
    entry["sha256"] = hashlib.sha256(text).hexdigest()
    write_header(snapshot, header)
    (problem,) = verify(snapshot).problems
    assert problem.startswith("not readable as Parquet")
    assert problem.endswith(entry["path"])


def test_pages_that_never_could_be_read(snapshot: Path) -> None:
    """The footer is intact and the hash fits, but a page in between is damaged."""
    header = header_of(snapshot)
    entry = max((f for f in header["files"] if f["table"] == "scalars"), key=lambda f: f["rows"])
    path = snapshot / entry["path"]
    written = path.read_bytes()
    at = written.index(b"\x28\xb5\x2f\xfd")  # how zstd begins
    text = written[:at] + b"\xff" * 4 + written[at + 4 :]
    path.write_bytes(text)
    entry["sha256"] = hashlib.sha256(text).hexdigest()
    write_header(snapshot, header)
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
    header = header_of(snapshot)
    next(row for row in header["files"] if row["table"] == "tasks")["path"] = path
    write_header(snapshot, header)
    assert any(problem_found.startswith(problem) for problem_found in verify(snapshot).problems)


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
    write_header(snapshot, header_of(snapshot) | {key: value})
    (problem,) = verify(snapshot).problems
    assert "snapshot.json" in problem or "format version" in problem


@pytest.mark.parametrize("table", ["tasks", "scalars", "exports"])
def test_a_table_without_files(snapshot: Path, table: str) -> None:
    header = header_of(snapshot)
    gone = [entry["path"] for entry in header["files"] if entry["table"] == table]
    header["files"] = [entry for entry in header["files"] if entry["table"] != table]
    write_header(snapshot, header)
    problems = verify(snapshot).problems
    assert f"snapshot.json lists no file of {table}" in problems
    assert {f"not listed in snapshot.json: {path}" for path in gone} <= set(problems)


@pytest.mark.parametrize(("key", "value"), [("server", None), ("selections", "x")])
def test_what_snapshot_json_states_about_the_snapshot(snapshot: Path, key: str, value: Any) -> None:
    write_header(snapshot, header_of(snapshot) | {key: value})
    assert len(verify(snapshot).problems) == 1


def test_the_number_is_that_of_the_folder(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "000003"
    shutil.copytree(made / "current", folder)
    assert verify(folder).problems == ("snapshot.json states number 2, but the folder is 000003",)


@pytest.mark.parametrize("total", ["tasks", "series", "points", "projects", "bytes"])
def test_totals(snapshot: Path, total: str) -> None:
    header = header_of(snapshot)
    header["totals"][total] += 1
    write_header(snapshot, header)
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
    header = header_of(snapshot)
    entries = [FileEntry(**entry) for entry in header["files"]]
    write_sums(snapshot, entries[1:])
    assert verify(snapshot).problems == (
        f"SHA256SUMS and snapshot.json disagree: {entries[0].path}",
    )
    (snapshot / "README.md").unlink()
    write_sums(snapshot, entries)
    assert verify(snapshot).problems == ("not listed in SHA256SUMS: README.md",)


def test_rows_and_schema_of_the_footers(snapshot: Path) -> None:
    header = header_of(snapshot)
    entry = next(entry for entry in header["files"] if entry["table"] == "hyperparams")
    entry["rows"] += 1
    write_header(snapshot, header)
    assert f"2 rows instead of 3: {entry['path']}" in verify(snapshot).problems
    entry["rows"] -= 1
    write_header(snapshot, header)
    rewritten(snapshot, "tasks", lambda rows: rows.append_column("x", pa.array([1] * len(rows))))
    (problem,) = problems_of(snapshot)
    assert problem.startswith("schema differs from the table's (x int64): tasks/")


def test_an_older_format_may_have_fewer_columns(snapshot: Path) -> None:
    for at in (0, 1):
        rewritten(
            snapshot, "tasks", lambda rows: rows.drop_columns([*missing_columns("tasks", 1)]), at
        )
        rewritten(
            snapshot, "series", lambda rows: rows.drop_columns([*missing_columns("series", 1)]), at
        )
    rewritten(snapshot, "exports", lambda rows: rows.drop_columns([*missing_columns("exports", 1)]))
    assert any(
        line.startswith("schema differs from the table's (selected")
        for line in problems_of(snapshot)
    )
    (snapshot / "SHA256SUMS").unlink()
    header = header_of(snapshot) | {"format_version": 1}
    (snapshot / "snapshot.json").write_text(json.dumps(header))
    report = verify(snapshot)
    assert report.problems == ()
    assert report.content_id is None
    assert report.notes == (
        "snapshot.json, README.md and open.sql are not checked: this older format has no hashes of "
        "them",
    )


def test_quick_finds_every_changed_byte_and_nothing_else(snapshot: Path) -> None:
    intact = verify(snapshot, quick=True)
    assert (intact.problems, intact.is_quick, intact.points) == ((), True, 27)
    assert intact.content_id == verify(snapshot).content_id
    for path in _every_file(snapshot):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        (problem,) = verify(snapshot, quick=True).problems
        assert path.relative_to(snapshot).as_posix() in problem
        path.write_bytes(whole)
    rewritten(snapshot, "scalars", lambda rows: rows.slice(1))  # its hashes are right
    assert verify(snapshot, quick=True).problems == ()
    assert any("points_stored is wrong" in problem for problem in verify(snapshot).problems)


def test_progress_shows_the_speed(snapshot: Path) -> None:
    class Notes(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    verify(snapshot, progress=Notes())
    assert re.fullmatch(
        r"hashed \d+\.\d kB in \d+\.\d s \([\d.]+ [kM]B/s\), "
        r"checked 27 points in \d+\.\d s \([\d,]+ points/s\)",
        notes[-1],
    )
    verify(snapshot, progress=Notes(), quick=True)
    assert re.fullmatch(r"hashed \S+ kB in \S+ s \(\S+ [kM]B/s\)", notes[-1])


def test_long_checks_report_each_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Notes(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    moments = iter([0.0, 4.0, 10.0, 12.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    rate = Rate(Notes(), "checking", 4_000, points_in_words)
    for _ in range(3):
        rate.add(1_000)
    assert notes == ["checking: 2,000 points of 4,000 points (200 points/s)"]
    assert str(rate) == "3,000 points in 20.0 s (150 points/s)"
