"""Every promise of docs/threat-model.md names a test, and each of these exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")


def defined(file: Path) -> set[str]:
    """List the tests of a file as pytest names them."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inside = [method.name for method in node.body if isinstance(method, ast.FunctionDef)]
            names |= {f"{node.name}::{name}" for name in inside}
    return names


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)
    tests = {file: defined(ROOT / file) for file, _ in named if (ROOT / file).is_file()}
    assert len(named) > 60
    assert [f"{file}::{name}" for file, name in named if name not in tests.get(file, ())] == []


def test_every_promise_names_a_test() -> None:
    rows = [
        row for row in PAGE.splitlines() if row.startswith("| ") and "promise | test" not in row
    ]
    promises = rows[rows.index(next(row for row in rows if "Keys go to" in row)) :]
    assert [row for row in promises if "`tests/" not in row] == []
