"""Writes the page of a report: data as JSON and compressed columns, script and style inline."""

import base64
import functools
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from clearml_snapshot.exporter.store.format.states import MEANINGS, in_words
from clearml_snapshot.exporter.store.snapshots import Snapshot
from clearml_snapshot.queries.pages.embedded import json_in_a_page
from clearml_snapshot.queries.pages.environment import count, environment, link, seen
from clearml_snapshot.queries.report.contents import COUNTED, best_of, finite
from clearml_snapshot.queries.report.groupings import groupings
from clearml_snapshot.queries.report.model import Chart, Report

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS: Final = ("base", "table", "view", "groups", "chart", "scatter", "parallel", "page")
"""Files of ``inline/`` in the order in which they run."""

_LONGEST_NAME: Final = 200
_LONGEST_VALUE: Final = 500
"""Maximum lengths of texts, so that hostile ones cannot make the page large."""

_LEADING: Final = 6
"""Columns of values, and of parameters, that the leaderboard shows at first."""


def page(report: Report, snapshot: Snapshot, heading: str | None = None) -> str:
    """Write the page; the same report gives the same text."""
    from markupsafe import Markup

    script, style = _script(), _read("vendor/uPlot.min.css") + _read("inline/page.css")
    return _template().render(
        heading=heading or _heading(report),
        report=report,
        snapshot=snapshot,
        server=str(snapshot.server.get("host") or "a ClearML server").partition("://")[2]
        or "a ClearML server",
        held=report.about["held"],
        problems=report.about["problems"],
        odd=report.about["odd"],
        missing=in_words(report.states),
        state_meanings=MEANINGS,
        n_projects=len(report.projects),
        n_series=report.n_series,
        n_points=report.n_points,
        n_included=report.n_included,
        n_suspect=report.n_suspect,
        n_unknown=sum(chart.best is None for chart in report.charts),
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
        style_hash=_hash(style),
        licence=_read("vendor/LICENSE"),
        data=Markup(json_in_a_page(_data(report))),
        means=None if report.means is None else base64.b64encode(report.means).decode(),
        blocks=[
            (at, base64.b64encode(chart.block).decode())
            for at, chart in enumerate(report.charts)
            if chart.block
        ],
    )


def _heading(report: Report) -> str:
    if len(report.projects) == 1 and None not in report.projects:
        (project,) = report.projects
        return f"{project}: {count(len(report.tasks), 'experiment')}"
    return count(len(report.tasks), "experiment")


def _data(report: Report) -> dict[str, Any]:
    leading = _leading(report)
    same, varying = _divided(report)
    return {
        "tasks": [_task(task) for task in report.tasks],
        "projects": len(report.projects),
        "charts": [_chart(chart, at in leading) for at, chart in enumerate(report.charts)],
        "params": list(_params(varying, report.kinds, len(report.tasks))),
        "groupings": groupings(report),
        "everyParam": report.n_params <= len(report.params),
        "same": [
            [seen(name, _LONGEST_NAME), seen(value or "", _LONGEST_VALUE)]
            for name, value in same.items()
        ],
    }


def _leading(report: Report) -> set[int]:
    """Choose the charts whose values are shown at first, which come first."""
    return set(range(min(_LEADING, len(report.charts))))


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    def short(name: str) -> str | None:
        return None if task[name] is None else seen(task[name], _LONGEST_NAME)

    created = task["created"]
    return {
        "id": seen(task["task_id"], _LONGEST_NAME),
        "name": short("task") or "no name",
        "project": short("project"),
        "user": short("user"),
        "status": short("status"),
        "tags": [seen(tag, _LONGEST_NAME) for tag in task["tags"][:50]],
        "created": f"{created:%Y-%m-%d %H:%M}" if hasattr(created, "strftime") else None,
        "state": short("state"),
        "archived": bool(task["archived"]),
        "url": link(task["web_url"]),
    }


def _chart(chart: Chart, is_leading: bool) -> dict[str, Any]:
    bests = [best_of(chart, one)[0] for one in chart.series]
    return {
        "metric": seen(chart.metric, _LONGEST_NAME),
        "variant": seen(chart.variant, _LONGEST_NAME),
        "counted": COUNTED[chart.best],
        "isLeading": is_leading,
        "tasks": [one.task for one in chart.series],
        "best": [finite(value) for value in bests],
        "suspect": [one.task for one in chart.series if one.is_suspect],
        "block": chart.block is not None,
        "points": sum(one.row["n"] for one in chart.series if one.row["curve"] is not None),
        "included": chart.n_included,
        "odd": sum(one.row["n_nonfinite"] + one.row["n_null"] for one in chart.series),
    }


def _divided(
    report: Report,
) -> tuple[dict[str, str | None], dict[str, dict[int, str | None]]]:
    """Divide the parameters into those that are the same in all tasks, and the others."""
    same, varying = {}, {}
    for name, values in report.params.items():
        different = {*values.values()}
        if len(different) == 1 and len(values) == len(report.tasks):
            (same[name],) = different
        else:
            varying[name] = values
    return same, varying


def _params(
    varying: Mapping[str, Mapping[int, str | None]],
    kinds: Mapping[str, Mapping[int, int | None]],
    n_tasks: int,
) -> Iterator[dict[str, Any]]:
    order = sorted(
        varying, key=lambda name: (len({*varying[name].values()}) < 2, -len(varying[name]), name)
    )
    for place, name in enumerate(order):
        of_task = varying[name]
        values = sorted({value or "" for value in of_task.values()})
        number = {value: at for at, value in enumerate(values)}
        yield {
            "name": seen(name, _LONGEST_NAME),
            "isLeading": place < _LEADING and len(of_task) * 2 >= n_tasks,
            "values": [seen(value, _LONGEST_VALUE) for value in values],
            "tasks": list(of_task),
            "at": [number[value or ""] for value in of_task.values()],
            "kinds": [*kinds[name].values()],
        }


@functools.cache
def _template() -> "Template":
    return environment().from_string(_read("inline/page.html"))


@functools.cache
def _script() -> str:
    own = "\n".join(_read(f"inline/{name}.js") for name in _SCRIPTS)
    return f'{_read("vendor/uPlot.iife.min.js")}\n(() => {{\n"use strict";\n{own}}})();\n'


def _read(name: str) -> str:
    return files("clearml_snapshot.queries.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
