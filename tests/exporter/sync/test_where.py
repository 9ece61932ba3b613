"""An export decides --where by the hyperparameters of the listed tasks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.standin.data.database import Database

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]


def params(**values: str) -> dict[str, Any]:
    section = {name: {"section": "Args", "name": name, "value": v} for name, v in values.items()}
    return {"Args": section}


def where(*conditions: str, **others: Any) -> Selection:
    return Selection(TaskFilter(where=conditions, **others))


@pytest.mark.parametrize(
    ("conditions", "others", "names"),
    [
        (("Args/lr < 0.1",), {}, "bc"),
        (("lr < 0.1", "not LR = 0.001"), {}, "c"),
        (("lr is null or lr = auto",), {}, "de"),
        (("lr < 0.2",), {"limit": 2, "order": "oldest"}, "ab"),
    ],
)
def test_tasks_are_selected_by_hyperparameters(
    take_home: TakeHome, conditions: tuple[str, ...], others: dict[str, Any], names: str
) -> None:
    database = Database()
    rates = {"a": "0.1", "b": "1e-3", "c": "0.01", "d": "auto"}
    ids = {
        name: database.add_task(name, "p", hyperparams=params(lr=rate))
        for name, rate in rates.items()
    }
    ids["e"] = database.add_task("e", "p")
    home = take_home(database)
    report = home.export(where(*conditions, **others))
    assert {*home.tasks()} == {ids[name] for name in names}
    assert ("tasks beyond the oldest 2: `limit`" in report.left_out) == bool(others)


def test_a_remembered_condition_is_decided_again(take_home: TakeHome) -> None:
    database = Database()
    task = database.add_task("a", "p", hyperparams=params(lr="0.1"))
    other = database.add_task("b", "p", hyperparams=params(lr="5"))
    home = take_home(database)
    report = home.export(where("lr < 1"))
    assert report.exit_code == 0
    third = database.add_task("c", "p", hyperparams=params(lr="0.5"))
    home.export(all_tasks=False)
    assert {*home.tasks()} == {task, third}
    assert other not in home.tasks()


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("Args/rl < 1", "`where`: no hyperparameter 'Args/rl'"),
        ("loss/train < 1", "export compares no values of metrics"),
        ("min(loss) < 1", "export cannot decide `where` min"),
        ("lr <", "expected a number or a text"),
    ],
)
def test_what_an_export_cannot_decide(take_home: TakeHome, condition: str, complaint: str) -> None:
    database = Database()
    database.add_task("a", "p", hyperparams=params(lr="0.1"))
    with pytest.raises((UsageError, NoSuchNameError), match=complaint):
        take_home(database).export(where(condition))


def test_without_any_task_no_name_is_wrong(take_home: TakeHome) -> None:
    home = take_home(Database())
    assert home.export(where("lr < 1")).exit_code == 0
