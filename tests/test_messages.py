"""Messages of the library name arguments; only the command line makes options of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from clearml_snapshot.cli.main import make_app
from clearml_snapshot.exporter.settings import naming_options, option_of, setting, typed_as

ROOT: Final = Path(__file__).parents[1]
_OPTION: Final = re.compile(r"(?<![\w-])(?:--[a-z][\w-]*|-o\b)")
_COMMAND: Final = re.compile(r"`clearml-snapshot [^`]*`|\(clearml-snapshot [^)]*\)?")
"""A command to type is one for users of Python too."""

REASONS: Final = {
    "exporter/settings.py": "the table of options",
    "exporter/errors.py": "the exit codes of the command, for docs/cli.md",
    "exporter/redaction": "options of other programs, in texts to be searched",
    "exporter/standin": "the options of its own command",
}


def modules() -> Iterator[Path]:
    for path in sorted([*ROOT.glob("exporter/**/*.py"), *ROOT.glob("queries/**/*.py")]):
        if not any(str(path.relative_to(ROOT)).startswith(skipped) for skipped in REASONS):
            yield path


def texts(tree: ast.Module) -> Iterator[str]:
    """Find the texts of a module, other than docstrings; those with values have … for each."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
            yield "".join(map(str, parts))


def test_no_message_of_the_library_has_an_option() -> None:
    found = [
        f"{module.relative_to(ROOT)}: {text}"
        for module in modules()
        for text in texts(ast.parse(module.read_text(encoding="utf-8")))
        if _OPTION.search(_COMMAND.sub("", text))
    ]
    assert found == []


def settings_named() -> set[str]:
    """The names that the library gives to ``setting``, ``option_of`` and ``typed_as``."""
    names = set()
    for path in [*ROOT.glob("exporter/**/*.py"), *ROOT.glob("queries/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("setting", "option_of", "typed_as")
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def test_every_setting_that_a_message_names_is_an_option() -> None:
    options = set()
    todo = [typer.main.get_command(make_app())]
    while todo:
        command = todo.pop()
        todo += getattr(command, "commands", {}).values()
        for parameter in command.params:
            options |= {*parameter.opts, *parameter.secondary_opts}
    from clearml_snapshot.queries.ask.header import queries

    options |= {param.option for query in queries().values() for param in query.params}
    names = settings_named() - {"again", "subprojects"}  # these are checked with a value
    assert len(names) > 25
    assert {name for name in names if option_of(name) not in options} == set()
    given = [typed_as(*pair)[0] for pair in (("again", "counts"), ("again", "points"))]
    assert {*given, typed_as("subprojects", False)[0]} <= options


def test_a_setting_is_named_as_its_user_writes_it() -> None:
    cases: list[tuple[tuple[Any, ...], tuple[str, str]]] = [
        (("projects",), ("`projects`", "--project")),
        (("limit", 0), ("`limit=0`", "--limit 0")),
        (("hidden", True), ("`hidden=True`", "--hidden include")),
        (("wait", True), ("`wait=True`", "--wait")),
        (("subprojects", False), ("`subprojects=False`", "--no-subprojects")),
        (("again", "counts"), ("`again='counts'`", "--recount")),
        (("for_",), ("`for_`", "--for")),
        (("nan_value", [1.5]), ("`nan_value=[1.5]`", "--nan-value [1.5]")),
    ]
    for arguments, (in_python, typed) in cases:
        assert setting(*arguments) == in_python
        with naming_options(), naming_options():
            assert setting(*arguments) == typed
        assert setting(*arguments) == in_python
    assert setting("task_names", "*a b*", typed="'*a b*'") == "`task_names='*a b*'`"
    with naming_options():
        assert setting("task_names", "*a b*", typed="'*a b*'") == "--task-name '*a b*'"
        assert setting("tasks", option="TASK...") == "TASK..."
