"""`convert --to iceberg`: pyiceberg reads the files of a snapshot, where they are."""

import ast
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual, IsNaN

from clearml_snapshot.cli.main import main
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.queries.conftest import write
from tests.support import nasty

TABLES: Final = ("scalars", "tasks", "series", "hyperparams")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iceberg") / "data"
    write(folder, nasty.nasty())
    return folder


def _catalogue(out: str) -> SqlCatalog:
    """Open a catalogue as the command says."""
    (uri,) = re.findall(r"uri=('[^']*')", out)
    return SqlCatalog("clearml", uri=ast.literal_eval(uri))


def _texts(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


def _files(data: Path, table: str) -> str:
    return str((data / "current").resolve() / table / "**" / "*.parquet")


def _rows(data: Path, table: str, where: str = "true") -> list[str]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        path = _files(data, table)
        found = connection.sql(
            f"FROM read_parquet('{path}', hive_partitioning = false) WHERE {where}"
        ).to_arrow_table()
    return _texts([tuple(row.values()) for row in found.to_pylist()])


def _read(catalogue: SqlCatalog, table: str, **options: Any) -> list[str]:
    found = catalogue.load_table(f"clearml.{table}").scan(**options).to_arrow()
    return _texts([tuple(row.values()) for row in found.to_pylist()])


def test_every_table_is_that_of_duckdb_row_for_row(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "my tables"
    assert main(["convert", str(data), "--to", "iceberg", "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    root = (data / "current").resolve()
    assert f"the rows are in the files of {root}, and disappear when it is removed" in err
    assert [*target.rglob("*.parquet")] == []
    assert target.stat().st_mode & 0o777 == 0o700
    catalogue = _catalogue(out)
    assert sorted(name for _, name in catalogue.list_tables("clearml")) == sorted(TABLES)
    for table in TABLES:
        expected = _rows(data, table)
        assert f"{table} {len(expected):,} rows" in out
        assert expected
        assert _read(catalogue, table) == expected


def test_what_a_filter_finds_is_what_duckdb_finds(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Clients skip files by the bounds that were registered, so these have to be right."""
    assert main(["convert", str(data), "--to", "iceberg", "-q", "-o", str(tmp_path / "t")]) == 0
    out, err = capsys.readouterr()
    assert "disappear" not in err
    catalogue = _catalogue(out)
    middle = nasty.START + timedelta(seconds=15)
    for condition, where in [
        (EqualTo("metric", "loss"), "metric = 'loss'"),
        # As text: DuckDB 2.0.1 itself skips row groups with NaN if their bounds are finite.
        (IsNaN("value"), "value::VARCHAR = 'nan'"),
        (
            GreaterThanOrEqual("timestamp", middle.isoformat()),
            f"timestamp >= TIMESTAMPTZ '{middle.isoformat()}'",
        ),
    ]:
        expected = _rows(data, "scalars", where)
        assert expected
        assert _read(catalogue, "scalars", row_filter=condition) == expected


@pytest.mark.parametrize(
    "options", [["--task", "a"], ["--metric", "loss"], ["--exclude-metric", "loss"]]
)
def test_filters_are_refused(
    options: list[str], data: Path, tmp_path: Path, capsys: Capture
) -> None:
    command = ["convert", str(data), "--to", "iceberg", "-o", str(tmp_path / "t"), *options]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --to iceberg registers complete files, so filters")
    assert err.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_what_cannot_be_registered_is_one_line(
    data: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_dataset(data) as dataset:
        pack(dataset, tmp_path / "p.zip")
    inside = (data / "current").resolve() / "tables"
    for source, target, message in [
        (tmp_path / "p.zip", tmp_path / "t", "is a pack, and only a folder can be registered"),
        (data, inside, "is inside the snapshot or contains it; choose another folder"),
        (data, tmp_path / "50%", "clients of Iceberg cannot open a path with ?, # or %"),
    ]:
        assert main(["convert", str(source), "--to", "iceberg", "-o", str(target)]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
        assert not target.exists()
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.sql", None)
    assert main(["convert", str(data), "--to", "iceberg", "-o", str(tmp_path / "t")]) == 2
    err = capsys.readouterr().err
    assert "a catalogue of Iceberg needs the package" in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.zip"]
