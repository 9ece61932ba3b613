"""A dataset in an object store is the one in a folder."""

from pathlib import Path

from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.probe import check_conditions
from clearml_snapshot.queries import open_dataset


def assert_same_there(data: Path, address: str, back: Path) -> None:
    """Copy a dataset to an address and back, and compare answers and files."""
    check_conditions(Bucket.at(parse_address(address)))
    copy(str(data), address)
    for question in ("max", "last", "stats", "health"):
        with open_dataset(data) as here, open_dataset(address) as there:
            assert str(there.query(question).fetchall()) == str(here.query(question).fetchall())
    copy(address, str(back))
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}
        for folder in (data, back)
    )
    assert first
    assert first == second
