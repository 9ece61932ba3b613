"""Figures of the best values of tasks, compared with the tables that have the same numbers."""

import io
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from clearml_snapshot.exporter.errors import NoSuchNameError, SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.figures.kinds.histograms import edges_of
from clearml_snapshot.queries.figures.kinds.settings import Setting, placed
from clearml_snapshot.queries.figures.model import Bars, Histogram, Panel, Parallel
from clearml_snapshot.queries.figures.outputs.drawing import picture, specification, svg
from clearml_snapshot.queries.figures.outputs.terminal import Screen, text
from clearml_snapshot.queries.figures.shown import Plot
from tests.queries.conftest import MakeDataset

HOSTILE = (
    "</script><script>alert(1)</script>\" onload='x' \u202egnp.exe\x1b[2J &amp; ${x}\n"
    ' \\" + nothing.x + \\" \\\' + nothing.x'
)
DRAWN = "svg defs g path text rect clipPath line tspan"


def _task(number: int, values: list[float], params: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "task_id": f"{number:032x}",
        "points": [("accuracy", "accuracy", at, value) for at, value in enumerate(values)],
        "params": [
            {"section": "Args", "name": name, "value": value} for name, value in params.items()
        ],
        **more,
    }


def _sweep() -> list[dict[str, Any]]:
    """Three learning rates, one of them spelled in two ways; the last value is never the best."""
    return [
        _task(1, [0.1, 0.8, 0.2], {"lr": "1e-3", "opt": "adam"}, project="a", tags=["x", "y"]),
        _task(2, [0.1, 0.6, 0.2], {"lr": "0.001", "opt": "sgd"}, project="a", tags=["x"]),
        _task(3, [0.1, 0.9, 0.2], {"lr": "0.1", "opt": "sgd"}, project="b"),
        _task(4, [0.3, 0.7, 0.2], {"lr": "0.01"}, project="b"),
        _task(5, [0.5, 0.2], {"opt": "sgd"}, project="b"),
        _task(6, [math.nan], {"lr": "0.1", "opt": "sgd"}, project="b"),
        _task(7, [0.4, 0.1], {"lr": "auto", "opt": "sgd"}, project="b"),
    ]


def _plot(folder: Path, metric: Any = "accuracy", **typed: Any) -> Plot:
    with open_dataset(folder) as dataset:
        return dataset.plot(metric, **typed)


def _table(folder: Path, name: str, **typed: Any) -> list[dict[str, Any]]:
    with open_dataset(folder) as dataset:
        return dataset.rows(dataset.query(name, metric="accuracy", **typed)).as_dicts()


def test_dots_are_the_best_values_over_a_parameter(make_dataset: MakeDataset) -> None:
    folder = make_dataset(_sweep())
    plot = _plot(folder, kind="scatter", x="lr")
    [panel] = plot.figure.panels
    [dots] = panel.curves
    assert dots.points.finite == [(0.001, 0.6), (0.001, 0.8), (0.01, 0.7), (0.1, 0.9)]
    ranked = {row["value"] for row in _table(folder, "leaderboard")}
    assert {value for _, value in dots.points.finite} < ranked
    assert panel.x.is_log
    assert dots.best == (0.1, 0.9)
    assert "accuracy: 1 of 7 tasks has no finite value and is not drawn" in plot.notes
    assert "1 of 6 tasks does not have Args/lr and is not drawn" in plot.notes
    assert "1 of 6 tasks has a Args/lr that is not a number, such as 'auto', and is not drawn" in (
        plot.notes
    )


def test_texts_are_categories_and_colours_follow_a_parameter(make_dataset: MakeDataset) -> None:
    plot = _plot(make_dataset(_sweep()), kind="scatter", x="Args/opt", color="lr")
    [panel] = plot.figure.panels
    assert panel.x.names == ("adam", "sgd")
    labels = [curve.label for curve in panel.curves]
    assert labels == ["lr=1e-3 (n = 2)", "lr=0.1 (n = 1)", "lr=auto (n = 1)", "without lr (n = 1)"]
    assert sum(len(curve.points.x) for curve in panel.curves) == 5


def test_two_metrics_are_drawn_against_each_other(make_dataset: MakeDataset) -> None:
    tasks = _sweep()[:3]
    for number, task in enumerate(tasks):
        task["points"] += [("loss", "loss", 0, 3.0 - number), ("loss", "loss", 1, 9.0)]
    tasks.append(_task(8, [0.2], {}))
    folder = make_dataset(tasks)
    typed = _plot(folder, ["loss", "accuracy"], kind="scatter")
    as_x = _plot(folder, "accuracy", kind="scatter", x="loss")
    for plot in (typed, as_x):
        [panel] = plot.figure.panels
        assert panel.curves[0].points.finite == [(1.0, 0.9), (2.0, 0.6), (3.0, 0.8)]
        assert (panel.x.title, panel.title) == ("lowest loss", "highest accuracy")
        assert "1 of 4 tasks has no finite value of loss and is not drawn" in plot.notes


def test_a_zero_that_is_probably_a_nan_is_not_the_best_dot(make_dataset: MakeDataset) -> None:
    falling = [4.0 - n / 100 for n in range(80)]
    tasks = [
        _task(1, [*falling[:55], 0.0, *falling[56:]], {"lr": "0.1"}),
        _task(2, [value + 0.5 for value in falling], {"lr": "0.2"}),
    ]
    folder = make_dataset(tasks)
    plot = _plot(folder, kind="scatter", x="lr", best="lowest")
    [panel] = plot.figure.panels
    [dots] = panel.curves
    best = falling[-1] + 0.5
    assert dots.points.finite == [(0.1, 0.0), (0.2, best)]
    assert dots.best == (0.2, best)
    [of_the_best] = [note for note in plot.notes if note.startswith("◆")]
    assert "3.71" in of_the_best
    alone = _plot(make_dataset(tasks[:1]), kind="scatter", x="lr", best="lowest")
    assert alone.figure.panels[0].curves[0].best is None


def test_bars_of_tasks_are_the_leaderboard(make_dataset: MakeDataset) -> None:
    folder = make_dataset(_sweep())
    plot = _plot(folder, kind="bar")
    [chart] = plot.figure.charts
    assert isinstance(chart, Bars)
    rows = [row for row in _table(folder, "leaderboard", top=99) if row["value"] is not None]
    assert [bar.value for bar in chart.bars] == [row["value"] for row in rows]
    assert chart.x.low == 0.0 < chart.x.high
    [few] = _plot(folder, kind="bar", top=2).figure.charts
    assert isinstance(few, Bars)
    assert [bar.value for bar in few.bars] == [0.9, 0.8]


@pytest.mark.parametrize("band", [None, "std", "minmax", "ci"])
def test_bars_of_groups_are_the_query_group(make_dataset: MakeDataset, band: str | None) -> None:
    folder = make_dataset(_sweep())
    plot = _plot(folder, kind="bar", by="lr", **({"band": band} if band else {}))
    [chart] = plot.figure.charts
    assert isinstance(chart, Bars)
    rows = _table(folder, "group", by="lr")
    assert [bar.value for bar in chart.bars] == [row["mean"] for row in rows]
    assert [f"n = {row['n']}" for row in rows] == [bar.text[-5:] for bar in chart.bars]
    pair = next(bar for bar in chart.bars if bar.label == "lr=1e-3")
    std = np.std([0.6, 0.8], ddof=1)
    reaches: dict[str, float] = {"minmax": 0.1, "ci": float(12.706204736 * std / math.sqrt(2))}
    reach = reaches.get(band or "", float(std))
    assert pair.low == pytest.approx(0.7 - reach)
    assert pair.high == pytest.approx(0.7 + reach)
    assert "accuracy: 1 of 7 tasks has no finite value and is in no mean" in plot.notes
    alone = next(bar for bar in chart.bars if bar.label == "lr=0.01")
    assert (alone.low is None) == (band != "minmax")


def test_replicates_are_named_by_what_tells_them_apart(make_dataset: MakeDataset) -> None:
    tasks = [
        _task(n, [0.5 + n / 100], {"lr": lr, "b": b, "seed": str(n)})
        for n, (lr, b) in enumerate([("1", "x"), ("1", "x"), ("2", "x"), ("3", "y")])
    ]
    [chart] = _plot(make_dataset(tasks), kind="bar", by_all_except="seed").figure.charts
    assert isinstance(chart, Bars)
    assert [bar.label for bar in chart.bars] == ["lr=3", "lr=2", "lr=1"]


def test_negative_bars_begin_at_zero_too(make_dataset: MakeDataset) -> None:
    folder = make_dataset([_task(n, [value], {}) for n, value in enumerate([-3.0, 1.0, -1.0])])
    plot = _plot(folder, kind="bar")
    [chart] = plot.figure.charts
    assert isinstance(chart, Bars)
    assert chart.x.low < -3 < 0 < 1 < chart.x.high
    *_, first, second, third = text(plot.figure, Screen(80, 24)).rstrip("\n").split("\n")
    assert first.index("█") == second.rindex("█") + 1 == third.rindex("█") + 1


def test_a_bar_far_from_all_others_is_cut_with_a_mark(make_dataset: MakeDataset) -> None:
    values = [*(1 + n / 10 for n in range(9)), 1e9]
    folder = make_dataset([_task(n, [value], {}) for n, value in enumerate(values)])
    plot = _plot(folder, kind="bar")
    [chart] = plot.figure.charts
    assert isinstance(chart, Bars)
    assert chart.x.high < 3
    assert "1 bar is cut at the edge, up to 1e+09; `clips=False` draws all of it" in plot.notes[1]
    drawn = text(plot.figure, Screen(80, 24))
    assert "▸ 1e+09" in drawn
    assert "> 1e+09" in text(plot.figure, Screen(80, 24, has_unicode=False))
    assert "triangle-right" in specification(plot.figure).decode()
    [whole] = _plot(folder, kind="bar", clips=False).figure.charts
    assert isinstance(whole, Bars)
    assert whole.x.high > 1e9


@pytest.mark.parametrize("kind", ["scatter", "hist"])
def test_an_outlier_is_seen_in_every_output(make_dataset: MakeDataset, kind: str) -> None:
    values = [*(n / 1000 for n in range(300)), 1e6]
    tasks = [_task(n, [value], {"n": str(n)}) for n, value in enumerate(values)]
    typed = {"x": "n"} if kind == "scatter" else {}
    plot = _plot(make_dataset(tasks), kind=kind, **typed)
    assert any("1e+06" in note and "`clips=False` shows all" in note for note in plot.notes)
    drawn = text(plot.figure, Screen(80, 24))
    assert ("▲" if kind == "scatter" else "above 0.3") in drawn
    written = specification(plot.figure).decode()
    assert ("triangle-up" if kind == "scatter" else "#888888") in written


def test_a_histogram_counts_every_task_once(make_dataset: MakeDataset) -> None:
    folder = make_dataset(_sweep())
    [chart] = _plot(folder, kind="hist").figure.charts
    assert isinstance(chart, Histogram)
    assert sum(chart.counts) == 6
    values = [row["value"] for row in _table(folder, "leaderboard") if row["value"] is not None]
    assert list(chart.counts) == np.histogram(values, bins=chart.edges)[0].tolist()
    *groups, last = _plot(folder, kind="hist", by="tag").figure.charts
    assert all(isinstance(each, Histogram) for each in groups)
    assert [each.title for each in (*groups, last)] == [
        "x (n = 2)", "y (n = 1)", "(none) (n = 4)",
    ]  # fmt: skip
    assert {each.edges for each in (*groups, last) if isinstance(each, Histogram)} == {chart.edges}


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize(
    "values", [[0.3], [0.1, 0.2, 0.3], [1e-300, 1e300], [5e-324, 1e-320], [1e15, 1e15 + 1]]
)
def test_edges_enclose_all_values(values: list[float], is_log: bool) -> None:
    edges = edges_of(values, is_log=is_log, clips=True)
    assert edges[0] <= min(values)
    assert max(values) <= edges[-1]
    assert list(edges) == sorted(edges)
    assert int(np.histogram(values, bins=np.array(edges))[0].sum()) == len(values)


def test_lines_go_through_what_differs_and_the_result(make_dataset: MakeDataset) -> None:
    plot = _plot(make_dataset(_sweep()), kind="parallel")
    [chart] = plot.figure.charts
    assert isinstance(chart, Parallel)
    assert [scale.title for scale in chart.scales] == [
        "Args/lr (logarithmic)", "Args/opt", "highest accuracy",
    ]  # fmt: skip
    best, worst = chart.lines[-1], chart.lines[0]
    assert (best.places, best.worth) == ((1.0, 1.0, 1.0), 1.0)
    assert (worst.places[0], worst.places[2], worst.worth) == (None, 0.0, 0.0)
    assert '1 of 6 tasks does not have Args/lr and is at "(none)"' in plot.notes
    assert chart.scales[0].ticks[0][1] == "(none)"
    assert "only a picture shows these 6 lines" in repr(plot)


def test_a_few_parameters_are_chosen_and_many_are_named(make_dataset: MakeDataset) -> None:
    tasks = [
        _task(n, [n / 10], {**{f"p{at:02}": str(n) for at in range(15)}, "out": f"dir {n}"})
        for n in range(4)
    ]
    folder = make_dataset(tasks)
    plot = _plot(folder, kind="parallel", param=["p03", "p01"])
    [chart] = plot.figure.charts
    assert isinstance(chart, Parallel)
    assert [s.title for s in chart.scales] == ["Args/p03", "Args/p01", "highest accuracy"]
    assert any("16 hyperparameters differ, drawn are 10" in note for note in (
        _plot(folder, kind="parallel").notes
    ))  # fmt: skip
    with pytest.raises(
        UsageError, match="matches 15 hyperparameters, and a figure has room for 10"
    ):
        _plot(folder, kind="parallel", param="p*")


def test_numbers_that_span_orders_of_magnitude_have_a_fitting_axis() -> None:
    def axis(*texts: str) -> Any:
        settings = {t: Setting(t, float(t)) for t in texts}
        return placed("p", settings, texts).axis

    assert axis("0.001", "0.1").is_log
    assert not axis("0.01", "0.1").is_log
    assert axis("0", "1e-4", "0.1").names == ("0", "1e-4", "0.1")
    assert axis("16", "32", "64").ticks == (16, 32, 64)


@pytest.mark.parametrize(
    "typed",
    [
        {"kind": "scatter", "x": "lr", "color": "tag"},
        {"kind": "bar"},
        {"kind": "bar", "by": ["lr", "tag"]},
        {"kind": "hist", "by": "lr"},
        {"kind": "parallel"},
    ],
)
def test_hostile_names_are_harmless_in_every_output(
    make_dataset: MakeDataset, typed: dict[str, Any]
) -> None:
    texts = [HOSTILE, "x" * 8000, "\u202e\u2066", "", "<img src=x onerror=alert(1)>"]
    tasks = [
        {
            **_task(n, [], {"lr": each, HOSTILE: str(n)}, name=each, tags=[each]),
            "points": [(HOSTILE, "accuracy", at, at / 10 + n) for at in range(3)],
        }
        for n, each in enumerate(texts)
    ]
    figure = _plot(make_dataset(tasks), "*", **typed, best="max", title=HOSTILE).figure
    drawn = svg(figure)
    elements = [*ElementTree.fromstring(drawn).iter()]
    assert {each.tag.partition("}")[2] for each in elements} <= {*DRAWN.split()}
    assert not [name for each in elements for name in each.attrib if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", drawn)
    assert "<" not in specification(figure).decode()
    assert "<script" not in picture(figure, ".html").decode()
    screen = text(figure, Screen(60, 24))
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", screen)
    longest = max(len(title) for title in (figure.title, figure.heading, "x" * 60))
    assert max(map(len, screen.split("\n"))) <= longest + 20


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"kind": "bar", "log_x": True}, "`log_x` has no effect on `kind='bar'`; omit it"),
        ({"kind": "hist", "color": "tag"}, "`color` has no effect on `kind='hist'`"),
        ({"kind": "bar", "window": 3}, "`window` has no effect"),
        ({"kind": "bar", "x": "time"}, "`x` has no effect"),
        ({"kind": "bar", "band": "std"}, "`band` is for groups; add `by` or `by_all_except`"),
        ({"kind": "scatter"}, "needs `x` with a hyperparameter such as Args/lr, or two metrics"),
        ({"kind": "bar", "top": 501}, "at most 500 bars can be drawn"),
    ],
)
def test_what_has_no_effect_is_refused(
    make_dataset: MakeDataset, typed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        _plot(make_dataset(_sweep()), **typed)


def test_what_cannot_be_drawn_is_an_error(make_dataset: MakeDataset) -> None:
    folder = make_dataset([_task(1, [math.nan], {}), _task(2, [math.inf], {})])
    for kind in ("bar", "hist", "parallel"):
        with pytest.raises(SnapshotError, match="nothing to draw: accuracy has no finite value"):
            _plot(folder, kind=kind)
    with pytest.raises(NoSuchNameError, match="no kind 'bars'; did you mean 'bar'"):
        _plot(folder, kind="bars")
    unknown = {**_task(1, [], {}), "points": [("foo", "foo", 1, 1.0)]}
    with pytest.raises(UsageError, match="foo/foo does not say whether high or low values"):
        _plot(make_dataset([unknown]), "foo", kind="hist")


@pytest.mark.parametrize(
    ("kind", "theme"),
    [("bar", "light"), ("hist", "dark"), ("parallel", "paper"), ("scatter", "dark")],
)
def test_pictures_repeat_and_have_ink(make_dataset: MakeDataset, kind: str, theme: str) -> None:
    typed = {"x": "lr"} if kind == "scatter" else {}
    folder = make_dataset(_sweep())
    figure = _plot(folder, kind=kind, theme=theme, size=(420, 160), **typed).figure
    assert svg(figure) == svg(figure)
    with Image.open(io.BytesIO(picture(figure, ".png"))) as image:
        assert image.width < 2 * 900
        assert len(image.convert("RGB").getcolors(100_000) or []) > 20


def test_a_suspect_zero_is_named_as_below_the_table(make_dataset: MakeDataset) -> None:
    values = [5.0 - n / 100 for n in range(60)]
    values[30] = 0.0
    task = {"task_id": "a" * 32, "points": [("loss", "t", n, v) for n, v in enumerate(values)]}
    folder = make_dataset([task])
    with open_dataset(folder) as dataset:
        notes = dataset.answer("leaderboard", metric="loss").notes
        drawn = dataset.plot("loss", kind="bar")
        without = dataset.plot("loss", kind="bar", suspect_zeros="exclude")
    assert any("probably NaN" in note for note in notes)
    assert {note for note in notes if "probably NaN" in note} <= {*drawn.notes}
    [chart] = without.figure.charts
    assert isinstance(chart, Bars)
    assert chart.bars[0].value == values[-1]


def test_panels_and_charts_are_one_figure(make_dataset: MakeDataset) -> None:
    tasks = _sweep()[:3]
    for task in tasks:
        task["points"] += [("loss", "loss", 0, 1.5)]
    figure = _plot(make_dataset(tasks), ["accuracy", "loss"], kind="scatter", x="lr").figure
    assert [type(panel) for panel in figure.panels] == [Panel, Panel]
    figure = _plot(make_dataset(tasks), ["accuracy", "loss"], kind="bar").figure
    assert [chart.title for chart in figure.charts] == ["highest accuracy", "lowest loss"]
    assert len(json.loads(specification(figure))["vconcat"]) == 2
