"""Tests that long texts of tasks are searched one by one and never gathered by DuckDB."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.format.schema import TABLES
from clearml_snapshot.exporter.store.parts import reading
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.header import read
from clearml_snapshot.queries.pack import secret_scan
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.long_texts import LONGEST, hash_of
from clearml_snapshot.queries.pack.pack import Packed, pack
from tests.queries.conftest import MakeDataset

TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5"
PASSWORD = "Xk29fjw0Qpa"
PAD = "one two three " * 400


def _pack(
    data: Path, target: Path, task_filter: TaskFilter | None = None, **options: Any
) -> Packed:
    with open_dataset(data, filter=task_filter) as dataset:
        return pack(dataset, target, PackOptions(**options), task_filter)


@pytest.fixture
def data(make_dataset: MakeDataset) -> Path:
    """Six tasks; a password is found by the name of its parameter, and is in a long text."""

    def param(name: str, value: str) -> dict[str, str]:
        return {"section": "Args", "name": name, "value": value}

    columns: list[dict[str, Any]] = [
        {"comment": PAD, "params": [param("note", PAD)]},
        {"comment": f"{PAD} {TOKEN}"},
        {"comment": f"{PAD} {TOKEN}"},
        {"status_message": f"{PAD} {PASSWORD} é", "params": [param("api_key", PASSWORD)]},
        {"comment": "short", "params": [param("note", f"{PAD} {TOKEN}")]},
        {"name": "left", "params": [param(TOKEN, PAD)]},
    ]
    tasks = [{"task_id": f"{at:032x}", **texts} for at, texts in enumerate(columns)]
    return make_dataset(tasks)


def test_a_credential_in_a_long_text_is_found_like_any_other(data: Path, tmp_path: Path) -> None:
    with open_dataset(data) as dataset:
        secrets = secret_scan.find_secrets(dataset)
    assert secrets.count == 6
    assert secrets.places == [
        "comment of task 00000000 and 1 more",
        "status_message of task 00000000",
        "hyperparameter Args/api_key of task 00000000",
        "the name of a hyperparameter of task 00000000",
        "hyperparameter Args/note of task 00000000",
    ]
    with pytest.raises(UsageError, match="6 values that look like a credential"):
        _pack(data, tmp_path / "pack.zip")


def test_a_credential_is_taken_out_of_a_long_text(data: Path, tmp_path: Path) -> None:
    packed = _pack(data, tmp_path / "safe", redact=frozenset({"secrets"}))
    tasks, params = (pq.read_table(tmp_path / "safe" / name) for name in ("tasks", "hyperparams"))
    comments = tasks["comment"].to_pylist()
    assert comments == [PAD, f"{PAD} <redacted>", f"{PAD} <redacted>", None, "short", None]
    assert tasks["status_message"].to_pylist()[3] == f"{PAD} <redacted> é"
    assert tasks["redacted"].to_pylist() == [None, 1, 1, 2, 1, 1]
    assert params["value"].to_pylist() == [PAD, "<redacted>", f"{PAD} <redacted>"]
    assert packed.taken_out == ("secrets: 6 values that look like a credential",)


def test_a_filter_narrows_the_long_texts(data: Path, tmp_path: Path) -> None:
    task_filter = TaskFilter(task_ids=(f"{0:032x}",))
    assert _pack(data, tmp_path / "pack.zip", task_filter).tasks == 1


def test_duckdb_gathers_short_texts_only(data: Path) -> None:
    with open_dataset(data) as dataset:
        for name, column in (("pack/texts.sql", "text"), ("pack/param_texts.sql", "value")):
            texts = dataset.rows(dataset.sql(read(name), {"longest": LONGEST})).as_dicts()
            assert all(len(row[column].encode()) <= LONGEST for row in texts)
            assert any(row[column] in {"short", PASSWORD} for row in texts)


def test_one_thread_reads_long_texts_of_the_same_tasks(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread of DuckDB holds the texts of a row group."""
    monkeypatch.setattr(reading, "LARGE_GROUP", LONGEST)
    task_filter = TaskFilter(task_ids=(f"{0:032x}", f"{3:032x}"))
    with (
        open_dataset(data, filter=task_filter, threads=2) as dataset,
        secret_scan._holding_few_texts(dataset) as opened,
    ):
        threads = opened.sql("SELECT current_setting('threads')").fetchall()
        ids = opened.sql("SELECT task_id FROM tasks ORDER BY ALL").fetchall()
    assert threads == [(1,)]
    assert ids == [(task_id,) for task_id in task_filter.task_ids]


def test_few_texts_are_read_by_the_dataset_itself(make_dataset: MakeDataset) -> None:
    data = make_dataset([{"task_id": f"{0:032x}", "comment": PAD}])
    with open_dataset(data) as dataset, secret_scan._holding_few_texts(dataset) as opened:
        assert opened is dataset


def test_every_text_that_is_looked_at_is_looked_at_when_it_is_long() -> None:
    columns = read("pack/texts.sql").partition("ON COLUMNS")[0].replace('"', "").split()
    words = {word.strip(",") for word in columns}
    texts = {field.name for field in TABLES["tasks"] if str(field.type) == "string"} & words
    assert texts - {"task_id"} == set(secret_scan._LONG_COLUMNS)
    assert hash_of("a") != hash_of("b")
