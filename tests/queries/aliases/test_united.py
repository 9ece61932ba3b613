"""Series of one task that become one, and what else sees the new names."""

import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.errors import NoSuchNameError, UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.shared_views import SCHEMA
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.aliases import STORED
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.ask.standalone_sql import RENAMED, standalone
from clearml_snapshot.queries.notes.aliases import alias_notes
from clearml_snapshot.queries.pack.pack import pack
from clearml_snapshot.queries.session import views_script
from tests.support.catalogue import NEEDED
from tests.support.nasty import nasty
from tests.support.renamed import OLD, aliases_file, as_stored

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]

ALIASES = {"val_loss": ["loss/validation", "eval"]}


def task(letter: str, *points: tuple[Any, ...], **more: Any) -> dict[str, Any]:
    return {"task_id": letter * 32, "name": f"run {letter}", "points": list(points), **more}


def old(*iterations: int | None, metric: str = "loss", variant: str = "validation") -> Any:
    return [(metric, variant, at, float(at or 0) + 0.5) for at in iterations]


def new(*iterations: int | None) -> Any:
    return old(*iterations, metric="val_loss", variant="val_loss")


OVERLAPPING = [
    task("a", *old(1, 2, 3)),
    task("b", *old(1, 2), *new(3, 4), tags=["resumed"]),
    task("c", *old(1, 2), *new(2, 3), tags=["both"]),
    task("d", *old(None), *new(None, 7), tags=["single"]),
]


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("both", "task 'run c' (cccccccc) has values of loss/validation and val_loss/val_loss at "
         "iteration 2"),
        ("single", "task 'run d' (dddddddd) has values of loss/validation and val_loss/val_loss as "
         "single values"),
    ],
)  # fmt: skip
def test_two_points_at_one_iteration_are_refused(
    written: MakeDataset, tmp_path: Path, tag: str, what: str
) -> None:
    file = tmp_path / "aliases.txt"
    file.write_text("\nval_loss = loss/validation\n")
    data = written(OVERLAPPING)
    with pytest.raises(UsageError) as refused:
        open_dataset(data, aliases=file, filter=TaskFilter(tags=(tag,)))
    assert str(refused.value) == (
        f"{file}, line 2: {what}, which cannot both be val_loss/val_loss; remove the alias, or "
        "select other tasks"
    )
    with pytest.raises(UsageError, match="cannot both be"):
        open_dataset(data, aliases=file)
    with pytest.raises(UsageError, match="cannot both be"):  # conditions are about all tasks
        open_dataset(data, aliases=file, filter=TaskFilter(where=("last(val_loss) > 0",)))


def test_tasks_without_such_points_are_answered(written: MakeDataset) -> None:
    others = TaskFilter(exclude_tags=("both", "single"))
    with open_dataset(written(OVERLAPPING), aliases=ALIASES, filter=others) as dataset:
        rows = dataset.sql(
            "SELECT task_id[1], n, min, max, mean, first, last FROM series ORDER BY ALL"
        ).fetchall()
    assert rows == [
        ("a", 3, 1.5, 3.5, 2.5, 1.5, 3.5),
        ("b", 4, 1.5, 4.5, 3.0, 1.5, 4.5),
    ]


def test_conditions_see_one_series(written: MakeDataset) -> None:
    tasks = OVERLAPPING[:2]
    for condition, chosen in [
        ("last(val_loss) > 3.6", ["b"]),
        ("min(val_loss) < 2", ["a", "b"]),
        ("val_loss/val_loss < 1", []),
    ]:
        with open_dataset(
            written(tasks), aliases=ALIASES, filter=TaskFilter(where=(condition,))
        ) as dataset:
            assert [row[0][0] for row in dataset.tasks().fetchall()] == chosen, condition


def test_what_the_server_reported_is_put_together(written: MakeDataset) -> None:
    with open_dataset(written(OVERLAPPING[:2]), aliases=ALIASES) as dataset:
        columns = "server_last, server_min, server_max, server_count"
        assert dataset.sql(f"SELECT {columns} FROM series").fetchall() == [(None,) * 4] * 2


def test_a_pack_is_answered_and_its_points_stay_packed_until_needed(
    written: MakeDataset, tmp_path: Path
) -> None:
    packs = {}
    for name, tasks in (("one", OVERLAPPING[:1]), ("two", OVERLAPPING[:2])):
        with open_dataset(written(tasks)) as dataset:
            packs[name] = pack(dataset, tmp_path / f"{name}.zip").path
    with open_dataset(packs["one"], aliases=ALIASES) as dataset:
        assert dataset.query("max", metric="val_loss").fetchall()
        assert not dataset.snapshot.has_points
        assert dataset.sql("SELECT DISTINCT metric FROM scalars").fetchall() == [("val_loss",)]
    with open_dataset(packs["two"], aliases=ALIASES) as dataset:
        assert dataset.sql("SELECT n FROM series ORDER BY n").fetchall() == [(3,), (4,)]
        with pytest.raises(UsageError, match="a pack has the names as stored"):
            pack(dataset, tmp_path / "again.zip")


def test_notes_name_an_alias_that_matches_nothing(written: MakeDataset) -> None:
    with open_dataset(written(OVERLAPPING[:1]), aliases={"q": "losss/validation"}) as dataset:
        first, *_ = dataset.answer("max", metric="loss/validation").notes
    assert first == "aliases['q']: no metric 'losss/validation'; did you mean 'loss/validation'?"


def test_notes_name_what_the_answer_is_about(written: MakeDataset) -> None:
    tasks = [*OVERLAPPING[:2], task("e", ("eval", "x", 1, 0.0), ("acc", "acc", 1, 0.0))]
    aliases = {**ALIASES, "accuracy": "acc"}
    with open_dataset(written(tasks), aliases=aliases) as dataset:

        def notes(name: str, **typed: Any) -> list[str]:
            query = find(name)
            return [*alias_notes(dataset, query, dataset.bound(query, **typed))]

        loss = "loss/validation is shown as val_loss/val_loss (2 tasks), by aliases"
        evaluated = "eval is shown as val_loss (1 task), by aliases"
        accuracy = "acc is shown as accuracy (1 task), by aliases"
        assert notes("max", metric="val_loss/val_loss") == [loss]
        assert notes("max", metric="val_loss") == [loss, evaluated]
        assert notes("max", metric="val_loss/x", at="accuracy") == [evaluated, accuracy]
        assert notes("max") == notes("metrics") == [*alias_notes(dataset)]
        assert [*alias_notes(dataset)] == [loss, evaluated, accuracy]
        assert notes("tasks") == []
    chosen = TaskFilter(where=("max(accuracy) >= 0",))
    with open_dataset(written(tasks), aliases=aliases, filter=chosen) as dataset:
        assert notes("tasks") == [accuracy]
        assert notes("max", metric="val_loss/x") == [evaluated, accuracy]


def test_many_notes_are_counted(written: MakeDataset) -> None:
    tasks = [task("a", *((f"m{n}", "v", 0, 0.0) for n in range(8)))]
    with open_dataset(written(tasks), aliases={f"n{n}": f"m{n}" for n in range(8)}) as dataset:
        assert [*alias_notes(dataset)][4:] == [
            "m4 is shown as n4 (1 task), by aliases", "… and 3 more, by aliases",
        ]  # fmt: skip


def test_without_aliases_nothing_is_different(written: MakeDataset) -> None:
    data = written(OVERLAPPING)
    with open_dataset(data) as dataset, pytest.raises(UsageError, match="as_stored"):
        dataset.sql(f"FROM {STORED}.series")
    loaded = "[m for m in sys.modules if m.startswith('clearml_snapshot.queries.aliases.')]"
    code = (
        "import sys; from clearml_snapshot.queries import open_dataset; "
        f"open_dataset({str(data)!r}).query('max'); print({loaded})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_condition_on_the_metric_reaches_the_files(written: MakeDataset) -> None:
    """So that row groups are skipped: of the files, and of the short table of aliases."""
    others = task("e", ("acc", "x", 1, 0.0), ("z", "x", 1, 0.0))
    aliases = {**ALIASES, "accuracy": "acc"}
    with open_dataset(written([*OVERLAPPING[:2], others]), aliases=aliases) as dataset:
        plan = dataset.explain("SELECT max(value) FROM scalars WHERE metric = 'val_loss'")
    assert plan.count("Filters: metric = 'val_loss'") == 2


def test_an_empty_dataset_can_have_aliases(written: MakeDataset) -> None:
    with open_dataset(written([]), aliases=ALIASES) as dataset:
        assert dataset.query("max").fetchall() == []
        assert dataset.aliased is not None
        assert len(dataset.aliased.renames.unmatched) == 2


@pytest.mark.parametrize("name", ["max", "stats", "curve"])
def test_show_prints_sql_with_the_new_names(
    written: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data, query = written(as_stored(nasty())), find(name)
    some = TaskFilter(statuses=("completed",))
    for chosen in (None, some):
        with open_dataset(data, aliases=aliases_file(tmp_path), filter=chosen) as dataset:
            values = dataset.bound(query, **NEEDED.get(name, {}))
            ids = [row[0] for row in dataset.tasks().fetchall()] if chosen else None
            expected = dataset.sql(query.sql, values).fetchall()
            assert dataset.aliased is not None
            text = standalone(query, values, ids, dataset.aliased.script("main", RENAMED, ids))
        root = (data / "current").resolve()
        monkeypatch.chdir(root)
        with duckdb.connect() as bare:
            bare.execute((root / "open.sql").read_text())
            assert str(bare.execute(text).fetchall()) == str(expected)
        assert expected


def test_the_shell_sees_the_new_names(written: MakeDataset, tmp_path: Path) -> None:
    data = written(as_stored(nasty()))
    snapshot = open_snapshot(data)
    with open_dataset(data, aliases=aliases_file(tmp_path)) as dataset:
        assert dataset.aliased is not None
        assert dataset.aliased.has_several
        script = views_script(snapshot, STORED, dataset.aliased.shell_script(SCHEMA))
        lines = [line for line in script.splitlines() if line.startswith("INSERT")]
        assert len(lines) == 1  # no line of a name begins one that a shell could run
        assert "\x1b" not in script
        with duckdb.connect() as shell:
            for _ in range(2):  # it can be read again
                shell.execute(script)
            for table in ("series", "scalars", "best", "tasks", "hyperparams", "exports"):
                statement = f"FROM {table} ORDER BY ALL"
                rows = dataset.sql(statement).fetchall()
                assert str(shell.sql(statement).fetchall()) == str(rows)


def test_names_at_random_are_united_as_they_would_be_stored(written: MakeDataset) -> None:
    """Each task changes the name of a metric at random moments."""
    rng = random.Random(5)
    names = [*OLD[("loss", "train")], ("loss", "train")]
    stored, wanted = [], []
    for number in range(12):
        changes = sorted(rng.choices(range(30), k=len(names) - 1))
        points = [
            (at, rng.choice([float("nan"), None, 0.0, rng.gauss(0, 1), rng.gauss(0, 1e300)]))
            for at in range(30)
        ]
        ages = [sum(at >= change for change in changes) for at, _ in points]
        one = {"task_id": f"{number:032x}", "project_id": rng.choice("pq")}
        stored.append({**one, "points": [
            (*names[age], *point) for age, point in zip(ages, points, strict=True)
        ]})  # fmt: skip
        wanted.append({**one, "points": [("loss", "train", *point) for point in points]})
    aliases = {'"loss"/"train"': [f"~{'|'.join(map(_escaped, names[:-1]))}"]}
    with (
        open_dataset(written(stored), aliases=aliases) as renamed,
        open_dataset(written(wanted)) as plain,
    ):
        for statement in ("FROM series ORDER BY ALL", "FROM scalars ORDER BY ALL"):
            rows = [str(data.sql(statement).fetchall()) for data in (renamed, plain)]
            assert rows[0] == rows[1]
        assert renamed.aliased is not None
        assert renamed.aliased.has_several


def _escaped(pair: tuple[str, str]) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in "/".join(pair))


def test_an_error_about_a_name_says_what_the_aliases_did_with_it(written: MakeDataset) -> None:
    tasks = [task("a", *old(1), *old(1, metric="test", variant="lossy"))]
    with open_dataset(written(tasks), aliases={"q": "loss/validation", "r": "los/x"}) as dataset:
        for name, reason in {
            "loss": "loss/validation is shown as 'q/q', by aliases",
            "loss/validation": "it is shown as 'q/q', by aliases",
            "r": "aliases['r']: no metric 'los/x'",
        }.items():
            with pytest.raises(NoSuchNameError) as failed:
                dataset.query("max", metric=name)
            assert str(failed.value).startswith(f"no metric {name!r}; ")
            assert reason in str(failed.value)
