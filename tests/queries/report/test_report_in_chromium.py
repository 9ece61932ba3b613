"""A report in a real browser: what it shows, and that every control works."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.queries.report.model import ReportOptions
from tests.queries.conftest import write
from tests.queries.report.conftest import SPIKE, report_of
from tests.support.pages import hostile, hostile_tasks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

COLOURED = """selector => {
  const canvas = document.querySelector(selector), found = new Set();
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b] = pixels.slice(i, i + 3);
    const isColoured = Math.max(r, g, b) - Math.min(r, g, b) > 60;
    if (pixels[i + 3] > 200 && isColoured) found.add(`${r},${g},${b}`);
  }
  return found.size;
}"""


def visit(browser: "Browser", file: Path, address: str = "", **options: Any) -> Any:
    from tests.support.browser import Visit

    return Visit(browser, file, address, viewport=options.pop("viewport", DESKTOP), **options)


def names(page: "Page") -> list[str]:
    return page.locator("#board tbody th .name").all_inner_texts()


def drawn(page: "Page", number: int = 0) -> Any:
    figure = page.locator("figure").nth(number)
    figure.scroll_into_view_if_needed()
    page.wait_for_selector(f"figure:nth-of-type({number + 1})[data-drawn]")
    return figure


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_renders_everywhere_without_an_error_or_a_request(
    browser: "Browser", dozen_page: Path, scheme: Any, size: Any
) -> None:
    with visit(browser, dozen_page, viewport=size, color_scheme=scheme) as seen:
        page = seen.page
        drawn(page)
        assert page.evaluate(COLOURED, "figure canvas") > 3
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        clipped = page.evaluate(
            """() => [...document.querySelectorAll('button, label, h2, h3, .note, legend')]
              .filter((one) => one.offsetParent && !one.closest('.wide, #columns'))
              .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
              .map((one) => one.outerHTML)"""
        )
        assert clipped == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(253, 252, 250)") is (scheme == "light")
        assert seen.said == []
        assert seen.elsewhere == []


def test_the_leaderboard_sorts_filters_and_has_columns(
    browser: "Browser", dozen_page: Path
) -> None:
    with visit(browser, dozen_page) as seen:
        page = seen.page
        heads = page.locator("#board thead th").all_inner_texts()
        assert any("Args/lr" in head for head in heads)
        assert not any("Args/model" in head for head in heads)  # the same in all tasks
        loss = page.locator("#board thead button", has_text="loss / train")
        loss.click()
        assert names(page)[:2] == ["run 11", "run 10"]
        loss.click()
        assert names(page)[0] == "run 0"
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("loss / train")
        page.locator("#board thead button", has_text="Args/lr").click()
        column = page.locator("#board thead th").all_inner_texts()
        place = next(at for at, head in enumerate(column) if "Args/lr" in head)
        rates = page.locator(f"#board tbody tr td:nth-child({place + 1})").all_inner_texts()
        assert [float(rate) for rate in rates] == sorted(float(rate) for rate in rates)
        page.fill("#find", "lr=0.001 good")
        seen.until("document.querySelectorAll('#board tbody tr').length === 2")
        assert sorted(names(page)) == ["run 11", "run 8"]
        page.fill("#find", "")
        seen.until("document.querySelectorAll('#board tbody tr').length === 12")
        page.locator("summary", has_text="Columns").click()
        page.locator("#columns label", has_text="User").locator("input").check()
        assert "User" in page.locator("#board thead").inner_text()
        page.locator("#columns label", has_text="Status").locator("input").uncheck()
        assert "Status" not in page.locator("#board thead").inner_text()
        page.locator("#board .name", has_text="run 11").click()
        detail = page.locator(".details")
        assert "resnet" in detail.inner_text()
        assert detail.locator("a").get_attribute("href") == (
            "https://app.clear.ml/projects/p/experiments/11"
        )
        assert seen.said == []


def test_the_choice_is_kept_in_the_address(browser: "Browser", dozen_page: Path) -> None:
    with visit(browser, dozen_page) as seen:
        page = seen.page
        page.locator("#board thead button", has_text="Args/seed").click()
        page.fill("#metric", "^loss")
        page.check("#logy")
        page.select_option("#x", "since")
        page.locator("tr", has_text="run 3").get_by_role("button", name="baseline").click()
        seen.until("location.hash.includes('pin')")
        address = page.evaluate("location.hash")
        before = names(page)
    with visit(browser, dozen_page, address) as seen:
        page = seen.page
        assert names(page) == before
        assert page.input_value("#metric") == "^loss"
        assert page.is_checked("#logy")
        assert page.input_value("#x") == "since"
        assert page.locator("tr.pinned .name").inner_text() == "run 3"
        assert page.locator("figure").count() == 1
        assert "Differences are from run 3" in page.inner_text("#board-note")
        assert page.locator(".delta").count() > 0
        assert seen.said == []


def test_the_controls_of_curves_work(browser: "Browser", dozen_page: Path) -> None:
    with visit(browser, dozen_page) as seen:
        page = seen.page
        page.fill("#metric", "loss")
        seen.until("document.querySelectorAll('figure').length === 1")
        drawn(page)
        picture = "document.querySelector('figure canvas').toDataURL()"
        pictures = [page.evaluate(picture)]

        def changed() -> bool:
            page.wait_for_timeout(60)
            pictures.append(page.evaluate(picture))
            return bool(pictures[-1] != pictures[-2])

        for control in ("#logy", "#logx", "#rest"):
            page.click(control)
            assert changed(), control
            page.click(control)
            assert changed(), control
        page.fill("#smooth", "0.9")
        assert changed()
        page.fill("#smooth", "0")
        assert changed()
        for choice in ("since", "clock", "iteration"):
            page.select_option("#x", choice)
            assert changed(), choice
        page.locator("tr", has_text="run 11").locator("input").click()
        assert changed()
        page.click("#none")
        assert changed()
        page.click("#best")
        assert changed()
        page.fill("#metric", "(")
        seen.until("!document.getElementById('metric').validity.valid")
        assert seen.said == []


def test_zoom_shows_a_spike_and_the_line_runs_through_all_charts(
    browser: "Browser", dozen_page: Path
) -> None:
    with visit(browser, dozen_page) as seen:
        page = seen.page
        figure = drawn(page, 1)
        over = figure.locator(".u-over")
        box = over.bounding_box()
        at = box["x"] + box["width"] * SPIKE[0] / 3_009
        page.mouse.move(at, box["y"] + 12)
        seen.until("document.querySelectorAll('figure')[1].querySelector('.out strong')")
        lines = page.locator("figure .u-cursor-x:not(.u-off)")
        assert lines.count() >= 1
        page.mouse.move(at - 8, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(at + 8, box["y"] + 82, steps=4)
        page.mouse.up()
        page.locator("tr", has_text="run 0").locator("input").check()
        seen_values = set()
        box = figure.locator(".u-over").bounding_box()
        for step in range(60):
            page.mouse.move(box["x"] + box["width"] * step / 60, box["y"] + 10)
            text = figure.locator(".out").inner_text()
            seen_values.add(text.split(" ")[0])
        assert "77" in seen_values
        over.dblclick()
        figure.locator(".plot").focus()
        page.keyboard.press("+")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("0")
        assert seen.said == []


def test_parameters_are_drawn_against_values(browser: "Browser", dozen_page: Path) -> None:
    with visit(browser, dozen_page) as seen:
        page = seen.page
        page.locator("#scatter").scroll_into_view_if_needed()
        seen.until("document.querySelector('#scatter canvas')")
        assert page.inner_text("#scatter-note") == "12 tasks"
        assert page.evaluate(COLOURED, "#scatter canvas") > 3
        page.select_option("#sx", label="Args/lr")
        page.select_option("#sy", label="loss / train")
        assert "Args/lr across, loss / train up" in page.get_attribute("#scatter", "aria-label")
        assert page.inner_text("#parallel-note").startswith("12 tasks, the 3 axes")
        assert "Args/lr, Args/seed, loss / train:" in page.get_attribute("#parallel", "aria-label")
        assert page.evaluate(COLOURED, "#parallel canvas") > 3
        page.locator("summary", has_text="Columns").click()
        page.locator("#columns label", has_text="Args/seed").locator("input").uncheck()
        page.locator("#parallel").scroll_into_view_if_needed()
        note = "document.getElementById('parallel-note').textContent"
        seen.until(f"{note}.startsWith('12 tasks, the 2 axes')")
        assert seen.said == []


def test_hostile_names_do_nothing(browser: "Browser", tmp_path: Path) -> None:
    from tests.queries.pack.test_overview_in_chromium import listening

    with listening() as (address, requested):
        tasks = hostile_tasks(address)
        for at, name in enumerate(["\u202egnp.exe", "x" * 8_000]):
            tasks.append(
                {**tasks[0], "task_id": f"{at:032x}", "name": name, "points": tasks[at]["points"]}
            )
        write(tmp_path / "data", tasks)
        file = tmp_path / "report.html"
        heading = hostile(address)[0]
        file.write_text(
            report_of(tmp_path / "data", ReportOptions(heading=heading)).html, encoding="utf-8"
        )
        with visit(browser, file) as seen:
            page = seen.page
            drawn(page)
            page.locator("summary", has_text="Columns").click()
            for name in page.locator("#board .name").all():
                name.click()
            assert page.title() != "ran"
            assert page.locator("main script, main img, main iframe, main link").count() == 0
            assert page.locator("a[href^=javascript]").count() == 0
            for name in hostile(address)[:-1]:
                assert page.locator("#board .name", has_text=name[:40]).count() >= 1
            assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]
            assert seen.said == []
            assert seen.elsewhere == []
    assert requested == []


def test_it_prints(browser: "Browser", dozen_page: Path) -> None:
    with visit(browser, dozen_page) as seen:
        drawn(seen.page)
        seen.page.emulate_media(media="print")
        assert len(seen.page.pdf()) > 20_000
        assert not seen.page.locator(".tools").first.is_visible()
