"""The example notebook runs from top to bottom, and each answer renders.

Its cells are run as Jupyter runs them, without Jupyter: what a notebook shows is the last
expression of a cell, through its own ``_repr_…_`` methods. So nothing has to be installed.
"""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.standin.data.history import demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn

NOTEBOOK = Path(__file__).parents[1] / "docs" / "example.ipynb"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run one cell and give what it shows."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "cell", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def rendered(shown: Any) -> str:
    if hasattr(shown, "_repr_html_"):
        return str(shown._repr_html_())
    return repr(shown)


def test_the_example_notebook_runs(
    start_standin: Callable[..., StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in start_standin(demo_history()).environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLEARML_SNAPSHOT_DATA", str(tmp_path / "data"))
    assert main(["export", "--all", "-q"]) == 0
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    shown = [
        rendered(run_cell("".join(cell["source"]), names))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    assert "<Dataset" in shown[0]
    assert "accuracy" in shown[1]
    assert "0.944372" in shown[4]
    assert "smoothed" in shown[5]
    assert "<svg" in shown[6]
    assert "lr=0.001 (n = " in shown[6]
    assert "<table>" in shown[7]
    assert "33 of 81 tasks have it" in shown[7]
    assert "0.944372" in shown[8]
    assert all(cell.get("outputs", []) == [] for cell in notebook["cells"])
