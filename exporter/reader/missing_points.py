"""Finds series and iterations that the server's summary names but the points do not have.

The summary (``last_metrics``) is in a different database than the points. After a lost index,
a clean-up or a restore of only one of the two, it still names series and iterations whose points
are gone, and every count of points agrees with the loss (docs/clearml-server.md, "Lost points").
Overwriting never removes an iteration, so one that the summary names must be among the points.

A task's ``last_iteration`` is not used: plots and images change it as scalars do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clearml_snapshot.exporter.reader.events import SINGLE_VALUE_ITERATION
from clearml_snapshot.exporter.reader.last_metrics import ServerSummary
from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice
from clearml_snapshot.exporter.store.compare.series_outline import Name, SeriesOutline
from clearml_snapshot.exporter.store.format.schema import is_settled
from clearml_snapshot.exporter.store.parts.reading import read_batches
from clearml_snapshot.exporter.store.parts.staging import TaskPoints

SETTLED: Final = timedelta(minutes=5)
"""How long a task must be unchanged before its summary counts: points may not be visible yet."""
_NAMES_SHOWN: Final = 2
_NAME_WIDTH: Final = 40
_COLUMNS: Final = ["metric", "variant", "iteration"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Missing:
    """What a summary names and the points do not have."""

    series: tuple[Name, ...]
    """Metrics and variants without any point."""
    iterations: Mapping[Name, int | None]
    """Series with points but not at an iteration that the summary names: the highest of these;
    None is a single value."""

    def __bool__(self) -> bool:
        return bool(self.series or self.iterations)

    def __str__(self) -> str:
        parts = []
        if self.series:
            parts.append(f"{len(self.series):,} series ({_shown(self.series)})")
        if self.iterations:
            highest = max((at for at in self.iterations.values() if at is not None), default=None)
            what = "single values" if highest is None else f"iterations up to {highest:,}"
            parts.append(
                f"{what} of {len(self.iterations):,} series ({_shown(tuple(self.iterations))})"
            )
        return f"the server's summary lists {' and '.join(parts)} of which it has no points"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A summary that contradicts the points of a task, and its meaning."""

    state: Literal["lost", "partial"]
    """``partial``: the points may still arrive; the next export reads the task again."""
    reason: str
    is_expected: bool = False
    """The task is running, so an export is often a moment too early."""


def missing_points(
    summary: ServerSummary, choices: Sequence[MetricChoice] | None, points: TaskPoints | None
) -> Missing:
    """Compare a task's summary with all points that the server returned.

    Args:
        summary: the summary. One that names a series twice proves nothing.
        choices: the selected metrics; None selects every metric.
        points: the points, as ``PointBuffer.finish`` returns them; None if there are none.
    """
    named = named_iterations(summary, choices)
    missing = {name: set(iterations) for name, iterations in named.items()}
    present: set[Name] = set()
    if named:
        for batch in _batches(points):
            present |= _strike_out(batch, missing)
    return Missing(
        tuple(sorted(name for name in named if name not in present)),
        {
            name: None if (at := max(left)) == SINGLE_VALUE_ITERATION else at
            for name, left in sorted(missing.items())
            if left and name in present
        },
    )


def named_iterations(
    summary: ServerSummary, choices: Sequence[MetricChoice] | None
) -> dict[Name, frozenset[int]]:
    """List the selected series of a summary, each with the iterations that it names.

    A single value has the iteration -2147483648. Two series whose names are the same once joined
    by ``-`` overwrite each other's points on the server, so neither proves anything; older servers
    name no iterations.
    """
    if summary.is_ambiguous:
        return {}
    times_used: dict[str, int] = {}
    for row in summary.rows:
        key = _key(row)
        times_used[key] = times_used.get(key, 0) + 1
    return {
        (row["metric"], row["variant"]): row_iterations(row)
        for row in summary.selected_rows(choices)
        if times_used[_key(row)] == 1
    }


def row_iterations(row: Mapping[str, Any]) -> frozenset[int]:
    """Return the iterations that a summary names for one series."""
    names = ("server_min_iteration", "server_max_iteration", "server_first_iteration")
    return frozenset(row[name] for name in names if row.get(name) is not None)


def is_beyond(
    summary: ServerSummary,
    choices: Sequence[MetricChoice] | None,
    stored: Mapping[Name, SeriesOutline],
) -> bool:
    """Return whether a summary names an unknown series, or an iteration outside the stored range.

    Cheaper than ``missing_points``, as it needs no points, but blind within the range.
    """
    for name, iterations in named_iterations(summary, choices).items():
        outline = stored.get(name)
        if outline is None:
            return True
        first, last = outline.first_iteration, outline.last_iteration
        for at in iterations - {SINGLE_VALUE_ITERATION}:
            if first is None or last is None or not first <= at <= last:
                return True
    return False


def judge(missing: Missing, task: Task, is_moving: bool, now: datetime) -> Contradiction | None:
    """Decide what a contradiction means: a loss, or points that are not visible yet.

    Args:
        missing: the result of ``missing_points``.
        task: as the server describes it after the points were read.
        is_moving: whether its summary changed while they were read.
        now: the moment after the points were read.
    """
    if not missing:
        return None
    is_fresh = task.last_update is None or now - task.last_update < SETTLED
    if is_moving or is_fresh:
        reason = f"{missing} yet: it was just updated; the next export reads it again"
        return Contradiction("partial", reason, not is_settled(task.status, "complete"))
    return Contradiction(
        "lost", f"{missing}: they were lost or deleted on the server before this export"
    )


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['metric']}-{row['variant']}"


def _batches(points: TaskPoints | None) -> Iterator[pa.Table]:
    if points is None:
        return
    yield points.rest.select(_COLUMNS)
    files = (read_batches(Path(entry.path), "scalars") for entry in points.files)
    for batch in chain.from_iterable(files):
        yield pa.Table.from_batches([batch.select(_COLUMNS)])


def _strike_out(batch: pa.Table, missing: dict[Name, set[int]]) -> set[Name]:
    """Remove the iterations of a batch from ``missing``; returns the series of the batch."""
    if not batch.num_rows:
        return set()
    metrics, metric_codes = _encoded(batch, "metric")
    variants, variant_codes = _encoded(batch, "variant")
    codes = metric_codes * len(variants) + variant_codes
    here = set(np.unique(codes).tolist())
    series = {
        name: code
        for name in missing
        if name[0] in metrics
        and name[1] in variants
        and (code := metrics[name[0]] * len(variants) + variants[name[1]]) in here
    }
    pairs = [(name, code, at) for name, code in series.items() for at in missing[name]]
    if pairs:
        for (name, _, at), is_there in zip(pairs, _are_there(batch, codes, pairs), strict=True):
            if is_there:
                missing[name].discard(at)
    return set(series)


def _are_there(batch: pa.Table, codes: Ints, pairs: Sequence[tuple[Name, int, int]]) -> list[bool]:
    """Return for each pair of a series' code and an iteration whether a row has both."""
    column: Any = batch["iteration"]
    iterations: Ints = column.fill_null(SINGLE_VALUE_ITERATION).to_numpy()
    claimed = np.unique(np.array([at for _, _, at in pairs], np.int64))
    at = np.isin(iterations, claimed)
    keys = codes[at] * len(claimed) + np.searchsorted(claimed, iterations[at])
    pair_keys = [
        code * len(claimed) + int(np.searchsorted(claimed, iteration))
        for _, code, iteration in pairs
    ]
    there: list[bool] = np.isin(np.array(pair_keys, np.int64), keys).tolist()
    return there


def _encoded(batch: pa.Table, name: str) -> tuple[dict[str, int], Ints]:
    """Number the texts of a column; returns the number of each text, and that of each row."""
    column = batch[name]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    coded: Any = column.unify_dictionaries().combine_chunks()
    texts = coded.dictionary.to_pylist()
    return {text: code for code, text in enumerate(texts)}, coded.indices.to_numpy().astype(
        np.int64
    )


def _shown(names: Sequence[Name]) -> str:
    texts = [f"{metric}/{variant}" for metric, variant in names[:_NAMES_SHOWN]]
    cut = [text if len(text) <= _NAME_WIDTH else f"{text[: _NAME_WIDTH - 1]}…" for text in texts]
    return ", ".join([*cut, *(["…"] if len(names) > _NAMES_SHOWN else [])])
