"""Check the spelling of every text and source file in the repository; part of ``make lint``.

codespell ships a dictionary that turns British spelling into American. It is used here the other
way round, so that American spelling is reported in addition to the usual misspellings. Words that
interfaces of others spell the American way are listed in pyproject.toml.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parent.parent
SKIPPED = (
    "LICENSE",
    "*.ipynb",
    "exporter/redaction/words*",  # words of many languages
    "queries/report/vendor/*",  # a library's, minified
    "tests/cli/pictures/*",  # what fitted tables show: words that are cut off
    "tests/recordings/*",
    "tests/support/credentials/*",
)
"""Files that are not English prose, or whose spelling is fixed."""


def american() -> str:
    """Return a codespell dictionary with one line ``American->British`` per word."""
    british = files("codespell_lib") / "data" / "dictionary_en-GB_to_en-US.txt"
    pairs = (line.split("->") for line in british.read_text(encoding="utf-8").splitlines())
    return "".join(
        f"{word.strip()}->{british_word}\n"
        for british_word, american_words in pairs
        for word in american_words.split(",")
        if word
    )


def check(paths: Iterable[str | Path], folder: Path = ROOT) -> int:
    """Report misspelt words on stdout and return codespell's exit code (0: none were found)."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as dictionary:
        dictionary.write(american())
        dictionary.flush()
        options = ["--toml", str(ROOT / "pyproject.toml"), "--skip", ",".join(SKIPPED)]
        options += ["--builtin", "clear,rare", "--dictionary", "-", "--dictionary", dictionary.name]
        command = [sys.executable, "-m", "codespell_lib", *options, *map(str, paths)]
        return subprocess.run(command, cwd=folder, check=False).returncode


def tracked() -> Sequence[str]:
    """Return the path of every file in the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True)
    return listed.stdout.decode().splitlines()


if __name__ == "__main__":
    sys.exit(check(sys.argv[1:] or tracked()))
