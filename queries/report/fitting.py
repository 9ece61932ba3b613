"""Chooses what fits a report about a dataset of any size, so that memory and page are bounded."""

from dataclasses import dataclass
from typing import Final

from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.dataset import Dataset

TASKS: Final = 2_000
SERIES: Final = 20_000
"""1,000 tasks × 20 metrics; the page opens in 2 seconds."""

VARIANTS: Final = 500
PARAMS: Final = 200


@dataclass(frozen=True, slots=True)
class Fitting:
    """What fits."""

    pairs: tuple[tuple[str, str], ...]
    """Metrics and variants, those that most tasks have."""
    task_ids: tuple[str, ...] | None
    """The newest tasks; None: all of them."""
    n_variants: int
    """How many metrics and variants there are."""
    n_tasks: int
    """How many tasks are shown."""
    n_selected: int
    """How many tasks there are."""

    def in_words(self) -> str | None:
        """Say what does not fit; None: everything fits."""
        parts = []
        if self.n_tasks < self.n_selected:
            parts.append(f"the newest {self.n_tasks:,} of {self.n_selected:,} tasks")
        if len(self.pairs) < self.n_variants:
            which = "variants of metrics (those that most tasks have)"
            parts.append(f"{len(self.pairs):,} of {self.n_variants:,} {which}")
        return " and ".join(parts) or None

    @property
    def is_all(self) -> bool:
        """Whether every task and every metric fits."""
        return self.task_ids is None and len(self.pairs) == self.n_variants


def fitting(dataset: Dataset) -> Fitting:
    """Choose tasks and metrics of a dataset; the same contents give the same choice."""
    found = dataset.rows(dataset.sql(read("report/fitting_series.sql"), {"top": VARIANTS})).rows
    pairs = tuple((metric, variant) for metric, variant, _ in found)
    parameters = {
        "metric": [metric for metric, _ in pairs],
        "variant": [variant for _, variant in pairs],
        "most_tasks": TASKS,
        "most_series": SERIES,
    }
    chosen = dataset.rows(dataset.sql(read("report/fitting_tasks.sql"), parameters)).rows
    ids = tuple(task_id for (task_id,) in chosen)
    states = dataset.rows(dataset.sql(read("status/states.sql"))).as_dicts()
    n_selected = sum(row["tasks"] for row in states)
    return Fitting(
        pairs,
        None if len(ids) == n_selected else ids,
        found[0][2] if found else 0,
        len(ids),
        n_selected,
    )
