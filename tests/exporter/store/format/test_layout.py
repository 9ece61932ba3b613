"""Paths inside a dataset."""

from pathlib import Path

import pytest

from clearml_snapshot.exporter.store.format import layout


@pytest.mark.parametrize(
    ("project_id", "folder"),
    [
        (None, "project_id=__HIVE_DEFAULT_PARTITION__"),
        ("2024", "project_id=2024"),
        ("a/b", "project_id=a%2Fb"),
        ("..", "project_id=.."),
    ],
)
def test_a_partition_is_one_folder(project_id: str | None, folder: str) -> None:
    assert layout.partition(project_id) == folder
    assert "/" not in folder


@pytest.mark.parametrize(
    ("name", "number"),
    [("000042", 42), ("1000000", 1_000_000), ("42", None), ("00004x", None), ("٠٠٠٠٤٢", None)],
)
def test_a_snapshots_number(name: str, number: int | None) -> None:
    assert layout.snapshot_number(name) == number
    if number is not None:
        assert layout.snapshot(Path("data"), number) == Path("data/snapshots") / name
