"""Texts of a megabyte per task: writers and readers of rows hold few of them at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts import (
    canonical,
    reading,
    row_buffer,
)
from clearml_snapshot.exporter.store.parts import (
    compaction as compact,
)
from clearml_snapshot.exporter.store.parts import (
    parquet as encode,
)
from clearml_snapshot.exporter.store.parts import (
    sorted_merge as merge,
)
from clearml_snapshot.exporter.store.parts.canonical import written_again
from clearml_snapshot.exporter.store.parts.parquet import (
    conform,
    row_groups,
    text_bytes,
    write_sorted,
)
from clearml_snapshot.exporter.store.parts.reading import read_batches
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.build import SnapshotBuilder, SnapshotHeader
from clearml_snapshot.exporter.store.writing.dataset import writing

TEXT = 3_000
MOST = 20_000
"""Instead of a megabyte and 16 of them."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (encode, "GROUP_BYTES"),
        (canonical, "GROUP_BYTES"),
        (row_buffer, "ROWS_BYTES"),
        (merge, "HELD_BYTES"),
        (reading, "LARGE_GROUP"),
    ):
        monkeypatch.setattr(module, name, MOST)


Row = dict[str, Any]
Rows = Callable[[Iterable[int]], list[Row]]


@pytest.fixture
def tasks(task_row: Callable[..., Row]) -> Rows:
    """Give rows of tasks by their numbers, each with a text of its own."""
    return lambda numbers: [task_row(f"{n:032x}", comment=f"{n:04}" * (TEXT // 4)) for n in numbers]


def _table(rows: list[Row]) -> pa.Table:
    return conform(pa.Table.from_pylist(rows, TABLES["tasks"]), "tasks")


def _groups(path: Path) -> Iterator[int]:
    """Return the bytes of text in each row group of a file."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield int(text_bytes(conform(file.read_row_group(number), "tasks")).sum())


def test_text_is_counted_by_rows(tasks: Rows) -> None:
    first, second = tasks([1, 2])
    second |= {"task_id": None, "comment": "\u00e9" * 10}
    longer, shorter = text_bytes(_table([first, second])).tolist()
    assert longer - shorter == 32 + TEXT - 20
    assert text_bytes(_table([])).tolist() == []


def test_commits_and_merges_of_files_keep_row_groups_small(
    tmp_path: Path, tasks: Rows, export_row: Callable[[str], Row]
) -> None:
    with writing(tmp_path / "data") as dataset:
        for start in range(0, 80, 20):
            stage = dataset.new_stage()
            for row in tasks(range(start, start + 20)):
                stage.add(row, [], PointBuffer(stage, None).finish())
            last = dataset.commit(stage, server={}, selections={}, export_row=export_row("e"))
    assert last.totals.tasks == 80
    assert len(last.paths("tasks")) <= compact.MOST + 1
    sizes = [size for path in last.paths("tasks") for size in _groups(Path(path))]
    assert len(sizes) >= 80 * TEXT // (2 * MOST)
    assert max(sizes) < 2 * MOST


def test_few_large_rows_are_read_at_once(tmp_path: Path, tasks: Rows) -> None:
    entry = write_sorted(tmp_path / "part.parquet", "tasks", _table(tasks(range(40))))
    batches = list(read_batches(entry.path, "tasks", size_in_bytes=MOST))
    assert sum(batch.num_rows for batch in batches) == 40
    for batch in batches:
        comments = cast("pa.DictionaryArray[Any, Any]", batch.column("comment"))
        assert len(comments.dictionary) <= MOST // TEXT
    groups = list(row_groups(batches, "tasks"))
    assert max(int(text_bytes(rows).sum()) for rows in groups) < 2 * MOST


def test_few_large_texts_of_chosen_columns_are_read_at_once(tmp_path: Path, tasks: Rows) -> None:
    entry = write_sorted(tmp_path / "part.parquet", "tasks", _table(tasks(range(40))))
    for columns, most in ((["task_id", "comment"], MOST // TEXT), (["task_id", "state"], 40)):
        batches = list(read_batches(entry.path, "tasks", columns=columns, size_in_bytes=MOST))
        assert sum(batch.num_rows for batch in batches) == 40
        assert 1 < max(batch.num_rows for batch in batches) <= most


def test_large_rows_are_read_without_the_dictionaries_of_row_groups(
    tmp_path: Path, tasks: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write_sorted(tmp_path / "part.parquet", "tasks", _table(tasks(range(40))))

    def read() -> tuple[list[Row], int]:
        before = pa.total_allocated_bytes()
        batches = read_batches(entry.path, "tasks", size_in_bytes=2 * TEXT)
        rows = next(batches).to_pylist()
        held = pa.total_allocated_bytes() - before
        return rows + [row for batch in batches for row in batch.to_pylist()], held

    with_dictionaries, more = read()
    monkeypatch.setattr(reading, "LARGE_ROW", TEXT)
    assert read()[0] == with_dictionaries
    assert read()[1] < 0.7 * more


@pytest.fixture
def woven(tmp_path: Path, tasks: Rows) -> list[Path]:
    """Write 9 files of 15 tasks each; the ids of every file lie between those of the others."""
    paths = [tmp_path / f"tasks/{at}.parquet" for at in range(9)]
    for at, path in enumerate(paths):
        write_sorted(path, "tasks", _table(tasks(range(at, 9 * 15, 9))))
    return paths


def _merged_with_peak(paths: list[Path]) -> tuple[list[str], int]:
    """Return the comments in their order, and the most bytes that Arrow held at a time."""
    before, peak = pa.total_allocated_bytes(), 0
    comments: list[str] = []
    for rows in merge.merged(paths, "tasks"):
        peak = max(peak, pa.total_allocated_bytes() - before)
        comments += map(str, rows.column("comment").to_pylist())
    return comments, peak


@pytest.mark.parametrize("fan_in", [3, 16])
def test_merging_many_files_holds_as_little_as_merging_few(
    woven: list[Path], monkeypatch: pytest.MonkeyPatch, fan_in: int
) -> None:
    """Each open file would hold a page, that is all the texts of a row group."""
    monkeypatch.setattr(merge, "FAN_IN", fan_in)
    monkeypatch.setattr(reading, "LARGE_ROW", TEXT)
    as_opened, more = _merged_with_peak(woven)
    monkeypatch.setattr(merge, "MOST_OPEN_BYTES", MOST)
    comments, held = _merged_with_peak(woven)
    assert comments == as_opened == [f"{n:04}" * (TEXT // 4) for n in range(9 * 15)]
    assert held < 3 * MOST < more / 5
    assert sorted(woven[0].parent.iterdir()) == woven


def test_a_pack_is_the_same_however_the_rows_came(tmp_path: Path, tasks: Rows) -> None:
    written = []
    for name, parts in (("one", [range(40)]), ("other", [range(0, 40, 2), range(1, 40, 2)])):
        folder = tmp_path / name
        files = [
            replace(
                write_sorted(folder / f"tasks/{at}.parquet", "tasks", _table(tasks(numbers))),
                path=f"tasks/{at}.parquet",
            )
            for at, numbers in enumerate(parts)
        ]
        (entry,) = written_again(folder, files, lambda: "part.parquet")
        written.append((folder / entry.path).read_bytes())
        assert max(_groups(folder / entry.path)) < MOST + 2 * TEXT
    assert written[0] == written[1]


def test_a_pack_holds_few_long_texts_at_once(
    tmp_path: Path, tasks: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row group is yielded before much more is read, and split where it always was."""
    at_once, read = 17, []
    rows = _table(tasks(range(40)))

    def merged(*_: object) -> Iterator[pa.Table]:
        for start in range(0, 40, 5):
            read.append(start)
            yield rows.slice(start, 5)

    def write_part(path: Path, table: str, groups: Iterable[pa.Table]) -> FileEntry:
        return encode.write_part(path, table, map(watched, groups))

    def watched(group: pa.Table) -> pa.Table:
        written.append(group.num_rows)
        ahead.append(read[-1] + 5 - sum(written))
        return group

    written: list[int] = []
    ahead: list[int] = []
    monkeypatch.setitem(encode.ROWS_AT_ONCE, "tasks", at_once)
    monkeypatch.setattr(canonical, "merged", merged)
    monkeypatch.setattr(canonical, "write_part", write_part)
    old = write_sorted(tmp_path / "tasks/0.parquet", "tasks", rows)
    entries = [replace(old, path="tasks/0.parquet")]
    written_again(tmp_path, entries, lambda: "part.parquet")
    assert max(ahead) <= 5
    texts = text_bytes(rows).tolist()
    share = [(n // at_once, sum(texts[n - n % at_once : n + 1]) // MOST) for n in range(40)]
    assert written == [share.count(text) for text in dict.fromkeys(share)]


def test_files_of_empty_tables_are_numbered_in_the_order_of_the_tables(tmp_path: Path) -> None:
    """A set of names has another order in each process, and a pack other bytes."""
    folder = SnapshotBuilder(tmp_path / "new", 1, None)
    folder.fill_empty()
    entries = folder.describe(SnapshotHeader(1, {}, [], checkpoint=False))
    in_order = sorted(entries, key=lambda entry: entry.path.rpartition("/")[2])
    assert [entry.table for entry in in_order] == list(TABLES)
