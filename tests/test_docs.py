"""The generated parts of the documentation match the code."""

import re
import tomllib
from importlib import import_module

import pytest

from docs import generate
from docs.python_api import PACKAGES

ROOT = generate.ROOT
README = ROOT / "README.md"


def test_every_generated_page_is_current() -> None:
    pages = generate.pages()
    assert README in pages
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs: run `make docs`"


def test_the_session_shows_the_true_maximum() -> None:
    """In the file itself: that it is what would be made today costs ten seconds, above."""
    readme = README.read_text(encoding="utf-8")
    assert "$ clearml-snapshot query max --metric accuracy" in readme
    assert "0.944372" in readme


def test_the_content_id_is_shown_as_a_program_prints_it_and_is_one() -> None:
    """It is kept where a library changes it, so the two could differ: no program checks that."""
    ids = re.findall(r"content id: (.*)", README.read_text(encoding="utf-8"))
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", ids[0])


def test_a_session_shows_notes_and_progress_where_they_appear() -> None:
    """On a terminal both streams are one: what is printed while a command works comes first."""
    shown = README.read_text(encoding="utf-8").partition("<!-- session -->")[2]
    for earlier, later in (
        ("columns not shown: ", "value  iteration  timestamp"),
        ("yolo-m lr=0.05", "74 of 81 tasks have it"),
        ("packing into q3-sweep.zip", "q3-sweep.zip: "),
        ("hashing 7 files", "intact: 7 files"),
    ):
        assert 0 < shown.index(earlier) < shown.index(later), earlier


def test_the_readme_names_every_extra_as_it_installs_the_rest() -> None:
    """There is no index with the package: everything is installed from the clone."""
    install = README.read_text(encoding="utf-8").partition("## Install")[2].partition("\n## ")[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.findall(r"pip install '\.\[(\w+)\]'", install) == [*project["optional-dependencies"]]
    assert "pip install ." in install
    assert re.search(r"pip install pandas polars", install)


def test_the_readme_says_what_is_not_installed_with_it() -> None:
    text = " ".join(README.read_text(encoding="utf-8").split())
    shell = text.partition("`clearml-snapshot sql` without a statement")[2].partition(". ")[0]
    assert "if `duckdb` is installed" in shell
    assert "`wide`" in text


@pytest.mark.parametrize("package", PACKAGES)
def test_the_exported_names_are_exactly_the_documented_ones(package: str) -> None:
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## `{package}`\n")[2].partition("\n## ")[0]
    exported = import_module(package)
    assert re.findall(r"^### `(\w+)`$", section, re.MULTILINE) == list(exported.__all__)
    assert all(hasattr(exported, name) for name in exported.__all__)


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        ("4.51 MB, 1.9 s\n", "4.50 MB, 70.1 s\n", "4.50 MB, 70.1 s\n"),
        ("4.8 MB\n", "4.5 MB\n", "4.8 MB\n"),
        ("4.5 MB\n", "4.5 kB\n", "4.5 MB\n"),
        ("2 tasks, 4.5 MB\n", "3 tasks, 4.5 MB\n", "2 tasks, 4.5 MB\n"),
        ("in 4.5 MB\nout 1.1 MB\n", "in 4.4 MB\nout 1.0 MB\n", "in 4.4 MB\nout 1.1 MB\n"),
    ],
)
def test_only_what_a_machine_decides_may_stay_as_it_was(now: str, before: str, shown: str) -> None:
    assert generate.steady(now, before) == shown
