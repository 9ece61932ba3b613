"""Finds what still looks like a credential in a snapshot that is to be shared.

An export already removes credentials, unless ``--keep-secrets`` was given; this searches again, in
names as well as values, by the same rules (``exporter.redact``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clearml_snapshot.exporter.store.parts.reading import bytes_of_texts
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.duckdb_errors import translating_errors
from clearml_snapshot.queries.pack.long_texts import (
    LONGEST,
    LongKey,
    LongText,
    hash_of,
    long_texts,
    may_be_long,
)
from clearml_snapshot.queries.pack.secret_search import Search

Column = tuple[str, str]
"""Table and column."""

_URLS: Final = frozenset(
    {("tasks", "repository"), ("tasks", "web_url"), ("tasks", "server_id"), ("exports", "server")}
)
_JSON: Final = frozenset({("tasks", "metric_filter"), ("exports", "selections")})
_NAMES: Final = (("series", "metric"), ("series", "variant"))
_LONG_COLUMNS: Final = (
    "name",
    "project",
    "type",
    "status",
    "user_id",
    "parent",
    "status_reason",
    "status_message",
    "user",
    "comment",
    "repository",
    "branch",
    "commit",
    "entry_point",
    "web_url",
    "server_id",
    "metric_filter",
    "reason",
)
"""Columns of ``tasks`` that ``texts.sql`` reads, without their long texts."""

_SHORT: Final = {"longest": LONGEST}
_BATCH: Final = 128
_SHORT_ID: Final = 8


@dataclass
class Secrets:
    """The credentials that were found, and their replacements."""

    search: Search = field(default_factory=Search)
    """Removes the same credentials from other texts: ``snapshot.json``, and arguments."""
    texts: dict[Column, dict[str, str]] = field(default_factory=dict)
    """By column: each text with a credential, and the text to store."""
    params: dict[tuple[str, str, str | None], str | None] = field(default_factory=dict)
    """By section, name and value: the value to store; None if the name has a credential, so that
    the row is removed."""
    long_texts: set[tuple[Column, str]] = field(default_factory=set)
    """By column and hash: texts with a credential that are too long to keep in memory."""
    long_params: set[tuple[str, ...]] = field(default_factory=set)
    """The same for hyperparameters, by section, name and hash of the value."""
    places: list[str] = field(default_factory=list)
    """Where they are, one line each, without the credential."""
    count: int = 0
    """Number of values, each counted as often as it is stored."""

    def holds(self, metric: str, variant: str) -> bool:
        """Return whether the name of a series contains a credential; then it is left out."""
        metrics, variants = (self.texts.get(column, {}) for column in _NAMES)
        return metric in metrics or variant in variants

    def columns(self) -> frozenset[Column]:
        """Return the columns with texts that contain credentials, except ``hyperparams.value``."""
        return frozenset(self.texts) | {column for column, _ in self.long_texts}

    def without(self, column: Column, text: str) -> str:
        """Return the text to store; it is unchanged if it contains no credential."""
        short = self.texts.get(column, {})
        if text in short:
            return short[text]
        if self.long_texts and may_be_long(text) and (column, hash_of(text)) in self.long_texts:
            return _safe(self.search, column, text)
        return text

    def param(self, section: str, name: str, value: str | None) -> tuple[str | None, bool]:
        """Return the value to store (None if the name is secret), and whether it was redacted."""
        if (section, name, value) in self.params:
            return self.params[section, name, value], True
        if value is None or not (self.long_params and may_be_long(value)):
            return value, False
        if (section, name, hash_of(value)) in self.long_params:
            return _safe_param(self.search, section, name, value)
        return value, False

    def _add(self, where_found: str, task_id: str | None, number: int) -> None:
        self.count += number
        where = f" of task {task_id[:_SHORT_ID]}" if task_id else ""
        more = f" and {number - 1:,} more" if number > 1 and task_id else ""
        self.places.append(f"{where_found}{where}{more}")


HEADER: Final = "snapshot.json"
"""Used as a table in a `Column`; its columns are ``selections`` and the keys of ``server``."""


def find_secrets(dataset: Dataset, passed_over: frozenset[Column] = frozenset()) -> Secrets:
    """Look for credentials in every text of the tasks that a dataset is open for.

    What was found in one place is searched for everywhere: a password that was found by the name of
    its parameter may also be in a comment.

    Args:
        dataset: the dataset.
        passed_over: columns that the pack does not include; all of ``hyperparams`` is ``value``,
            and keys of ``snapshot.json`` are columns of that name.
    """
    search = Search()
    with _holding_few_texts(dataset) as opened:
        secrets = _searched(opened, passed_over, search)
        if search.learn():
            secrets = _searched(opened, passed_over, search)
    return secrets


@contextmanager
def _holding_few_texts(dataset: Dataset) -> Iterator[Dataset]:
    """Open the same tasks with one thread if there are long texts.

    Each thread of DuckDB takes 120 MB for a row group of long texts, and releases it when the
    connection closes.
    """
    tables = ("tasks", "hyperparams")
    files = ((path, table) for table in tables for path in dataset.snapshot.paths(table))
    if any(bytes_of_texts(Path(path), table) for path, table in files):
        with dataset.opened_again(threads=1) as (opened, _connection):
            yield opened
    else:
        yield dataset


def secret_ids(dataset: Dataset, search: Search) -> list[str]:
    """List the kinds of ids that look like a credential; ids identify rows and must stay."""
    rows = _rows(dataset, "pack/odd_ids.sql")
    return sorted({row["kind"] for row in rows if search.text(row["id"]) != row["id"]})


def _searched(dataset: Dataset, passed_over: frozenset[Column], search: Search) -> Secrets:
    secrets = Secrets(search=search)
    for row in _rows(dataset, "pack/texts.sql", _SHORT):
        column = (row["table_name"], row["column_name"])
        if column in passed_over:
            continue
        safe = _safe(search, column, row["text"])
        if safe != row["text"]:
            secrets.texts.setdefault(column, {})[row["text"]] = safe
            secrets._add(_column_in_words(column), row["task_id"], row["n"])
    _find_long_texts(dataset, passed_over, secrets)
    if ("hyperparams", "value") not in passed_over:
        _find_params(dataset, secrets)
        _find_long_params(dataset, secrets)
    _find_in_header(dataset, passed_over, search, secrets)
    return secrets


def _find_long_texts(dataset: Dataset, passed_over: frozenset[Column], secrets: Secrets) -> None:
    def describe(key: LongKey, text: str) -> str | None:
        column = ("tasks", key[0])
        return None if _safe(secrets.search, column, text) == text else _column_in_words(column)

    columns = [name for name in _LONG_COLUMNS if ("tasks", name) not in passed_over]
    texts = long_texts(dataset, "tasks", columns)
    secrets.long_texts = {
        (("tasks", key[0]), key[-1]) for key in _found_in(texts, describe, secrets)
    }


def _find_params(dataset: Dataset, secrets: Secrets) -> None:
    for row in _rows(dataset, "pack/param_texts.sql", _SHORT):
        section, name, value = row["section"], row["name"], row["value"]
        safe, holds_one = _safe_param(secrets.search, section, name, value)
        if holds_one:
            secrets.params[section, name, value] = safe
            secrets._add(_param_in_words(section, name, safe), row["task_id"], row["n"])


def _find_long_params(dataset: Dataset, secrets: Secrets) -> None:
    def describe(key: LongKey, text: str) -> str | None:
        _, section, name, _ = key
        safe, holds_one = _safe_param(secrets.search, section, name, text)
        return _param_in_words(section, name, safe) if holds_one else None

    texts = long_texts(dataset, "hyperparams", ["value"], ["section", "name"])
    secrets.long_params = {key[1:] for key in _found_in(texts, describe, secrets)}


def _found_in(
    texts: Iterable[LongText], describe: Callable[[LongKey, str], str | None], secrets: Secrets
) -> list[LongKey]:
    """Search each long text once, and report the places in a fixed order."""
    places: dict[LongKey, str | None] = {}
    holders: defaultdict[LongKey, list[str]] = defaultdict(list)
    for long_text in texts:
        key = long_text.key
        if key not in places:
            places[key] = describe(key, long_text.text)
        if places[key] is not None:
            holders[key] += long_text.task_ids
    in_order = sorted(holders, key=lambda key: (key[:-1], min(holders[key]), key[-1]))
    for key in in_order:
        secrets._add(str(places[key]), min(holders[key]), len(holders[key]))
    return in_order


def _find_in_header(
    dataset: Dataset, passed_over: frozenset[Column], search: Search, secrets: Secrets
) -> None:
    header = {**dataset.snapshot.server, "selections": dataset.snapshot.selections}
    for name, value in header.items():
        is_there = (HEADER, name) not in passed_over and search.json(value) != value
        if is_there:
            secrets._add(f"{name} in {HEADER}", None, 1)


def _rows(
    dataset: Dataset, name: str, values: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    with translating_errors():
        answer = dataset.sql(read(name), values)
        columns = answer.columns
        for row in answer.iter_rows(_BATCH):
            yield dict(zip(columns, row, strict=True))


def _safe(search: Search, column: Column, text: str) -> str:
    if column in _URLS:
        return search.url(text)
    if column in _JSON:
        return search.json_text(text)
    return search.text(text)


def _safe_param(
    search: Search, section: str, name: str, value: str | None
) -> tuple[str | None, bool]:
    """Return the value to store, None if the name has a credential, and whether there is one."""
    if search.text(section) != section or search.text(name) != name:
        return None, True
    safe = search.parameter(section, name, value)
    return safe, safe != value


def _param_in_words(section: str, name: str, safe: str | None) -> str:
    return "the name of a hyperparameter" if safe is None else f"hyperparameter {section}/{name}"


def _column_in_words(column: Column) -> str:
    table, name = column
    if column in _NAMES:
        return f"the name of a {name}"
    if table == "hyperparams":
        return f"the {name} of a hyperparameter"
    return f"{name} of an export" if table == "exports" else name
