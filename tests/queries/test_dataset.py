"""What a dataset shows: its views, one snapshot, the tasks of a filter, and nothing else."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.errors import (
    DatasetError,
    NoSuchNameError,
    UsageError,
)
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.snapshots import no_readers
from clearml_snapshot.queries import open_dataset, task_filter
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.ask.statement import statement_for
from clearml_snapshot.queries.duckdb_errors import translated
from clearml_snapshot.queries.task_ids import find_tasks
from tests.support.teams import P1, P2, START, MakeDataset, team


def letters(folder: Path, *views: str, **options: Any) -> list[str]:
    """Give the first letters of the tasks that each view shows."""
    with open_dataset(folder, filter=TaskFilter(**options)) as dataset:
        answers = [
            dataset.sql(f"SELECT DISTINCT task_id[1] FROM {view} ORDER BY ALL").fetchall()
            for view in views
        ]
    return ["".join(letter for (letter,) in rows) for rows in answers]


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({}, "abcde"),
        ({"hidden": True}, "abcde"),
        ({"projects": ("team",)}, "ab"),
        ({"projects": ("team",), "subprojects": False}, "a"),
        ({"projects": ("team/*",)}, "b"),
        ({"projects": (P2,)}, "b"),
        ({"task_names": ("train*",)}, "ab"),
        ({"task_names": ("train it's 🚀", "d")}, "ad"),
        ({"task_name_regex": "t$|2"}, "bc"),
        ({"tags": ("gpu", "v2")}, "a"),
        ({"any_tags": ("-x", "v2")}, "ac"),
        ({"exclude_tags": ("gpu",)}, "cde"),
        ({"statuses": ("running",)}, "c"),
        ({"types": ("testing",)}, "d"),
        ({"users": ("Bob",)}, "d"),
        ({"users": ("me",)}, "abc"),
        ({"archived": "only"}, "c"),
        ({"archived": "exclude"}, "abde"),
        ({"created_after": "2026-01-03T00:00Z"}, "bcd"),
        ({"created_before": "2026-01-03T00:00Z"}, "a"),
        ({"updated_after": "2026-01-04T00:30Z"}, "cd"),
        ({"updated_before": "2026-01-03T00:00Z"}, "a"),
        ({"limit": 2}, "cd"),
        ({"limit": 2, "order": "oldest"}, "ab"),
        ({"order": "oldest"}, "abcde"),
        ({"task_ids": ("A" * 3, "b" * 32)}, "ab"),
        ({"tags": ("gpu",), "limit": 1}, "b"),
    ],
)
def test_a_filter_narrows_every_view(
    make_dataset: MakeDataset, options: dict[str, Any], selected: str
) -> None:
    views = ("tasks", "scalars", "series", "hyperparams", "params")
    with_points = selected.replace("e", "")
    assert letters(team(make_dataset), *views, **options) == [selected, *[with_points] * 4]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"projects": ("taem",)}, "no project 'taem'; did you mean 'team'"),
        ({"tags": ("cpu",)}, "no tag 'cpu'; did you mean 'gpu'"),
        ({"users": ("Eve",)}, "no user 'Eve'; there are"),
        ({"statuses": ("runing",)}, "no status 'runing'; did you mean 'running'"),
        ({"task_ids": ("f",)}, "no task 'f': use an id or the beginning of one, the exact name"),
        ({"task_ids": ("",)}, "no task ''"),
    ],
)
def test_what_does_not_exist_is_an_error(
    make_dataset: MakeDataset, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(NoSuchNameError, match=complaint):
        letters(team(make_dataset), **options)


def test_ids_from_a_long_list_are_looked_up_at_once(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one they take 10 ms each. Names and unknown ids among them are what they were."""
    tasks = [{"task_id": f"{n:032x}", "name": f"run {n}", "points": []} for n in range(30)]
    folder, looked_up = make_dataset(tasks), list[str]()

    def counted(connection: Any, text: str, among: Any) -> tuple[str, ...]:
        looked_up.append(text)
        return find_tasks(connection, text, among)

    monkeypatch.setattr(task_filter, "find_tasks", counted)
    texts = [f" {n:032X} " for n in range(20)] + ["run 25"]
    with open_dataset(folder, filter=TaskFilter(task_ids=texts)) as dataset:
        rows = dataset.sql("SELECT name FROM tasks ORDER BY task_id").fetchall()
    found = [name for (name,) in rows]
    assert found == [*(f"run {n}" for n in range(20)), "run 25"]
    assert looked_up == ["run 25"]
    with pytest.raises(NoSuchNameError, match="no task 'f"):
        open_dataset(folder, filter=TaskFilter(task_ids=(*texts, "f" * 32)))


def test_tasks_with_the_same_name_are_told_apart(make_dataset: MakeDataset) -> None:
    """The newest is first, and what is listed of an id is enough to choose the task."""
    names = {"name": "it", "user": "Ada", "project": "vision/demo"}
    ids = ["a" * 32, "a" * 8 + "b" * 24, "c" * 32, *(f"{n}" * 32 for n in range(4))]
    days = [datetime(2026, 2, day, 23, 59, tzinfo=UTC) for day in range(20, 20 - len(ids), -1)]
    tasks = [{"task_id": i, "created": day, **names} for i, day in zip(ids, days, strict=True)]
    folder = make_dataset([*tasks, {"task_id": "d" * 32, "name": "plain"}])
    with pytest.raises(UsageError) as caught:
        letters(folder, task_ids=("it",))
    assert str(caught.value) == (
        "task 'it' matches 7 tasks: aaaaaaaaa (2026-02-20, Ada, vision/demo), "
        "aaaaaaaab (2026-02-19, Ada, vision/demo), ccccccccc (2026-02-18, Ada, vision/demo), "
        "000000000 (2026-02-17, Ada, vision/demo), 111111111 (2026-02-16, Ada, vision/demo) …; "
        "give one of these ids"
    )
    with open_dataset(folder, filter=TaskFilter(task_ids=("aaaaaaaab",))) as dataset:
        assert dataset.sql("SELECT task_id FROM tasks").fetchall() == [(ids[1],)]


def test_a_prefix_of_several_ids_is_an_error_that_lists_them(make_dataset: MakeDataset) -> None:
    folder = make_dataset([{"task_id": "ab1"}, {"task_id": "ab2"}, {"task_id": "ab"}])
    with pytest.raises(UsageError, match=r"task 'a' matches 3 tasks: ab.*, ab1.*, ab2.*; give"):
        letters(folder, task_ids=("a",))
    with open_dataset(folder, filter=TaskFilter(task_ids=("ab",))) as dataset:
        assert dataset.sql("SELECT task_id FROM tasks").fetchall() == [("ab",)]


@pytest.mark.parametrize(
    ("argument", "example"),
    [
        ({"where": "loss < 1"}, "TaskFilter(where=…)"),
        ({"project": "team"}, "TaskFilter(projects=…)"),
        ({"task": "a"}, "TaskFilter(task_ids=…)"),
        ({"statuses": "failed"}, "TaskFilter(statuses=…)"),
        ({"filter": TaskFilter()}, "TaskFilter(…)"),
    ],
    ids=str,
)
def test_an_argument_of_a_filter_is_told_where_it_belongs(
    make_dataset: MakeDataset, argument: dict[str, Any], example: str
) -> None:
    with (
        open_dataset(team(make_dataset)) as dataset,
        pytest.raises(UsageError, match=re.escape(f"`open_dataset(…, filter={example})`")),
    ):
        dataset.query("max", metric="loss", **argument)


def test_best_is_guessed_as_on_the_command_line(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        answer = dataset.answer("leaderboard", metric="loss")
        told = dataset.answer("leaderboard", metric="loss", best="lowest")
        rows = answer.relation.fetchall()
        assert rows == told.relation.fetchall()
        assert rows
        assert answer.notes == (
            "`best='lowest'` was guessed from the name of the metric",
            *told.notes,
        )
        values = dataset.bound("leaderboard", metric="loss", best=None)
        assert values["best"] == "lowest"


def test_a_task_that_the_filter_leaves_out_is_not_unknown(make_dataset: MakeDataset) -> None:
    folder = team(make_dataset)
    with open_dataset(folder, filter=TaskFilter(task_ids="b")) as dataset:
        for text in ("a" * 32, "aaaa"):
            with pytest.raises(NoSuchNameError) as failed:
                dataset.task_ids(text)
            assert str(failed.value) == (
                f"the filter does not select task {text!r}, which this snapshot has; change the "
                "filter"
            )
        with pytest.raises(NoSuchNameError, match="no task 'zzz'"):
            dataset.task_ids("zzz")


def test_scalars_carry_their_task(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        rows = dataset.rows(dataset.sql("FROM scalars ORDER BY task_id")).as_dicts()
    assert rows[0] == {
        "task_id": "a" * 32,
        "task": "train it's 🚀",
        "project_id": P1,
        "project": "team",
        "metric": "loss",
        "variant": "train",
        "iteration": 1,
        "timestamp": START,
        "value": 1.0,
        "worker": "w",
        "type": "training",
        "status": "completed",
        "tags": ["gpu", "v2"],
        "archived": False,
        "user": "Ada",
    }
    assert (rows[2]["project_id"], rows[2]["project"]) == (None, None)


def test_an_unused_join_costs_nothing(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        assert "Join" not in dataset.explain("SELECT metric, max(value) FROM scalars GROUP BY 1")
        assert "Join" in dataset.explain("SELECT project, max(value) FROM scalars GROUP BY 1")


def test_max_opens_no_points_unless_it_looks_for_suspect_zeros(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        bound = (
            dataset.bound("max", metric="loss", suspect_zeros=choice)
            for choice in ("include", "exclude")
        )
        scans = [
            dataset.explain(*statement_for(find("max"), values)).count("Read Parquet")
            for values in bound
        ]
    assert scans[0] == 2  # series and tasks
    assert scans[1] > 2


def test_params_are_maps_even_when_two_meet_in_one_key(make_dataset: MakeDataset) -> None:
    twice = [
        {"section": "A", "name": "b/c", "value": "1"},
        {"section": "A/b", "name": "c", "value": "2"},
        {"section": "é", "name": "none", "value": None},
    ]
    with open_dataset(make_dataset([{"task_id": "a", "params": twice}])) as dataset:
        assert dataset.sql("FROM params").fetchall() == [("a", {"A/b/c": "1", "é/none": None})]
        assert dataset.sql("SELECT params['A/b/c'] FROM params").fetchall() == [("1",)]


def test_folder_names_above_are_taken_for_nothing_else(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    source = team(make_dataset)
    target = tmp_path / "it's [1]*?" / "metric=zz" / "task_id=5"
    target.parent.mkdir(parents=True)
    source.rename(target)
    with open_dataset(target) as dataset:
        rows = dataset.sql("SELECT DISTINCT metric, project_id FROM scalars ORDER BY ALL")
        assert rows.fetchall() == [("loss", P1), ("loss", P2), ("loss", None)]
        assert "metric" not in dataset.tasks().columns
        assert [row[2] for row in dataset.rows(dataset.query("max")).rows] == [4.0]


def test_a_project_id_that_looks_like_a_number_stays_text(make_dataset: MakeDataset) -> None:
    points = [("m", "v", 1, 1.0)]
    folder = make_dataset([{"task_id": "a", "project_id": "2024", "points": points}])
    with open_dataset(folder) as dataset:
        assert dataset.sql("SELECT project_id FROM scalars").fetchall() == [("2024",)]


def test_an_empty_dataset_has_empty_views(make_dataset: MakeDataset) -> None:
    with open_dataset(make_dataset([])) as dataset:
        for view in ("tasks", "scalars", "series", "hyperparams", "params", "suspect_zeros"):
            assert dataset.rows(dataset.sql(f"FROM {view}")).rows == ()
        assert len(dataset.rows(dataset.sql("FROM exports")).rows) == 1
        assert dataset.series_names == {}


def test_rows_have_aware_times_without_pytz(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        relation = dataset.sql(
            "SELECT timestamp, [timestamp] AS l, 1 AS a, 2 AS a, NULL::TIMESTAMPTZ AS n "
            "FROM scalars LIMIT 1"
        )
        rows = dataset.rows(relation)
    assert rows.columns == ("timestamp", "l", "a", "a", "n")
    assert rows.types[0] == "TIMESTAMP WITH TIME ZONE"
    assert rows.rows == ((START, [START.replace(tzinfo=None)], 1, 2, None),)


def test_parameters_are_bound(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        query = "SELECT count(*) FROM scalars WHERE task = $task"
        assert dataset.sql(query, {"task": "train it's 🚀"}).fetchall() == [(1,)]
        assert dataset.sql("SELECT ? + 1", [1]).fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("SELECT title FROM scalars", r"line 1, at 'title FROM scalars'\); .* column metric"),
        ("SELECT s.series\nFROM scalars s", "ClearML's series is the column variant"),
        ("SELECT value\nFROM scalrs", r"did you mean .scalars.* \(line 2, at 'scalrs'\)"),
        ("SELECT 1 +", r"syntax error at or near \"\+\" \(line 1, at '\+'\)"),
        ("SELECT metric::INT FROM scalars", "Could not convert string 'loss' to INT32"),
        ("SELECT $x", "parameters: x"),
    ],
)
def test_errors_name_cause_and_place_in_one_line(
    make_dataset: MakeDataset, statement: str, complaint: str
) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        with pytest.raises(UsageError, match=f"(?i)^SQL: .*{complaint}") as caught:
            dataset.rows(dataset.sql(statement))
        assert "\n" not in str(caught.value)


def test_no_dataset_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match="run clearml-snapshot export first"):
        open_dataset(tmp_path)
    monkeypatch.setenv("CLEARML_SNAPSHOT_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(DatasetError, match="elsewhere"):
        open_dataset()


@pytest.mark.parametrize(
    "error",
    [
        duckdb.Error("TProtocolException: Invalid data"),
        duckdb.Error("Out of buffer"),
        duckdb.InvalidInputException("Parquet file has invalid block sizes"),
        duckdb.IOException("Cannot open file"),
    ],
    ids=str,
)
def test_what_flipped_bits_make_of_parquet_is_damage(error: duckdb.Error) -> None:
    """All of them were met when bits of a part file were flipped one by one."""
    assert isinstance(translated(error), DatasetError)


@pytest.mark.parametrize(("table", "column"), [("scalars", "task_id"), ("series", "max_iteration")])
def test_a_column_with_another_name_is_damage(
    make_dataset: MakeDataset, table: str, column: str
) -> None:
    folder = team(make_dataset)
    path = Path(open_snapshot(folder).paths(table)[0])
    path.write_bytes(path.read_bytes().replace(column.encode(), column.replace("a", "o").encode()))
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset(folder)


def test_a_damaged_file_is_a_dataset_error(make_dataset: MakeDataset) -> None:
    folder = team(make_dataset)
    with open_dataset(folder) as dataset:
        series, *_ = dataset.snapshot.paths("series")
    size = Path(series).stat().st_size
    Path(series).chmod(0o600)
    Path(series).write_bytes(b"x" * size)
    with pytest.raises(DatasetError, match=r"cannot be read: .*copy or export it again"):
        open_dataset(folder).query("max", metric="loss")


def test_one_snapshot_folder_is_enough(make_dataset: MakeDataset, tmp_path: Path) -> None:
    (team(make_dataset) / "current").resolve().rename(tmp_path / "copy")
    with open_dataset(tmp_path / "copy") as dataset:
        assert "5 tasks, 4 series, 4 points" in repr(dataset)
        assert [row[2] for row in dataset.rows(dataset.query("max")).rows] == [4.0]


def test_an_open_snapshot_is_held(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset, no_readers(dataset.snapshot.root) as free:
        assert not free
    with no_readers(dataset.snapshot.root) as free:
        assert free


def test_a_query_imports_nothing_heavy(make_dataset: MakeDataset) -> None:
    folder = team(make_dataset)
    script = (
        "import sys\n"
        "import clearml_snapshot.queries.ask.header as c; c.queries()\n"
        "assert 'duckdb' not in sys.modules\n"
        "from clearml_snapshot.queries import open_dataset\n"
        "from clearml_snapshot.queries.notes.coverage import coverage\n"
        "from clearml_snapshot.queries.notes.suspect_zeros import suspect_zeros\n"
        f"with open_dataset({str(folder)!r}) as dataset:\n"
        "    rows = dataset.rows(dataset.query('max', metric='loss'))\n"
        "    coverage(dataset, dataset.bound('max', metric='loss'))\n"
        "    suspect_zeros(dataset, 'max', dataset.bound('max', metric='loss'), rows)\n"
        "print(*{m.partition('.')[0] for m in sys.modules})\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {
        "clearml",
        "pyarrow",
        "numpy",
        "pandas",
        "requests",
        "rich",
        "pytz",
        "typer",
    }
    assert heavy.isdisjoint(run.stdout.split())


def test_a_closed_dataset_reports_it(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        relation = dataset.query("max")
    for ask in (lambda: dataset.sql("SELECT 1"), lambda: dataset.rows(relation)):
        with pytest.raises(UsageError, match="this dataset is closed"):
            ask()


def test_duckdbs_own_fetching_knows_zones(make_dataset: MakeDataset) -> None:
    with open_dataset(team(make_dataset)) as dataset:
        (moment,) = dataset.sql("SELECT min(timestamp) FROM scalars").fetchall()[0]
    assert moment == START


def test_a_filter_that_fails_holds_nothing(make_dataset: MakeDataset) -> None:
    folder = team(make_dataset)
    with pytest.raises(NoSuchNameError):
        open_dataset(folder, filter=TaskFilter(tags=("none",)))
    with no_readers((folder / "current").resolve()) as free:
        assert free
