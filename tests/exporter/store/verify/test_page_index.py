"""Files with a false page index: readers skip pages by it, so none passes verification."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts.parquet import conform, write_sorted
from clearml_snapshot.exporter.store.untrusted.parquet_statistics import parquet_problem
from tests.exporter.store.conftest import NOW
from tests.support.forge import (
    BOUNDS,
    I32,
    I64,
    LIST,
    PLACES,
    TEXT,
    TRUE,
    Struct,
    footer_at,
    of_columns,
    with_footer,
    with_index,
)

Forgery = Callable[[bytes], bytes]


def _bounds(name: str, **fields: Any) -> Forgery:
    """Set fields of the column index of a column."""
    changes = {int(field[1:]): value for field, value in fields.items()}
    return lambda content: with_index(content, name, BOUNDS, lambda index: index.update(changes))


def _places(name: str, **fields: Any) -> Forgery:
    """Set fields of the offset index of a column."""
    changes = {int(field[1:]): value for field, value in fields.items()}
    return lambda content: with_index(content, name, PLACES, lambda index: index.update(changes))


def _place(name: str, **fields: Any) -> Forgery:
    """Set fields of the place of the first page of a column."""
    changes = {int(field[1:]): value for field, value in fields.items()}

    def change(index: Struct) -> None:
        index[1][1][1][0].update(changes)

    return lambda content: with_index(content, name, PLACES, change)


def _without_places(content: bytes) -> bytes:
    """Leave the bounds of pages without the places, which are the last bytes before the footer."""

    def change(chunk: Struct) -> None:
        lengths.append(chunk.pop(PLACES + 1)[1])
        del chunk[PLACES]

    lengths: list[int] = []
    forged = with_footer(content, of_columns("worker", change))
    at = footer_at(forged)
    return forged[: at - lengths[0]] + forged[at:]


_NOTHING = (LIST, (TEXT, [b""]))
FORGERIES: dict[str, tuple[Forgery, str]] = {
    "no places of pages": (_without_places, "without the places of its pages"),
    "a bound that hides a page": (
        _bounds("task_id", f2=(LIST, (TEXT, [b"t2"]))),
        "column task_id has a page with other bounds than stated in its page index",
    ),
    "a high bound that hides a page": (
        _bounds("value", f3=(LIST, (TEXT, [struct.pack("<d", 1.5)]))),
        "column value has a page with other bounds",
    ),
    "a bound that is too wide": (
        _bounds("metric", f2=(LIST, (TEXT, [b"a"]))),
        "column metric has a page with other bounds",
    ),
    "a page declared NULL": (
        _bounds("value", f1=(LIST, (TRUE, [1])), f2=_NOTHING, f3=_NOTHING, f5=(LIST, (I64, [4]))),
        "column value has other NULLs than stated in its page index",
    ),
    "NULLs of a page": (_bounds("value", f5=(LIST, (I64, [3]))), "column value has other NULLs"),
    "values of a page": (
        _bounds("value", f7=(LIST, (I64, [4, 0]))),
        "column value has other levels",
    ),
    "an order of what": (_bounds("value", f4=(I32, 3)), "column value has pages in another order"),
    "bounds of a page more": (
        _bounds("task_id", f2=(LIST, (TEXT, [b"t1", b"t1"]))),
        "column task_id has other pages than stated in its page index",
    ),
    "bounds of unknown meaning": (_bounds("value", f8=(I32, 1)), "unknown field 8"),
    "a page elsewhere": (_place("value", f1=(I64, 4)), "column value has a page elsewhere"),
    "a page of other rows": (_place("value", f3=(I64, 1)), "column value has a page elsewhere"),
    "a page of another size": (_place("value", f2=(I32, 9)), "column value has a page elsewhere"),
    "texts of another size": (
        _places("worker", f2=(LIST, (I64, [0]))),
        "column worker has other sizes than stated in its page index",
    ),
}


def _written(path: Path, rows: list[tuple[Any, ...]]) -> FileEntry:
    columns = zip(*rows, strict=True)
    schema = TABLES["scalars"]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema)
    return write_sorted(path, "scalars", conform(table, "scalars"))


def _problem(path: Path, entry: FileEntry) -> str:
    return parquet_problem(path, entry, layout.FORMAT_VERSION) or ""


@pytest.mark.parametrize("name", FORGERIES)
def test_a_lie_is_found(name: str, tmp_path: Path) -> None:
    forgery, message = FORGERIES[name]
    path = tmp_path / "it.parquet"
    tasks = [("t1", 1.0), ("t1", 2.0), ("t2", 2.0), ("t2", 1.0)]
    entry = _written(
        path, [(task, "loss", "train", n, NOW, v, "w") for n, (task, v) in enumerate(tasks)]
    )
    assert _problem(path, entry) == ""
    path.write_bytes(forgery(path.read_bytes()))
    assert message in _problem(path, entry)


def test_pages_of_one_column_in_a_false_order(tmp_path: Path) -> None:
    """A reader may look for a page by halves when the bounds are declared to be in order."""
    path = tmp_path / "it.parquet"
    count = 100_000
    entry = _written(path, [("a", "m", "v", n, NOW, float(n % 50_000), "w") for n in range(count)])
    content = path.read_bytes()
    assert _problem(path, entry) == ""

    def problem_of_order(order: int, name: str) -> str:
        forged = with_index(content, name, BOUNDS, lambda index: index.update({4: (I32, order)}))
        path.write_bytes(forged)
        return _problem(path, entry)

    assert [problem_of_order(order, "iteration") for order in (0, 1)] == ["", ""]
    assert "column iteration has pages in another order" in problem_of_order(2, "iteration")
    for order in (1, 2):
        assert "column value has pages in another order" in problem_of_order(order, "value")
