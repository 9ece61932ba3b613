"""Files with false statistics: readers skip rows by them, so none passes verification."""

import hashlib
import json
import math
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.parts.parquet import (
    conform,
    sorted_slices,
    write_part,
    write_sorted,
    writer_options,
)
from clearml_snapshot.exporter.store.snapshots import read_snapshot
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem
from clearml_snapshot.exporter.store.verify.files import Points, Rate, content_problems
from clearml_snapshot.exporter.store.verify.rows import row_problems
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from tests.exporter.store.conftest import NOW
from tests.support.forge import (
    FALSE,
    I32,
    I64,
    LIST,
    STRUCT,
    TEXT,
    TRUE,
    Struct,
    footer_at,
    of_columns,
    statistics,
    with_footer,
)
from tests.support.hostile_archives import zipped
from tests.support.hostile_contents import listed

Call = Callable[..., Any]
Forgery = Callable[[bytes], bytes]


def _double(value: float) -> tuple[int, bytes]:
    return TEXT, struct.pack("<d", value)


def _footer(change: Callable[[Struct], object]) -> Forgery:
    return lambda content: with_footer(content, change)


def _column(name: str, **fields: Any) -> Forgery:
    """Set fields of a column's metadata."""

    def change(chunk: Struct) -> None:
        chunk[3][1].update({int(field[1:]): value for field, value in fields.items()})

    return _footer(of_columns(name, change))


def _chunk(name: str, **fields: Any) -> Forgery:
    def change(chunk: Struct) -> None:
        chunk.update({int(field[1:]): value for field, value in fields.items()})

    return _footer(of_columns(name, change))


def _group(**fields: Any) -> Forgery:
    def change(footer: Struct) -> None:
        for group in footer[4][1][1]:
            group.update({int(field[1:]): value for field, value in fields.items()})

    return _footer(change)


def _in_a_page(content: bytes) -> bytes:
    """Change the maximum in the header of a page; the footer stays true."""
    at = footer_at(content)
    true = b"\x28\x08" + struct.pack("<d", 2.0)
    assert content[:at].count(true) == 1
    return content[:at].replace(true, b"\x28\x08" + struct.pack("<d", 1.5)) + content[at:]


def _sorted_dictionary(content: bytes) -> bytes:
    at = content.index(b"\x15\x00\x12\x00\x00")
    return content[: at + 2] + b"\x11" + content[at + 3 :]


def _in_microseconds(footer: Struct) -> None:
    for element in footer[2][1][1]:
        if element[4][1] == b"timestamp":
            element[6] = (I32, 10)


_PAIR = (LIST, (STRUCT, [{1: (TEXT, b"key"), 2: (TEXT, b"value")}]))
FORGERIES: dict[str, tuple[Forgery, str]] = {
    "a maximum that hides rows": (
        _footer(statistics("metric", f5=(TEXT, b"a"), f6=(TEXT, b"a"))),
        "column metric has another maximum than stated in its statistics",
    ),
    "a minimum that hides rows": (
        _footer(statistics("metric", f5=(TEXT, b"zz"), f6=(TEXT, b"zz"))),
        "column metric has another maximum",
    ),
    "a minimum too small": (_footer(statistics("metric", f6=(TEXT, b"a"))), "another minimum"),
    "a minimum of values": (_footer(statistics("value", f6=_double(0.5))), "another minimum"),
    "a maximum of old": (_footer(statistics("value", f1=_double(1.5))), "another maximum"),
    "a minimum that is no number": (
        _footer(statistics("value", f6=_double(math.nan))),
        "another minimum",
    ),
    "another task": (
        _footer(statistics("task_id", f5=(TEXT, b"t9"))),
        "column task_id has another",
    ),
    "NULLs that are not there": (
        _footer(statistics("iteration", f3=(I64, 7))),
        "column iteration has 0 NULLs, but the statistics state 7",
    ),
    "statistics declared inexact": (
        _footer(statistics("metric", f7=(FALSE, None))),
        "inexact statistics",
    ),
    "a number of distinct values": (
        _footer(statistics("metric", f4=(I64, 1))),
        "a number of distinct values, which clearml-snapshot never writes",
    ),
    "a page index in a page": (_chunk("metric", f4=(I64, 4), f5=(I32, 4)), "belong to no column"),
    "another file": (_chunk("metric", f1=(TEXT, b"other.parquet")), "another file"),
    "a bloom filter": (_column("metric", f14=(I64, 4)), "a bloom filter"),
    "metadata of a column": (_column("metric", f8=_PAIR), "additional metadata"),
    "metadata of a file": (
        _footer(lambda footer: footer.update({5: _PAIR})),
        "additional metadata",
    ),
    "an order of rows": (
        _group(f4=(LIST, (STRUCT, [{1: (I32, 0), 2: (TRUE, None), 3: (TRUE, None)}]))),
        "an order of its rows",
    ),
    "an encoding of others": (
        _column("value", f2=(LIST, (I32, [3, 0, 9]))),
        "column value has another encoding than clearml-snapshot uses",
    ),
    "another compression": (_column("value", f4=(I32, 1)), ""),
    "pages that are not there": (
        _column("metric", f13=(LIST, (STRUCT, [{1: (I32, 0), 2: (I32, 8), 3: (I32, 2)}]))),
        "column metric has other pages than stated in the footer",
    ),
    "other sizes": (
        _column("metric", f16=(STRUCT, {1: (I64, 1)})),
        "column metric has other sizes than stated in the footer",
    ),
    "another program": (
        _footer(lambda footer: footer.update({6: (TEXT, b"parquet-mr version 1.2.8")})),
        "not written by Arrow",
    ),
    "two meanings of a type": (_footer(_in_microseconds), "schema differs from"),
    "a dictionary out of order": (_sorted_dictionary, "a dictionary that claims to be sorted"),
    "bytes that belong to nothing": (
        lambda content: content[: footer_at(content)] + b"hidden" + content[footer_at(content) :],
        "bytes that belong to no column",
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    """A snapshot of two tasks with a point of its own each."""
    data = tmp_path_factory.mktemp("lies") / "data"
    tasks = {("t1", "p"): line("t1", [1.0, 2.0]), ("t2", "p"): line("t2", [2.0, 1.0])}
    with writing(data) as dataset:
        return Path(commit(dataset, tasks).root)


def _forged(root: Path, target: Path, forgery: Forgery, table: str = "scalars") -> Path:
    """Make a copy of a snapshot with a false statement in a file and correct hashes."""
    shutil.copytree(root, target)
    (path,) = (target / table).rglob("*.parquet")
    path.write_bytes(forgery(path.read_bytes()))
    header = json.loads((target / "snapshot.json").read_text())
    for entry in header["files"]:
        content = (target / entry["path"]).read_bytes()
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    header["totals"]["bytes"] = sum(entry["bytes"] for entry in header["files"])
    (target / "snapshot.json").write_text(json.dumps(header))
    files = {p.relative_to(target).as_posix(): p for p in target.rglob("*") if p.is_file()}
    sums = listed({name: file.read_bytes() for name, file in files.items()})["SHA256SUMS"]
    (target / "SHA256SUMS").write_bytes(sums)
    return target


def _zipped(folder: Path, target: Path) -> Path:
    files = (path for path in folder.rglob("*") if path.is_file())
    target.write_bytes(
        zipped({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    )
    return target


@pytest.mark.parametrize("name", FORGERIES)
def test_a_lie_is_found(name: str, root: Path, tmp_path: Path) -> None:
    forgery, message = FORGERIES[name]
    (entry,) = (entry for entry in read_snapshot(root).files if entry.table == "scalars")
    content = (root / entry.path).read_bytes()
    forged = tmp_path / "forged.parquet"
    forged.write_bytes(content)
    assert parquet_problem(forged, entry, layout.FORMAT_VERSION) is None
    forged.write_bytes(forgery(content))
    problem = parquet_problem(forged, entry, layout.FORMAT_VERSION)
    assert problem is not None
    assert message in problem
    assert problem.endswith(f": {entry.path}")


def test_a_lie_is_not_taken_over(root: Path, tmp_path: Path) -> None:
    """Verify, unpack, merge and a question to a pack prove the same."""
    forgery, message = FORGERIES["a maximum that hides rows"]
    forged = _forged(root, tmp_path / "forged", forgery)
    pack = _zipped(forged, tmp_path / "it.zip")
    with open_dataset(forged) as dataset:
        counts = dataset.sql("SELECT count(*) FROM scalars WHERE metric = 'loss'").fetchall()
    assert counts == [(0,)]  # so it works: four points are hidden
    assert any(message in problem for problem in verify(pack).problems)
    with pytest.raises(DatasetError, match=message):
        unpack(pack, tmp_path / "unpacked")
    with pytest.raises(DatasetError, match=message), open_dataset(pack) as dataset:
        dataset.sql("SELECT count(*) FROM scalars").fetchall()
    with pytest.raises(DatasetError, match=message):
        merge_datasets([root, forged], tmp_path / "merged")
    assert not (tmp_path / "unpacked").exists()
    assert not (tmp_path / "merged").exists()


def test_rows_that_statistics_hide_are_found_among_the_rows(root: Path, tmp_path: Path) -> None:
    """The check for points stored twice does not rely on the files' statistics."""
    forged = _forged(root, tmp_path / "forged", FORGERIES["a minimum that hides rows"][0])
    snapshot, points = read_snapshot(forged), Points(tmp_path)
    (problem,) = content_problems(snapshot, points, Rate(Progress(), "", 4, str))
    assert "column metric has another maximum" in problem
    problems = [*row_problems(snapshot, points)]
    assert any(problem.startswith("statistics hide 4 points") for problem in problems)


def test_two_files_of_equal_shape_with_their_footers_swapped(tmp_path: Path) -> None:
    """Each footer is true, of the other file."""
    files = []
    for task in ("a", "b"):
        rows = _scalars([(task, "m", "v", n, NOW, 1.0, "w") for n in range(5)])
        files.append(write_sorted(tmp_path / f"{task}.parquet", "scalars", rows))
    here, there = (Path(entry.path) for entry in files)
    first, second = here.read_bytes(), there.read_bytes()
    assert parquet_problem(here, files[0], layout.FORMAT_VERSION) is None
    here.write_bytes(first[: footer_at(first)] + second[footer_at(second) :])
    assert "column task_id has another maximum" in (
        parquet_problem(here, files[0], layout.FORMAT_VERSION) or ""
    )


def _scalars(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    schema = TABLES["scalars"]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return conform(pa.Table.from_arrays(arrays, schema=schema), "scalars")


def _row(table: str, nth: int) -> dict[str, Any]:
    """Make a row of all that a column may hold."""
    texts = ["", "x" * 5_000, "\U0001f600", "é\0", None]
    doubles = [math.nan, -0.0, 0.0, math.inf, -5e-324, None]
    lists = [[], None, ["b", ""], ["\U0001f600", None], ["x" * 5_000]]
    row: dict[str, Any] = {}
    for at, field in enumerate(TABLES[table]):
        if pa.types.is_list(field.type):
            row[field.name] = lists[(nth + at) % len(lists)]
        elif field.type == pa.string():
            row[field.name] = texts[(nth + at) % (len(texts) - (not field.nullable))]
        elif field.type == pa.float64():
            row[field.name] = doubles[(nth + at) % len(doubles)]
        elif field.type == pa.bool_():
            row[field.name] = [True, False, None][(nth + at) % 3]
        elif field.type == pa.int64():
            row[field.name] = (
                0 if not field.nullable else [2**63 - 1, -(2**63), None][(nth + at) % 3]
            )
        else:
            row[field.name] = NOW if not field.nullable or nth % 2 else None
    return row


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_no_alarm_at_what_we_write(table: str, count: int, tmp_path: Path) -> None:
    rows = pa.Table.from_pylist([_row(table, nth) for nth in range(count)], TABLES[table])
    entry = write_sorted(tmp_path / "it.parquet", table, conform(rows, table))
    assert parquet_problem(tmp_path / "it.parquet", entry, layout.FORMAT_VERSION) is None


def test_no_alarm_at_many_row_groups_and_pages(tmp_path: Path) -> None:
    """Texts that no dictionary holds are written plain after a while, in pages of a megabyte."""
    count = 60_000
    with duckdb.connect() as connection:
        rows = connection.sql(
            "SELECT md5((n % 10)::VARCHAR) AS task_id, 'm' || n % 3 AS metric, "
            "md5(n::VARCHAR) || md5((n + 1)::VARCHAR) AS variant, n AS iteration, "
            "'2026-01-01'::TIMESTAMPTZ AS timestamp, random() AS value, NULL::VARCHAR AS worker "
            f"FROM range({count}) AS r(n)"
        ).to_arrow_table()
    slices = sorted_slices(conform(rows, "scalars"), "scalars", 50_000)
    entry = write_part(tmp_path / "it.parquet", "scalars", slices)
    assert parquet_problem(tmp_path / "it.parquet", entry, layout.FORMAT_VERSION) is None


def _without_index(path: Path) -> FileEntry:
    """Write a file as it was written before there was a page index."""
    rows = _scalars([("a", "m", "v", n, NOW, float(n), "w") for n in range(3)])
    entry = write_sorted(path, "scalars", rows)
    assert pq.read_metadata(path).row_group(0).column(0).has_offset_index
    pq.write_table(rows, path, **writer_options(rows.schema) | {"write_page_index": False})
    assert not pq.read_metadata(path).row_group(0).column(0).has_offset_index
    return entry


def test_files_without_a_page_index_are_intact(tmp_path: Path) -> None:
    path = tmp_path / "it.parquet"
    assert parquet_problem(path, _without_index(path), layout.FORMAT_VERSION) is None


def test_a_lie_in_the_header_of_a_page(tmp_path: Path) -> None:
    """Such statistics are only written where there is no page index."""
    path = tmp_path / "it.parquet"
    entry = _without_index(path)
    path.write_bytes(_in_a_page(path.read_bytes()))
    problem = parquet_problem(path, entry, layout.FORMAT_VERSION) or ""
    assert "a page of column value has another maximum" in problem
