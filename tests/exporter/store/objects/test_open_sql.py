"""The views of a snapshot in a bucket say what a DuckDB needs first."""

from pathlib import Path

import duckdb
import pytest

from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.open_sql import open_sql_at
from clearml_snapshot.exporter.store.opening import open_snapshot
from tests.queries.conftest import write


@pytest.mark.parametrize(
    ("address", "extension", "secret", "n_statements"),
    [
        ("s3://bucket/a b", "httpfs", "TYPE s3, PROVIDER credential_chain", 5),
        ("gs://bucket/x", "httpfs", "TYPE gcs, KEY_ID", 3),
        ("az://container/x", "azure", "TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME", 3),
    ],
)
def test_each_cloud_has_its_extension_and_secret(
    tmp_path: Path, address: str, extension: str, secret: str, n_statements: int
) -> None:
    write(tmp_path / "data", [{"task_id": "a", "points": [("loss", "train", 0, 1.0)]}])
    text = open_sql_at(parse_address(address), open_snapshot(tmp_path / "data"), "1.sql")
    first, *lines = [line for line in text.splitlines() if line.startswith("--")][:5]
    assert first.endswith(f"snapshot 1 of {address}; DuckDB reads it where it is:")
    typed = "".join(line.removeprefix("--") for line in lines if line.startswith("--   "))
    _, commands = typed.split("1.sql")
    assert len(duckdb.extract_statements(commands.partition(";  (")[0])) == n_statements
    assert f"INSTALL {extension}; LOAD {extension};" in commands
    assert f"CREATE SECRET ({secret}" in commands
    assert f"'{address}/files/tasks/" in text
