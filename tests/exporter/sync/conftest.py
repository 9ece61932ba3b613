"""Three ended tasks, exported once."""

from typing import TYPE_CHECKING

import pytest

from clearml_snapshot.exporter.standin.data.database import Database
from tests.support.changes import Clock, TakeHome, curve

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


@pytest.fixture
def database() -> Database:
    """Three ended tasks in a project, two metrics each."""
    database = Database(now=Clock())
    for name in ("one", "two", "three"):
        task = database.add_task(name, "team/project", tags=["kept"])
        database.set_status(task, "in_progress")
        curve(database, task, "loss", 0, 50, 0.0)
        curve(database, task, "acc", 0, 40, 1.0)
        database.set_status(task, "completed")
    return database


@pytest.fixture
def home(take_home: TakeHome, database: Database) -> "Home":
    """All of them, exported once."""
    home = take_home(database)
    assert home.export().exit_code == 0
    return home


@pytest.fixture
def task(database: Database) -> str:
    return next(iter(database.tasks))
