"""Checks the arguments of a query and turns them into values to bind."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.metric_filter import (
    MONITOR_PREFIX,
    MetricChoice,
    Series,
    resolve_metric,
    resolve_variants,
)
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.settings import option_of, setting
from clearml_snapshot.queries.ask.grouping import (
    DIFFERING,
    check_band,
    checked_differing,
    groupings,
)
from clearml_snapshot.queries.ask.header import Param, Query
from clearml_snapshot.queries.ask.horizontal import X_METRIC, check_x, x_values

EXCLUDED = "exclude_metric"
"""A parameter that every query has in addition to those of its header."""

MARKS: Final = "nan_value"
"""The parameter with the values that replace NaN."""

BEST: Final = "best"
"""The parameter that says which values are better."""
_BEST_WORDS: Final = {"max": "highest", "min": "lowest", "highest": "max", "lowest": "min"}
"""The other word for each of its values."""

Pairs = tuple[tuple[str, str], ...]
"""Metrics with one variant each."""

_COUNTS: Final = ("top", "last", "points", "window", "tail", "for_")
"""Parameters of the catalogue that count something."""
_PARTNER: Final = "_variant"
_PLATEAU: Final = "plateau_metric"
"""The parameter with the metrics in which plateaus are looked for."""
_FEWEST: Final = 2
"""Minimum number of tasks to compare."""


class ExistingNames(Protocol):
    """The names that exist; each kind is read only when an argument needs it."""

    @property
    def series_names(self) -> Series:
        """The variants by metric."""

    @property
    def param_names(self) -> Collection[str]:
        """Hyperparameters as ``section/name``."""

    def task_ids(self, text: str) -> Collection[str]:
        """Find tasks by id, the beginning of one, name, glob or address."""

    def differing_params(self, values: Mapping[str, Any]) -> Collection[str]:
        """List the hyperparameters, except ``by_all_except``, that differ between tasks."""


def bound(query: Query, typed: Mapping[str, Any], names: ExistingNames) -> dict[str, Any]:
    """Check arguments against a query's header and return the value of every parameter.

    ``metric``, ``variant`` and ``exclude_metric`` are read as metric arguments: if the query takes
    lists they become two parallel lists, if it takes one text they must match one. So is any
    parameter that has a partner (``at`` and ``at_variant``). ``param`` and ``by_all_except`` are
    hyperparameters, ``tasks`` are tasks.

    Args:
        query: the query.
        typed: arguments by parameter; None means omitted.
        names: the names that exist.

    Raises:
        UsageError: an unknown parameter, a missing one, or a value that is not one of the choices.
        NoSuchNameError: a metric, variant, hyperparameter or task that does not exist.
    """
    given = {name: value for name, value in typed.items() if value is not None}
    _refuse_filters(query, given)
    if BEST in given:
        given[BEST] = _best(query.param(BEST), given[BEST])
    excluded = texts(given.pop(EXCLUDED, None))
    for name, value in given.items():
        _check_choice(query.param(name), value)
        _check_number(query, query.param(name), value)
    for param in query.params:
        if param.name not in given and not param.optional:
            raise UsageError(f"query {query.name} needs {_asked_as(param)}")
    values: dict[str, Any] = {param.name: given.get(param.name) for param in query.params}
    if excluded or given.keys() & {"metric", "variant"}:
        values.update(_series_values(query, given, names.series_names, excluded))
    for param in query.params:
        if param.name in given and param.name not in ("metric", "variant"):
            values.update(_named_values(query, param, given[param.name], names))
    if _PLATEAU in values:
        values |= _improving_series(values, names)
    _check_what_counts(values, query)
    _check_together(values)
    if DIFFERING in values and values["by_all_except"] is not None:
        values[DIFFERING] = checked_differing(names.differing_params(values))
    return values


def _improving_series(values: Mapping[str, Any], names: ExistingNames) -> dict[str, Any]:
    """Choose the series in which a plateau is one: their names tell which values are better."""
    kinds = values.get("kind")
    chosen = values[_PLATEAU] is not None or values.get("metric") is not None
    if chosen or (kinds is not None and "plateau" not in kinds):
        return {}
    from clearml_snapshot.queries.ask.best import guess  # which uses this module

    pairs = chosen_pairs((), (), names.series_names, all_metrics=True)
    improving = [pair for pair in pairs if guess(*pair)]
    return {
        _PLATEAU: [metric for metric, _ in improving],
        _PLATEAU + _PARTNER: [variant for _, variant in improving],
    }


def _refuse_filters(query: Query, given: Collection[str]) -> None:
    """Say where tasks are selected, if an argument is one of a filter."""
    known = {param.name for param in query.params}
    for name in sorted({*given} - known):
        option = "--" + name.replace("_", "-")
        fields = [field.name for field in dataclasses.fields(TaskFilter)]
        meant = [field for field in fields if field == name or option_of(field) == option]
        if meant or name == "filter":
            example = f"TaskFilter({meant[0]}=…)" if meant else "TaskFilter(…)"
            raise UsageError(
                f"query {query.name} has no parameter {name!r}; select tasks when the dataset is "
                f"opened: `open_dataset(…, filter={example})`"
            )


def _check_together(values: Mapping[str, Any]) -> None:
    """Refuse arguments that have no effect beside another one."""
    if values.get("by") == "task" and values.get("top", 1) not in (None, 1):
        raise UsageError(
            f"{setting('by', 'task')} gives one row per task; for the best N, omit {setting('by')}"
        )
    check_band(values)
    check_x(values)
    if "per" not in values:
        return
    per_task = setting("per", "task")
    is_per_task = values["per"] == "task"
    needed = f"rows per step; omit {per_task}" if is_per_task else per_task
    for name in ("fill", "tolerance") if is_per_task else (BEST, "param"):
        if values[name] is not None:
            raise UsageError(f"{setting(name)} needs {needed}")
    if values["tolerance"] is not None and values["fill"] in (None, "exact"):
        ways = f"{setting('fill', 'last')} or {setting('fill', 'nearest')}"
        raise UsageError(f"{setting('tolerance')} needs {ways}")


def marks_of(values: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the values that replace NaN, from what is bound to a query's parameters."""
    return tuple(map(float, values.get(MARKS) or (0.0,)))


def is_partner(query: Query, param: Param) -> bool:
    """Return whether a parameter is filled in with another one, as the variants of metrics are."""
    if param.name in (DIFFERING, X_METRIC):
        return True
    whose = param.name.removesuffix(_PARTNER)
    return whose != param.name and any(other.name == whose for other in query.params)


def names_series(query: Query, param: Param) -> bool:
    """Return whether a parameter, other than ``metric`` itself, takes metric arguments."""
    return any(other.name == param.name + _PARTNER for other in query.params)


def names_params(param: Param) -> bool:
    """Return whether a parameter takes hyperparameters."""
    return param.many and param.name in ("param", "by_all_except")


def names_tasks(param: Param) -> bool:
    """Return whether a parameter takes tasks, which on the command line have no option."""
    return param.many and param.name == "tasks"


def groups_by(param: Param) -> bool:
    """Return whether a parameter names what to group by, several things at once."""
    return param.many and param.name == "by"


def _check_what_counts(values: Mapping[str, Any], query: Query) -> None:
    """Refuse what contradicts ``value``, of the queries that have it."""
    if query.file is not None or "smooth" not in values or "value" not in values:
        return
    value, by = values["value"], values.get("by")
    if query.name == "leaderboard" and value and by and value != by:
        raise UsageError(f"{setting('by')} is another name of {setting('value')}; give one")
    if values.get("at") and value in ("mean", "median"):
        raise UsageError(f"{setting('at')} needs the iteration of a value; a {value} has none")


def choices_of(param: Param) -> tuple[str, ...]:
    """Return what a parameter accepts: for ``best``, ``max`` is ``highest`` in every query."""
    if param.name != BEST:
        return param.choices
    others = (_BEST_WORDS[word] for word in param.choices if word in _BEST_WORDS)
    return tuple(dict.fromkeys((*param.choices, *others)))


def needed_best(param: Param) -> str:
    """Name the two values of ``best``, one of which is needed; empty if it has others."""
    has_both = {"max", "min"} <= {*choices_of(param)} and param.name == BEST
    return f"{setting(BEST, 'max')} or {setting(BEST, 'min')}" if has_both else ""


def required(query: Query) -> str:
    """List the options without which a query does not run; empty if there are none."""
    needed = [
        param for param in query.params if not param.optional and not is_partner(query, param)
    ]
    has_metric = any(param.name == "metric" for param in needed)
    guessed = [param for param in needed if has_metric and needed_best(param)]
    always = (
        "TASK" if names_tasks(param) else param.option for param in needed if param not in guessed
    )
    return ", ".join(always) + "".join(
        f", and {param.option} if the name of the metric does not tell" for param in guessed
    )


def _best(param: Param, value: Any) -> Any:
    """Return the word that the query itself knows; if it knows both, ``highest`` or ``lowest``."""
    words = (value, _BEST_WORDS.get(value) if isinstance(value, str) else None)
    known = [word for word in words if word in param.choices]
    return max(known, key=lambda word: word in ("highest", "lowest")) if known else value


def _asked_as(param: Param) -> str:
    """Name a parameter as it is typed, and describe it."""
    if values := needed_best(param):
        return f"{values}: which values are better"
    option = "TASK..." if names_tasks(param) else param.option
    return f"{setting(param.name, option=option)}: {param.text}"


def _named_values(query: Query, param: Param, value: Any, names: ExistingNames) -> dict[str, Any]:
    """Resolve an argument that names something to the names that exist."""
    if param.name == "x" and query.file is None:
        return x_values(value, names.series_names)
    if names_series(query, param):
        pairs = chosen_pairs(texts(value), (), names.series_names)
        return {param.name: [m for m, _ in pairs], param.name + _PARTNER: [v for _, v in pairs]}
    if names_params(param):
        matching = (name for text in texts(value) for name in find_params(text, names.param_names))
        return {param.name: list(dict.fromkeys(matching))}
    if names_tasks(param):
        ids = list(dict.fromkeys(key for text in texts(value) for key in names.task_ids(text)))
        if len(ids) < _FEWEST:
            raise UsageError(f"query {query.name} takes {_FEWEST} or more different tasks")
        return {param.name: ids}
    if groups_by(param):
        matching = (name for text in texts(value) for name in groupings(text, names.param_names))
        return {param.name: list(dict.fromkeys(matching))}
    if param.type == "VARCHAR[]":
        return {param.name: list(texts(value))}
    alone = param.many and not isinstance(value, list | tuple)
    return {param.name: [value]} if alone else {}


def chosen_pairs(
    metrics: Iterable[str],
    variants: Iterable[str],
    series: Series,
    *,
    excluded: Sequence[str] = (),
    all_metrics: bool = False,
) -> Pairs:
    """Resolve metric and variant arguments to series.

    Args:
        metrics: metric arguments, combined with OR; empty selects every metric except
            ``:monitor:``.
        variants: variant arguments, combined with OR; empty selects every variant.
        series: the variants that exist, by metric.
        excluded: metric arguments whose series are left out.
        all_metrics: whether empty ``metrics`` includes ``:monitor:``.

    Raises:
        NoSuchNameError: nothing matches.
        UsageError: an argument is ambiguous, or ``excluded`` leaves nothing.
    """
    wanted = tuple(metrics)
    if wanted and not series:
        raise NoSuchNameError(
            f"no metric {wanted[0]!r}; there are none: no task here has points; clearml-snapshot "
            "status says which tasks were not read yet",
            kind="metric",
            name=wanted[0],
        )
    choices = [
        choice
        for argument in wanted
        for choice in resolve_metric(argument, series, lone_variants=True)
    ]
    if not choices:
        visible = sorted(m for m in series if all_metrics or not m.startswith(MONITOR_PREFIX))
        choices = [MetricChoice(metric) for metric in visible]
    among: dict[str, set[str]] = {}
    for choice in choices:
        taken = series[choice.metric] if choice.variants is None else choice.variants
        among.setdefault(choice.metric, set()).update(taken)
    selected_variants: set[str] = set()
    for argument in variants:
        selected_variants |= resolve_variants(argument, among)
    unwanted = set(chosen_pairs(excluded, (), series)) if excluded else set()
    pairs = tuple(
        (metric, variant)
        for metric in sorted(among)
        for variant in sorted(among[metric])
        if not selected_variants or variant in selected_variants
    )
    left = tuple(pair for pair in pairs if pair not in unwanted)
    if unwanted and not left:
        raise UsageError(f"no metric is left; omit {setting(EXCLUDED)}, or exclude fewer metrics")
    return left


def _series_values(
    query: Query, given: Mapping[str, Any], series: Series, excluded: Sequence[str]
) -> dict[str, Any]:
    pairs = chosen_pairs(
        texts(given.get("metric")),
        texts(given.get("variant")),
        series,
        excluded=excluded,
        all_metrics=bool(given.get("all_metrics")),
    )
    if query.param("metric").many:
        return {"metric": [m for m, _ in pairs], "variant": [v for _, v in pairs]}
    values = {"metric": _only({m for m, _ in pairs}, "metric", query)}
    if "variant" in given:
        values["variant"] = _only({v for _, v in pairs}, "variant", query)
    return values


def _only(matches: set[str], what: str, query: Query) -> str:
    if len(matches) > 1:
        listed = ", ".join(map(repr, sorted(matches)[:5]))
        raise UsageError(
            f"query {query.name} takes one {what}, but the argument matches several: {listed}; "
            "choose one"
        )
    return next(iter(matches))


def texts(value: Any) -> tuple[str, ...]:
    """Return one text, or several, as a tuple; None means no text."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _check_choice(param: Param, value: Any) -> None:
    for choice in texts(value) if param.many and param.choices else (value,):
        if param.choices and choice not in param.choices:
            raise no_such(setting(param.name, option=param.option), str(choice), choices_of(param))
    if param.name == MARKS:
        _check_marks(value)
    if param.name == "tolerance" and isinstance(value, int) and value < 0:
        raise UsageError(f"{setting('tolerance', value)}: use a number of iterations, 0 or more")


def _check_number(query: Query, param: Param, value: Any) -> None:
    """Check a number before the SQL does, whose errors do not name the setting."""
    named = setting(param.name, value, option=param.option)
    is_own = query.file is not None
    counts = ("top",) if is_own else _COUNTS
    if param.name in counts and isinstance(value, int) and value < 1:
        raise UsageError(f"{named}: use a number of at least 1")
    is_weight = param.name == "smooth" and not is_own and isinstance(value, int | float)
    if is_weight and not 0 <= value < 1:
        raise UsageError(f"{named}: use a weight from 0 to less than 1")


def _check_marks(value: Any) -> None:
    for mark in value if isinstance(value, list | tuple) else (value,):
        if not isinstance(mark, int | float) or not math.isfinite(mark):
            raise UsageError(
                f"{setting(MARKS, mark)}: use a finite number, the value that NaN was logged as"
            )
