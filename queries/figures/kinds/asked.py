"""Makes the figure of a kind, with the notes below it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.settings import setting
from clearml_snapshot.queries.ask.parameters import BEST
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.kinds.bars import bars_of_groups, bars_of_tasks
from clearml_snapshot.queries.figures.kinds.histograms import histograms
from clearml_snapshot.queries.figures.kinds.parallel import parallel
from clearml_snapshot.queries.figures.kinds.scatter import scatter
from clearml_snapshot.queries.figures.kinds.scores import Asked, distinct
from clearml_snapshot.queries.figures.labels import LONGEST_TITLE, harmless
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Chart, Figure, Panel
from clearml_snapshot.queries.notes.below import footnotes
from clearml_snapshot.queries.result import Rows

_ALWAYS: Final = frozenset(
    {"metric", "variant", "exclude_metric", "smooth", "suspect_zeros", "nan_value"}
)
_ALSO: Final[Mapping[str, frozenset[str]]] = {
    "scatter": frozenset({"x", "color", "log_x", "log_y", "clips"}),
    "bar": frozenset({"by", "by_all_except", "band", "clips"}),
    "hist": frozenset({"by", "by_all_except", "log_x", "clips"}),
    "parallel": frozenset({"param"}),
}
"""What has an effect on a kind, besides what has one on each: arguments, and fields of ``Look``."""


def kind_figure(
    dataset: Dataset, typed: Mapping[str, Any], look: Look
) -> tuple[Figure, tuple[Asked, ...]]:
    """Make a figure of the best values of tasks.

    Args:
        dataset: the dataset.
        typed: arguments as for the query ``curve``, of which some have no effect on some kinds.
        look: its kind, and how it is drawn.

    Returns:
        The figure, and the answers it is made of.

    Raises:
        NoSuchNameError: no such metric, variant or hyperparameter.
        UsageError: an argument has no effect on this kind, or a name does not tell which values are
            better.
        SnapshotError: there is nothing to draw.
    """
    given = {name: value for name, value in typed.items() if value not in (None, False, [], ())}
    _refuse_unused(given, look)
    panels: Sequence[Panel] = ()
    charts: Sequence[Chart] = ()
    if look.kind == "scatter":
        panels, rankings, notes = scatter(dataset, given, look)
        asked = [ranking.asked for ranking in rankings]
    elif look.kind == "hist":
        charts, asked, notes = histograms(dataset, given, look)
    elif look.kind == "parallel":
        charts, asked, notes = parallel(dataset, given, look)
    else:
        is_grouped = "by" in given or "by_all_except" in given
        make = bars_of_groups if is_grouped else bars_of_tasks
        charts, asked, notes = make(dataset, given, look)
    title = harmless(look.title, LONGEST_TITLE) if look.title else ""
    figure = Figure(title, tuple(panels), distinct(notes), look.size, look.theme, tuple(charts))
    return figure, tuple(asked)


def _refuse_unused(given: Mapping[str, Any], look: Look) -> None:
    allowed = _ALWAYS | _ALSO[look.kind]
    plain = Look()
    names = [*given]
    names += [n for n in ("color", "log_x", "log_y", "clips", "param") if _differs(n, look, plain)]
    for name in names:
        if name not in allowed:
            value = (False,) if name == "clips" else ()
            raise UsageError(
                f"{setting(name, *value)} has no effect on {setting('kind', look.kind)}; omit it"
            )
    if "band" in given and not {"by", "by_all_except"} & given.keys():
        raise UsageError(
            f"{setting('band')} is for groups; add {setting('by')} or {setting('by_all_except')}"
        )


def _differs(name: str, look: Look, plain: Look) -> bool:
    return bool(getattr(look, name) != getattr(plain, name))


def notes_below(dataset: Dataset, asked: Sequence[Asked], *, quiet: bool) -> Iterator[str]:
    """Write the notes that are below the answers of the queries, each once.

    Suspect zeros depend on which values are better, so series of both directions have their own.
    """
    parts: dict[str, list[Asked]] = {}
    for each in asked:
        parts.setdefault(each.values[BEST], []).append(each)
    found: list[list[str]] = []
    for part in parts.values():
        first = part[0]
        values = {
            **first.values,
            "metric": [metric for each in part for metric in each.values["metric"]],
            "variant": [variant for each in part for variant in each.values["variant"]],
        }
        rows = Rows(
            first.rows.columns, first.rows.types, tuple(row for e in part for row in e.rows.rows)
        )
        found.append([*footnotes(dataset, first.query, values, rows, quiet=quiet)])
    yield from distinct(line for lines in found for line in lines)
