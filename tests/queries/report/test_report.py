"""What a report contains, and that nothing in it is more than text."""

import base64
import hashlib
import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries.pages.embedded import json_in_a_page
from clearml_snapshot.queries.report import model
from clearml_snapshot.queries.report.encoding import Curve, encode
from clearml_snapshot.queries.report.model import Chart, ReportOptions
from tests.queries.conftest import MakeDataset
from tests.queries.report.conftest import SPIKE, report_of
from tests.support.pages import Reader, hostile, hostile_tasks

VENDOR = Path(__file__).parents[3] / "queries" / "report" / "vendor"

HASHES = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_uplot_is_as_npm_has_it() -> None:
    held = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    assert held == HASHES


def decoded(block: bytes) -> list[dict[str, Any]]:
    """Decode a block as the page does."""
    raw = zlib.decompress(block, 31)
    n, points, x_width, value_width, unit, _ = np.frombuffer(raw, "<u4", 6)
    at = 24

    def column(kind: str, count: int) -> Any:
        nonlocal at
        part = np.frombuffer(raw, kind, count, at)
        at += part.nbytes
        return part

    def planes(kind: str, width: int) -> Any:
        part = column("u1", points * width).reshape(width, points).T
        return np.ascontiguousarray(part).view(kind).reshape(-1)

    tasks, counts, stored, timed = (column("<u4", n) for _ in range(4))
    xs, ts = column("<f8", n), column("<f8", n)
    steps = planes("<f8" if x_width == 8 else "<u4", x_width)
    times, values = planes("<i4", 4), planes("<f8" if value_width == 8 else "<f4", value_width)
    assert at == len(raw)
    curves, start = [], 0
    for curve in range(n):
        part = slice(start, start + counts[curve])
        curves.append(
            {
                "task": int(tasks[curve]),
                "stored": int(stored[curve]),
                "x": (xs[curve] + np.cumsum(steps[part])).astype(float).tolist(),
                "value": values[part].tolist(),
                "time": (ts[curve] + np.cumsum(times[part].astype(float)) * unit).tolist()
                if timed[curve]
                else None,
            }
        )
        start += counts[curve]
    return curves


class TestEncoding:
    def one(self, x: list[int], value: list[float], time: list[float] | None = None) -> Any:
        times = np.array(time if time is not None else [math.nan] * len(x))
        (curve,) = decoded(encode([Curve(3, 9, np.array(x), np.array(value), times)]))
        return curve

    def test_values_times_and_marks_come_back(self) -> None:
        curve = self.one([-5, 0, 7], [0.5, math.nan, -math.inf], [1e12, 1e12 + 3, 1e12 + 1])
        assert (curve["task"], curve["stored"], curve["x"]) == (3, 9, [-5, 0, 7])
        assert curve["value"][0] == 0.5
        assert math.isnan(curve["value"][1])
        assert curve["value"][2] == -math.inf
        assert curve["time"] == [1e12, 1e12 + 3, 1e12 + 1]

    @pytest.mark.parametrize(
        "values",
        [
            [1e300, 2e300],
            [1e-300, 0.0],
            [1.7e9, 1.7e9 + 1],
            [5e-324, -5e-324],
            [1e10, 1e10 + 0.001],
        ],
    )
    def test_values_that_32_bits_would_change_have_64(self, values: list[float]) -> None:
        assert self.one([1, 2], values)["value"] == values

    def test_a_large_step_of_x_is_kept(self) -> None:
        assert self.one([0, 2**40], [1.0, 2.0])["x"] == [0, 2**40]

    def test_a_long_run_has_times_in_seconds(self) -> None:
        assert self.one([0, 1], [1.0, 2.0], [0.0, 3.6e6 + 400])["time"] == [0, 3.6e6]

    def test_a_curve_without_times_says_so(self) -> None:
        assert self.one([0, 1], [1.0, 2.0])["time"] is None


class TestContents:
    def test_every_point_is_included_if_it_fits(self, dozen: Path) -> None:
        report = report_of(dozen).report
        assert report.parts is None
        assert [(chart.metric, chart.best) for chart in report.charts] == [
            ("accuracy", "highest"),
            ("loss", "lowest"),
            ("final", None),
        ]
        (loss,) = [chart for chart in report.charts if chart.metric == "loss"]
        assert loss.block is not None
        first = next(c for c in decoded(loss.block) if report.tasks[c["task"]]["task"] == "run 0")
        assert first["value"][SPIKE[0]] == SPIKE[1]
        assert len(first["x"]) == first["stored"] == 3_002
        assert math.isnan(first["value"][-2])
        assert first["value"][-1] == math.inf

    def test_what_does_not_fit_is_thinned_without_losing_extremes(
        self, dozen: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clearml_snapshot.queries.report.curves.POINTS_THAT_FIT", 6_000)
        written = report_of(dozen)
        report = written.report
        assert report.parts is not None
        assert report.n_included < 12 * (4 * report.parts + 50)
        (loss,) = [chart for chart in report.charts if chart.metric == "loss"]
        assert loss.block is not None
        for curve in decoded(loss.block):
            name = report.tasks[curve["task"]]["task"]
            assert curve["stored"] > len(curve["x"])
            assert curve["x"][0] == 0
            assert (SPIKE[1] in curve["value"]) is (name == "run 0")
            if name == "run 0":
                assert curve["x"][curve["value"].index(SPIKE[1])] == SPIKE[0]
                assert math.isinf(curve["value"][-1])
        words = Reader(written.html).words
        assert "points are included: long curves were divided into" in words
        (accuracy,) = [chart for chart in report.charts if chart.metric == "accuracy"]
        assert accuracy.n_included == 12 * 40  # short curves are complete

    def test_points_choose_how_many_are_included(self, dozen: Path) -> None:
        assert report_of(dozen, ReportOptions(parts=10)).report.parts == 10
        assert report_of(dozen, ReportOptions(parts=1000)).report.parts is None

    def test_metrics_and_the_best_tasks_are_chosen(self, dozen: Path) -> None:
        report = report_of(dozen, ReportOptions(metrics=("loss",), top=2)).report
        assert sorted(task["task"] for task in report.tasks) == ["run 10", "run 11"]
        assert [chart.metric for chart in report.charts] == ["loss"]
        assert report.n_selected == 12
        worst = ReportOptions(metrics=("loss",), top=1, best="highest")
        assert [task["task"] for task in report_of(dozen, worst).report.tasks] == ["run 0"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (ReportOptions(top=2), "`top` needs `metric`"),
            (ReportOptions(top=2, metrics=("final",)), "`top` needs `best=.max.` or"),
            (ReportOptions(metrics=("loss",), excluded=("loss",)), "no metric is left"),
        ],
    )
    def test_refusals(self, dozen: Path, options: ReportOptions, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            report_of(dozen, options)

    def test_an_unknown_metric_is_refused(self, dozen: Path) -> None:
        with pytest.raises(NoSuchNameError):
            report_of(dozen, ReportOptions(metrics=("los",)))

    def test_a_best_value_that_is_probably_nan_is_marked(self, make_dataset: MakeDataset) -> None:
        points = [("loss", "", i, 0.0 if i == 20 else 5.0 + math.sin(i) / 5) for i in range(40)]
        other = [("loss", "", i, 4.0 + i / 100) for i in range(40)]
        data = make_dataset(
            [{"task_id": "a" * 32, "points": points}, {"task_id": "b" * 32, "points": other}]
        )
        written = report_of(data)
        assert [one.is_suspect for one in written.report.charts[0].series] == [True, False]
        assert "1 best value is 0 among values far from 0" in Reader(written.html).words

    def test_problems_come_first(self, make_dataset: MakeDataset) -> None:
        task = {"task_id": "a" * 32, "state": "partial", "reason": "ran out of time"}
        text = Reader(report_of(make_dataset([task])).html).words
        assert "1 is not complete" in text
        assert "ran out of time" in text
        assert text.index("ran out of time") < text.index("Leaderboard Find")

    def test_the_same_contents_give_the_same_bytes(self, dozen: Path) -> None:
        assert report_of(dozen).html == report_of(dozen).html


class TestSafety:
    def test_json_cannot_end_its_script(self) -> None:
        names = ["</script>", "<!--<script>", "]]>", "\u2028\u2029", "&lt;", "\\u003c"]
        text = json_in_a_page(names)
        assert json.loads(text) == names
        assert not set("<>&\u2028\u2029") & set(text)

    def test_names_are_data_and_short(self, make_dataset: MakeDataset) -> None:
        names = [*hostile("http://127.0.0.1:1"), "\u202eevil\u2066", "x" * 8_000]
        tasks = hostile_tasks("http://127.0.0.1:1") + [
            {
                "task_id": f"{at:032x}",
                "name": name,
                "project": name,
                "project_id": f"q{at}",
                "points": [(name, name, 1, 1.0)],
                "params": [{"section": name, "name": name, "value": name}],
            }
            for at, name in enumerate(names[-2:])
        ]
        html = report_of(make_dataset(tasks), ReportOptions(heading=names[0])).html
        tags = Reader(re.sub(r"(?s)<script.*?</script>", "", html)).tags
        assert {tag for tag, _ in tags} & {"script", "img", "iframe", "link", "base"} == set()
        assert html.count("<script") == html.count("</script>") == 2 + len(names)
        assert "\u202e" not in html
        assert "⟨U+202E⟩" in html
        assert "x" * 600 not in html
        assert "javascript:" not in html.partition("</main>")[0]

    def test_the_policy_allows_the_script_and_the_style_by_hash(self, dozen: Path) -> None:
        html = report_of(dozen).html
        (policy,) = re.findall(r'Security-Policy" content="([^"]*)"', html)
        (script,) = re.findall(r"(?s)<script>(.*?)</script>", html)
        (style,) = re.findall(r"(?s)<style>(.*?)</style>", html)
        for text in (script, style):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "http:" not in policy

    def test_the_licence_of_uplot_is_in_the_page(self, dozen: Path) -> None:
        assert "Copyright (c) 2022 Leon Sorokin" in Reader(report_of(dozen).html).words


def test_the_budget_holds_for_200_tasks_of_20_noisy_curves() -> None:
    """The worst case: values that do not compress."""
    from clearml_snapshot.queries.report.curves import PER_PART, chosen_parts
    from clearml_snapshot.queries.report.model import Series

    row = {"n": 5_000, "curve": 1}
    series = tuple(Series(task, row) for task in range(200))
    charts = [Chart("m", str(at), None, series, n_points=200 * 5_000) for at in range(20)]
    parts = chosen_parts(charts, ReportOptions())
    assert parts is not None
    generator = np.random.default_rng(1)
    kept = parts * PER_PART
    curves = []
    for task in range(200):
        x = np.sort(generator.choice(5_000, kept, replace=False))
        time = x * 1_000.0 + generator.integers(0, 900, kept)
        curves.append(Curve(task, 5_000, x, generator.normal(size=kept), time))
    assert 20 * len(encode(curves)) * 4 / 3 < 4_900_000
    assert parts >= model.FEWEST_PARTS
