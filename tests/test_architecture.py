"""docs/architecture.md names folders and files that exist, and every folder has its room there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CODE = ("cli", "exporter", "queries")
MOST_MODULES = 12
PACKAGES = sorted(
    file.parent.relative_to(ROOT) for top in CODE for file in (ROOT / top).rglob("__init__.py")
)


def drawn() -> set[Path]:
    """Read the folders and files that the picture shows, as paths from the top."""
    picture = PAGE.split("## The folders", 1)[1].split("Each folder's", 1)[0]
    paths, above = set[Path](), dict[int, Path]()
    for line in picture.splitlines():
        entry = re.match(r"( {4,})((?:[\w.]+/ ?)+|[\w.]+\.py)", line)
        if entry is None:
            continue
        depth, names = len(entry[1]), entry[2].split()
        parent = next(
            (above[other] for other in sorted(above, reverse=True) if other < depth), Path()
        )
        above = {other: path for other, path in above.items() if other < depth}
        above[depth] = parent / names[0]
        paths |= {parent / name for name in names}
    return paths


def test_the_picture_shows_every_folder_and_nothing_else() -> None:
    shown = drawn()
    assert [str(path) for path in sorted(shown) if not (ROOT / path).exists()] == []
    assert set(PACKAGES) - shown == set()


def test_every_file_that_the_page_names_exists() -> None:
    """A path may begin below the folder that the sentence is about."""
    named = {path.rstrip("/") for path in re.findall(r"`(\w+/[\w./]+|\w+\.(?:py|sql|tsv))`", PAGE)}
    there = [
        f"/{path.relative_to(ROOT)}" for top in (*CODE, "tests", "docs") for path in _below(top)
    ]
    assert len(named) > 40
    assert sorted(name for name in named if not any(p.endswith(f"/{name}") for p in there)) == []


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([\w./-]+)\)", PAGE)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def _below(top: str) -> list[Path]:
    return [path for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts]


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_folder_is_small_and_describes_its_purpose(package: Path) -> None:
    modules = [file for file in (ROOT / package).glob("*.py") if not file.name.startswith("__")]
    assert len(modules) <= MOST_MODULES
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", "interface."))
