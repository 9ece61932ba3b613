"""Writes index.html, which shows what a pack contains and needs only a browser.

It is one file without scripts, images or external resources, because a pack may come from anyone
and the names in it are other people's text. The best values and their settings are first, then how
complete they are, then where they are from. Each table is cut, so that the page is small for any
history, and says what is left out and where it is.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.selection.remembered import remembered
from clearml_snapshot.exporter.store.format.layout import TABLE_NAMES
from clearml_snapshot.exporter.store.format.states import MEANINGS, in_words
from clearml_snapshot.exporter.store.pack.provenance import provenance
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.ask.best import guess
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.pack.best_values import Best, best
from clearml_snapshot.queries.pack.summary_csv import EXCEL_ROWS
from clearml_snapshot.queries.pack.varying import Varying, settings, varying
from clearml_snapshot.queries.pages.environment import environment
from clearml_snapshot.queries.report.fitting import fitting

if TYPE_CHECKING:
    from jinja2 import Template

BEST: Final = 200
"""Maximum number of metrics and variants; those that most tasks have are shown."""

TASKS: Final = 200
"""Maximum number of tasks in their table."""

SETTINGS: Final = 6
"""Maximum number of hyperparameters that are shown of a task."""

LISTED: Final = 50
"""Maximum number of rows of every other table."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the snapshot."""

    name: str
    rows: int
    files: int
    bytes: int


def write_page(dataset: Dataset, path: Path) -> None:
    """Write a page about the snapshot; the same snapshot gives the same bytes.

    Args:
        dataset: the snapshot; the description of a pack is read from its ``snapshot.json``.
        path: the file; an existing one is replaced.

    Raises:
        DatasetError: ``snapshot.json`` cannot be read.
    """
    path.write_bytes(_template().render(_about(dataset)).encode())


def _about(dataset: Dataset) -> dict[str, Any]:
    """Collect the values for the template."""
    snapshot = dataset.snapshot
    packed = provenance(snapshot)
    states = _rows(dataset, "status/states")
    varied = varying(dataset)
    best_values = sorted(best(dataset, BEST), key=lambda one: _better(one) is None)
    tasks = _rows(dataset, "pack/page_tasks", TASKS)
    shown = [*(row["task_id"] for row in tasks), *_winners(best_values)]
    tables = _tables(snapshot)
    return {
        "snapshot": snapshot,
        "server": _server(snapshot),
        "packed": packed and packed.in_full(),
        "report": fitting(dataset) if packed is not None and packed.report else None,
        "selections": remembered(snapshot.selections)[:LISTED],
        "held": _rows(dataset, "pages/totals")[0],
        "states": states,
        "state_meanings": MEANINGS,
        "missing": in_words({row["state"]: row["tasks"] for row in states}),
        "statuses": _rows(dataset, "pages/statuses", LISTED),
        "running": _rows(dataset, "pages/running", LISTED),
        "problems": _rows(dataset, "pages/problems", LISTED),
        "odd": _rows(dataset, "pages/odd", LISTED),
        "projects": _rows(dataset, "pack/page_projects", LISTED),
        "best": [(one, _better(one)) for one in best_values],
        "tasks": tasks,
        "varied": varied,
        "settings": _settings(dataset, varied, shown),
        "leading": varied.names[:SETTINGS],
        "tables": tables,
        "n_params": sum(table.rows for table in tables if table.name == "hyperparams"),
        "excel_rows": EXCEL_ROWS,
    }


def _better(one: Best) -> str | None:
    """Return which end is better; None if the name does not tell."""
    return guess(one.metric, one.variant)


def _winners(best_values: Iterable[Best]) -> Iterator[str]:
    """Yield the tasks that have the best values."""
    for one in best_values:
        for end in (one.lowest, one.highest):
            if end is not None:
                yield from (row["task_id"] for row in (end.row, end.without) if row)


def _settings(
    dataset: Dataset, varied: Varying, task_ids: Iterable[str]
) -> Mapping[str, list[str | None]]:
    return settings(dataset, varied.names[:SETTINGS], sorted({*task_ids}))


def _rows(dataset: Dataset, name: str, top: int | None = None) -> list[dict[str, Any]]:
    cut = None if top is None else {"top": top}
    return dataset.rows(dataset.sql(read(f"{name}.sql"), cut)).as_dicts()


def _server(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the server; ``name`` is its host without ``https://``."""
    server = {name: snapshot.server.get(name) for name in ("host", "web", "version")}
    server["host"] = server["host"] or "a ClearML server"
    return {**server, "name": str(server["host"]).removeprefix("https://").removeprefix("http://")}


def _tables(snapshot: Snapshot) -> list[Table]:
    rows: Counter[str] = Counter()
    files: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for file in snapshot.files:
        rows[file.table] += file.rows
        files[file.table] += 1
        size[file.table] += file.bytes
    return [Table(name, rows[name], files[name], size[name]) for name in TABLE_NAMES]


@functools.cache
def _template() -> "Template":
    """Compile the template once."""
    return environment().from_string(read("pack/overview.html"))
