"""A team's tasks of every name and state, and a listing of them."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.progress import Progress
from clearml_snapshot.exporter.reader.listing import Listing, list_tasks
from clearml_snapshot.exporter.reader.names import read_names
from clearml_snapshot.exporter.selection.task_filter import TaskFilter, resolve
from clearml_snapshot.exporter.standin.data.database import Database

if TYPE_CHECKING:
    from tests.exporter.conftest import Home


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

PROJECTS = ("vision", "vision/det", "vision/det/x", "Vision", "nlp", "v.s(on", "visionary", "a*b")
NAMES = (
    "training",
    "training 1",
    "Training",
    "re.gex (1+1)?",
    "line\nbreak",
    "training\n",
    "\U0001f600 emoji",
    "nul\x00byte",
    "a/b",
    "[x]",
    "",
    "x" * 8_000,
)
TAGS = ("gpu", "v2", "-minus", "", " ", "a b", "__$all", "GPU", "é")
STATUSES = ("created", "queued", "in_progress", "stopped", "completed", "failed", "published")
TYPES = ("training", "testing", "custom")


def team() -> Database:
    """Make 150 tasks of every mixture."""
    database = Database()
    users = [database.add_user(name) for name in ("Ada", "Jun", "Ada Two")] + ["__tests__"]
    projects = [database.add_project(name) for name in PROJECTS]
    for number in range(150):
        made = NOW - timedelta(hours=7 * number, milliseconds=number % 3)
        tags = [tag for at, tag in enumerate(TAGS) if (number >> (at % 5)) % (at + 2) == 0]
        system = ["archived"] * (number % 4 == 0) + ["hidden"] * (number % 9 == 0)
        database.add_task(
            NAMES[number % len(NAMES)],
            None if number % 13 == 0 else projects[number % len(projects)],
            created=made,
            last_update=made + timedelta(hours=number % 11),
            status=STATUSES[number % len(STATUSES)],
            type=TYPES[number % len(TYPES)],
            user=users[number % len(users)],
            tags=tags * (1 + number % 2),
            system_tags=system,
        )
    return database


class Lister:
    """Lists as the export does, without the rest of it."""

    def __init__(self, home: "Home") -> None:
        self.home = home
        self.api = Client(read_configuration(None))
        self.user = self.api.login().user_id

    def tell(self, task_filter: TaskFilter) -> Listing:
        names = read_names(self.api, task_filter, self.user)
        return list_tasks(self.api, resolve(task_filter, names, NOW), Progress())

    def ids(self, task_filter: TaskFilter) -> list[str]:
        return [task.task_id for task in self.tell(task_filter).tasks]
