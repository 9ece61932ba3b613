"""SQL lies in ``.sql`` files; a statement inside Python has its reason here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_VERBS: Final = "SELECT|WITH|FROM|PIVOT|CREATE|INSERT|COPY|SET|ATTACH|DETACH|USE|EXPLAIN"
_STATEMENT: Final = re.compile(rf"\s*(?:--[^\n]*\n\s*)*(?:{_VERBS})\s")

REASONS: Final = {
    "cli/commands/looking/sparks.py": "reads a table with one more column",
    "cli/commands/demo.py": "what a user types, shown with its answer",
    "cli/output/stdout.py": "names the table of an answer",
    "cli/typer_ext/completion.py": "the column is an expression, or a table has new names",
    "exporter/store/compare/digest.py": "one expression for fetched and for stored points",
    "exporter/store/engine/engine.py": "settings of a connection",
    "exporter/store/format/readme.py": "the contents of open.sql",
    "exporter/store/format/shared_views.py": "makes what views.sql creates replaceable",
    "exporter/store/objects/open_sql.py": "views over a list of addresses, as a text for DuckDB",
    "exporter/store/verify/rows.py": "a temporary table, and the number of its rows",
    "queries/aliases/views.py": "views and tables in the schema of whoever reads them",
    "queries/ask/columns/pivot.py": "as many columns as were requested",
    "queries/ask/standalone_sql.py": "a text to print, with names and values in it",
    "queries/ask/statement.py": "cuts out what a question does not need",
    "queries/ask/columns/wide.py": "as many columns as there are metrics",
    "queries/dataset.py": "EXPLAIN before the statement of a user",
    "queries/duckdb_errors.py": "EXPLAIN before the statement of a user, which has an error",
    "queries/diff/comparison.py": "the same views for two snapshots",
    "queries/figures/thinning.py": "calls what an SQL file makes",
    "queries/frames.py": "a table from an object of the caller",
    "queries/result.py": "casts the columns of an answer",
    "queries/session.py": "views over a list of files, and settings of a connection",
    "queries/engine/answer.py": "fills the table of an answer with rows of Arrow",
    "queries/engine/statement.py": "wraps a statement of the user",
    "queries/shards/answer.py": "a table and a view for a moment, with fixed names",
    "queries/shards/narrow.py": "views over a list of metrics and variants, or a range of tasks",
    "queries/task_filter.py": "one view per table, and a table from an SQL file",
}


def statements(path: Path) -> Iterator[str]:
    """Find the texts of a module that begin like SQL, other than docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(part)
        for node in ast.walk(tree)
        for part in (
            node.values
            if isinstance(node, ast.JoinedStr)
            else [node.value]
            if isinstance(node, ast.Expr)
            else ()
        )
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(
                str(v.value) if isinstance(v, ast.Constant) else "x" for v in node.values
            )
        else:
            continue
        if _STATEMENT.match(text):
            yield " ".join(text.split())


def test_each_module_with_sql_has_a_reason() -> None:
    modules = [
        path
        for top in ("cli", "exporter", "queries")
        for path in (ROOT / top).rglob("*.py")
        if "standin" not in path.parts
    ]
    sql_modules = {
        path.relative_to(ROOT).as_posix(): texts
        for path in modules
        if (texts := list(statements(path)))
    }
    assert len(modules) > 200
    assert {name: texts for name, texts in sql_modules.items() if name not in REASONS} == {}
    assert [name for name in REASONS if name not in sql_modules and (ROOT / name).exists()] == []


def test_a_statement_is_found_in_any_kind_of_string(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""SELECT is what this docstring is about."""\n'
        'A = "SELECT 1"\nB = f"""\n    -- about\n    FROM {A}"""\nC = "SELECT"\nD = "a SELECT"\n'
    )
    assert list(statements(module)) == ["SELECT 1", "-- about FROM x"]
