"""What is drawn, looked at: coordinates of SVG, pixels of PNG, and dots of braille."""

import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.store.parts.staging import PointBuffer
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.figures.curves import curves
from clearml_snapshot.queries.figures.labels import LONGEST, Run, harmless, labels
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Axis, Band, Figure, Points
from clearml_snapshot.queries.figures.outputs.drawing import picture, specification, svg
from clearml_snapshot.queries.figures.outputs.terminal import Screen, text
from clearml_snapshot.queries.figures.outputs.ticks import ticks
from clearml_snapshot.queries.report.write import write_report
from tests.queries.conftest import START, MakeDataset
from tests.support.browser import Visit, chromium

MANY = 500_000
SPIKE = 234_567
HOSTILE = "</script><script>alert(1)</script>\" onload='x' \u202egnp.exe\x1b[2J &amp; ${x}\n"


@pytest.fixture(scope="module")
def half_a_million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of half a million equal values and one other."""
    folder = tmp_path_factory.mktemp("spike")
    values = np.zeros(MANY)
    values[SPIKE] = 1.0
    points = {
        "task_id": pa.repeat(pa.scalar("a" * 32), MANY),
        "metric": pa.repeat(pa.scalar("loss"), MANY),
        "variant": pa.repeat(pa.scalar("loss"), MANY),
        "iteration": pa.array(np.arange(MANY)),
        "timestamp": pa.array(np.full(MANY, 10**12), pa.timestamp("ms", "UTC")),
        "value": pa.array(values),
        "worker": pa.repeat(pa.scalar("w"), MANY),
    }
    with writing(folder) as dataset:
        stage = dataset.new_stage()
        buffer = PointBuffer(stage, None)
        buffer.add(pa.table(points))
        task = {"task_id": "a" * 32, "name": "spike", "server_id": "http://server",
                "state": "complete", "status": "completed", "archived": False,
                "fetched_at": START, "fingerprint": "f"}  # fmt: skip
        stage.add(task, (), buffer.finish())
        row = {"export_id": "e", "started": START, "result": "complete", "user": "Ada"}
        server = {"host": "http://server"}
        dataset.commit(stage, server=server, selections=[], export_row=row, keep=None)
    return folder


def test_no_line_crosses_what_a_logarithmic_axis_cannot_show(make_dataset: MakeDataset) -> None:
    values = [10.0, 100.0, 0.0, 0.0, -1.0, 100.0, 10.0]
    points = [("loss", "loss", at, value) for at, value in enumerate(values)]
    with open_dataset(make_dataset([{"task_id": "a" * 32, "points": points}])) as dataset:
        figure = dataset.plot("loss", log_y=True).figure
    [panel] = figure.panels
    [curve] = panel.curves
    assert [len(piece) for piece in panel.lines(curve.points, None)] == [2, 2]
    drawn = json.loads(specification(figure))
    rows = [row for layer in drawn["layer"] for row in layer["data"]["values"] if "piece" in row]
    assert len({(row["x"] > 2, row["piece"]) for row in rows}) == 2
    assert len({row["piece"] for row in rows}) == 2
    lines = text(figure, Screen(80, 20, has_colours=False)).splitlines()
    middle = [line[16:52] for line in lines if "│" in line]
    assert len(middle) > 5
    assert not set("".join(middle)) - {" ", "⠀"}


@pytest.fixture(scope="module")
def spike(half_a_million: Path) -> Figure:
    """Their figure."""
    with open_dataset(half_a_million) as opened:
        return curves(opened, opened.bound("curve", metric="loss"), Look(columns=200))


def test_one_spike_among_half_a_million_points_is_in_the_svg(spike: Figure) -> None:
    lines = re.findall(r'aria-roledescription="line mark"[^>]*d="([^"]*)"', svg(spike))
    lines = lines or re.findall(r'<path[^>]*d="(M[^"]{50,})"', svg(spike))
    points = [tuple(map(float, p.split(","))) for p in re.findall(r"[ML]([\d.]+,[\d.]+)", lines[0])]
    tops = [x for x, y in points if y < 20]
    assert len(points) < 900
    assert tops == [pytest.approx(760 * SPIKE / MANY, abs=1.5)]
    assert {round(y) for _, y in points} == {round(min(y for _, y in points)), round(points[0][1])}


def test_the_spike_is_in_the_pixels_of_the_png(spike: Figure) -> None:
    pixels = _pixels(picture(spike, ".png"))
    blue = (pixels[..., 2].astype(int) - pixels[..., 0]) > 100
    height = np.flatnonzero(blue.any(axis=1))
    assert height[-1] - height[0] > 700  # two pixels per pixel of 400
    upper = blue[height[0] : height[0] + 300]
    assert 1 <= np.flatnonzero(upper.any(axis=0)).size <= 12


def test_the_spike_is_in_the_terminal(spike: Figure) -> None:
    drawn = text(spike, Screen(100, 30)).split("\n")
    first, last = 2, next(i for i, line in enumerate(drawn) if line.startswith("└")) - 1
    for row in drawn[first : last - 1]:
        columns = [at for at, c in enumerate(row) if "⠀" < c <= "⣿"]
        assert len(columns) in (1, 2), row
        assert columns[0] == pytest.approx(1 + 88 * SPIKE / MANY, abs=1.5)
    characters = text(spike, Screen(100, 30, has_unicode=False))
    assert characters.isascii()
    assert characters.count("*") > 88 + 10


def test_the_spike_is_in_the_report(half_a_million: Path, tmp_path: Path) -> None:
    """A line from the bottom to the top of the chart, where the spike is and nowhere else."""
    file = tmp_path / "report.html"
    with open_dataset(half_a_million) as opened:
        file.write_text(write_report(opened).html, encoding="utf-8")
    assert file.stat().st_size < 1_000_000
    with chromium() as browser, Visit(browser, file) as seen:
        chart = seen.page.locator("figure .plot .u-over").first
        chart.scroll_into_view_if_needed()
        seen.page.wait_for_selector("figure[data-drawn]")
        pixels = _pixels(chart.screenshot())
    blue = (pixels[..., 2].astype(int) - pixels[..., 0]) > 60
    height, width = blue.shape
    for share in (0.2, 0.5, 0.8):
        [*columns] = np.flatnonzero(blue[int(height * share)])
        assert 1 <= len(columns) <= 4, "one line"
        assert columns[0] == pytest.approx(width * SPIKE / MANY, abs=4)


def _pixels(png: bytes) -> Any:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA"))


class _Elements(HTMLParser):
    """Collects the elements and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _check_elements(drawn: str) -> None:
    parser = _Elements()
    parser.feed(drawn)
    known = "html head meta title style body p svg defs g path text rect clippath line tspan"
    assert parser.names <= {*known.split()}
    assert not [name for name in parser.attributes if name.startswith("on") or name == "href"]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", drawn)


def _task(number: int, points: Any, **columns: Any) -> dict[str, Any]:
    return {"task_id": f"{number:032x}", "points": points, **columns}


def _line(values: Any, metric: str = "loss", variant: str = "train") -> list[Any]:
    return [(metric, variant, at, value) for at, value in enumerate(values)]


def _figure(folder: Path, look: Look | None = None, **typed: Any) -> Figure:
    with open_dataset(folder) as dataset:
        values = dataset.bound("curve", **{"metric": "loss", **typed})
        return curves(dataset, values, look or Look())


def test_hostile_names_are_harmless_in_every_output(make_dataset: MakeDataset) -> None:
    names = [HOSTILE, "x" * 8000, "\u202e\u2066", "", "<img src=x onerror=alert(1)>"]
    folder = make_dataset(
        [
            _task(n, _line([1, 2, 3], HOSTILE * 200, HOSTILE), name=name)
            for n, name in enumerate(names)
        ]
    )
    with open_dataset(folder) as dataset:
        figure = curves(dataset, dataset.bound("curve", metric="*"), Look(title=HOSTILE * 50))
    assert len({curve.label for curve in figure.panels[0].curves}) == len(names)
    assert max(len(curve.label) for curve in figure.panels[0].curves) <= LONGEST
    page = picture(figure, ".html").decode()
    for drawn in (svg(figure), page):
        _check_elements(drawn)
    ElementTree.fromstring(svg(figure))
    drawn = text(figure, Screen(60, 24))
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", drawn)
    assert max(map(len, drawn.split("\n"))) <= 60 + len(figure.panels[0].title)
    written = specification(figure).decode()
    assert "<" not in written
    assert json.loads(written)["title"]["text"].startswith("</script>")
    assert picture(figure, ".pdf").startswith(b"%PDF")


def test_labels_name_only_what_differs() -> None:
    runs = [
        Run(n, "loss", "train", f"{n:032x}", "vision resnet50", params={"Args/lr": lr})
        for n, lr in enumerate(("0.1", "0.01"))
    ]
    assert labels(runs) == ["lr=0.1", "lr=0.01"]
    assert labels([Run(1, "loss", "train", "a" * 32, "one")]) == ["one"]
    named = [
        Run(n, "loss", v, "a" * 32, "sweep of august seed 1")
        for n, v in enumerate(("train", "val"))
    ]
    assert labels(named) == ["train", "val"]
    begun = [
        Run(n, "loss", "train", f"{n:032x}", f"one long sweep august {t}")
        for n, t in enumerate("ab")
    ]
    assert labels(begun) == ["…august a", "…august b"]
    rates = [
        Run(n, "loss", "train", f"{n:032x}", f"the long sweep of lr-0.{t}")
        for n, t in enumerate(("1", "01"))
    ]
    assert labels(rates) == ["…of lr-0.1", "…of lr-0.01"]
    same = [Run(n, "loss", "train", f"{n}{'0' * 31}", "same") for n in (1, 2)]
    assert labels(same) == ["same 1000", "same 2000"]


def test_a_label_keeps_its_beginning_and_its_end() -> None:
    assert harmless("a" * 30 + "b" * 30, 12) == "aaaaaaa…bbbb"


def test_values_that_are_not_finite_interrupt_the_line_and_are_marked(
    make_dataset: MakeDataset,
) -> None:
    nan, infinite = float("nan"), float("inf")
    values = [5, 4, nan, 3, infinite, None, 2, 1.5]
    figure = _figure(make_dataset([_task(1, _line(values))]))
    [curve] = figure.panels[0].curves
    assert [[y for _, y in piece] for piece in curve.points.lines()] == [[5, 4], [3], [2, 1.5]]
    assert curve.points.not_finite == (2, 4, 5)
    assert curve.best == (7, 1.5)
    assert figure.notes == (
        "loss/train: 1 curve has NaN, infinite or missing values, marked × below",
    )
    assert text(figure, Screen(60, 24)).count("×") == 3


def test_a_gap_in_the_iterations_is_not_crossed(make_dataset: MakeDataset) -> None:
    points = [("loss", "train", at, 1.0) for at in (*range(50), *range(500, 550))]
    [curve] = _figure(make_dataset([_task(1, points)])).panels[0].curves
    assert [len(piece) for piece in curve.points.lines(curve.gap)] == [50, 50]


def test_outliers_are_left_outside_with_a_mark_unless_all_is_wanted(
    make_dataset: MakeDataset,
) -> None:
    folder = make_dataset([_task(1, _line([1e9, *(1 + n % 10 / 10 for n in range(999))]))])
    clipped, whole = _figure(folder), _figure(folder, Look(clips=False))
    assert clipped.panels[0].y.high < 2.5
    assert clipped.panels[0].n_above == 1
    assert "above" in clipped.notes[0]
    assert "up to 1e+09" in clipped.notes[0]
    assert "▲" in text(clipped, Screen(60, 24))
    assert whole.panels[0].y.high > 1e9
    assert whole.notes == ()


def test_many_curves_are_faint_and_more_are_a_band(make_dataset: MakeDataset) -> None:
    folder = make_dataset([_task(n, _line([n, n + 1.0])) for n in range(1, 14)])
    figure = _figure(folder)
    *faint, mean = figure.panels[0].curves
    assert (len(faint), all(curve.is_faint for curve in faint)) == (13, True)
    assert (mean.label, mean.points.value, mean.bands) == ("mean (n = 13)", (7, 8), ())
    assert figure.notes[0].startswith("13 curves of loss are too many to tell apart")
    crowd = make_dataset([_task(n, _line([n, n + 1.0])) for n in range(1, 102)])
    [mean] = _figure(crowd).panels[0].curves
    [band] = mean.bands
    assert (mean.points.value, band.low, band.high) == ((51, 52), (1, 2), (101, 102))


def test_the_variants_of_many_tasks_have_means_of_their_own(make_dataset: MakeDataset) -> None:
    points = [[*_line([n, n]), *_line([-n, -n], variant="val")] for n in range(1, 52)]
    folder = make_dataset([_task(n, each) for n, each in enumerate(points)])
    train, val = _figure(folder).panels[0].curves
    assert (train.label, train.points.value) == ("train (n = 51)", (26, 26))
    assert (val.label, val.points.value) == ("val (n = 51)", (-26, -26))


def _replicates(make_dataset: MakeDataset, values: dict[str, list[list[float]]]) -> Path:
    """Write tasks by learning rate, each with its values."""
    tasks = [(lr, run, number) for lr, runs in values.items() for number, run in enumerate(runs)]
    return make_dataset(
        [
            _task(
                at,
                _line(run),
                params=[
                    {"section": "Args", "name": "lr", "value": lr},
                    {"section": "Args", "name": "seed", "value": f"{seed}"},
                ],
            )
            for at, (lr, run, seed) in enumerate(tasks)
        ]
    )


@pytest.mark.parametrize("typed", [{"by": "Args/lr"}, {"by_all_except": "Args/seed"}])
def test_groups_are_means_with_bands(make_dataset: MakeDataset, typed: dict[str, Any]) -> None:
    runs = {"0.1": [[4.0, 2.0], [6.0, 2.0, 1.0]], "1e-3": [[5.0, 5.0]]}
    figure = _figure(_replicates(make_dataset, runs), band="minmax", **typed)
    small, large = figure.panels[0].curves
    assert small.label == "lr=1e-3 (n = 1)"
    assert large.label == "lr=0.1 (n = 1 to 2 of 2)"
    assert large.points == Points((0, 1, 2), (5, 2, 1))
    assert large.bands == (Band((0, 1, 2), (4, 2, 1), (6, 2, 1)),)
    assert large.best == (2, 1)
    assert figure.notes == (
        "the band is the lowest to the highest value of the tasks at each step",
    )
    drawn = svg(figure)
    assert drawn.count('aria-roledescription="area mark"') == 2
    assert "lr=0.1 (n = 1 to 2 of 2)" in drawn
    assert "lr=0.1 (n = 1 to 2 of 2)" in text(figure, Screen(70, 20))


def test_a_band_is_interrupted_where_a_group_has_one_task(make_dataset: MakeDataset) -> None:
    nan = float("nan")
    runs = {"0.1": [[1.0, 1.0, 1.0, 1.0, 1.0], [3.0, 3.0, nan, 3.0, 3.0]]}
    [curve] = _figure(_replicates(make_dataset, runs), by="Args/lr").panels[0].curves
    assert [band.x for band in curve.bands] == [(0, 1), (3, 4)]
    assert curve.points.value == (2, 2, 1, 2, 2)


def test_a_band_that_would_make_the_lines_flat_is_cut(make_dataset: MakeDataset) -> None:
    runs = {"0.1": [[1.0, 2.0, 3.0], [1.0, 300.0, 3.0], *[[1.0, 2.0, 3.0]] * 20]}
    folder = _replicates(make_dataset, runs)
    figure = _figure(folder, by="Args/lr", band="minmax")
    [mean] = figure.panels[0].curves
    assert max(mean.points.finite)[1] < figure.panels[0].y.high < 40
    assert (
        "the band is cut at the edge, it reaches from 1 to 300; `clips=False`" in figure.notes[-1]
    )
    whole = _figure(folder, Look(clips=False), by="Args/lr", band="minmax")
    assert whole.panels[0].y.high > 300
    assert len(whole.notes) == 1


def test_the_best_groups_are_picked_and_many_are_faint(make_dataset: MakeDataset) -> None:
    runs = {f"{n / 100}": [[1.0, n], [1.0, n + 1]] for n in range(2, 16)}
    folder = _replicates(make_dataset, runs)
    figure = _figure(folder, Look(top=2, best="highest"), by="Args/lr")
    assert [curve.label for curve in figure.panels[0].curves] == [
        "lr=0.15 (n = 2)",
        "lr=0.14 (n = 2)",
    ]
    assert figure.notes[0] == "2 of 14 groups, those with the highest means"
    figure = _figure(folder, by="Args/lr")
    *faint, mean = figure.panels[0].curves
    assert (len(faint), all(curve.is_faint for curve in faint), mean.label) == (
        14,
        True,
        "mean (n = 28)",
    )
    with pytest.raises(UsageError, match="`color` has no effect on groups"):
        _figure(folder, Look(color="project"), by="Args/lr")


def test_groups_of_hostile_names_are_harmless(make_dataset: MakeDataset) -> None:
    runs = {HOSTILE: [[1.0, 2.0]], HOSTILE * 200: [[1.0, 2.0]], "": [[2.0, 3.0]]}
    figure = _figure(_replicates(make_dataset, runs), by="Args/lr")
    assert len({curve.label for curve in figure.panels[0].curves}) == 3
    _check_elements(picture(figure, ".html").decode())
    assert not re.search("[\x1b\u202e]", text(figure, Screen(70, 20)))


def test_the_best_runs_are_picked_by_their_best_value(make_dataset: MakeDataset) -> None:
    tasks = [_task(n, _line([9, value, 9])) for n, value in enumerate((3, 1, float("nan"), 2))]
    look = Look(top=2, best="lowest")
    figure = _figure(make_dataset(tasks), look)
    assert sorted(curve.best[1] for curve in figure.panels[0].curves if curve.best) == [1, 2]
    assert figure.notes == ("2 of 4 curves, those with the lowest values",)


def test_colours_follow_a_parameter(make_dataset: MakeDataset) -> None:
    params = [[{"section": "Args", "name": "lr", "value": v}] for v in ("0.1", "0.2", "0.1")]
    folder = make_dataset([_task(n, _line([1, 2]), params=p) for n, p in enumerate(params)])
    figure = _figure(folder, Look(color="param:Args/lr"))
    assert [curve.colour for curve in figure.panels[0].curves] == [0, 1, 0]
    assert figure.panels[0].curves[1].label.startswith("lr=0.2")


def test_smoothed_curves_have_their_values_behind_them(make_dataset: MakeDataset) -> None:
    [curve] = _figure(make_dataset([_task(1, _line([4, 2]))]), smooth=0.5).panels[0].curves
    assert curve.raw is not None
    assert curve.raw.value == (4, 2)
    assert list(curve.points.value) == pytest.approx([4, 8 / 3])


def test_nothing_to_draw_is_an_error(make_dataset: MakeDataset) -> None:
    folder = make_dataset([_task(1, _line([1]))])
    with pytest.raises(UsageError, match="`top` needs"):
        _figure(make_dataset([_task(1, _line([1, 2], "x", "x"))]), Look(top=1), metric="x")
    with open_dataset(folder) as dataset, pytest.raises(SnapshotError):
        curves(dataset, dataset.bound("curve", metric="loss", variant="val"), Look())


def test_pictures_repeat(make_dataset: MakeDataset) -> None:
    folder = make_dataset([_task(n, _line([3, 1, 2])) for n in range(3)])
    assert svg(_figure(folder)) == svg(_figure(folder))


def test_a_zero_that_may_be_a_nan_is_not_the_best(make_dataset: MakeDataset) -> None:
    spoilt = [3.0 + at % 7 / 10 for at in range(40)]
    spoilt[20] = 0.0
    good = [2.0 + at % 5 / 10 for at in range(40)]
    folder = make_dataset([_task(1, _line(spoilt), name="a"), _task(2, _line(good), name="b")])
    figure = _figure(folder, Look(best="lowest"))
    assert [curve.best for curve in figure.panels[0].curves] == [(0, 3.0), (0, 2.0)]
    [first] = _figure(folder, Look(top=1, best="lowest")).panels[0].curves
    assert (first.label, first.best) == ("b", (0, 2.0))
    by_time = _figure(folder, Look(best="lowest"), x="time")
    assert by_time.panels[0].curves[0].best is None
    kept = _figure(folder, Look(best="lowest"), nan_value=[7.0])
    assert kept.panels[0].curves[0].best == (20, 0.0)


def test_a_mean_of_zeros_that_may_be_nan_is_not_the_best(make_dataset: MakeDataset) -> None:
    spoilt = [3.0 + at % 7 / 10 for at in range(40)]
    spoilt[20] = 0.0
    good = [2.0 + at % 5 / 10 for at in range(40)]
    runs = {"0.1": [spoilt, spoilt], "0.2": [good, good]}
    folder = _replicates(make_dataset, runs)
    figure = _figure(folder, Look(top=1, best="lowest"), by="Args/lr")
    [first] = figure.panels[0].curves
    assert (first.label, first.best) == ("lr=0.2 (n = 2)", (0, 2.0))
    said = "best means are those without values that are probably NaN"
    assert any(said in note for note in figure.notes)
    both = _figure(folder, Look(best="lowest"), by="Args/lr")
    assert [curve.best for curve in both.panels[0].curves] == [(0, 3.0), (0, 2.0)]
    for typed in ({"suspect_zeros": "exclude"}, {"nan_value": [7.0]}):
        other = _figure(folder, Look(best="lowest"), by="Args/lr", **typed)
        assert not any(said in note for note in other.notes)
    all_doubtful = _replicates(make_dataset, {"0.1": [good, good]})
    assert not any(
        said in n for n in _figure(all_doubtful, Look(best="lowest"), by="Args/lr").notes
    )


def test_what_all_names_begin_with_is_in_the_title(make_dataset: MakeDataset) -> None:
    names = ["efficientnet-b3 large seed 1", "efficientnet-b3 large seed 2"]
    folder = make_dataset([_task(n, _line([1, 2]), name=name) for n, name in enumerate(names)])
    [panel] = _figure(folder).panels
    assert panel.title == "loss/train · efficientnet-b3 large…"
    assert [curve.label for curve in panel.curves] == ["…seed 1", "…seed 2"]


def test_a_zero_that_may_be_a_nan_can_be_left_out(make_dataset: MakeDataset) -> None:
    spoilt = [3.0 + at % 7 / 10 for at in range(40)]
    spoilt[20] = 0.0
    folder = make_dataset([_task(1, _line(spoilt))])
    assert 0.0 in _figure(folder).panels[0].curves[0].points.value
    assert 0.0 not in _figure(folder, suspect_zeros="exclude").panels[0].curves[0].points.value


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.28, 0.967, ["0.4", "0.6", "0.8"]),
        (0.0, 1.0, ["0.0", "0.5", "1.0"]),
        (-3.0, 2200.0, ["0", "1,000", "2,000"]),
        (1e-9, 3e-9, ["1e-09", "1.5e-09", "2e-09", "2.5e-09", "3e-09"]),
    ],
)
def test_numbers_beside_an_axis_are_those_of_their_places(
    low: float, high: float, texts: list[str]
) -> None:
    found = ticks(Axis("", low, high), 3)
    assert [text for _, text in found] == texts
    assert [float(text.replace(",", "")) for text in texts] == pytest.approx([v for v, _ in found])


def test_groups_are_named_by_what_tells_them_apart(make_dataset: MakeDataset) -> None:
    """As few values as needed, and none is cut away that differs."""
    long = "x" * 30
    tasks = [
        _task(
            at,
            _line([1.0, 2.0]),
            params=[
                {"section": "Args", "name": name, "value": value}
                for name, value in (("a", long), ("b", b), ("c", c), ("seed", str(at)))
            ],
        )
        for at, (b, c) in enumerate([("1", "u"), ("2", "u"), ("3", "v")])
    ]
    folder = make_dataset(tasks)
    labels_of = [curve.label for curve in _figure(folder, by=["a", "c", "b"]).panels[0].curves]
    assert labels_of == ["b=1 (n = 1)", "b=2 (n = 1)", "b=3 (n = 1)"]
    [only] = _figure(folder, Look(top=1, best="highest"), by=["c"]).panels[0].curves
    assert only.label.startswith("c=")


_PLOTTED = re.compile("\x1b\\[(\\d+)m[\u2801-\u28ff]")


@pytest.mark.parametrize("n_curves", [2, 5])
def test_equal_curves_are_all_seen_in_the_terminal(
    make_dataset: MakeDataset, n_curves: int
) -> None:
    """The last one covered all others."""
    tasks = [
        {"task_id": letter * 32, "points": [("loss", "", i, 1 / (1 + i)) for i in range(200)]}
        for letter in "abcde"[:n_curves]
    ]
    figure = _figure(make_dataset(tasks), Look())
    in_colours = text(figure, Screen(100, 24, has_colours=True))
    counts = Counter(_PLOTTED.findall(in_colours))
    assert len(counts) == n_curves
    assert min(counts.values()) * 2 > max(counts.values())
    plain = "".join(line for line in text(figure, Screen(100, 24)).split("\n") if "│" in line)
    assert {"*", "o", "+", "x", "#"} & {*plain} == {*"*o+x#"[:n_curves]}
    alone = text(_figure(make_dataset(tasks[:1]), Look()), Screen(100, 24, has_colours=True))
    assert re.findall("[\u2801-\u28ff]", in_colours) == re.findall("[\u2801-\u28ff]", alone)


def test_a_short_curve_is_on_top_of_a_long_one(make_dataset: MakeDataset) -> None:
    tasks = [
        {"task_id": letter * 32, "points": [("loss", "", i, float(i)) for i in range(n)]}
        for letter, n in (("a", 20), ("b", 200))
    ]
    drawn = text(_figure(make_dataset(tasks), Look()), Screen(100, 24, has_colours=True))
    counts = sorted(Counter(_PLOTTED.findall(drawn)).values())
    assert len(counts) == 2
    assert counts[0] >= 8  # a tenth of the width, complete


def test_curves_that_others_cover_are_counted(make_dataset: MakeDataset) -> None:
    """Of single points at one place, one is seen."""
    tasks = [{"task_id": c * 32, "points": [("loss", "", 5, 1.0)]} for c in "abc"]
    drawn = text(_figure(make_dataset(tasks), Look(best="lowest")), Screen(100, 24))
    assert " 2 curves are covered by others" in drawn
