"""Selects the rows of a snapshot that a pack contains, and records that selection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.own_keys import REDACTED
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, MetricFilter
from clearml_snapshot.exporter.selection.remembered import words
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.settings import option_of, setting
from clearml_snapshot.exporter.store.pack.provenance import PackProvenance, provenance
from clearml_snapshot.exporter.store.writing.subset import Part, Row
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.ask.parameters import Pairs, chosen_pairs
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.pack import redaction
from clearml_snapshot.queries.pack.secret_scan import Secrets, find_secrets, secret_ids

_PLACES: Final = 3
"""Maximum number of places that an error about credentials names."""

_IDS_LISTED: Final = 10
"""Maximum number of task ids that the README lists; more are counted."""


@dataclass(frozen=True)
class PackOptions:
    """What goes into a pack."""

    metrics: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    exclude_metrics: tuple[str, ...] = ()
    """Metric arguments as in ``query``; empty selects every metric, including ``:monitor:``."""
    redact: frozenset[str] = frozenset()
    """Keys of ``redaction.CATEGORIES``."""
    keep_secrets: bool = False
    """Keep values that look like credentials."""
    report: bool = False
    """Add ``report.html``, a page with a leaderboard and curves."""


def pack_part(
    dataset: Dataset, options: PackOptions, typed_filter: TaskFilter | None, progress: Progress
) -> tuple[Part, dict[str, Any]]:
    """Decide which rows a pack includes, how they are edited, and what ``snapshot.json`` records.

    Raises:
        UsageError: nothing is selected, or there are credentials and no option for them.
        NoSuchNameError: the snapshot does not contain a metric or variant.
    """
    ids = frozenset(row["task_id"] for row in _query(dataset, read("lookups/task_ids.sql")))
    if not ids:
        reason = dataset.suggested_name() or "no task matches (see clearml-snapshot status)"
        raise UsageError(f"nothing to pack: {reason}")
    progress.note(f"looking for credentials in {len(ids):,} tasks")
    secrets = _secrets(dataset, options)
    narrowed = _narrowed(dataset, options)
    every = [(m, v) for m, variants in dataset.series_names.items() for v in variants]
    series = frozenset(pair for pair in narrowed or every if not secrets.holds(*pair))
    has_all_series = len(series) == len(every)
    counts = {} if has_all_series else _counts(dataset, series, _asked_words(options, secrets))
    edits = redaction.Rows(dataset.unpacked(), options.redact, secrets, counts).edits()
    part = Part(
        task_ids=ids if dataset.filter is not None else None,
        series=None if has_all_series else series,
        rows=edits,
        emptied=redaction.emptied(options.redact),
        left_out=frozenset({"hyperparams"}) if "params" in options.redact else frozenset(),
    )
    (earlier,) = _query(dataset, read("pack/redacted.sql"))
    omitted = redaction.in_words(options.redact, secrets, earlier["n"])
    return part, _header(dataset, options, typed_filter, omitted, secrets)


def _secrets(dataset: Dataset, options: PackOptions) -> Secrets:
    """Return the credentials to remove.

    Raises:
        UsageError: there are credentials and no option for them.
    """
    if options.keep_secrets:
        return Secrets()
    secrets = find_secrets(dataset, redaction.passed_over(options.redact))
    ids = secret_ids(dataset, secrets.search)
    if ids:
        raise UsageError(
            f"the id of {' and of '.join(ids)} looks like a credential, and ids cannot be "
            "redacted; exclude it with a filter, or keep it with "
            f"{setting('keep_secrets', True)}"
        )
    if secrets.count and redaction.SECRETS not in options.redact:
        places = ", ".join(secrets.places[:_PLACES])
        more = (
            f", … {len(secrets.places) - _PLACES:,} more" if len(secrets.places) > _PLACES else ""
        )
        raise UsageError(
            f"found {redaction.values(secrets.count)} like a credential ({places}{more}); remove "
            f"them with {setting('redact', redaction.SECRETS)}, or keep them with "
            f"{setting('keep_secrets', True)}"
        )
    return secrets


def _narrowed(dataset: Dataset, options: PackOptions) -> Pairs | None:
    """Return the selected series; None means all of them.

    Raises:
        UsageError: none is left, or a metric argument is ambiguous.
        NoSuchNameError: a metric or variant does not exist.
    """
    if not (options.metrics or options.variants or options.exclude_metrics):
        return None
    return chosen_pairs(
        options.metrics,
        options.variants,
        dataset.series_names,
        excluded=options.exclude_metrics,
        all_metrics=True,
    )


def _counts(
    dataset: Dataset, series: frozenset[tuple[str, str]], words: frozenset[str]
) -> dict[str, Row]:
    """Return the columns of ``tasks`` about points and filters if only some series are included.

    For an incomplete task, the number of missing points of these series is not known.
    """
    names = sorted(series)
    values = {"metrics": [m for m, _ in names], "variants": [v for _, v in names]}
    question = _question(dataset, series, words)
    return {
        row["task_id"]: {
            "points_stored": row["n"],
            "points_expected": row["n"] if row["state"] == "complete" else None,
            "points_bad": 0 if row["points_bad"] == 0 else None,
            "metric_filter": MetricFilter.read(row["metric_filter"]).intersection(question).text,
        }
        for row in _query(dataset, read("pack/counts.sql"), values)
    }


def _question(
    dataset: Dataset, series: frozenset[tuple[str, str]], words: frozenset[str]
) -> MetricFilter:
    variants: dict[str, set[str]] = {}
    for metric, variant in series:
        variants.setdefault(metric, set()).add(variant)
    choices = (
        MetricChoice(metric, None if names == {*dataset.series_names[metric]} else frozenset(names))
        for metric, names in sorted(variants.items())
    )
    return MetricFilter(tuple(choices), words)


def _header(
    dataset: Dataset,
    options: PackOptions,
    typed_filter: TaskFilter | None,
    omitted: Iterable[str],
    secrets: Secrets,
) -> dict[str, Any]:
    """Return the keys of ``snapshot.json`` that a pack changes; it may be the pack of a pack."""
    snapshot = dataset.snapshot
    before = provenance(snapshot) or PackProvenance()
    chosen = {
        "selection": _selection_words(dataset, _shareable(typed_filter, options)),
        "metrics": "; ".join(sorted(_asked_words(options, secrets))),
    }
    packed: dict[str, Any] = {
        key: " and ".join(text for text in (getattr(before, key), now) if text)
        for key, now in chosen.items()
    }
    packed["selection"] = redaction.without_users(packed["selection"], options.redact)
    if not options.keep_secrets:
        packed = secrets.search.json(packed)
    if options.report:
        packed["report"] = True
    packed["taken_out"] = list(dict.fromkeys([*before.taken_out, *omitted]))
    return {**redaction.header_changes(snapshot, options.redact, secrets), "packed": packed}


def _shareable(typed_filter: TaskFilter | None, options: PackOptions) -> TaskFilter | None:
    """Return the filter without conditions, which may name hyperparameters that are removed."""
    if typed_filter is None or "params" not in options.redact or not typed_filter.where:
        return typed_filter
    return replace(typed_filter, where=(REDACTED,))


def _selection_words(dataset: Dataset, typed_filter: TaskFilter | None) -> str:
    """Write the filter as it was typed; many ids are counted."""
    if dataset.filter is None or typed_filter is None:
        return ""
    many = len(typed_filter.task_ids) > _IDS_LISTED
    omitted = words(
        Selection(replace(typed_filter, task_ids=()) if many else typed_filter).as_json()
    )
    ids = f"{option_of('task_ids')} ({len(typed_filter.task_ids):,} ids)" if many else ""
    return " ".join(
        text for text in (omitted if omitted != option_of("everything") else "", ids) if text
    )


def _asked_words(options: PackOptions, secrets: Secrets) -> frozenset[str]:
    """Write the metric arguments as typed, without anything that looks like a credential."""
    typed = (
        ("metrics", options.metrics),
        ("variants", options.variants),
        ("exclude_metrics", options.exclude_metrics),
    )
    omitted = " ".join(f"{option_of(name)} {value}" for name, values in typed for value in values)
    safe = omitted if options.keep_secrets else secrets.search.text(omitted)
    return frozenset({safe} if safe else ())


def _query(
    dataset: Dataset, statement: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    return dataset.rows(dataset.sql(statement, values)).as_dicts()
