"""The tools of a contributor: they report what they are meant to report."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import find_program

ROOT = Path(__file__).parents[1]
LATER = {"data/demo", "queries/catalogue/NAME.sql"}
"""Named, and made by whoever reads it."""


def test_a_missing_program_skips_a_test_here_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        find_program("no-such-program", "nor-this-one")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        find_program("no-such-program", "nor-this-one")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", ".github/workflows/ci.yml"])
def test_every_path_and_target_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    places = r"(?<![\w/.])((?:cli|exporter|queries|tests|docs|data|\.ci|\.github)/[\w./-]*[\w/])"
    named = set(re.findall(places, text)) - LATER
    assert [path for path in named if not (ROOT / path).exists()] == []
    targets = re.findall(r"^([\w-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    code = re.findall(r"(?:`|run: |^    )make ([\w-]+)", text, re.MULTILINE)
    assert set(code) <= set(targets)


def test_the_spell_check_reports_american_words_and_mistakes(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("The colour and behaviour of a licence; it is recognised.\n")
    bad = "The behavior is recieved and summarized.\n"  # codespell:ignore
    (tmp_path / "bad.md").write_text(bad)
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "spelling.py", tmp_path / "good.md", tmp_path / "bad.md"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode != 0
    reported = re.findall(r"(\w+)\.md:\d+: (\w+) ==> (\w+)", checked.stdout)
    assert reported == [
        ("bad", "behavior", "behaviour"),  # codespell:ignore
        ("bad", "recieved", "received"),  # codespell:ignore
        ("bad", "summarized", "summarised"),  # codespell:ignore
    ]
