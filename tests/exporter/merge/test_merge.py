"""Datasets joined, against an oracle in plain Python; and what must not be joined."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.cli.text import merge as merge_text
from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.merge import build as store_join
from clearml_snapshot.exporter.merge import merge as join_module
from clearml_snapshot.exporter.merge.merge import join
from clearml_snapshot.exporter.merge.report import Joined
from clearml_snapshot.exporter.selection.metric_filter import MetricChoice, MetricFilter
from clearml_snapshot.exporter.store.format.layout import FORMAT_VERSION
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.parts import compaction as compact
from clearml_snapshot.exporter.store.parts.staging import SERVER_VALUES, PointBuffer
from clearml_snapshot.exporter.store.parts.stored import rows
from clearml_snapshot.exporter.store.snapshots import Snapshot, no_readers
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing import dataset as dataset_module
from clearml_snapshot.exporter.store.writing.dataset import Dataset, writing
from tests.exporter.store.test_versions import make_older
from tests.support.fitting import write_fitting

Ask = Callable[[Path, str], list[tuple[Any, ...]]]
Call = Callable[..., Any]
Name = tuple[str, str]

HOST = "http://localhost:8008"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
TRAIN, VAL, ACCURACY = ("loss", "train"), ("loss", "val"), ("accuracy", "val")
EVERY = None
LOSS = MetricFilter((MetricChoice("loss"),), frozenset({"loss"}))
LOSS_VAL = MetricFilter((MetricChoice("loss", frozenset({"val"})),), frozenset({"loss/val"}))
ONLY_ACCURACY = MetricFilter((MetricChoice("accuracy"),), frozenset({"accuracy"}))


@dataclass(frozen=True)
class Stored:
    """A task as a dataset is to hold it."""

    task_id: str
    series: Mapping[Name, Sequence[float]]
    day: int = 0
    """When it was read."""
    asked: MetricFilter | None = EVERY
    state: str = "complete"
    project_id: str | None = "p"
    started: datetime | None = DAY
    last_update: datetime | None = DAY
    missing: int = 0
    status: str = "completed"
    params: str = "1"
    selected: bool | None = True
    claim: tuple[float, float, int] | None = None
    """The server's smallest and largest value of loss/train, and its count of reports."""

    @property
    def n(self) -> int:
        return sum(map(len, self.series.values()))

    def row(self) -> dict[str, Any]:
        return {
            "task_id": self.task_id,
            "name": f"{self.task_id} of day {self.day}",
            "project_id": self.project_id,
            "project": self.project_id,
            "status": self.status,
            "server_id": HOST,
            "state": self.state,
            "reason": None if self.state == "complete" else f"why {self.state}",
            "metric_filter": None if self.asked is None else self.asked.text,
            "points_expected": None if self.state == "failed" else self.n + self.missing,
            "points_stored": self.n,
            "points_bad": 0,
            "fetched_at": DAY + timedelta(days=self.day),
            "started": self.started,
            "last_update": self.last_update,
            "fingerprint": f"{self.day}",
            "selected": self.selected,
        }


Write = Callable[..., Snapshot]


@pytest.fixture
def write(tmp_path: Path, points: Call) -> Write:
    """Write a dataset of some tasks; gives its snapshot."""

    def run(name: str, tasks: Sequence[Stored], **options: Any) -> Snapshot:
        with writing(tmp_path / name) as dataset:
            stage = dataset.new_stage()
            for task in tasks:
                buffer = PointBuffer(stage, task.project_id)
                for (metric, variant), values in task.series.items():
                    line = [
                        (task.task_id, metric, variant, at, DAY, value, name)
                        for at, value in enumerate(values)
                    ]
                    buffer.add(points(line))
                parameter = {"section": "Args", "name": "lr", "value": task.params}
                stage.add(task.row(), [parameter], buffer.finish(), _claims(task))
            return dataset.commit(
                stage,
                **{
                    "server": {"host": HOST},
                    "selections": [],
                    "export_row": {"export_id": name, "started": DAY, "result": "complete"},
                    **options,
                },
            )

    return run


def _claims(task: Stored) -> pa.Table | None:
    if task.claim is None:
        return None
    said = (task.task_id, *TRAIN, None, *task.claim, None, None)
    return pa.Table.from_pylist([dict(zip(SERVER_VALUES.names, said, strict=True))], SERVER_VALUES)


Held = dict[str, dict[Name, list[float]]]


def _held(ask: Ask, folder: Path) -> Held:
    """Read all values by task and series, in the order of their iterations."""
    held: Held = {}
    for task_id, metric, variant, values in ask(
        folder,
        "SELECT task_id, metric, variant, list(value ORDER BY iteration) FROM scalars GROUP BY ALL",
    ):
        held.setdefault(task_id, {})[metric, variant] = values
    return held


def _row(folder: Path, task_id: str) -> dict[str, Any]:
    columns = pq.read_table(folder / "tasks").schema.names
    found = rows(open_snapshot(folder), "tasks", columns)
    return next(row for row in found if row["task_id"] == task_id)


def _is_asked(task: Stored, name: Name) -> bool:
    return task.asked is None or any(
        name[0] == choice.metric and (choice.variants is None or name[1] in choice.variants)
        for choice in task.asked.wanted or ()
    )


def _expected(copies: Sequence[tuple[int, Stored]]) -> tuple[int, dict[Name, list[float]]]:
    """Say in plain words which copy wins, and with what; later sources were made later."""
    order = sorted(copies, key=lambda one: (one[1].day, one[1].n, one[0]), reverse=True)
    left = order
    if any(task.n and task.state != "failed" for _, task in order):
        left = [one for one in order if one[1].state != "failed"]
    most = max(task.n for _, task in left)
    left = [o for o in left if o[1].state not in ("partial", "failed") or o[1].n == most]
    winner, best = left[0]
    series = {name: [*values] for name, values in best.series.items()}
    asking = [best] if best.state not in ("partial", "failed") else []
    for _, other in [*left[1:], *(one for one in order if one not in left)]:
        if other.started != best.started:
            continue
        fresh = [n for n in other.series if not any(_is_asked(task, n) for task in asking)]
        fresh = [n for n in fresh if n not in series]
        series.update({name: [*other.series[name]] for name in fresh})
        asking += [other] if fresh and other.state not in ("partial", "failed") else []
    return winner, series


def _some_task(chance: random.Random, task_id: str, source: int) -> Stored:
    asked = chance.choice([EVERY, EVERY, LOSS, LOSS_VAL, ONLY_ACCURACY])
    state = chance.choice(["complete"] * 4 + ["partial", "failed", "gone", "shrunk"])
    whole = Stored(task_id, {}, asked=asked)
    series = {
        name: [source * 1000.0 + chance.randrange(100) for _ in range(chance.randrange(1, 5))]
        for name in (TRAIN, VAL, ACCURACY)
        if _is_asked(whole, name) and chance.random() < 0.8
    }
    return replace(
        whole,
        series=series if state != "failed" or chance.random() < 0.3 else {},
        day=chance.randrange(3),
        state=state,
        missing=-1 if state == "shrunk" else 5 * (state == "partial"),
        project_id=chance.choice(["p", "q", None]),
        started=DAY + timedelta(days=chance.choice([0, 0, 0, 1])),
        last_update=DAY + timedelta(days=chance.choice([0, 0, 1])),
        params=f"{source}",
    )


@pytest.mark.parametrize("seed", range(3))
def test_each_task_has_the_numbers_of_an_oracle(
    tmp_path: Path, write: Write, ask: Ask, seed: int
) -> None:
    chance = random.Random(seed)
    sources = [
        [_some_task(chance, f"t{n}", source) for n in range(12) if chance.random() < 0.8]
        for source in range(chance.choice([2, 3]))
    ]
    for place, tasks in enumerate(sources):
        write(f"{place}", tasks)
    joined = join([tmp_path / str(place) for place in range(len(sources))], tmp_path / "both")
    copies: dict[str, list[tuple[int, Stored]]] = {}
    for place, tasks in enumerate(sources):
        for task in tasks:
            copies.setdefault(task.task_id, []).append((place, task))
    expected = {task_id: _expected(its) for task_id, its in copies.items()}
    found = _held(ask, joined.snapshot)
    assert {task_id: found.get(task_id, {}) for task_id in expected} == {
        task_id: series for task_id, (_, series) in expected.items()
    }
    params = ask(joined.snapshot, "SELECT task_id, value FROM hyperparams ORDER BY ALL")
    assert params == sorted((task_id, f"{winner}") for task_id, (winner, _) in expected.items())
    assert verify(tmp_path / "both").problems == ()
    assert sum(source.taken for source in joined.sources) == len(expected)
    assert sum(source.points for source in joined.sources) == joined.totals["points"]
    other = [tmp_path / str(place) for place in reversed(range(len(sources)))]
    again = join(other, tmp_path / "again")
    _same_rows(joined, again)


def _same_rows(one: Joined, other: Joined) -> None:
    for table in ("tasks", "hyperparams", "series", "scalars", "exports"):
        both = [pq.read_table(joined.snapshot / table).to_pylist() for joined in (one, other)]
        assert sorted(map(repr, both[0])) == sorted(map(repr, both[1])), table


def test_a_series_that_the_newer_copy_was_not_asked_for_stays(tmp_path: Path, write: Write) -> None:
    """Nothing happened to the task between the two readings, so it is as complete as before."""
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6, 7]}, day=0, project_id="p")])
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS, project_id="q")])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["state"], row["reason"], row["metric_filter"]) == ("complete", None, None)
    assert (row["points_expected"], row["points_stored"], row["points_bad"]) == (5, 5, 0)
    assert (row["name"], row["project_id"]) == ("a of day 1", "q")
    assert {path.parent.name for path in joined.snapshot.glob("scalars/*/*.parquet")} == {
        "project_id=q"
    }
    added = joined.added
    assert (added.tasks, added.series, added.points, joined.fewer) == (1, 1, 3, ())
    assert [(one.taken, one.points) for one in joined.sources] == [(0, 3), (1, 2)]
    assert verify(tmp_path / "both").is_intact


def test_what_there_is_no_series_of_counts_as_asked(tmp_path: Path, write: Write) -> None:
    """An older copy shows that there was nothing else, and nothing has happened since."""
    write("old", [Stored("a", {TRAIN: [1, 2]})])
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["metric_filter"], row["state"], row["points_expected"]) == (None, "complete", 2)
    assert (row["name"], joined.added.tasks) == ("a of day 1", 0)


def test_a_series_that_is_there_without_being_asked_comes_once(
    tmp_path: Path, write: Write, ask: Ask
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5]})])
    write("new", [Stored("a", {TRAIN: [3], ACCURACY: [6]}, day=1, asked=LOSS)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert _held(ask, joined.snapshot) == {"a": {TRAIN: [3], ACCURACY: [6]}}


def test_a_series_that_may_be_out_of_date_makes_the_task_partial(
    tmp_path: Path, write: Write
) -> None:
    """So the next export reads it again; complete would be a lie that nobody finds."""
    write("old", [Stored("a", {TRAIN: [1], ACCURACY: [5]}, last_update=DAY)])
    later = DAY + timedelta(days=1)
    write("new", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS, last_update=later)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["state"], row["metric_filter"], row["points_stored"]) == ("partial", None, 3)
    assert row["reason"] == (
        "1 series is of a reading at 2026-03-01 00:00 UTC, and the task has changed between the two"
    )


@pytest.mark.parametrize(
    ("claim", "values", "holds"),
    [
        ((0.0, 2.0, 2), [0.0, 1.0], [TRAIN]),
        ((0.0, 3.0, 9), [2.0, 1.0], [TRAIN]),
        ((0.0, 3.0, 9), [0.0, 3.0], [ACCURACY, TRAIN]),
    ],
)
def test_a_series_of_another_run_is_left_out_and_counted(
    tmp_path: Path,
    write: Write,
    ask: Ask,
    claim: tuple[float, float, int],
    values: list[float],
    holds: list[Name],
) -> None:
    """A task started anew goes on where the sums do and both readings have the same points."""
    old = {TRAIN: [0.0, 3.0], ACCURACY: [5.0]}
    later = DAY + timedelta(days=1)
    write("old", [Stored("a", old, claim=(0.0, 3.0, 5))])
    write("new", [Stored("a", {TRAIN: values}, 1, LOSS, started=later, claim=claim)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert sorted(_held(ask, joined.snapshot)["a"]) == holds
    assert joined.other_run.series + joined.added.series == 1
    assert joined.other_run.points == (holds == [TRAIN])
    assert _row(joined.snapshot, "a")["state"] == ("complete" if holds == [TRAIN] else "partial")
    assert joined.fewer == (("a",) if holds == [TRAIN] else ())


@pytest.mark.parametrize("state", ["failed", "partial"])
def test_a_newer_reading_that_did_not_come_to_it_takes_nothing_away(
    tmp_path: Path, write: Write, state: str
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2]})])
    series = {} if state == "failed" else {TRAIN: [1.0]}
    write("new", [Stored("a", series, 1, state=state, missing=1)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert _row(joined.snapshot, "a")["points_stored"] == 2
    ((lost,),) = [one.lost for one in joined.sources if one.lost]
    words = {"failed": "could not be read", "partial": "partial, with fewer points"}
    assert (lost.to, lost.why, lost.tasks) == (str(tmp_path / "old"), words[state], 1)


def test_fewer_points_in_the_newer_copy_are_told(tmp_path: Path, write: Write) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2, 3]}), Stored("b", {})])
    write("new", [Stored("a", {TRAIN: [1]}, 1), Stored("b", {}, 1)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert (joined.shared, joined.fewer, joined.fewer_points) == (2, ("a",), 2)


def test_the_first_source_decides_only_what_nothing_else_does(tmp_path: Path, write: Write) -> None:
    write("one", [Stored("a", {TRAIN: [1]})])
    write("two", [Stored("a", {TRAIN: [1]}, params="2")])
    header = tmp_path / "two/current/snapshot.json"
    made = json.loads((tmp_path / "one/current/snapshot.json").read_bytes())["created_at"]
    header.write_text(json.dumps({**json.loads(header.read_bytes()), "created_at": made}))
    write_fitting(header.parent)
    for place, order in enumerate((["one", "two"], ["two", "one"])):
        joined = join([tmp_path / name for name in order], tmp_path / f"both{place}")
        assert [source.taken for source in joined.sources] == [1, 0]
        ((lost,),) = [one.lost for one in joined.sources if one.lost]
        assert lost.why == "the same"


def test_whole_files_are_linked_and_sources_stay(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]}), Stored("b", {VAL: [2]}, project_id="q")])
    write("theirs", [Stored("b", {VAL: [3]}, 1, project_id="q"), Stored("c", {TRAIN: [4]})])
    before = _hashes(tmp_path)
    joined = join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    assert before.items() <= _hashes(tmp_path).items()
    inodes = {path.stat().st_ino for path in tmp_path.glob("[ot]*s/snapshots/*/*/*/*.parquet")}
    mine = [path.stat().st_ino for path in joined.snapshot.glob("scalars/*/*.parquet")]
    assert len(mine) == 3
    assert set(mine) <= inodes


def _hashes(folder: Path) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_small_files_of_several_sources_are_compacted(
    tmp_path: Path, write: Write, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "MOST", 1)
    names = ["a", "b", "c"]
    for name in names:
        write(name, [Stored(name, {TRAIN: [1.0]})])
    joined = join([tmp_path / name for name in names], tmp_path / "both")
    assert len([*joined.snapshot.glob("scalars/*/*.parquet")]) == 1
    assert _held(ask, joined.snapshot) == {name: {TRAIN: [1.0]} for name in names}
    assert [path.name for path in (tmp_path / "both/snapshots").iterdir()] == ["000001"]
    assert verify(tmp_path / "both").is_intact


def test_selections_and_exports_come_from_all(tmp_path: Path, write: Write, ask: Ask) -> None:
    vision = {"filter": {"projects": ["vision"]}}
    text = {"filter": {"projects": ["text"]}, "metrics": ["loss"]}
    write("ours", [], selections=[{**vision, "matched": 3}, {**text, "matched": None}])
    running = {"export_id": "theirs", "started": DAY, "result": "running"}
    write("theirs", [], selections=[{**vision, "matched": 7}], export_row=running)
    ended = {**running, "finished": DAY, "result": "complete"}
    unknown = {**vision, "matched": None}
    write("later", [], selections=[unknown, {**text, "matched": 2}], export_row=ended)
    joined = join([tmp_path / n for n in ("ours", "theirs", "later")], tmp_path / "both")
    found = open_snapshot(tmp_path / "both").selections
    assert sorted(found, key=repr) == sorted(
        [{**vision, "matched": 7}, {**text, "matched": 2}], key=repr
    )
    exports = ask(joined.snapshot, "SELECT export_id, result FROM exports ORDER BY ALL")
    assert exports == [("ours", "complete"), ("theirs", "complete")]
    assert open_snapshot(tmp_path / "both").server == {"host": HOST}


def test_a_task_that_any_source_selects_is_selected(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]}, selected=True)])
    write("theirs", [Stored("a", {TRAIN: [1]}, 1, selected=False)])
    joined = join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["selected"], row["name"]) == (True, "a of day 1")


def test_an_older_format_comes_out_in_the_current_one(
    tmp_path: Path, write: Write, ask: Ask
) -> None:
    make_older(write("old", [Stored("a", {TRAIN: [1]}), Stored("b", {TRAIN: [2]})]).root, 1)
    write("new", [Stored("b", {TRAIN: [3]}, 1)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert open_snapshot(tmp_path / "both").format_version == FORMAT_VERSION
    assert _held(ask, joined.snapshot) == {"a": {TRAIN: [1]}, "b": {TRAIN: [3]}}
    selected = ask(joined.snapshot, "SELECT task_id, selected FROM tasks ORDER BY 1")
    assert selected == [("a", None), ("b", True)]
    assert verify(tmp_path / "both").is_intact


def test_a_pack_folder_and_what_it_left_out(tmp_path: Path, write: Write) -> None:
    root = write("ours", [Stored("a", {TRAIN: [1]})]).root
    _say_packed(root, ["users: who made a task, who exported"])
    write("theirs", [Stored("b", {TRAIN: [1]})])
    joined = join([root, tmp_path / "theirs"], tmp_path / "both")
    assert [one.taken_out for one in joined.sources] == [
        ("users: who made a task, who exported",),
        (),
    ]


@pytest.mark.parametrize("first", ["pack", "whole"])
def test_of_one_reading_the_copy_that_nothing_was_taken_out_of(
    tmp_path: Path, write: Write, first: str
) -> None:
    write("whole", [Stored("a", {TRAIN: [1]}, params="1")])
    pack = write("pack", [Stored("a", {TRAIN: [1]}, params="2")]).root  # made later
    _say_packed(pack, ["params: all of hyperparams"])
    sources = {"pack": pack, "whole": tmp_path / "whole"}
    order = [sources.pop(first), *sources.values()]
    joined = join(order, tmp_path / "both")
    ((lost,),) = [one.lost for one in joined.sources if one.lost]
    assert (lost.to, lost.why) == (
        str(tmp_path / "whole"),
        "of the same reading, with something taken out",
    )
    assert joined.poorer == 0


def test_a_newer_copy_without_what_an_older_one_has_is_told(tmp_path: Path, write: Write) -> None:
    write("whole", [Stored("a", {TRAIN: [1]}), Stored("b", {TRAIN: [1]})])
    pack = write("pack", [Stored("a", {TRAIN: [1]}, 1), Stored("c", {}, 1)]).root
    _say_packed(pack, ["params: all of hyperparams"])
    assert join([tmp_path / "whole", pack], tmp_path / "both").poorer == 1


def _say_packed(root: Path, taken_out: list[str]) -> None:
    path = root / "snapshot.json"
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps({**header, "packed": {"taken_out": taken_out}}))
    write_fitting(root)


def test_a_pack_without_hosts_is_refused(tmp_path: Path, write: Write) -> None:
    _say_packed(write("ours", []).root, ["hosts: machines, the server's address, links to it"])
    write("theirs", [])
    with pytest.raises(UsageError, match="ours comes from"):
        join([tmp_path / "theirs", tmp_path / "ours"], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_another_server_is_refused(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {})])
    write("theirs", [], server={"host": "https://other"})
    with pytest.raises(
        UsageError, match=r"ours is from http://localhost:8008, and .*theirs is from https://other"
    ):
        join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")


def test_targets_that_cannot_be_meant(tmp_path: Path, write: Write) -> None:
    write("ours", [])
    both = [tmp_path / "ours", tmp_path / "ours"]
    for target, words in (
        (tmp_path / "ours/both", "is inside"),
        (tmp_path / "ours", "already exists"),
        (tmp_path / "both.zip", "which is a folder"),
        (tmp_path / "no/both", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=words):
            join(both, target)
    with pytest.raises(UsageError, match="two or more datasets"):
        join(both[:1], tmp_path / "both")
    with pytest.raises(UsageError, match="ours is given twice"):
        join(both, tmp_path / "both")
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_sources_are_held_meanwhile(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write("ours", []).root
    free: list[bool] = []

    def look_and_build(*arguments: Any) -> None:
        with no_readers(root) as is_free:
            free.append(is_free)
        build(*arguments)

    build = store_join.build_joined
    monkeypatch.setattr(join_module, "build_joined", look_and_build)
    join([tmp_path / "ours", root], tmp_path / "both")
    assert free == [False]


def test_a_damaged_file_is_named_before_it_is_taken_over(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]})])
    (part,) = (tmp_path / "ours").glob("snapshots/*/scalars/*/*.parquet")
    content = bytearray(part.read_bytes())
    content[40] ^= 1
    part.write_bytes(content)
    write("theirs", [])
    with pytest.raises(DatasetError, match=r"ours is damaged: content changed .*scalars"):
        join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_merge_that_ends_early(
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    existed: bool,
) -> None:
    for name in ("ours", "theirs"):
        write(name, [Stored("a", {TRAIN: [1]})])
    target = tmp_path / "both"
    if existed:
        target.mkdir()

    def build_and_fail(*arguments: Any) -> None:
        build(*arguments)
        assert (target / ".staging/000001/snapshot.json").is_file()
        raise error("no space left")

    build = store_join.build_joined
    monkeypatch.setattr(join_module, "build_joined", build_and_fail)
    with pytest.raises(SnapshotError if error is OSError else error):
        join([tmp_path / "ours", tmp_path / "theirs"], target)
    assert target.exists() == existed
    assert not existed or not [*target.iterdir()]


def test_an_export_goes_on_with_it(tmp_path: Path, write: Write, ask: Ask) -> None:
    write("ours", [Stored("a", {TRAIN: [1]})])
    write("theirs", [Stored("b", {TRAIN: [2]}, project_id=None)])
    join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")
    two = write("both", [Stored("a", {TRAIN: [3]}, 1)])
    assert two.number == 2
    assert _held(ask, two.root) == {"a": {TRAIN: [3]}, "b": {TRAIN: [2]}}
    assert verify(tmp_path / "both").is_intact


def test_a_wider_copy_that_was_not_read_makes_the_task_partial(
    tmp_path: Path, write: Write
) -> None:
    """Its selection is remembered; without a word the task would count as complete."""
    for state, earlier in (("unread", 0), ("failed", 0), ("unread", 2)):
        name = f"{state} {earlier}"
        write(f"{name} a", [Stored("a", {TRAIN: [1, 2]}, day=1, asked=LOSS)])
        write(f"{name} b", [Stored("a", {}, day=earlier, asked=EVERY, state=state, missing=5)])
        joined = join([tmp_path / f"{name} a", tmp_path / f"{name} b"], tmp_path / name)
        row = _row(joined.snapshot, "a")
        assert (row["state"], row["metric_filter"], row["points_stored"]) == ("partial", None, 2)
        assert row["reason"].startswith("what else was selected is of a reading at")
        assert row["reason"].endswith(f"({state}: why {state})")


@pytest.mark.parametrize("state", ["partial", "lost"])
def test_series_that_the_newer_copy_lacks_come_from_the_older_one(
    tmp_path: Path, write: Write, ask: Ask, state: str
) -> None:
    """A reading in part, or after a loss, does not show that there never was such a series."""
    write("old", [Stored("a", {ACCURACY: [5, 6]})])
    later = DAY + timedelta(days=1)
    new = Stored("a", {TRAIN: [1, 2, 3]}, day=1, state=state, last_update=later)
    write("new", [new])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    assert _held(ask, joined.snapshot) == {"a": {TRAIN: [1, 2, 3], ACCURACY: [5, 6]}}
    assert _row(joined.snapshot, "a")["state"] == "partial"
    assert verify(tmp_path / "both").is_intact


def test_a_copy_from_before_the_server_lost_points_is_taken(tmp_path: Path, write: Write) -> None:
    """Nothing happened to the task in between, so it is as complete as it was."""
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6]})])
    write("new", [Stored("a", {TRAIN: [1]}, day=1, state="lost")])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["state"], row["points_stored"], joined.fewer) == ("complete", 4, ())
    assert [lost.why for lost in joined.sources[1].lost] == ["after the server lost points"]


def test_a_task_that_was_gone_before_it_was_read_takes_no_points_away(
    tmp_path: Path, write: Write
) -> None:
    write("old", [Stored("a", {TRAIN: [1, 2], ACCURACY: [5, 6]})])
    write("new", [Stored("a", {}, day=1, state="gone", missing=4)])
    joined = join([tmp_path / "old", tmp_path / "new"], tmp_path / "both")
    row = _row(joined.snapshot, "a")
    assert (row["state"], row["points_stored"], joined.fewer) == ("complete", 4, ())
    assert [lost.why for lost in joined.sources[1].lost] == ["could not be read"]


def test_a_reading_of_the_future_does_not_win(write: Write, tmp_path: Path) -> None:
    """A time later than its own snapshot's is a lie: the newest reading wins."""
    write("ours", [Stored("a", {TRAIN: [1, 2]})])
    write("theirs", [Stored("a", {TRAIN: [9, 9]}, day=365_000)])
    (problem,) = verify(tmp_path / "theirs").problems
    assert problem.startswith("time after its snapshot was made: task a, fetched_at 30")
    with pytest.raises(
        DatasetError, match=r"theirs has task a as read at 30.*, after the snapshot"
    ):
        join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_snapshot_of_the_future_is_not_merged(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("ours", [Stored("a", {TRAIN: [1, 2]})])
    later = datetime(2999, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(Dataset, "_now", lambda _: later)
    write("theirs", [Stored("a", {TRAIN: [9, 9]}, day=300_000)])
    with pytest.raises(DatasetError, match="is dated 2999-01-01 00:00 UTC"):
        join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")


def test_a_clock_that_is_set_back_makes_no_snapshot_older(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write("ours", [Stored("a", {TRAIN: [1]})])

    class Earlier:
        @staticmethod
        def now(tz: Any) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(dataset_module, "datetime", Earlier)
    second = write("ours", [Stored("b", {TRAIN: [1]})])
    assert second.created_at == first.created_at + timedelta(milliseconds=1)
    assert verify(tmp_path / "ours").problems == ()


def test_unchanged_tasks_with_other_points_are_told(write: Write, tmp_path: Path) -> None:
    """Their fingerprints are equal, so one of the two copies is not what the server had."""
    same, other = {TRAIN: [1, 2]}, {TRAIN: [1, 3]}
    write("ours", [Stored("a", same), Stored("b", same), Stored("c", same), Stored("d", same, 1)])
    theirs = [Stored("a", same), Stored("b", other), Stored("c", {TRAIN: [1]}), Stored("d", other)]
    write("theirs", theirs)
    joined = join([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")
    assert joined.unlike == ("b", "c")
    (line,) = (line for line in merge_text.summary(joined) if "fingerprint" in line)
    assert line.startswith("warning: 2 tasks with different points in copies that have the same")
    assert ": b, c; compare the datasets with clearml-snapshot diff" in line
