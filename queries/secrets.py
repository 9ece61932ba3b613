"""What still looks like a credential in a snapshot that is to be handed over.

An export takes credentials out already, unless it was told to keep them; this looks once more, at
names as well as values, by the same rules (``exporter.redact``).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clearml_snapshot.exporter.redact import Redactor
from clearml_snapshot.queries.catalogue import read
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.messages import speaking

Column = tuple[str, str]
"""Table and column."""

_URLS: Final = frozenset(
    {("tasks", "repository"), ("tasks", "web_url"), ("tasks", "server_id"), ("exports", "server")}
)
_JSON: Final = frozenset({("tasks", "metric_filter"), ("exports", "selections")})
_NAMES: Final = (("series", "metric"), ("series", "variant"))
_BATCH: Final = 10_000
_SHORT_ID: Final = 8


@dataclass
class Secrets:
    """What was found, and what is to stand in its place."""

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


def find_secrets(dataset: Dataset, passed_over: frozenset[Column] = frozenset()) -> Secrets:
    """Look for credentials in every text of the tasks that a dataset is open for.

    Args:
        dataset: the dataset.
        passed_over: columns that will not travel; those of ``hyperparams`` as ``value``.
    """
    found = Secrets()
    redactor = Redactor()
    for row in _rows(dataset, "_texts.sql"):
        column = (row["table_name"], row["column_name"])
        safe = _safe(redactor, column, row["text"])
        if column not in passed_over and safe != row["text"]:
            found.texts.setdefault(column, {})[row["text"]] = safe
            found._add(_column_in_words(column), row["task_id"], row["n"])
    if ("hyperparams", "value") not in passed_over:
        _find_params(dataset, redactor, found)
    return found


def _find_params(dataset: Dataset, redactor: Redactor, found: Secrets) -> None:
    for row in _rows(dataset, "_param_texts.sql"):
        section, name, value = row["section"], row["name"], row["value"]
        named = redactor.text(section)[0], redactor.text(name)[0]
        if named != (section, name):
            found.params[section, name, value] = None
            found._add("the name of a hyperparameter", row["task_id"], row["n"])
            continue
        safe, is_secret = redactor.parameter(section, name, value)
        if is_secret:
            found.params[section, name, value] = safe
            found._add(f"hyperparameter {section}/{name}", row["task_id"], row["n"])


def safe_json(value: Any) -> Any:
    """Give a JSON value with the credentials in its texts taken out."""
    return _mapped(value, lambda text: Redactor().text(text)[0] or "")


def _rows(dataset: Dataset, name: str) -> Iterator[dict[str, Any]]:
    with speaking():
        answer = dataset.sql(read(name))
        columns = answer.columns
        for row in answer.iter_rows(_BATCH):
            yield dict(zip(columns, row, strict=True))


def _safe(redactor: Redactor, column: Column, text: str) -> str:
    if column in _URLS:
        return redactor.url(text)[0] or ""
    if column in _JSON:
        return _safe_json_text(text)
    return redactor.text(text)[0] or ""


def _safe_json_text(text: str) -> str:
    """Take credentials out of the texts inside a JSON text; it stays as it is without any."""
    try:
        value = json.loads(text)
    except ValueError:
        return Redactor().text(text)[0] or ""
    safe = safe_json(value)
    return text if safe == value else json.dumps(safe, ensure_ascii=False)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value


def _column_in_words(column: Column) -> str:
    table, name = column
    if column in _NAMES:
        return f"the name of a {name}"
    return f"{name} of an export" if table == "exports" else name
