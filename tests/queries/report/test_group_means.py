"""The means of groups that ``report --by`` includes."""

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.report.group_means import PARTS
from clearml_snapshot.queries.report.model import ReportOptions
from tests.queries.report.conftest import report_of
from tests.queries.report.test_report_in_chromium import visit
from tests.support.browser import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def means_of(data: Path, **options: Any) -> dict[str, Any]:
    made = report_of(data, ReportOptions(**options)).report
    assert made.means is not None
    read: dict[str, Any] = json.loads(gzip.decompress(made.means))
    read["names"] = [chart.metric for chart in made.charts]
    return read


def test_means_are_those_of_the_query(dozen: Path) -> None:
    """Over all points, although the curves of the page are thinned."""
    made = means_of(dozen, by=("Args/lr",), band="minmax", parts=8)
    assert made["by"] == "Args/lr"
    assert made["groups"] == [["lr=0.001", 4], ["lr=0.01", 4], ["lr=0.1", 4]]
    assert made["total"] == 3
    asked = {"by": "Args/lr", "band": "minmax", "points": PARTS}
    with open_dataset(dozen) as dataset:
        rows = dataset.rows(dataset.query("curve", metric="loss", **asked)).as_dicts()
    chart = made["charts"][made["names"].index("loss")]
    assert [curve["group"] for curve in chart] == [0, 1, 2]
    for curve, label in zip(chart, ("0.001", "0.01", "0.1"), strict=True):
        of_group = [row for row in rows if row["Args/lr"] == label]
        assert len(of_group) == PARTS
        for name in ("x", "mean", "low", "high"):
            assert curve[name] == pytest.approx([row[name] for row in of_group], rel=1e-6)
        assert curve["n"] == [row["n"] for row in of_group]
        assert curve["of"] == 4
    assert made["charts"][made["names"].index("final")] == [], "a single value has no curve"


def test_means_are_of_the_tasks_of_the_report(dozen: Path) -> None:
    made = means_of(dozen, metrics=("loss",), top=2, by=("project",))
    assert [size for _, size in made["groups"]] == [1, 1]
    made = means_of(dozen, by_all_except=("Args/seed",))
    assert made["by"] == "all hyperparameters except Args/seed"
    assert [label for label, _ in made["groups"]] == ["lr=0.001", "lr=0.01", "lr=0.1"]


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"by": ("nosuch",)}, NoSuchNameError, "no grouping or hyperparameter 'nosuch'"),
        ({"band": "std"}, UsageError, "is for curves of groups"),
    ],
)
def test_what_cannot_be_meant(
    dozen: Path, options: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        report_of(dozen, ReportOptions(**options))


def test_the_page_shows_them_at_first(browser: "Browser", dozen: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    options = ReportOptions(metrics=("loss",), parts=8, by=("Args/lr",))
    file.write_text(report_of(dozen, options).html, encoding="utf-8")
    with visit(browser, file) as seen:
        page = shown(seen)
        assert page.input_value("#by") == "given"
        note = page.locator("figure .note").first
        assert "means over all points" in note.inner_text()
        assert "one standard deviation" in note.inner_text()
        labels = [" ".join(text.split()) for text in page.locator("#groups li").all_inner_texts()]
        assert labels == ["lr=0.001 4 tasks", "lr=0.01 4 tasks", "lr=0.1 4 tasks"]
        drawn = page.locator("figure .plot").first
        assert "means of 3 groups" in (drawn.get_attribute("aria-label") or "")
        page.select_option("#x", value="m0")
        page.wait_for_function("!document.querySelector('#groups li')")
        assert "curves of tasks are shown" in page.inner_text("#groups-note")
        page.select_option("#x", value="iteration")
        page.wait_for_function("document.querySelectorAll('#groups li').length === 3")
        page.select_option("#by", value="")
        seen.until("location.hash.includes('by=')")
        seen.until(
            "document.querySelector('figure .plot').ariaLabel.includes('curves of 12 tasks')"
        )
        assert seen.said == []
    with visit(browser, file, "#by=") as seen:
        assert shown(seen).input_value("#by") == ""


def shown(seen: Visit) -> Any:
    seen.page.locator("figure").first.scroll_into_view_if_needed()
    seen.page.wait_for_selector("figure[data-drawn]")
    return seen.page
