"""What a question may take and see: time, memory, and folders opened on purpose."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.queries import open_dataset

Piped = Callable[..., "subprocess.CompletedProcess[str]"]

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range, b.range) = 7"


def test_a_question_that_takes_too_long_is_one_line(piped: Piped) -> None:
    ended = piped("sql", ENDLESS, "--query-timeout", "0.3")
    message = "error: the query took longer than 0.3 s; query less data, or allow more time\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", message)


def test_a_question_in_time_is_answered(piped: Piped) -> None:
    ended = piped("query", "max", "-m", "accuracy", "--query-timeout", "60", "--format", "text")
    assert (ended.returncode, ended.stdout) == (0, "0.9\n")


def test_the_time_is_up_for_all_that_follows(history: Path) -> None:
    def query_for_ever() -> None:
        while True:  # short statements, between which an interrupt could be lost
            dataset.rows(dataset.sql("SELECT count(*) FROM range(100000) WHERE range % 3 = 1"))

    with (
        open_dataset(history) as dataset,
        pytest.raises(SnapshotError, match="took longer"),
        dataset.ending_after(0.1),
    ):
        query_for_ever()


def test_the_dataset_answers_again_afterwards(history: Path) -> None:
    with open_dataset(history) as dataset:
        with pytest.raises(SnapshotError, match="took longer"), dataset.ending_after(0.05):
            dataset.rows(dataset.sql(ENDLESS))
        assert dataset.rows(dataset.sql("SELECT 1")).rows == ((1,),)


def test_other_errors_stay_what_they_are(history: Path) -> None:
    with (
        open_dataset(history) as dataset,
        pytest.raises(UsageError, match="nope"),
        dataset.ending_after(60),
    ):
        dataset.rows(dataset.sql("SELECT nope FROM tasks"))


def test_memory_has_a_limit(piped: Piped) -> None:
    statement = "SELECT len(list(range)) FROM range(90000000)"
    ended = piped("sql", statement, "--memory-limit", "60MB")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: out of memory: ")
    assert ended.stderr.count("\n") == 1
    assert piped("query", "max", "--memory-limit", "lots").returncode == 2


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder opened on purpose, with a link that leads out of it."""
    shelf = tmp_path / "it's a shelf"
    (shelf / "below").mkdir(parents=True)
    (shelf / "labels.csv").write_text("task_id,label\naaa,good\n")
    (shelf / "below" / "more.csv").write_text("x\n7\n")
    (tmp_path / "secret.csv").write_text("x\n42\n")
    (shelf / "link.csv").symlink_to(tmp_path / "secret.csv")
    (shelf / "linked").symlink_to(tmp_path)
    return shelf


def test_files_of_an_allowed_folder_are_read(piped: Piped, shelf: Path) -> None:
    quoted = str(shelf).replace("'", "''")
    for file, answer in {"labels.csv": "label\ngood\n", "below/more.csv": "x\n7\n"}.items():
        column = answer.partition("\n")[0]
        statement = f"SELECT {column} FROM '{quoted}/{file}'"
        assert piped("sql", statement).returncode == 2
        assert piped("sql", statement, "--allow-files", str(shelf)).stdout == answer


@pytest.mark.parametrize(
    "statement",
    [
        "FROM '{shelf}/link.csv'",
        "FROM '{shelf}/linked/secret.csv'",
        "FROM '{shelf}/../secret.csv'",
        "FROM read_text('{shelf}/link.csv')",
        "FROM glob('{shelf}/*')",
        "FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '{shelf}/labels.csv'",
        "COPY (SELECT 1) TO '{shelf}/labels.csv' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{shelf}/labels.csv' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{shelf}/new.csv'",
        "EXPORT DATABASE '{shelf}'",
        "ATTACH '{shelf}/new.db'",
        "SET enable_external_access = true",
        "PRAGMA enable_external_access",
        "SELECT 1; COPY (SELECT 1) TO '{shelf}/labels.csv'",
    ],
)
def test_an_allowed_folder_is_read_and_never_written(
    history: Path, shelf: Path, statement: str
) -> None:
    before = {path: path.read_bytes() for path in shelf.rglob("*") if path.is_file()}
    text = statement.format(shelf=str(shelf).replace("'", "''"))
    with open_dataset(history, allow_files=[shelf]) as dataset:
        for ask in (dataset.sql, dataset.explain):
            with pytest.raises(UsageError) as caught:
                dataset.rows(ask(text))  # type: ignore[arg-type]  # explain fails before it answers
            assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in shelf.rglob("*") if path.is_file()} == before


def test_a_folder_that_does_not_exist(piped: Piped, tmp_path: Path) -> None:
    ended = piped("sql", "SELECT 1", "--allow-files", str(tmp_path / "none"))
    assert ended.returncode == 2
    assert "cannot read the folder" in ended.stderr


def test_show_looks_up_what_was_typed(piped: Piped, history: Path) -> None:
    shown = piped("query", "max", "-m", "ACCURACY", "--tag", "gpu", "--top", "2", "--show").stdout
    with duckdb.connect() as bare:
        tables = (history / "current" / "open.sql").read_text()
        bare.execute(tables.replace("read_parquet('", f"read_parquet('{history}/current/"))
        bare.execute(shown)
        assert [row[:4] for row in bare.fetchall()] == [("accuracy", "val", 0.9, 100)]
    assert piped("query", "leaderboard", "--show", "--data", "nowhere").returncode == 0


def test_task_ids_need_no_option(piped: Piped) -> None:
    compared = ("compare", "aa", "training lr=0.01", "-m", "loss/train", "--steps", "-q")
    answer = piped("query", *compared).stdout
    assert answer.splitlines()[:2] == [
        "metric,variant,iteration,training lr=0.1,training lr=0.01",
        "loss,train,0,1.0,2.0",
    ]
    failed = piped("query", "compare")
    assert failed.returncode == 2
    assert "query compare needs TASK...: Two or more tasks" in failed.stderr
    board = piped("query", "leaderboard", "-m", "loss", "--best", "lowest", "--also", "acc*")
    assert board.stdout.splitlines()[1].startswith(
        "loss,train,1,0.123456789012345,training lr=0.1,200,"
    )
    assert "2 of 3 tasks have it" in board.stderr
