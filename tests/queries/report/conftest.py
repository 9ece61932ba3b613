"""A report in a browser, which is started once."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.report.model import ReportOptions
from clearml_snapshot.queries.report.write import Written, write_report
from tests.queries.conftest import write

SPIKE = (1_234, 77.0)


def report_of(data: Path, options: ReportOptions | None = None) -> Written:
    with open_dataset(data) as dataset:
        return write_report(dataset, options)


def some_tasks(n_tasks: int = 12, n_points: int = 3_000) -> list[dict[str, object]]:
    """Tasks of which the last is the best; the first has a spike, a NaN and an infinity."""
    tasks: list[dict[str, object]] = []
    for task in range(n_tasks):
        rate = 10.0 ** -(1 + task % 3)
        losses = [
            ("loss", "train", i, 1 / (1 + i / 300) + 0.3 * (n_tasks - task) + 0.01 * math.sin(i))
            for i in range(n_points)
        ]
        odd = [("loss", "train", n_points + 5, math.nan), ("loss", "train", n_points + 9, math.inf)]
        if task == 0 and n_points > SPIKE[0]:
            losses[SPIKE[0]] = ("loss", "train", *SPIKE)
        scores = [("accuracy", "", i, min(0.99, i / 50 + task / 100)) for i in range(40)]
        tasks.append(
            {
                "task_id": f"{task:032x}",
                "name": f"run {task}",
                "project": "vision" if task % 2 else "nlp",
                "project_id": f"p{task % 2}",
                "tags": ["good"] if task > 6 else [],
                "user": "Ada",
                "web_url": f"https://app.clear.ml/projects/p/experiments/{task}",
                "points": [
                    *losses,
                    *scores,
                    ("final", "", None, float(task)),
                    *(odd if task == 0 else []),
                ],
                "params": [
                    {"section": "Args", "name": "lr", "value": str(rate)},
                    {"section": "Args", "name": "seed", "value": str(task)},
                    {"section": "Args", "name": "model", "value": "resnet"},
                ],
            }
        )
    return tasks


@pytest.fixture(scope="session")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of twelve tasks."""
    folder = tmp_path_factory.mktemp("dozen") / "data"
    write(folder, some_tasks())
    return folder


@pytest.fixture(scope="session")
def dozen_page(dozen: Path) -> Path:
    """Their report."""
    file = dozen.parent / "report.html"
    file.write_text(report_of(dozen).html, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium, started once; its event loop is gone when other tests run."""
    from tests.support.browser import chromium

    with chromium() as started:
        yield started
