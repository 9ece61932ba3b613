"""report.html in a pack: made of what is packed, bounded, and the same from the same contents."""

import os
import re
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.store.format.layout import TEXTS
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries.pack.texts import make_pages
from clearml_snapshot.queries.report import fitting
from tests.queries.conftest import write
from tests.support.packs import pack_of
from tests.support.pages import Reader, hostile_tasks
from tests.support.programs import find_program


def sweep(n_tasks: int = 5) -> list[dict[str, Any]]:
    return [
        {
            "task_id": f"{at:032x}",
            "name": f"run {at}",
            "project_id": "a" * 32,
            "project": "vision",
            "points": [(m, "train", n, at + n / 8) for m in ("loss", "acc") for n in range(9)],
            "params": [
                {"section": "Args", "name": name, "value": f"{name}{at}"} for name in ("lr", "seed")
            ],
        }
        for at in range(n_tasks)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "data"
    write(folder, sweep())
    return folder


def texts_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TEXTS if (folder / name).exists()}


def test_a_report_is_a_file_of_the_pack(data: Path, tmp_path: Path) -> None:
    packed = pack_of(data, tmp_path / "pack", report=True)
    assert packed.report is None
    assert verify(tmp_path / "pack", make_pages=make_pages).problems == ()
    assert " report.html\n" in (tmp_path / "pack" / "SHA256SUMS").read_text()
    assert "| `report.html` |" in (tmp_path / "pack" / "README.md").read_text()
    index = Reader((tmp_path / "pack" / "index.html").read_text())
    links = [attributes.get("href") for tag, attributes in index.tags if tag == "a"]
    assert links.count("report.html") == 2
    assert "report.html shows these 5 tasks in a browser" in index.words
    (tmp_path / "pack" / "report.html").unlink()
    assert verify(tmp_path / "pack").problems == ("missing: report.html",)


def test_without_it_nothing_mentions_a_report(data: Path, tmp_path: Path) -> None:
    pack_of(data, tmp_path / "with", report=True)
    pack_of(tmp_path / "with", tmp_path / "without")
    texts = texts_of(tmp_path / "without")
    assert "report.html" not in texts
    assert not any(b"report.html" in text for text in texts.values())
    assert "report" not in (tmp_path / "without" / "snapshot.json").read_text()


def test_the_same_contents_give_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pack_of(data, tmp_path / "one", report=True)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    two = pack_of(tmp_path / "one", tmp_path / "two.zip", report=True)
    assert one.content_id == two.content_id
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("report.html"))
        assert archive.read(name) == (tmp_path / "one" / "report.html").read_bytes()
    unpack(tmp_path / "two.zip", tmp_path / "three", make_pages=make_pages)
    assert texts_of(tmp_path / "three") == texts_of(tmp_path / "one")


def test_what_does_not_fit_is_stated(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "SERIES", 3)
    monkeypatch.setattr(fitting, "VARIANTS", 1)
    monkeypatch.setattr("clearml_snapshot.queries.report.contents.PARAMS", 1)
    pack = tmp_path / "pack"
    assert main(["pack", "--data", str(data), "-o", str(pack), "--report", "-q"]) == 0
    what = "the newest 3 of 5 tasks and 1 of 2 variants of metrics (those that most tasks have)"
    assert f"warning: report.html has only {what}; the others do not" in capsys.readouterr().err
    report = (pack / "report.html").read_text()
    words = Reader(re.sub("<script.*?</script>", "", report, flags=re.DOTALL)).words
    assert "3 of 5 tasks fit this page: the newest with values." in words
    assert "1 of 2 variants of metrics fit this page" in words
    assert "1 of 2 hyperparameters are shown" in words
    assert "run 3" not in report
    assert "seed1" not in report
    index = Reader((pack / "index.html").read_text()).words
    assert "report.html shows the newest 3 of 5 tasks in a browser" in index
    assert "It leaves out what does not fit one page, and says so." in index
    assert "It has the newest 3 of 5 tasks; summary.csv and the tables have all." in index
    assert "It has 1 of 2 variants of metrics: those that most tasks have." in index
    assert verify(pack, make_pages=make_pages).problems == ()


def test_the_newest_tasks_with_values_fit_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = sweep(4)
    for task, year in zip(tasks, (2024, 2026, 2025, 2027), strict=True):
        task["created"] = datetime(year, 1, 1, tzinfo=UTC)
    tasks[3]["points"] = []
    write(tmp_path / "data", tasks)
    monkeypatch.setattr(fitting, "TASKS", 2)
    pack_of(tmp_path / "data", tmp_path / "pack", report=True)
    report = (tmp_path / "pack" / "report.html").read_text()
    assert [at for at in range(4) if f"run {at}" in report] == [1, 2]


def test_a_pack_without_values_has_a_report(tmp_path: Path) -> None:
    write(tmp_path / "data", [{"task_id": "a" * 32}])
    pack_of(tmp_path / "data", tmp_path / "pack", report=True)
    assert verify(tmp_path / "pack", make_pages=make_pages).problems == ()


def test_names_in_it_are_text_in_a_browser(tmp_path: Path) -> None:
    write(tmp_path / "data", hostile_tasks("http://127.0.0.1:1"))
    pack_of(tmp_path / "data", tmp_path / "pack", report=True)
    chromium = find_program("chromium", "chromium-browser", "chrome", "google-chrome")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    shown = subprocess.run(
        [
            *(chromium, *flags, "--virtual-time-budget=2000", "--disable-dev-shm-usage"),
            f"--user-data-dir={tmp_path / 'profile'}",
            (tmp_path / "pack" / "report.html").as_uri(),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
        env={**os.environ},
    ).stdout
    assert "<title>ran</title>" not in shown
    assert "&lt;script&gt;document.title=" in shown
