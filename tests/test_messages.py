"""Messages of the library name arguments; only the command line makes options of them."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from clearml_snapshot.cli.main import main, make_app
from clearml_snapshot.exporter import ExportOptions, Selection, TaskFilter, export, forecast
from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.settings import naming_options, option_of, setting, typed_as
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import queries
from tests.queries.conftest import write

ROOT: Final = Path(__file__).parents[1]
_OPTION: Final = re.compile(r"(?<![\w-])(?:--[a-z][\w-]*|-o\b)")
_COMMAND: Final = re.compile(r"`clearml-snapshot [^`]*`|\(clearml-snapshot [^)]*\)?")
"""A command to type is one for users of Python too."""

REASONS: Final = {
    "exporter/settings.py": "the table of options",
    "exporter/errors.py": "the exit codes of the command, for docs/cli.md",
    "exporter/redaction": "options of other programs, in texts to be searched",
    "exporter/standin": "the options of its own command",
    "queries/convert/event_files.py": "an option of TensorBoard",
}


def library(pattern: re.Pattern[str]) -> Iterator[tuple[str, ast.Module]]:
    """Parse the modules of the library whose text matches a pattern."""
    for path in sorted([*ROOT.glob("exporter/**/*.py"), *ROOT.glob("queries/**/*.py")]):
        text = path.read_text(encoding="utf-8")
        if pattern.search(text):
            yield str(path.relative_to(ROOT)), ast.parse(text)


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
        f"{module}: {text}"
        for module, tree in library(_OPTION)
        if not module.startswith(tuple(REASONS))
        for text in texts(tree)
        if _OPTION.search(_COMMAND.sub("", text))
    ]
    assert found == []


def settings_named() -> set[str]:
    """The names that the library gives to ``setting``, ``option_of`` and ``typed_as``."""
    return {
        str(node.args[0].value)
        for _, tree in library(re.compile("exporter.settings import"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("setting", "option_of", "typed_as")
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_setting_that_a_message_names_is_an_option() -> None:
    options = set()
    todo = [typer.main.get_command(make_app())]
    while todo:
        command = todo.pop()
        todo += getattr(command, "commands", {}).values()
        for parameter in command.params:
            options |= {*parameter.opts, *parameter.secondary_opts}
    options |= {param.option for query in queries().values() for param in query.params}
    names = settings_named() - {"again", "subprojects", "clips"}  # these are checked with a value
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


HOSTILE: Final = "--limit {limit} `limit` --where"
"""A name that looks like settings; it must stay as it is in every message."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("messages") / "data"
    points = [("loss", "train", at, 1.0 / (1 + at)) for at in range(3)]
    params = [{"section": "Args", "name": "lr", "type": "", "value": "0.1"}]
    write(
        folder,
        [
            {"task_id": "a" * 32, "name": HOSTILE, "points": points, "params": params},
            {"task_id": "b" * 32, "name": HOSTILE, "points": points, "params": params},
        ],
    )
    return folder


def narrowed(**typed: Any) -> Callable[[Path], object]:
    return lambda data: open_dataset(data, filter=TaskFilter(**typed))


def queried(name: str, **typed: Any) -> Callable[[Path], object]:
    def ask(data: Path) -> object:
        with open_dataset(data, threads=1) as dataset:
            return dataset.query(name, **typed)

    return ask


def exported(selection: Selection | None, **options: Any) -> Callable[[Path], object]:
    return lambda data: export(data, selection, options=ExportOptions(**options))


FIRST: Final = "the first export of a dataset needs a selection, such as `Selection\\(TaskFilter\\("
CASES: Final[list[tuple[Callable[[Path], object], str]]] = [
    (narrowed(limit=0), "^`limit=0`: use a number of at least 1"),
    (narrowed(task_names=""), "^`task_names` is empty"),
    (narrowed(task_name_regex="("), r"^`task_name_regex` '\('"),
    (narrowed(created_after="soon"), "^`created_after`: 'soon' is not a valid time"),
    (narrowed(where="lr <"), "^`where` 'lr <': expected"),
    (narrowed(where="lr < abc"), "^`where`: lr < 'abc': a text can only"),
    (narrowed(where="loss < abc"), "^`where`: loss is compared with 'abc'"),
    (narrowed(users="me"), "^`users='me'` is 'Ada', who has no task"),
    (narrowed(projects=5), "^`projects`: give a text or several texts"),
    (
        queried("leaderboard", best="max"),
        "^query leaderboard needs `metric`",
    ),
    (queried("max", metric="loss", top=0), "^`top=0`: use a number"),
    (queried("max", metric="loss", top=2, by="task"), "^`by='task'` gives .* omit `by`$"),
    (queried("max", metric="loss", by="tasks"), "^no `by` 'tasks'"),
    (queried("max", metric="loss", nan_value=[float("inf")]), "^`nan_value=inf`: use a finite"),
    (queried("max", metric="loss", exclude_metric="loss"), "omit `exclude_metric`, or"),
    (queried("compare", metric="loss"), "^query compare needs `tasks`"),
    (lambda data: Selection.typed(TaskFilter(tags="x"), everything=True), "^`everything=True` and"),
    (lambda data: open_dataset(data, snapshot=-7), r"\(export with `keep` keeps more\)"),
    (lambda data: open_dataset(data / "inside"), r"did you mean `path='.*'`\?"),
    (exported(Selection(TaskFilter(limit=0))), "^`limit=0`"),
    (exported(Selection(TaskFilter(where="max(loss) < 1"))), "^export cannot decide `where` max"),
    (exported(Selection(), only_failed=True), "^`only_failed=True` and a filter"),
    (lambda data: export(data.parent / "new"), FIRST),
    (lambda data: export(data / "snapshots" / ".." / ".." / "file"), "another with `data`"),
    (
        lambda data: export(data.parent / "new", options=ExportOptions(server_moved=True)),
        "^`server_moved=True` needs an existing dataset",
    ),
    (
        lambda data: forecast(data, options=ExportOptions(server_moved=True)),
        "^`server_moved=True` cannot be combined with `forecast`",
    ),
]


@pytest.mark.parametrize(("call", "pattern"), CASES, ids=[pattern for _, pattern in CASES])
def test_an_error_of_the_library_names_an_argument(
    data: Path, call: Callable[[Path], object], pattern: str
) -> None:
    (data.parent / "file").touch()
    with pytest.raises(SnapshotError, match=pattern) as caught:
        call(data)
    assert not _OPTION.search(_COMMAND.sub("", str(caught.value)))


def test_names_that_look_like_settings_stay_as_they_are(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ambiguous name is quoted in the error, in both worlds alike."""
    with open_dataset(data) as dataset, pytest.raises(SnapshotError) as caught:
        dataset.task_id(HOSTILE)
    assert repr(HOSTILE) in str(caught.value)
    assert main(["query", "tasks", f"--task={HOSTILE}", "--data", str(data)]) == 2
    assert repr(HOSTILE) in capsys.readouterr().err


def test_a_command_names_options_and_python_arguments_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "max", "--metric", "loss", "--where", "lr <", "--data", str(data)]) == 2
    assert "--where 'lr <': expected" in capsys.readouterr().err
    with pytest.raises(SnapshotError, match=r"^`limit=0`: use"):
        open_dataset(data, filter=TaskFilter(limit=0))
