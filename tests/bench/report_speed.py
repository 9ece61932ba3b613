"""Measures a report: building it, and opening it in headless Chromium.

Run as ``python -m tests.bench.report_speed FOLDER``, such as /tmp/bench/1e7, which has 1,000 tasks.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.browser import Visit, chromium

METRICS = (
    "accuracy",
    "loss",
    "grad_norm",
    "learning_rate",
    "Summary",
    ":monitor:*",
    "*score_0",
    "*score_1",
)
"""About 20 variants; half of the tasks have each score."""

STARTED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
SIZES = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})


def main() -> None:
    """Print one line per step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=5)
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        build(typed.folder, page)
        read(page, typed.times)


def build(dataset: Path, page: Path) -> None:
    """Build a report in a process of its own."""
    program = Path(sys.executable).with_name("clearml-snapshot")
    chosen = [word for metric in METRICS for word in ("-m", metric)]
    started = time.perf_counter()
    subprocess.run(
        [program, "report", dataset, *chosen, "-o", page, "--quiet"],
        check=True,
        env={**os.environ, "CLEARML_SNAPSHOT_DATA": ""},
        stderr=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"build: {seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s CPU, "
        f"{used.ru_maxrss / 1024:.0f} MB; page of {page.stat().st_size / 1e6:.1f} MB"
    )


def read(page: Path, times: int) -> None:
    """Open a report several times, and scroll to its end."""
    with chromium() as browser:
        for size in SIZES:
            opened, scrolled = [], []
            for _ in range(times):
                started = time.perf_counter()
                with Visit(browser, page, viewport=size) as seen:
                    opened.append(time.perf_counter() - started)
                    started = time.perf_counter()
                    seen.page.locator("figure").first.scroll_into_view_if_needed()
                    seen.page.wait_for_selector("figure[data-drawn]")
                    scrolled.append(time.perf_counter() - started)
                    assert not seen.said, seen.said
            print(
                f"{size['width']} pixels wide: open {min(opened):.2f} to {max(opened):.2f} s, "
                f"first chart {min(scrolled):.2f} to {max(scrolled):.2f} s later"
            )


if __name__ == "__main__":
    main()
