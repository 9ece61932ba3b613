"""Redaction categories for packs: columns, hyperparameters and credentials to remove."""

import operator
import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from clearml_snapshot.exporter.redaction.redactor import REDACTED
from clearml_snapshot.exporter.settings import option_of
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.exporter.store.writing.subset import Row, RowEdit
from clearml_snapshot.queries.pack.secret_scan import HEADER, Column, Secrets

SECRETS: Final = "secrets"
CATEGORIES: Final[Mapping[str, str]] = {
    SECRETS: "what looks like a credential",
    "users": "who made a task, who exported",
    "hosts": "machines, the server's address and company, links to it",
    "params": "hyperparameters",
    "repos": "repository, branch, commit, script",
    "comments": "comments, and messages of a status",
}
"""What can be removed, with a description."""

_EMPTIED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "users": {"tasks": ("user_id", "user"), "exports": ("user",)},
    "hosts": {
        "tasks": ("web_url",),
        "scalars": ("worker",),
        "exports": ("server", "warnings", "error"),
    },
    "repos": {"tasks": ("repository", "branch", "commit", "entry_point")},
    "comments": {"tasks": ("comment", "status_reason", "status_message")},
}
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "users": ("the selections",),
    "hosts": ("tasks.server_id", "the server's address and company"),
    "params": ("all of hyperparams",),
}
"""What a category removes in addition."""

_NOT_TOLD: Final = "(taken out)"
_USER: Final = option_of("users")

_OF_HOSTS: Final = ("host", "web", "company", "moved_from")
"""Keys of ``server`` in ``snapshot.json``."""


def emptied(categories: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns that become NULL, by table."""
    columns: dict[str, tuple[str, ...]] = {}
    for category in categories:
        for table, names in _EMPTIED.get(category, {}).items():
            columns[table] = columns.get(table, ()) + names
    return columns


def passed_over(categories: Collection[str]) -> frozenset[Column]:
    """Return the columns that are not searched, because the pack does not include them."""
    columns = {(table, name) for table, names in emptied(categories).items() for name in names}
    if "params" in categories:
        columns |= {("hyperparams", "value"), ("hyperparams", "type")}
    if "hosts" in categories:
        columns |= {(HEADER, key) for key in _OF_HOSTS}
    if "users" in categories:
        columns.add((HEADER, "selections"))
    return frozenset(columns)


@dataclass
class Rows:
    """The edits of the rows of a pack; ``hyperparams`` must be edited before ``tasks``.

    Args:
        snapshot: where the rows come from. categories: the categories to remove. secrets: the
        credentials to remove; empty to keep them. counts: new values for columns of ``tasks``, by
        task.
    """

    snapshot: Snapshot
    categories: frozenset[str]
    secrets: Secrets
    counts: Mapping[str, Row] = field(default_factory=dict)
    _params_of: Counter[str] = field(default_factory=Counter)

    @cached_property
    def _columns(self) -> frozenset[Column]:
        return self.secrets.columns()

    def edits(self) -> dict[str, RowEdit]:
        """Return the edit of each table that needs one."""
        needed: dict[str, RowEdit] = {}
        texts = {table for table, _ in self.secrets.columns()}
        if self.secrets.params or self.secrets.long_params or "hyperparams" in texts:
            needed["hyperparams"] = self._param
        is_edited = "tasks" in texts or "hyperparams" in needed
        if self.counts or is_edited or "hosts" in self.categories:
            needed["tasks"] = self._task
        if "scalars" in texts:
            needed["scalars"] = self._point
        if "exports" in texts or "users" in self.categories:
            needed["exports"] = self._export
        return needed

    def _param(self, row: Row) -> Row | None:
        changed, hits = self._without_texts("hyperparams", row)
        safe, is_secret = self.secrets.param(row["section"], row["name"], row["value"])
        self._params_of[row["task_id"]] += hits + is_secret
        if not is_secret:
            return changed
        return None if safe is None else {**changed, "value": safe}

    def _task(self, row: Row) -> Row:
        changed, hits = self._without_texts("tasks", row)
        hits += self._params_of[row["task_id"]]
        if hits:
            changed["redacted"] = (row["redacted"] or 0) + hits
        if "hosts" in self.categories:
            changed["server_id"] = REDACTED
            changed["reason"] = _without_host(changed["reason"], row["server_id"])
        return {**changed, **self.counts.get(row["task_id"], {})}

    def _point(self, row: Row) -> Row:
        return self._without_texts("scalars", row)[0]

    def _export(self, row: Row) -> Row:
        changed, _ = self._without_texts("exports", row)
        if "users" in self.categories:
            changed["selections"] = None  # they may name users
        return changed

    def _without_texts(self, table: str, row: Row) -> tuple[dict[str, Any], int]:
        changed, hits = dict(row), 0
        for its_table, column in self._columns:
            if its_table != table or row[column] is None:
                continue
            is_list = isinstance(row[column], list)
            texts = row[column] if is_list else [row[column]]
            safe = [self.secrets.without((table, column), text) for text in texts]
            changed[column] = safe if is_list else safe[0]
            hits += sum(map(operator.ne, texts, safe))
        return changed, hits


def header_changes(
    snapshot: Snapshot, categories: Collection[str], secrets: Secrets
) -> dict[str, Any]:
    """Return the keys of ``snapshot.json`` that change because of a redaction."""
    server, selections = dict(snapshot.server), snapshot.selections
    if SECRETS in categories:
        server, selections = secrets.search.json(server), secrets.search.json(selections)
    if "hosts" in categories:
        server = {key: value for key, value in server.items() if key not in _OF_HOSTS}
    if "users" in categories:
        selections = []
    return {"server": server, "selections": selections}


def without_users(selection: str, categories: Collection[str]) -> str:
    """Return the description of a selection, without users if they are redacted."""
    if "users" not in categories or _USER not in selection:
        return selection
    try:
        typed = shlex.split(selection)
    except ValueError:  # not written by clearml-snapshot
        return _NOT_TOLD
    named = ((before == _USER, word) for before, word in pairwise(["", *typed]))
    return shlex.join(
        _NOT_TOLD if is_user else f"{_USER}={_NOT_TOLD}" if word.startswith(f"{_USER}=") else word
        for is_user, word in named
    )


def in_words(categories: Collection[str], secrets: Secrets, earlier: int) -> list[str]:
    """Describe what was removed, one line each, for the README.

    Args:
        categories: the categories that this pack removes.
        secrets: the credentials that were found.
        earlier: number of values that the export had already removed.
    """
    columns_removed = (name for name in CATEGORIES if name in categories and name != SECRETS)
    sentences = [f"{name}: {_where(name)}" for name in columns_removed]
    if secrets.count and SECRETS in categories:
        sentences.append(f"{SECRETS}: {values(secrets.count)} like a credential")
    if earlier:
        sentences.append(f"{SECRETS}: {values(earlier)} like a credential, already at the export")
    return sentences


def values(number: int) -> str:
    """Write a number of values as the subject of "like a credential"."""
    return f"{number:,} value that looks" if number == 1 else f"{number:,} values that look"


def _where(category: str) -> str:
    """Name the columns that a category empties; the same values elsewhere are not changed."""
    named = [
        f"{table}.{column}"
        for table, columns in _EMPTIED.get(category, {}).items()
        for column in columns
    ]
    return ", ".join([*named, *_ALSO.get(category, ())])


def _without_host(reason: str | None, server: str) -> str | None:
    """Remove the server's address, with or without its scheme, from an error."""
    if reason is None:
        return None
    return reason.replace(server, REDACTED).replace(server.partition("://")[2] or server, REDACTED)
