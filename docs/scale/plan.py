"""The arithmetic of docs/scale.md: figures of a large team out of what was measured and assumed.

Measured are a simulation at 1/1000 (measured.json, by ``python -m tests.bench.scale``) and the
growth of questions (docs/performance.csv); assumed is what assumptions.toml states.
"""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from docs.performance import Row, measurements

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Plan:
    """What the team has, and what it takes."""

    assumed: Mapping[str, Any]
    measured: Mapping[str, Any]
    growth: Sequence[Row]

    @classmethod
    def read(cls) -> "Plan":
        """Read what is recorded."""
        assumed = tomllib.loads((HERE / "assumptions.toml").read_text(encoding="utf-8"))
        measured = json.loads((HERE / "measured.json").read_text(encoding="utf-8"))
        return cls(assumed, measured, measurements())

    # what is stored

    @property
    def points(self) -> int:
        """Of all tasks."""
        return int(self.assumed["team"]["points"])

    @property
    def tasks(self) -> int:
        """Of the team."""
        return int(self.assumed["team"]["tasks"])

    @property
    def bytes_per_point(self) -> float:
        """In ``scalars``, of tasks with as many points as the team's have."""
        dataset = self.measured["points"]["dataset"]
        return float(dataset["bytes"]["scalars"] / dataset["rows"]["scalars"])

    @property
    def points_per_file(self) -> float:
        """Of the dataset of 10⁹ points, whose files are such as exports leave."""
        dataset = self.measured["planning"]["dataset"]
        return float(dataset["rows"]["scalars"] / dataset["files"]["scalars"])

    @property
    def other_bytes(self) -> float:
        """Of ``tasks``, ``hyperparams`` and ``series``: in proportion to the tasks."""
        dataset = self.measured["planning"]["dataset"]
        stored = sum(dataset["bytes"][table] for table in ("tasks", "hyperparams", "series"))
        return float(stored * self.tasks / dataset["rows"]["tasks"])

    @property
    def stored_bytes(self) -> float:
        """Of one snapshot."""
        return self.points * self.bytes_per_point + self.other_bytes

    @property
    def files(self) -> int:
        """With points; the other tables have about fifty."""
        return math.ceil(self.points / self.points_per_file)

    # what a commit writes

    @cached_property
    def manifest_bytes(self) -> float:
        """Of the manifest that each commit writes, along the line through two measured sizes."""
        return self._along_files(("copy", "manifest"))

    @cached_property
    def views_bytes(self) -> float:
        """Of open.sql with addresses, which each commit writes."""
        return self._along_files(("copy", "views"))

    @property
    def of_files(self) -> Mapping[str, Any]:
        """Records by the number of files of the dataset, the smallest first."""
        records = self.measured["files"].items()
        return {n: r for n, r in sorted(records, key=lambda one: len(one[0])) if n.isdecimal()}

    def _along_files(self, keys: Sequence[str]) -> float:
        """Extend the line through the two largest numbers of files."""
        few, many = sorted(map(int, self.of_files))[-2:]
        lower, upper = (_at(self.of_files[str(n)], keys) for n in (few, many))
        return lower + (upper - lower) / (many - few) * (self.files - few)

    # the server of ClearML

    @property
    def export_seconds(self) -> tuple[float, float]:
        """Of the first export, at the faster and the slower rate, with one connection."""
        slow, fast = self.assumed["clearml"]["events_per_second"]
        return self.points / fast, self.points / slow

    @property
    def pages(self) -> float:
        """Requests for all points, at most: the last page of a task is not full."""
        return float(self.points / self.assumed["clearml"]["events_per_page"] + self.tasks)

    @property
    def listing_requests(self) -> float:
        """Of one list of all tasks, along the line through two measured numbers."""
        listed = self.measured["planning"]["listed"]
        few, many = sorted(listed, key=int)
        slope = (listed[many]["requests"] - listed[few]["requests"]) / (int(many) - int(few))
        return float(listed[few]["requests"] + slope * (self.tasks - int(few)))

    @property
    def checkpoints(self) -> float:
        """Commits of the first export, at most."""
        return float(self.points / self.assumed["clearml"]["points_per_checkpoint"])

    @property
    def checkpoint_bytes(self) -> float:
        """Of all manifests and views of the first export: they grow with the files."""
        return self.checkpoints * (self.manifest_bytes + self.views_bytes) / 2

    @property
    def nights(self) -> int:
        """In which the history came."""
        return int(self.assumed["team"]["days_of_history"])

    @property
    def night_seconds(self) -> tuple[float, float]:
        """Of what one night adds, for all writers together."""
        fast, slow = self.export_seconds
        return fast / self.nights, slow / self.nights

    # readers

    @property
    def footer_bytes(self) -> float:
        """Fetched of each file with points before any of its rows can be skipped."""
        points = self.measured["points"]
        counted = points["in a bucket"]["count of points"]
        footers = counted["cold"]["bytes_received"] - points["copy"]["manifest"]
        footers -= counted["again"]["bytes_received"]
        return float(footers / points["dataset"]["files"]["scalars"])

    def first_requests(self, question: str) -> float:
        """Requests of a question with an empty cache, extended to the team's files."""
        return self._along_files(("in a bucket", question, "cold", "requests"))

    def folder_cpu_seconds(self, question: str) -> float:
        """CPU seconds of a question in a folder, extended to the team's files."""
        return self._along_files(("in a folder", question, "cpu_seconds"))

    @property
    def first_seconds(self) -> float:
        """Of waiting for the first question about points; several requests are under way."""
        store = self.assumed["store"]
        waited = self.files * store["request_seconds"] / store["requests_at_once"]
        return float(waited + self.first_bytes / store["bytes_per_second"])

    @property
    def first_cpu_seconds(self) -> float:
        """CPU seconds of the first question about points, on the machine of the simulation."""
        return self._along_files(("in a bucket", "count of points", "cold", "cpu_seconds"))

    @property
    def first_bytes(self) -> float:
        """Of the first question about points: the ends of all files, and the manifest."""
        return self.files * self.footer_bytes + self.manifest_bytes

    def exponent(self, question: str) -> float:
        """Return with which power of the points the CPU seconds grew between the last datasets."""
        smaller, larger = self._largest(question)
        seconds = larger.cpu_seconds / smaller.cpu_seconds
        return math.log(seconds) / math.log(larger.points / smaller.points)

    def cpu_seconds_of(self, question: str) -> float:
        """Return the CPU seconds of a question on the machine of the benchmarks, extrapolated."""
        larger = self._largest(question)[1]
        return float(larger.cpu_seconds * (self.points / larger.points) ** self.exponent(question))

    def _largest(self, question: str) -> tuple[Row, Row]:
        rows = sorted((row for row in self.growth if row.question == question), key=_points)
        return rows[-2], rows[-1]

    # money

    def money(self, price: Mapping[str, Any]) -> Mapping[str, float]:
        """Return dollars per month, by what they are for."""
        return {
            "data": self.stored_bytes / 1e9 * price["gb_month"],
            "manifests of one month": self.manifests_per_month / 1e9 * price["gb_month"],
            "writing": self.puts_per_month / 1000 * price["put_per_1000"],
            "reading": self.gets_per_month / 1000 * price["get_per_1000"],
            "reading from outside": self.read_per_month / 1e9 * price["gb_out"],
        }

    @property
    def commits_per_month(self) -> int:
        """Of all writers."""
        team = self.assumed["team"]
        return int(team["writers"] * team["nights"])

    @property
    def tries_per_commit(self) -> float:
        """Manifests that are sent for one that becomes current, measured with all at once."""
        tries = self.measured["commits"]["into nothing"]["tries"]
        return float(sum(int(count) * n for count, n in tries.items()) / sum(tries.values()))

    @property
    def manifests_per_month(self) -> float:
        """Bytes of manifests and views of all tries."""
        per_try = self.manifest_bytes + self.views_bytes
        return self.commits_per_month * self.tries_per_commit * per_try

    @property
    def puts_per_month(self) -> float:
        """Requests that write, of all exports."""
        per_export = self.measured["commits"]["into nothing"]["put_requests"]["median"]
        return float(self.commits_per_month * per_export)

    @property
    def questions_per_month(self) -> int:
        """Of all readers."""
        team = self.assumed["team"]
        return int(team["readers"] * team["working_days"] * team["questions_per_day"])

    @property
    def gets_per_month(self) -> float:
        """Requests that read: each reader fetches all footers once, and asks for curves."""
        per_question = self._curve["requests"]
        first = self.assumed["team"]["readers"] * self.files
        return float(first + self.questions_per_month * per_question)

    @property
    def read_per_month(self) -> float:
        """Bytes: the same, and the manifest of each new day."""
        team = self.assumed["team"]
        first = team["readers"] * self.first_bytes
        manifests = team["readers"] * team["working_days"] * self.manifest_bytes
        asked = self.questions_per_month * self._curve["bytes_received"]
        return float(first + manifests + asked)

    @property
    def _curve(self) -> Mapping[str, Any]:
        """What a curve of one task fetches when the footers are known."""
        again: Mapping[str, Any] = self.measured["points"]["in a bucket"]["curve of one task"]
        return again["again"]  # type: ignore[no-any-return]


def _points(row: Row) -> int:
    return row.points


def _at(values: Any, keys: Sequence[str]) -> float:
    for key in keys:
        values = values[key]
    return float(values)
