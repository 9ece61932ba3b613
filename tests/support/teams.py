"""Tasks of a team, as a dataset."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]
START = datetime(2026, 1, 1, tzinfo=UTC)
P1, P2 = "1" * 32, "2" * 32


def team(make_dataset: MakeDataset) -> Path:
    """Five tasks that differ in everything a filter looks at."""

    def task(letter: str, day: int, **more: Any) -> dict[str, Any]:
        return {
            "task_id": letter * 32,
            "created": START + timedelta(days=day),
            "last_update": START + timedelta(days=day, hours=1),
            "points": [("loss", "train", 1, float(day))],
            "params": [{"section": "Args", "name": "lr", "value": str(day), "type": "float"}],
            "user": "Ada",
            "user_id": "u1",
            "type": "training",
            **more,
        }

    return make_dataset(
        [
            task("a", 1, name="train it's 🚀", project_id=P1, project="team", tags=["gpu", "v2"]),
            task("b", 2, name="train 2", project_id=P2, project="team/sub=1", tags=["gpu"]),
            task("c", 3, name="test", status="in_progress", archived=True, tags=["-x"]),
            task("d", 4, name="d", user="Bob", user_id="u2", type="testing", hidden=True),
            {"task_id": "e" * 32, "name": None, "state": "failed"},
        ]
    )
