"""`report` as it is typed."""

import re
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from tests.queries.conftest import write
from tests.queries.report.conftest import some_tasks

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "data"
    write(folder, [*some_tasks(4, 200), {"task_id": "f" * 32, "state": "partial"}])
    return folder


def test_a_report_is_one_file(data: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "report.html"
    target.write_text("an earlier one")
    assert main(["report", str(data), "-o", str(target), "--heading", "Sweep 7"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"report\.html: [\d.]+ kB, 5 tasks, 12 series", err)
    assert "warning: not complete: 1 partial" in err
    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<title>Sweep 7</title>" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_filters_metrics_and_points_choose_what_is_in_it(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "report.html"
    options = ["--project", "vision", "--metric", "loss", "--top", "1", "--points", "8"]
    assert main(["report", "--data", str(data), "-o", str(target), *options]) == 0
    err = capsys.readouterr().err
    assert "1 task, 1 series" in err
    assert re.search(r"\d\d of 200 points included; --points N includes more", err)
    text = target.read_text(encoding="utf-8")
    assert '"name":"run 3"' in text
    assert '"name":"run 2"' not in text
    assert '"metric":"accuracy"' not in text


def test_it_goes_to_stdout_too(data: Path, capsys: Capture) -> None:
    assert main(["report", str(data), "-o", "-", "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.rstrip().endswith("</html>")
    assert "series" not in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top", "3"], "--top needs --metric"),
        (["--metric", "final", "--top", "3"], "--top needs --best"),
        (["--metric", "los"], "did you mean"),
        (["--task", "e" * 32], "no task"),
        (["--created-before", "2001-01-01"], "no task matches; nothing to report"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(
    data: Path, tmp_path: Path, capsys: Capture, options: list[str], message: str
) -> None:
    target = tmp_path / "report.html"
    assert main(["report", str(data), "-o", str(target), *options]) in (2, 5)
    err = capsys.readouterr().err
    assert message in err
    assert not target.exists()
