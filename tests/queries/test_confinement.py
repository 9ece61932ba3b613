"""SQL sees the snapshot and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import (
    UsageError,
)
from clearml_snapshot.queries import Dataset, open_dataset
from tests.support.teams import MakeDataset, team

ESCAPES = [
    "FROM read_text('/etc/hostname')",
    "FROM read_blob('/etc/hostname')",
    "FROM read_csv('/etc/passwd')",
    "FROM read_json('{other}')",
    "FROM read_parquet('{other}')",
    "FROM '{other}'",
    "FROM query_table('{other}')",
    "FROM parquet_metadata('{other}')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM glob('/etc/*')",
    "FROM glob('{folder}/**')",
    "FROM read_parquet('{folder}/*/*/tasks/*')",
    "FROM 'http://127.0.0.1:9/x.parquet'",
    "FROM duckdb_secrets()",
    "FROM local_variable",
    "FROM query('COPY tasks TO ''{file}''')",
    "COPY tasks TO '{other}'",
    "COPY tasks TO '{file}'",
    "EXPLAIN COPY tasks TO '{file}'",
    "EXPLAIN ANALYZE COPY tasks TO '{file}'",
    "EXPORT DATABASE '{folder}/x'",
    "ATTACH '{folder}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET threads",
    "SET lock_configuration = false",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CREATE TABLE x AS FROM tasks",
    "CREATE OR REPLACE VIEW tasks AS SELECT 1",
    "DROP VIEW tasks",
    "INSERT INTO picked.tasks VALUES (1)",
    "WITH x AS (DELETE FROM tasks RETURNING *) FROM x",
    "SELECT getenv('HOME')",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY tasks TO '{file}'",
    "PIVOT scalars ON metric USING max(value)",
    "",
    "-- nothing",
]


@pytest.fixture(scope="module")
def attacked(written: MakeDataset) -> Iterator[Dataset]:
    """Stay open through all attempts: what one of them changes would help the next."""
    with open_dataset(team(written)) as dataset:
        yield dataset


@pytest.mark.parametrize("statement", ESCAPES)
def test_sql_sees_the_snapshot_and_nothing_else(
    attacked: Dataset, tmp_path: Path, statement: str
) -> None:
    other = tmp_path / "other.parquet"
    other.write_bytes(b"PAR1")
    local_variable = [1]
    assert local_variable
    file, *_ = attacked.snapshot.paths("tasks")
    before = Path(file).read_bytes()
    folder = attacked.snapshot.root.parents[1]
    with pytest.raises(UsageError) as caught:
        attacked.rows(attacked.sql(statement.format(other=other, folder=folder, file=file)))
    assert "\n" not in str(caught.value)
    assert Path(file).read_bytes() == before
    assert other.read_bytes() == b"PAR1"


def test_a_symlink_out_of_the_snapshot_is_not_followed(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    folder = team(make_dataset)
    with open_dataset(folder) as dataset:
        (dataset.snapshot.root / "tasks" / "link.parquet").symlink_to("/etc/hostname")
        with pytest.raises(UsageError, match="only the views"):
            dataset.rows(
                dataset.sql(f"FROM read_text('{dataset.snapshot.root}/tasks/link.parquet')")
            )
