"""The tools of a contributor: they report what they are meant to report."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import find_program

ROOT = Path(__file__).parents[1]


def test_a_missing_program_skips_a_test_here_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        find_program("no-such-program", "nor-this-one")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        find_program("no-such-program", "nor-this-one")


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
