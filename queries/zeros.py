"""Winners that are probably NaN: the SDK logs NaN and infinities as 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearml_snapshot.queries.catalogue import read
from clearml_snapshot.queries.dataset import Dataset, Rows


@dataclass(frozen=True)
class SuspectZero:
    """A winner of exactly 0 among values far from 0; ``_views.sql`` says what far is."""

    row: Mapping[str, Any]
    """The winner's row."""
    without: Mapping[str, Any] | None
    """The best row of the same answer when suspect zeros may not win; None: nothing is left."""

    def __str__(self) -> str:
        row = self.row
        instead = self.without["value"] if self.without else None
        told = "no other value" if instead is None else f"{instead!r}"
        return (
            f"{row['metric']}/{row['variant']}: the 0.0 of task {row['task_id'][:8]} at iteration "
            f"{row['iteration']} is probably a NaN (the SDK logs NaN as 0); without such zeros: "
            f"{told} (--suspect-zeros exclude)"
        )


def suspect_zeros(
    dataset: Dataset, name: str, typed: Mapping[str, Any], rows: Rows
) -> tuple[SuspectZero, ...]:
    """Find the winners of ``max``, ``min`` or ``last`` that are suspect zeros.

    Args:
        dataset: what was asked.
        name: the query, ``max``, ``min`` or ``last``.
        typed: the parameters that it was asked with.
        rows: what it answered.
    """
    found = [row for row in rows.as_dicts() if row["value"] == 0 and row["iteration"] is not None]
    zeros = list({_point(row): row for row in found}.values())  # at repeats a winner
    if not zeros or typed.get("suspect_zeros") == "exclude":
        return ()
    suspect = _suspect(dataset, zeros)
    if not suspect:
        return ()
    again = dataset.rows(dataset.query(name, **{**typed, "suspect_zeros": "exclude"}))
    part = {"task": "task_id", "project": "project"}.get(typed.get("by") or "")
    best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in again.as_dicts():
        best.setdefault(_answer(row, part), row)
    return tuple(
        SuspectZero(row, _if_any(best.get(_answer(row, part))))
        for row in zeros
        if _point(row) in suspect
    )


def _suspect(dataset: Dataset, zeros: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    points = dataset.sql(
        read("_suspect.sql"),
        {
            "task_ids": [row["task_id"] for row in zeros],
            "metrics": [row["metric"] for row in zeros],
            "variants": [row["variant"] for row in zeros],
            "iterations": [row["iteration"] for row in zeros],
        },
    )
    return set(dataset.rows(points).rows)


def _point(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["task_id"], row["metric"], row["variant"], row["iteration"])


def _answer(row: Mapping[str, Any], part: str | None) -> tuple[Any, ...]:
    return (row["metric"], row["variant"], row[part] if part else None)


def _if_any(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return row if row is not None and row["value"] is not None else None
