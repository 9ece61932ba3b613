"""The SQL in both READMEs gives the same answer in ``sql``, with ``open.sql``, and in the shell."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.queries.session import views_script

README = Path(__file__).parents[2] / "README.md"
SNAPSHOT_README = Path(__file__).parents[2] / "exporter/store/format/readme.md"


def statements() -> list[str]:
    """Everything in the two files that a reader can paste as SQL."""
    ours = README.read_text(encoding="utf-8")
    found = re.findall(r'\$ clearml-snapshot sql "(.*)"$', ours, re.MULTILINE)
    found += re.findall(r"^    ((?:SELECT|FROM) .*?)(?: *#.*)?$", ours, re.MULTILINE)
    found += re.findall(r'dataset\.sql\("(.*?)"\)', ours)
    theirs = SNAPSHOT_README.read_text(encoding="utf-8")
    for block in re.findall(r"^```sql\n(.*?)^```", theirs, re.DOTALL | re.MULTILINE):
        found += [statement.query for statement in duckdb.extract_statements(block)]
    assert len(found) >= 7
    return [text.strip() for text in found]


def with_open_sql(data: Path) -> str:
    root = data / "current"
    text = (root / "open.sql").read_text(encoding="utf-8")
    return text.replace("read_parquet('", f"read_parquet('{root}/")


def in_the_shell(data: Path) -> str:
    return views_script(open_snapshot(data))


@pytest.mark.parametrize("statement", statements())
def test_all_three_give_the_same(
    statement: str,
    history: Path,
    tmp_path: Path,
    piped: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = tmp_path / "answer.parquet"
    if "read_parquet" in statement:  # README says that it is for DuckDB anywhere
        monkeypatch.chdir(history.parent)
        with duckdb.connect() as anywhere:
            assert anywhere.execute(statement).fetchall()
        return
    done = piped("sql", statement, "-o", str(answer))
    assert getattr(done, "returncode", None) == 0, done
    expected = pq.read_table(answer)
    monkeypatch.chdir(history.parent)
    for begin in (with_open_sql, in_the_shell):
        with duckdb.connect() as bare:
            bare.execute(begin(history))
            bare.execute(begin(history))  # again, as in a database that is kept
            rows = bare.sql(statement).to_arrow_table()
        assert rows.column_names == expected.column_names
        assert sorted(map(str, rows.to_pylist())) == sorted(map(str, expected.to_pylist()))


def test_all_three_have_the_same_views(history: Path, piped: Callable[..., object]) -> None:
    listing = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'main' AND table_name IN ("
        "'tasks', 'series', 'hyperparams', 'exports', 'scalars', 'params', 'best') "
        "ORDER BY table_name, ordinal_position"
    )
    expected = getattr(piped("sql", listing, "--format", "csv"), "stdout", "").splitlines()[1:]
    assert {line.split(",")[0] for line in expected} >= {"scalars", "params", "best"}
    for begin in (with_open_sql, in_the_shell):
        with duckdb.connect() as bare:
            bare.execute(begin(history))
            rows = bare.execute(listing).fetchall()
        assert [row[:2] for row in rows] == [tuple(line.split(",")[:2]) for line in expected]


def test_best_has_the_first_of_equal_values(history: Path, piped: Callable[..., object]) -> None:
    asked = "SELECT * FROM best WHERE metric = 'loss'"
    lines = getattr(piped("sql", asked, "--format", "csv"), "stdout", "").splitlines()
    head, *rows = (line.split(",") for line in lines)
    train = next(dict(zip(head, row, strict=True)) for row in rows if row[1] == "train")
    assert (train["n_tasks"], train["highest"], train["highest_iteration"]) == ("2", "2.0", "0")
    assert (train["highest_task_id"], train["highest_task"]) == ("b" * 32, "training lr=0.01")
    assert (train["lowest"], train["lowest_task_id"]) == ("0.123456789012345", "a" * 32)
    value = next(dict(zip(head, row, strict=True)) for row in rows if row[1] == "val")
    assert (value["highest"], value["lowest"]) == ("1.5", "0.75")
