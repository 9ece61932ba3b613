"""Columns that are chosen when a query is asked: the SQL of the catalogue gives long rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import duckdb

from clearml_snapshot.queries.catalogue import Query

NamesOf = Callable[[Sequence[str]], Mapping[str, str | None]]
"""Gives the names of tasks by id."""

_AT: Final = ("at_metric", "at_variant", "at_value", "at_iteration")
_BESIDE: Final = ("beside", "beside_name", "text", "number")


def with_columns(
    query: Query,
    values: Mapping[str, Any],
    answer: duckdb.DuckDBPyRelation,
    names_of: NamesOf,
) -> duckdb.DuckDBPyRelation:
    """Turn what the query's rows name into columns, in the order in which it was asked for.

    Args:
        query: what was asked.
        values: what was bound to its parameters.
        answer: its rows as the SQL gives them.
        names_of: for the columns of tasks.
    """
    make = _SHAPES.get(query.name)
    if make is not None:
        return make(values, answer, names_of)
    if "at" in values and values["at"] is None and {*_AT} <= {*answer.columns}:
        return _without(answer, _AT)
    return answer


def _leaderboard(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    params = [("text", [name]) for name in values["param"] or ()]
    also = zip(values["also"] or (), values["also_variant"] or (), strict=True)
    metrics = [("number", [*pair]) for pair in also]
    keys = [name for name in answer.columns if name not in _BESIDE]
    made = {
        "/".join(name): f"any_value({column}) FILTER (beside_name = {_list(name)})"
        for column, name in (*metrics, *params)
    }
    return _pivoted(answer, keys, made, behind="iteration", order="metric, variant, place")


def _group(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    by = [name.removeprefix("param:") for name in values["by"] or ()]
    labels = _labels(by, [name for name in answer.columns if name != "group"])
    made = [f'"group"[{place}] AS {_quoted(label)}' for place, label in enumerate(labels, 1)]
    dropped = ["group"] + ["parameters"] * (values["by_all_except"] is None)
    kept = [name for name in answer.columns if name not in (*dropped, "metric", "variant")]
    return answer.project(", ".join(["metric", "variant", *made, *map(_quoted, kept)]))


def _compare(
    values: Mapping[str, Any], answer: duckdb.DuckDBPyRelation, names_of: NamesOf
) -> duckdb.DuckDBPyRelation:
    keys = ["parameter"] if values["params"] else ["metric", "variant", "iteration"]
    cell = "setting" if values["params"] else "value"
    names = names_of(values["tasks"])
    told = [names[one] or one[:8] for one in values["tasks"]]
    labels = [
        name if told.count(name) == 1 else f"{name} ({one[:8]})"
        for name, one in zip(told, values["tasks"], strict=True)
    ]
    made = {
        label: f"any_value({cell}) FILTER (task_id = {_text(one)})"
        for label, one in zip(_labels(labels, keys), values["tasks"], strict=True)
    }
    order = ", ".join(f"{key} NULLS LAST" for key in keys)
    return _pivoted(answer, keys, made, behind=keys[-1], order=order)


_SHAPES: Final = {"leaderboard": _leaderboard, "group": _group, "compare": _compare}


def _pivoted(
    answer: duckdb.DuckDBPyRelation,
    keys: Sequence[str],
    made: Mapping[str, str],
    *,
    behind: str,
    order: str,
) -> duckdb.DuckDBPyRelation:
    """Make one row of all that agree in the keys; the new columns stand behind one of them."""
    labels = _labels(made, keys)
    new = [f"{cell} AS {_quoted(label)}" for label, cell in zip(labels, made.values(), strict=True)]
    at = list(keys).index(behind) + 1
    columns = ", ".join([*map(_quoted, keys[:at]), *new, *map(_quoted, keys[at:])])
    grouped = ", ".join(map(_quoted, keys))
    statement = f"SELECT {columns} FROM answer GROUP BY {grouped} ORDER BY {order}"
    pivoted = answer.query("answer", statement)
    assert pivoted is not None, "a SELECT gives a relation"
    return pivoted


def _without(answer: duckdb.DuckDBPyRelation, dropped: Iterable[str]) -> duckdb.DuckDBPyRelation:
    gone = {*dropped}
    return answer.project(", ".join(_quoted(name) for name in answer.columns if name not in gone))


def _labels(wanted: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Number names that are taken; DuckDB compares names without case."""
    used = {name.casefold() for name in taken}
    labels = []
    for name in wanted:
        label, number = name or "_", 1
        while label.casefold() in used:
            number += 1
            label = f"{name} ({number})"
        used.add(label.casefold())
        labels.append(label)
    return labels


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
