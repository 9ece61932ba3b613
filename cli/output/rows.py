"""Reads a result as plain columns: DuckDB's many types become a few kinds that writers know.

DuckDB converts them, so that no row needs pyarrow, pytz or one of DuckDB's own types.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.exporter.own_keys import are_in, are_known, scrub, scrub_json

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyRelation

Value = bool | int | float | str | None
"""A cell's value; None is NULL."""

_BATCH: Final = 64
"""Rows held as Python objects: half a gigabyte where each has a megabyte; more is not faster."""
_ARROW_BATCH: Final = 100_000

Change = Callable[[str], str]


class Kind(Enum):
    """The kind of a column's values."""

    BOOLEAN = "bool"
    INTEGER = "int"
    DOUBLE = "float, including NaN and infinities"
    NUMBER = "str: the digits of any other number (HUGEINT, DECIMAL)"
    TIME = "str: ISO-8601; a time with a zone is UTC and ends in Z"
    TEXT = "str"
    JSON = "str: a list, struct or map as JSON"

    @property
    def is_number(self) -> bool:
        """Whether a table aligns it right."""
        return self in (Kind.INTEGER, Kind.DOUBLE, Kind.NUMBER)


@dataclass(frozen=True)
class Column:
    """A column of a result."""

    name: str
    """Unique in its result: the second ``a`` is ``a_1``."""
    kind: Kind


class Rows:
    """A result that has not been read yet; reading it again runs the query again.

    The credentials of this process are removed from its texts, see `exporter.own_keys`.

    Args:
        relation: the result.
        for_screen: escape control characters in names and texts.

    Attributes:
        columns: the columns, named uniquely.
    """

    def __init__(self, relation: "DuckDBPyRelation", *, for_screen: bool = False) -> None:
        kinds = [_kind(str(type_)) for type_ in relation.types]
        shown = printable if for_screen else None
        names = _unique([(shown or str)(scrub(name)) for name in relation.columns])
        self.columns = tuple(Column(*pair) for pair in zip(names, kinds, strict=True))
        self._relation = relation
        self._changes = dict(_changes(kinds, shown))
        casts = [_CASTS[_cast_key(str(type_))] for type_ in relation.types]
        self._plain = _project(relation, casts, names)

    @cached_property
    def typed(self) -> "DuckDBPyRelation":
        """The result with DuckDB's own types, its columns named uniquely."""
        names = [column.name for column in self.columns]
        return _project(self._relation, ["{}"] * len(names), names)

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        rows = iter(self._plain.iter_rows(_BATCH))
        # Running the query now lets it fail before a writer has written its header.
        first = list(islice(rows, 1))
        every = chain(first, rows)
        return map(self._checked, _scrubbed(every, self.columns) if are_known() else every)

    def first(self, limit: int) -> list[tuple[Value, ...]]:
        """Read the first rows."""
        rows = self._plain.limit(limit).fetchall()
        return [self._checked(row) for row in _scrubbed(rows, self.columns)]

    def _checked(self, row: tuple[Value, ...]) -> tuple[Value, ...]:
        return _with_changes(row, self._changes) if self._changes else row

    def batches(self) -> "pa.RecordBatchReader":
        """Read the result with DuckDB's own types, as Arrow."""
        reader: pa.RecordBatchReader = self.typed.to_arrow_reader(_ARROW_BATCH)
        if not are_known():
            return reader
        from clearml_snapshot.cli.output.arrow import scrubbed

        return scrubbed(reader)

    def count(self) -> int:
        """Count the rows."""
        return int(self.typed.aggregate("count(*)").fetchall()[0][0])


_ISO: Final = "%Y-%m-%dT%H:%M:%S.%f"
_MOMENT: Final = (
    "CASE WHEN isfinite({0}) "
    f"THEN regexp_replace(strftime({{0}}::TIMESTAMP, '{_ISO}'), '000$', '') || '{{1}}' "
    "ELSE {0}::VARCHAR END"
)
_CASTS: Final = {
    "plain": "{0}",
    "double": "{0}::DOUBLE",
    "text": "{0}::VARCHAR",
    "json": "to_json({0})::VARCHAR",
    "moment": _MOMENT.replace("{1}", ""),
    "moment with zone": _MOMENT.replace("{1}", "Z"),
}
_INTEGER: Final = re.compile(r"U?(TINY|SMALL|BIG)INT|U?INTEGER")
_NUMBER: Final = re.compile(r"U?HUGEINT|DECIMAL\(.*|BIGNUM")
_NONFINITE: Final = re.compile("NaN|Infinity")
_NESTED: Final = re.compile(r".*\]|(STRUCT|MAP|UNION)\(.*|JSON|VARIANT", re.DOTALL)


def _kind(type_: str) -> Kind:
    if _NESTED.fullmatch(type_):
        return Kind.JSON
    if _INTEGER.fullmatch(type_):
        return Kind.INTEGER
    if _NUMBER.fullmatch(type_):
        return Kind.NUMBER
    if type_.startswith("TIMESTAMP"):
        return Kind.TIME
    return {"DOUBLE": Kind.DOUBLE, "FLOAT": Kind.DOUBLE, "BOOLEAN": Kind.BOOLEAN}.get(
        type_, Kind.TEXT
    )


def _cast_key(type_: str) -> str:
    if type_ in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return "moment with zone"
    kinds = {
        Kind.INTEGER: "plain",
        Kind.BOOLEAN: "plain",
        Kind.DOUBLE: "double",
        Kind.JSON: "json",
        Kind.TIME: "moment",
    }
    return kinds.get(_kind(type_), "text")


def _project(
    relation: "DuckDBPyRelation", casts: list[str], names: list[str]
) -> "DuckDBPyRelation":
    """Cast each column by its position, because two columns may have the same name."""
    places = [f"column{number}" for number in range(len(names))]
    selected = ", ".join(
        f"{cast.replace('{0}', place).replace('{}', place)} AS {_quoted(name)}"
        for cast, place, name in zip(casts, places, names, strict=True)
    )
    projected = relation.query("answer", f"SELECT {selected} FROM answer AS x({', '.join(places)})")
    assert projected is not None, "a SELECT gives a relation"
    return projected


def _changes(kinds: list[Kind], shown: Change | None) -> Iterator[tuple[int, Change]]:
    """Return the changes to texts by column number; most columns need none."""
    for place, kind in enumerate(kinds):
        steps: list[Change] = []
        if kind is Kind.JSON:
            steps.append(_valid_json)
        if shown is not None and kind is not Kind.NUMBER:
            steps.append(shown)
        if steps:
            yield place, partial(_changed, steps)


def _changed(steps: list[Change], text: str) -> str:
    for step in steps:
        text = step(text)
    return text


def _scrubbed(
    rows: Iterable[tuple[Value, ...]], columns: Sequence[Column]
) -> Iterator[tuple[Value, ...]]:
    """Replace this process's credentials; the texts of a batch are searched together."""
    kinds = {place: column.kind for place, column in enumerate(columns)}
    changes = {Kind.TEXT: scrub, Kind.JSON: scrub_json}
    places = [place for place, kind in kinds.items() if kind in changes]
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        texts = [cell for place in places for row in batch if isinstance(cell := row[place], str)]
        if are_in("\n".join(texts)):
            yield from (_with_changes(row, {p: changes[kinds[p]] for p in places}) for row in batch)
        else:
            yield from batch


def _with_changes(row: tuple[Value, ...], changes: Mapping[int, Change]) -> tuple[Value, ...]:
    cells = list(row)
    for place, change in changes.items():
        if isinstance(cell := cells[place], str):
            cells[place] = change(cell)
    return tuple(cells)


def _valid_json(cell: str) -> str:
    """Quote non-finite numbers, which DuckDB writes unquoted into JSON."""
    if not _NONFINITE.search(cell):
        return cell
    return json.dumps(json.loads(cell, parse_constant=str), ensure_ascii=False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unique(names: list[str]) -> list[str]:
    """Number repeated names; DuckDB compares names without case."""
    taken: set[str] = set()
    unique: list[str] = []
    for name in names:
        candidate, number = name, 0
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique
