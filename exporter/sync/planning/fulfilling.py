"""Decides ``--where`` for an export, from the hyperparameters of the listed tasks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.reader.listing import read_params
from clearml_snapshot.exporter.reader.paging import PAGE
from clearml_snapshot.exporter.reader.tasks import Task
from clearml_snapshot.exporter.selection.condition import Reference, parse, references
from clearml_snapshot.exporter.selection.condition_truth import truth_of
from clearml_snapshot.exporter.selection.param_names import find_params
from clearml_snapshot.exporter.settings import setting

_PARAM = "param:"


@dataclass
class Fulfilling:
    """The listed tasks that fulfil conditions."""

    task_ids: frozenset[str]
    unknown: list[str] = field(default_factory=list)
    """Tasks whose hyperparameters could not be read, so that nothing is known."""


def find_fulfilling(api: Client, conditions: Sequence[str], tasks: Sequence[Task]) -> Fulfilling:
    """Find the tasks that fulfil every condition; one request per 500 tasks.

    Raises:
        NoSuchNameError: no task has such a hyperparameter.
        UsageError: a condition cannot be decided, or a name in it is ambiguous.
    """
    parsed = [parse(text) for text in conditions]
    wanted = {each for condition in parsed for each in references(condition)}
    held, unknown = _read(api, [task.task_id for task in tasks], wanted)
    if not tasks:
        return Fulfilling(frozenset())
    known_ids = frozenset(task.task_id for task in tasks) - frozenset(unknown)

    def values_of(reference: Reference) -> Mapping[str, str]:
        return held.get(_only_param(reference, held), {})

    truths = [truth_of(condition, values_of, known_ids) for condition in parsed]
    return Fulfilling(frozenset.intersection(*(truth.true for truth in truths)), unknown)


def _read(
    api: Client, task_ids: Sequence[str], wanted: Iterable[Reference]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Read the values by hyperparameter and task, of those that a reference can mean."""
    held: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for at in range(0, len(task_ids), PAGE):
        page = task_ids[at : at + PAGE]
        details = dict(read_params(api, page))
        for task_id in page:
            found = details.get(task_id)
            if found is None or found.missing is not None:
                unknown.append(task_id)
                continue
            for row in sorted(found.hyperparams, key=_section):
                name = f"{row['section']}/{row['name']}"
                if row["value"] is not None and any(_can_mean(each, name) for each in wanted):
                    held.setdefault(name, {}).setdefault(task_id, row["value"])
    return held, unknown


def _section(row: Mapping[str, Any]) -> str:
    return row["section"] or ""


def _can_mean(reference: Reference, name: str) -> bool:
    try:
        return bool(find_params(reference.name.removeprefix(_PARAM), [name]))
    except NoSuchNameError:
        return False


def _only_param(reference: Reference, held: Mapping[str, object]) -> str:
    """Return the hyperparameter that a name means."""
    name = reference.name.removeprefix(_PARAM)
    try:
        params = find_params(name, list(held))
    except NoSuchNameError as error:
        if name != reference.name:
            raise
        raise NoSuchNameError(
            f"{setting('where')}: {error}; export compares no values of metrics, which are known "
            "only after their points were read"
        ) from None
    if len(params) > 1:
        raise UsageError(
            f"{setting('where')}: {reference.name!r} could be {', '.join(params[:3])}; choose one"
        )
    return params[0]
