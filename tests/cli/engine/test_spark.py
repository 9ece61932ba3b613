"""What Spark answers is, byte for byte, what DuckDB answers here."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import Query, find, queries
from clearml_snapshot.queries.engine import answer, statement
from clearml_snapshot.queries.engine.answer import Spark
from clearml_snapshot.queries.engine.job import Place
from clearml_snapshot.queries.engine.statement import answered
from clearml_snapshot.queries.shards.asking import asked
from tests.queries.conftest import write
from tests.queries.test_value_number import BEYOND, NUMBERS, TEXTS
from tests.support.buckets import new_bucket, set_environment
from tests.support.catalogue import NEEDED
from tests.support.nasty import nasty
from tests.support.parts import as_csv
from tests.support.spark import Sparks, both_sparks, python_without_the_package

soak = pytest.mark.skipif(not os.environ.get("SOAK"), reason="SOAK=1 compares everything")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Case = tuple[Query, Mapping[str, Any]]

OPTIONS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "curve": [
        {"metric": "loss", "smooth": 0.6, "points": 7},
        {"by": "project", "all_metrics": True, "align": "nearest"},
    ],
    "first": [{"below": 1}, {"below": 0.5, "for_": 3}],
    "group": [{"by": "status", "value": "median", "metric": "*", "best": "highest"}],
    "health": [{}, {"all_metrics": True, "kind": ["short", "failed", "spike"]}],
    "last": [{"by": "task", "all_metrics": True}],
    "leaderboard": [{"metric": "*", "best": "lowest", "value": "mean", "last": 5}],
    "max": [{}, {"by": "task", "suspect_zeros": "exclude"}, {"smooth": 0.6, "all_metrics": True}],
    "min": [{}, {"suspect_zeros": "exclude", "nan_value": [0.0, 1.0], "top": 2}],
    "stats": [{"all_metrics": True, "tail": 5}, {"by": "variant"}],
    "wide": [{"fill": "nearest", "tolerance": 3, "all_metrics": True}, {"per": "task"}],
}
"""Other settings than those that a question needs."""


@pytest.fixture(scope="module")
def sparks(s3_port: int) -> Iterator[Sparks]:
    with both_sparks(s3_port) as both:
        yield both


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spark") / "nasty data"
    write(folder, nasty())
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Iterator[Dataset]:
    with open_dataset(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def place(s3_port: int, demo: Path, folder: Path) -> Iterator[Callable[[str], str]]:
    """Return where a dataset is: its folder, or its copy in the bucket that workers find."""
    folders, copies = {"demo": demo / "data", "nasty": folder}, dict[str, str]()
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, f"http://127.0.0.1:{s3_port}")
        bucket = new_bucket(s3_port)

        def find(name: str) -> str:
            data, _, where = name.partition(" in ")
            if not where:
                return str(folders[data])
            if data not in copies:
                copies[data] = f"s3://{bucket}/{data}"
                copy(str(folders[data]), copies[data])
            return copies[data]

        yield find


@dataclass(frozen=True)
class Share:
    """Some of the questions of the catalogue, with some of their settings."""

    names: slice
    settings: slice

    def chosen(self) -> list[str]:
        """Return the names of the questions."""
        return sorted(queries())[self.names]


EVERYTHING: Final = Share(slice(None), slice(None))
ODD: Final = Share(slice(1, None, 2), slice(-1, None))
EVEN: Final = Share(slice(0, None, 2), slice(1))


def test_every_question_is_in_a_share() -> None:
    assert sorted([*ODD.chosen(), *EVEN.chosen()]) == sorted(queries()) == EVERYTHING.chosen()


def cases(dataset: Dataset, share: Share) -> list[Case]:
    """Return questions with all that they need."""
    ids = dataset.rows(dataset.sql("SELECT task_id FROM tasks ORDER BY 1 LIMIT 2")).rows
    asks: list[Case] = []
    for name in share.chosen():
        query = find(name)
        compared = {"tasks": [task for (task,) in ids]} if name == "compare" else {}
        needed = {**NEEDED.get(name, {}), **compared}
        asks.extend((query, {**needed, **more}) for more in OPTIONS.get(name, [{}])[share.settings])
    return asks


def problem(dataset: Dataset, session: Any, most: int, case: Case) -> str | None:
    """Compare the answer of Spark with the one from here; None if they are equal."""
    query, typed = case
    values = dataset.bound(query, **typed)
    here = dataset.result(dataset.shaped(query, values).relation)
    with asked(
        dataset, query, values, lambda rows: (rows,), engine=Spark(session, most=most)
    ) as there:
        is_equal = there.result.columns == here.columns and as_csv(there.result) == as_csv(here)
    return None if is_equal else f"{query.name} {typed}"


@pytest.mark.parametrize(
    ("engine", "data", "share"),
    [
        ("local", "nasty", ODD),
        ("remote", "demo in a bucket", EVEN),
        *(
            pytest.param(engine, data + where, EVERYTHING, marks=soak)
            for engine in ("local", "remote")
            for data in ("nasty", "demo")
            for where in ("", " in a bucket")
        ),
    ],
)
def test_every_question_has_the_same_answer(
    sparks: Sparks, place: Callable[[str], str], engine: str, data: str, share: Share
) -> None:
    with open_dataset(place(data)) as dataset, ThreadPoolExecutor(2) as pool:
        asks = cases(dataset, share)
        assert [query.name for query, _ in asks if query.shard is not None]
        assert [query.name for query, _ in asks if query.shard is None]
        most = -(-dataset.snapshot.totals.points // 2)
        compare = partial(problem, dataset, getattr(sparks, engine), most)
        assert [text for text in pool.map(compare, asks) if text is not None] == []


def test_filters_and_aliases_hold_on_workers(sparks: Sparks, folder: Path) -> None:
    chosen = TaskFilter(statuses=("completed",))
    with open_dataset(folder, filter=chosen, aliases={"cost": "loss"}) as dataset:
        case = find("stats"), {"metric": "cost", "tail": 3}
        assert problem(dataset, sparks.local, 30, case) is None


def test_a_long_answer_comes_in_several_jobs(
    sparks: Sparks, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_LONG", 1)
    case = find("curve"), {"all_metrics": True, "suspect_zeros": "exclude"}
    assert problem(dataset, sparks.local, 30, case) is None


@pytest.mark.parametrize("where", ["here", "remote"])
def test_the_command_prints_the_same(sparks: Sparks, demo: Path, run_here: Run, where: str) -> None:
    address = ["--spark-remote", sparks.address] if where == "remote" else []
    asked = ["query", "max", "--metric", "accuracy", "--by", "task", "--suspect-zeros", "exclude"]
    here = run_here(*asked, cwd=demo)
    there = run_here(*asked, "--engine", "spark", *address, cwd=demo)
    assert (there.returncode, there.stdout) == (0, here.stdout)
    told = "answered by Spark in one part: the question is about 1,000,000 points or fewer\n"
    assert there.stderr == here.stderr + told


def test_what_cannot_be_divided_is_said(sparks: Sparks, demo: Path, run_here: Run) -> None:
    done = run_here("query", "tags", "--engine", "spark", cwd=demo)
    assert "in one part: query tags cannot be divided with these settings" in done.stderr


def test_a_slow_question_ends_in_time(
    sparks: Sparks, demo: Path, run_here: Run, tmp_path: Path
) -> None:
    (tmp_path / "slow.sql").write_text(
        "-- Counts for ever.\nSELECT sum(hash(a.range)) AS n FROM range(100000000000) AS a;\n"
    )
    slow = ["query", "--queries", str(tmp_path), "slow", "--engine", "spark"]
    done = run_here(*slow, "--query-timeout", "2", "--data", "data", cwd=demo)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: the query took longer than 2 s; query less data, or allow more time\n"
    )


def test_a_worker_that_does_not_see_the_dataset(
    sparks: Sparks, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "of", lambda _: Place("/nowhere/data", None, ""))
    with pytest.raises(SnapshotError) as raised:
        problem(dataset, sparks.local, 60, (find("max"), {}))
    assert "cannot read /nowhere/data (no dataset at /nowhere/data" in str(raised.value)
    assert str(raised.value).endswith("put the dataset where every worker sees it at this path")


def test_a_worker_without_the_package(
    sparks: Sparks, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = python_without_the_package(tmp_path)
    monkeypatch.setattr(sparks.local.sparkContext, "pythonExec", str(python))
    with pytest.raises(SnapshotError) as raised:
        problem(dataset, sparks.local, 60, (find("max"), {}))
    assert str(raised.value).startswith("a Spark worker does not have what it needs (")
    assert "No module named 'clearml_snapshot.exporter'); install clearml-snapshot" in str(
        raised.value
    )


VIEWS: Final = ("tasks", "series", "exports", "hyperparams", "scalars", "params")
NUMBERS_AS_TEXT: Final = [*NUMBERS, *TEXTS, *BEYOND, None]


def odd_tasks() -> list[dict[str, Any]]:
    """Also the id of a project that looks like a date, and texts that may be numbers."""
    tasks = [{**task} for task in nasty()]
    tasks[1]["project_id"] = "20240101"
    tasks[0]["params"] = [
        {"section": "Args", "name": f"n{number}", "value": text, "type": "t"}
        for number, text in enumerate(NUMBERS_AS_TEXT)
    ]
    return tasks


@pytest.mark.parametrize(
    ("engine", "is_in_bucket", "views"),
    [
        ("local", False, VIEWS),
        ("remote", True, ("scalars", "tasks", "params")),
        pytest.param("local", True, VIEWS, marks=soak),
        pytest.param("remote", False, VIEWS, marks=soak),
    ],
)
def test_views_of_spark_sql_have_the_same_rows(
    sparks: Sparks,
    place: Callable[[str], str],
    tmp_path: Path,
    engine: str,
    is_in_bucket: bool,
    views: Sequence[str],
) -> None:
    data = str(tmp_path / "data")
    write(tmp_path / "data", odd_tasks())
    if is_in_bucket:
        data = place("nasty in a bucket") + f"-odd-{engine}"
        copy(str(tmp_path / "data"), data)
    with open_dataset(data) as dataset:
        for view in views:
            here = dataset.sql(f"SELECT * FROM {view}")
            there = answered(getattr(sparks, engine), dataset, f"SELECT * FROM {view}")
            assert (there.columns, there.types) == (here.columns, here.types)
            rows = (sorted(map(repr, dataset.rows(each).rows)) for each in (here, there))
            assert next(rows) == next(rows), view


@pytest.mark.parametrize("engine", ["local", "remote"])
def test_a_long_answer_of_spark_sql_comes_in_its_order(
    sparks: Sparks, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(statement, "_AT_ONCE", 0)
    monkeypatch.setattr(statement, "_STREAM", 2000)
    numbers = "SELECT 3 * id AS n FROM range(0, 1000, 1, 3) ORDER BY n DESC"
    rows = answered(getattr(sparks, engine), dataset, numbers)
    assert rows.fetchall() == [(3 * number,) for number in reversed(range(1000))]


def test_an_answer_that_ends_early_is_an_error(
    sparks: Sparks, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken(_: Any) -> Iterator[Iterator[bytes]]:
        def streams() -> Iterator[bytes]:
            yield from ()
            raise ConnectionError("gone")

        yield streams()

    monkeypatch.setattr(statement, "_streams", broken)
    with pytest.raises(SnapshotError) as raised:
        answered(sparks.local, dataset, "SELECT 1")
    assert str(raised.value).startswith("Spark failed: ")


def test_a_bucket_that_workers_cannot_read(
    sparks: Sparks, place: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "of", lambda _: Place("s3://nowhere/data", 1, ""))
    with open_dataset(place("demo in a bucket")) as dataset, pytest.raises(SnapshotError) as raised:
        answered(sparks.local, dataset, "SELECT * FROM tasks")
    assert "s3://nowhere" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT x FROM tasks", "Spark SQL: A column, variable, or function parameter with name"),
        ("DROP VIEW tasks", "give one SELECT"),
        ("SELECT 1; SELECT 2", "give one SELECT"),
        (" ; ", "the statement is empty; give one SELECT"),
        ("SELECT 1/0", "Spark failed: Division by zero"),
    ],
)
def test_statements_that_spark_refuses(
    sparks: Sparks, demo: Path, run_here: Run, text: str, said: str
) -> None:
    done = run_here("sql", text, "--engine", "spark", cwd=demo)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("where", ["here", "remote"])
def test_sql_prints_rows_in_their_order(
    sparks: Sparks, demo: Path, run_here: Run, where: str
) -> None:
    address = ["--spark-remote", sparks.address] if where == "remote" else []
    asked = ["sql", "SELECT task, max(timestamp) AS at, max(value) FROM scalars GROUP BY task"]
    asked[1] += " ORDER BY 3 DESC, 1 -- the best\n"
    here = run_here(*asked, cwd=demo)
    there = run_here(*asked, "--engine", "spark", *address, cwd=demo)
    assert (there.returncode, there.stderr) == (0, "")
    assert there.stdout.splitlines()[1:] == here.stdout.splitlines()[1:]


def test_sql_of_a_folder_that_is_a_pattern(
    sparks: Sparks, demo: Path, run_here: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "da[t]a*"
    shutil.copytree(demo / "data", folder, symlinks=True)
    done = run_here("sql", "SELECT 1", "--data", str(folder), "--engine", "spark", cwd=demo)
    assert done.returncode == 2
    assert "in a path as a pattern; rename the folder" in done.stderr


def test_options_that_only_duckdb_has(demo: Path, run_here: Run) -> None:
    done = run_here("sql", "SELECT 1", "--explain", "--engine", "spark", cwd=demo)
    assert done.stderr == "error: --explain cannot be used with --engine spark\n"
    done = run_here("sql", "SELECT 1", "--allow-files", ".", "--engine", "spark", cwd=demo)
    assert done.stderr == "error: --allow-files cannot be used with --engine spark\n"


def test_the_program_starts_spark_quietly(
    sparks: Sparks, demo: Path, program: list[str], run_here: Run
) -> None:
    """As a process of its own, which starts a JVM of its own."""
    asked = ["query", "stats", "--metric", "loss", "--data", "data"]
    here = run_here(*asked, cwd=demo)
    done = subprocess.run(
        [*program, *asked, "--engine", "spark"],
        cwd=demo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, here.stdout)
    assert done.stderr.startswith(here.stderr)
    assert done.stderr.count("\n") == here.stderr.count("\n") + 1
