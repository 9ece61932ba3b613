"""The columns of a table as texts, and the widths that each of them can have."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Final

from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.spread import NULL, with_spread
from clearml_snapshot.cli.output.tables.cells import cell_texts
from clearml_snapshot.cli.output.tables.fit import Needs, fit, fit_alike
from clearml_snapshot.cli.output.tables.shorten import (
    ELLIPSIS,
    beginning,
    ending,
    least_width,
    shortened,
)
from clearml_snapshot.cli.output.terminal import printable
from clearml_snapshot.queries.ask.answer_columns import AnswerColumns
from clearml_snapshot.queries.result import Kind, Value

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
LINK_COLUMN: Final = "web_url"
_LINKED: Final = ("task_id", "task")
NARROWEST: Final = 12
"""A text is not shortened to less than this; one of the answer, which must not go, may be."""
_NARROWEST_ANSWER: Final = 8
_SHORT_HEAD: Final = 8
_ADDED: Final = re.compile(r"(?: \((?:max|min|last|case \d+)\))*$")
"""What columns add to the name of a metric or hyperparameter."""
_USUAL: Final = 32
"""A text that is longer is shown in full only if every column fits."""
_SPARK_WIDTHS: Final = (8, 24, 48)
"""The smallest, usual and largest width of a sparkline."""
_SHORTENED: Final = frozenset({Kind.TEXT, Kind.JSON})
"""Kinds that may be shortened; half a number or half a time would be wrong."""


@dataclass(frozen=True)
class DrawnColumn:
    """A column as it is drawn."""

    name: str
    """Its head, escaped."""
    short_name: str
    """Its head without the section of a hyperparameter, if that is unique."""
    kind: Kind
    texts: tuple[str, ...]
    """Its cells, escaped."""
    is_constant: bool = False
    """All rows have the same value, and there are several rows."""
    is_empty: bool = False
    """All values are NULL."""
    is_answer: bool = False
    """It must not be left out."""
    is_link: bool = False
    """Its cells carry the address of the row's web page."""
    is_whole: bool = False
    """Its texts must not be shortened."""
    is_task: bool = False
    """Its head is a letter that stands for a task."""
    is_spark: bool = False
    """Its cells are curves, drawn in as many characters as there is room for."""

    def fitted(self, width: int) -> list[str]:
        """Shorten its cells to a width."""
        if not self.is_spark:
            return shortened(self.texts, width)
        from clearml_snapshot.queries.figures.outputs.sparklines import narrowed

        return [text if text == NULL else narrowed(text, width) for text in self.texts]

    @property
    def is_number(self) -> bool:
        """Whether it is aligned right: numbers, also if they are texts, as hyperparameters are."""
        return self.kind.is_number or (self.is_answer and self._holds_numbers)

    @property
    def _holds_numbers(self) -> bool:
        texts = [text for text in self.texts if text != NULL]
        return bool(texts) and all(map(_NUMBER.fullmatch, texts))

    @property
    def cells_width(self) -> int:
        """The width of its widest cell."""
        return max(map(width_of, self.texts), default=0)

    @property
    def natural(self) -> int:
        """The width with nothing shortened."""
        return max(width_of(self.name), self.cells_width)

    def short_head(self, width: int) -> str:
        """Shorten the head: ``Args/lr`` to ``lr`` if that is unique, or in the middle.

        What follows a name in brackets, as in ``loss (min)``, stays.
        """
        for head in (self.name, self.short_name):
            if width_of(head) <= width:
                return head
        text, added = self._parts
        room = width - width_of(added) - 1
        half = room // 2
        return beginning(text, half) + ELLIPSIS + ending(text, room - half) + added

    @property
    def least_head(self) -> int:
        """The width to which its head may be shortened."""
        text, added = self._parts
        return min(width_of(text), _SHORT_HEAD) + width_of(added)

    @property
    def _parts(self) -> tuple[str, str]:
        """Divide the short head into the name and what was added to it."""
        added = _ADDED.search(self.short_name)
        assert added is not None, "it also matches nothing at the end"
        return self.short_name[: added.start()], added[0]


_OF_TASKS: Final = frozenset(
    {"name", "task", "project", "user", "status", "type", "tags", "created", "metric", "variant"}
)
"""What tasks have, so that a hyperparameter of this name needs one more word."""


def drawn_columns(
    rows: SafeRows,
    shown: Sequence[Sequence[Value]],
    answer: AnswerColumns,
    *,
    hide_link: bool = False,
) -> list[DrawnColumn]:
    """Write the cells of each column.

    Args:
        rows: the answer.
        shown: its first rows.
        answer: which columns are never left out.
        hide_link: leave out the addresses, because another column carries them.
    """
    names = [column.name for column in rows.columns]
    linked = next((name for name in _LINKED if name in names), None)
    spreads = {mean: std for mean, std in answer.spreads if {mean, std} <= {*names}}
    ends = Counter(map(end_of, names))
    drawn = []
    for place, column in enumerate(rows.columns):
        if column.name in spreads.values() or (hide_link and column.name == LINK_COLUMN):
            continue
        cells = [row[place] for row in shown]
        head, texts = column.name, cell_texts(column, cells)
        if column.name in spreads:
            stds = [row[names.index(spreads[column.name])] for row in shown]
            head = f"{column.name} ± {spreads[column.name]}"
            texts = [with_spread(*pair) for pair in zip(cells, stds, strict=True)]
        is_unique = ends[end_of(column.name)] == 1
        is_param = column.name in answer.params
        short_name = _without_section(head) if is_unique and is_param else head
        drawn.append(
            DrawnColumn(
                printable(head),
                printable(short_name),
                column.kind,
                tuple(texts),
                is_constant=len(shown) > 1 and len({*map(repr, cells)}) == 1,
                is_empty=all(cell is None for cell in cells),
                is_answer=column.name in answer.names,
                is_link=column.name == linked,
                is_whole=column.kind not in _SHORTENED or column.name == LINK_COLUMN,
                is_spark=column.name in answer.sparks,
            )
        )
    return drawn


def end_of(name: str) -> str:
    """Return a name without the section of a hyperparameter, or the metric of a variant."""
    return name.rpartition("/")[2] or name


def _without_section(name: str) -> str:
    """Leave out the section of a hyperparameter.

    A metric stays whole: ``validation`` in a table about accuracy would be taken for its own.
    """
    section, _, end = name.rpartition("/")
    return f"{end_of(section)}/{end}" if section and end in _OF_TASKS else end or name


def needs_of(columns: Sequence[DrawnColumn], answer: AnswerColumns) -> list[Needs]:
    """Compute the widths that the columns can have.

    A text column of the answer is never narrower than what tells its texts apart.
    """
    in_full = {printable(name) for name, _ in answer.legend}
    heads = _least_heads([column for column in columns if column.name not in in_full])
    return [_needs(column, heads.get(column.name, width_of(column.name))) for column in columns]


def _needs(column: DrawnColumn, least_head: int) -> Needs:
    cells = column.cells_width
    if column.is_spark:
        least, usual, natural = (min(cells, width) for width in _SPARK_WIDTHS)
        return Needs(max(least, least_head), max(usual, least_head), natural, column.is_answer)
    if column.is_whole:
        least = cells
    elif column.is_answer:
        least = least_width(column.texts, _NARROWEST_ANSWER)
    else:
        least = min(cells, NARROWEST)
    least = max(least, least_head)
    usual = max(least, min(cells, _USUAL), min(width_of(column.name), _USUAL))
    return Needs(least, usual, max(usual, column.natural), column.is_answer)


def _least_heads(columns: Iterable[DrawnColumn]) -> dict[str, int]:
    """Find how far each head can be shortened; heads that would look the same are not."""
    least: dict[str, int] = {}
    shown: dict[str, list[str]] = {}
    for column in columns:
        shortest = width_of(column.short_name)
        width = max(column.least_head, min(column.cells_width, _SHORT_HEAD))
        least[column.name] = min(width, shortest)
        shown.setdefault(column.short_head(least[column.name]), []).append(column.name)
    for names in shown.values():
        if len(names) > 1:
            least.update({name: width_of(name) for name in names})
    return least


def widths_of(
    columns: Sequence[DrawnColumn], width: int, answer: AnswerColumns
) -> dict[int, int] | None:
    """Compute the width of each column that is shown, by its place.

    Returns:
        None if not even the columns of the answer fit.
    """
    needs = needs_of(columns, answer)
    if not answer.names:
        return fit_alike(needs, width)
    last = [(each.name == LINK_COLUMN, each.kind is Kind.TIME) for each in columns]
    order = sorted(range(len(columns)), key=lambda at: (last[at], at))
    widths = fit([needs[place] for place in order], width)
    return None if widths is None else {order[at]: width for at, width in widths.items()}


def is_tight(columns: Sequence[DrawnColumn], widths: dict[int, int] | None) -> bool:
    """Return whether a text of the answer would be shortened."""
    return widths is None or any(
        column.is_answer and widths[place] < column.cells_width
        for place, column in enumerate(columns)
    )


def with_letters(
    columns: Sequence[DrawnColumn], legend: Sequence[tuple[str, str]]
) -> tuple[list[DrawnColumn], list[str]]:
    """Replace heads by letters.

    Returns:
        The columns, and for each letter a text that explains it.
    """
    letters = {printable(name): letter(place) for place, (name, _) in enumerate(legend)}
    renamed = [
        replace(each, name=letters[each.name], short_name=letters[each.name], is_task=True)
        if each.name in letters
        else each
        for each in columns
    ]
    texts = [f"{letter(place)}: {printable(text)}" for place, (_, text) in enumerate(legend)]
    return renamed, texts


def letter(place: int) -> str:
    """Number with letters: A, B, … Z, then AA, AB and so on."""
    more, last = divmod(place, len(ascii_uppercase))
    return (letter(more - 1) if more else "") + ascii_uppercase[last]


def width_of(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)
