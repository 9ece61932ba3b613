"""Means of groups in a report: equal to those of ``query curve --by``, and never of a part."""

import math
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.report.model import ReportOptions
from tests.queries.conftest import write
from tests.queries.report.conftest import report_of
from tests.queries.report.test_report_in_chromium import DESKTOP, PHONE, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def uneven() -> list[dict[str, Any]]:
    """Tasks of unequal length, with gaps, NaN, infinities, a spike and values of every size."""
    made: list[dict[str, Any]] = []
    for task in range(7):
        step = 1 + task % 3
        points = []
        for i in range(task, 60 + 9 * task, step):
            value = math.sin(i * (task + 1)) * 10.0 ** (task % 4)
            if (i * 7 + task) % 13 == 0:
                value = [math.nan, math.inf, -math.inf][i % 3]
            if task == 3 and i == 20:
                value = 1e30
            if not 30 + task < i < 40:
                points.append(("loss", "", i, value, i + task / 100))
        made.append(
            {
                "task_id": f"{task:032x}",
                "name": f"run {task}",
                "project": "p",
                "project_id": "p",
                "tags": [["a"], ["a", "b"], []][task % 3],
                "points": points,
                "params": [
                    {"section": "Args", "name": "lr", "value": ["0.1", "1e-1", "0.01"][task % 3]},
                    {"section": "Args", "name": "seed", "value": str(task)},
                ],
            }
        )
    made[6]["params"] = made[6]["params"][1:]
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uneven") / "data"
    write(folder, uneven())
    return folder


@pytest.fixture(scope="module")
def blank(browser: "Browser") -> Iterator["Page"]:
    """A page that has only the functions of the report."""
    page = browser.new_page()
    inline = files("clearml_snapshot.queries.report").joinpath("inline")
    script = "\n".join(
        inline.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in ("view", "groups")
    )
    page.add_script_tag(content=f"const chosen = {{}}, charts = [];\n{script}")
    yield page
    page.close()


MEAN = """([curves, x, band]) => {
  Object.assign(chosen, { x, band });
  const read = (text) => Number(text.replace("inf", "Infinity"));
  const made = meanCurve(curves.map(
    ({ x, y }) => ({ x: Float64Array.from(x), y: Float64Array.from(y, read) })));
  return ["x", "y", "low", "high", "n"].map((name) => [...made[name]].map(String));
}"""


@pytest.mark.parametrize("band", ["std", "minmax"])
@pytest.mark.parametrize(
    ("across", "x"), [("iteration", "iteration"), ("since", "relative"), ("m0", "loss")]
)
def test_a_mean_is_that_of_the_query(
    blank: "Page", data: Path, band: str, across: str, x: str
) -> None:
    with open_dataset(data) as dataset:
        rows = dataset.rows(
            dataset.query("curve", metric="loss", by=["Args/lr"], band=band, x=x)
        ).as_dicts()
    groups = sorted({row["Args/lr"] for row in rows}, key=str)
    assert groups == ["0.01", "0.1", None]
    members = {"0.1": (0, 1, 3, 4), "0.01": (2, 5), None: (6,)}
    tasks = uneven()
    for group in groups:
        expected = [row for row in rows if row["Args/lr"] == group]
        curves = []
        for task in members[group]:
            points = tasks[task]["points"]
            first = points[0][4]
            if x == "loss":
                points = sorted((p for p in points if math.isfinite(p[3])), key=lambda p: p[3])
            of = {"iteration": 2, "loss": 3}
            xs = [p[of[x]] if x in of else round(p[4] - first, 3) for p in points]
            curves.append({"x": xs, "y": [str(p[3]) for p in points]})
        made = blank.evaluate(MEAN, [curves, across, band])
        numbers = [[float(text) for text in column] for column in made]
        assert len(numbers[0]) == len(expected) > (1 if across == "m0" else 20)
        for at, row in enumerate(expected):
            got = [column[at] for column in numbers]
            assert got[0] == pytest.approx(row["x"])
            assert got[4] == row["n"]
            for value, name in zip(got[1:4], ("mean", "low", "high"), strict=True):
                wanted = math.nan if row[name] is None else row[name]
                assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), (row, name)


def test_a_point_has_the_latest_value_of_another_metric(blank: "Page") -> None:
    made = blank.evaluate(
        """() => {
          const made = paired(
            { iteration: [0, 1, 2, 5, 9], value: [10, 11, 12, 15, 19], clock: null },
            { iteration: [1, 3, 7], value: [0.5, NaN, 0.25] });
          return [[...made.x], [...made.raw], [...made.iteration]];
        }"""
    )
    assert made == [[0.25, 0.5, 0.5], [19, 11, 12], [9, 1, 2]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_reader_chooses_groups(
    browser: "Browser", data: Path, tmp_path: Path, scheme: Any, size: Any
) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_of(data).html, encoding="utf-8")
    with visit(browser, file, viewport=size, color_scheme=scheme) as seen:
        page = seen.page
        assert page.is_disabled("#band")
        titles = page.locator("#by option").all_inner_texts()
        assert titles[1:] == [
            "all tasks",
            "tag",
            "Args/seed",
            "Args/lr",
            "all parameters except Args/seed",
            "all parameters except Args/lr",
        ]
        page.select_option("#by", label="Args/lr")
        legend = page.locator("#groups li").all_inner_texts()
        assert [" ".join(text.split()) for text in legend] == [
            "0.01 2 tasks",
            "0.1 4 tasks",
            "(none) 1 task",
        ]
        page.locator("figure").scroll_into_view_if_needed()
        seen.until(
            "document.querySelector('figure .plot').ariaLabel?.includes('means of 3 groups')"
        )
        page.locator("figure .plot").focus()
        page.keyboard.press("ArrowRight")
        assert " n = " in page.inner_text("figure .out")
        assert "latest earlier value" in page.inner_text("figure .note")
        assert "are not finite and in no mean" in page.inner_text("figure .note")
        before = page.evaluate("document.querySelector('.plot canvas').toDataURL()")
        page.select_option("#band", "minmax")
        seen.until(f"document.querySelector('.plot canvas').toDataURL() !== '{before}'")
        assert "the lowest to the highest" in page.inner_text("figure .note")
        page.select_option("#by", label="tag")
        tags = [" ".join(text.split()) for text in page.locator("#groups li").all_inner_texts()]
        assert tags == ["(none) 2 tasks", "a 5 tasks", "b 2 tasks"]
        page.select_option("#by", label="all parameters except Args/seed")
        assert page.locator("#groups li").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        seen.until("location.hash.includes('by=e0') && location.hash.includes('band=minmax')")
        assert seen.said == []
        assert seen.elsewhere == []


def test_there_is_no_mean_of_points_that_are_left_out(
    browser: "Browser", dozen: Path, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    options = ReportOptions(metrics=("loss", "accuracy"), parts=32)
    file.write_text(report_of(dozen, options).html, encoding="utf-8")
    with visit(browser, file, "#by=p0") as seen:
        page = seen.page
        page.locator("figure").nth(1).scroll_into_view_if_needed()
        page.wait_for_selector("figure:nth-of-type(2)[data-drawn]")
        notes = page.locator("figure .note").all_inner_texts()
        assert "no means" not in notes[0]  # short curves are complete
        assert "no means: the page does not include every point of 12 curves" in notes[1]
        assert "curves of 12 tasks" in page.locator("figure .plot").nth(1).get_attribute(
            "aria-label"
        )
        page.select_option("#x", label="loss / train")
        seen.until(
            "[...document.querySelectorAll('figure .note')].every((one) => "
            "one.textContent.includes('12 curves are not shown'))"
        )
        page.select_option("#x", label="accuracy")
        seen.until(
            "document.querySelectorAll('figure .note')[1].textContent"
            ".includes('at the latest value of accuracy')"
        )
        assert seen.said == []


def test_an_address_that_names_nothing_is_harmless(browser: "Browser", dozen_page: Path) -> None:
    for address in ("#by=p99&x=m99", "#by=nonsense&x=nonsense", "#by=e0&band=wide"):
        with visit(browser, dozen_page, address) as seen:
            seen.page.locator("figure").first.scroll_into_view_if_needed()
            seen.page.wait_for_selector("figure[data-drawn]")
            assert seen.said == []


def test_the_axes_of_the_scatter_plot_are_kept_in_the_address(
    browser: "Browser", dozen_page: Path
) -> None:
    with visit(browser, dozen_page, "#sx=p1&sy=m0") as seen:
        page = seen.page
        page.locator("#scatter").scroll_into_view_if_needed()
        seen.until("document.querySelector('#scatter canvas')")
        assert (page.input_value("#sx"), page.input_value("#sy")) == ("p1", "m0")
        page.select_option("#sx", "p0")
        seen.until("location.hash.includes('sx=p0')")
        assert page.input_value("#sx") == "p0"
        assert seen.said == []
