"""What still looks like a credential in a snapshot that is to be handed over.

An export takes credentials out already, unless it was told to keep them; this looks once more, at
names as well as values, by the same rules (``exporter.redact``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import speaking
from clearml_snapshot.queries.pack.secret_search import Search

Column = tuple[str, str]
"""Table and column."""

_URLS: Final = frozenset(
    {("tasks", "repository"), ("tasks", "web_url"), ("tasks", "server_id"), ("exports", "server")}
)
_JSON: Final = frozenset({("tasks", "metric_filter"), ("exports", "selections")})
_NAMES: Final = (("series", "metric"), ("series", "variant"))
_BATCH: Final = 128
_SHORT_ID: Final = 8


@dataclass
class Secrets:
    """What was found, and what is to stand in its place."""

    search: Search = field(default_factory=Search)
    """Takes the same out of other texts: those of ``snapshot.json``, those that were typed."""
    texts: dict[Column, dict[str, str]] = field(default_factory=dict)
    """By column: each text that holds a credential, with the one to store."""
    params: dict[tuple[str, str, str | None], str | None] = field(default_factory=dict)
    """Section, name and value; None where the name itself holds one, so that the row goes."""
    places: list[str] = field(default_factory=list)
    """Where, one line each, without what."""
    count: int = 0
    """Values found, each as often as it is stored."""

    def holds(self, metric: str, variant: str) -> bool:
        """Whether the name of a series holds a credential; a name is a key, so the series goes."""
        metrics, variants = (self.texts.get(column, {}) for column in _NAMES)
        return metric in metrics or variant in variants

    def _add(self, place: str, task_id: str | None, number: int) -> None:
        self.count += number
        where = f" of task {task_id[:_SHORT_ID]}" if task_id else ""
        more = f" and {number - 1:,} more" if number > 1 and task_id else ""
        self.places.append(f"{place}{where}{more}")


HEADER: Final = "snapshot.json"
"""Stands for a table in a `Column`; its columns are ``selections`` and the keys of ``server``."""


def find_secrets(dataset: Dataset, passed_over: frozenset[Column] = frozenset()) -> Secrets:
    """Look for credentials in every text of the tasks that a dataset is open for.

    What was found in one place is looked for in all others: a password, found by the name of its
    parameter, may stand in a comment without any.

    Args:
        dataset: the dataset.
        passed_over: columns that will not travel; those of ``hyperparams`` as ``value``, those of
            ``snapshot.json`` under that name.
    """
    search = Search()
    found = _searched(dataset, passed_over, search)
    if search.learn():
        found = _searched(dataset, passed_over, search)
    return found


def secret_ids(dataset: Dataset, search: Search) -> list[str]:
    """Say of what the id looks like a credential: an id names rows and folders, and has to stay."""
    rows = _rows(dataset, "pack/odd_ids.sql")
    return sorted({row["kind"] for row in rows if search.text(row["id"]) != row["id"]})


def _searched(dataset: Dataset, passed_over: frozenset[Column], search: Search) -> Secrets:
    found = Secrets(search=search)
    for row in _rows(dataset, "pack/texts.sql"):
        column = (row["table_name"], row["column_name"])
        if column in passed_over:
            continue
        safe = _safe(search, column, row["text"])
        if safe != row["text"]:
            found.texts.setdefault(column, {})[row["text"]] = safe
            found._add(_column_in_words(column), row["task_id"], row["n"])
    if ("hyperparams", "value") not in passed_over:
        _find_params(dataset, search, found)
    _find_in_header(dataset, passed_over, search, found)
    return found


def _find_params(dataset: Dataset, search: Search, found: Secrets) -> None:
    for row in _rows(dataset, "pack/param_texts.sql"):
        section, name, value = row["section"], row["name"], row["value"]
        if search.text(section) != section or search.text(name) != name:
            found.params[section, name, value] = None
            found._add("the name of a hyperparameter", row["task_id"], row["n"])
            continue
        safe = search.parameter(section, name, value)
        if safe != value:
            found.params[section, name, value] = safe
            found._add(f"hyperparameter {section}/{name}", row["task_id"], row["n"])


def _find_in_header(
    dataset: Dataset, passed_over: frozenset[Column], search: Search, found: Secrets
) -> None:
    header = {**dataset.snapshot.server, "selections": dataset.snapshot.selections}
    for name, value in header.items():
        is_there = (HEADER, name) not in passed_over and search.json(value) != value
        if is_there:
            found._add(f"{name} in {HEADER}", None, 1)


def _rows(dataset: Dataset, name: str) -> Iterator[dict[str, Any]]:
    with speaking():
        answer = dataset.sql(read(name))
        columns = answer.columns
        for row in answer.iter_rows(_BATCH):
            yield dict(zip(columns, row, strict=True))


def _safe(search: Search, column: Column, text: str) -> str:
    if column in _URLS:
        return search.url(text)
    if column in _JSON:
        return search.json_text(text)
    return search.text(text)


def _column_in_words(column: Column) -> str:
    table, name = column
    if column in _NAMES:
        return f"the name of a {name}"
    if table == "hyperparams":
        return f"the {name} of a hyperparameter"
    return f"{name} of an export" if table == "exports" else name
