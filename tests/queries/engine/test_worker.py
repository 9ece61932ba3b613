"""What a worker does, without Spark around it."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.errors import ExitCode, SnapshotError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.ask.header import find, parse
from clearml_snapshot.queries.engine.answer import joined
from clearml_snapshot.queries.engine.job import Job, Place, cut, versions
from clearml_snapshot.queries.engine.shipped import function_for
from clearml_snapshot.queries.engine.worker import pieces
from tests.support.buckets import Store
from tests.support.nasty import nasty

MakeDataset = Callable[[Sequence[Mapping[str, Any]]], Path]


@pytest.fixture
def dataset(make_dataset: MakeDataset) -> Iterator[Dataset]:
    with open_dataset(make_dataset(nasty())) as opened:
        yield opened


def job_of(dataset: Dataset, name: str = "max") -> Job:
    query = find(name)
    values = dataset.bound(query)
    place = Place.of(dataset.snapshot)
    return Job(versions(), place, query, values, None, (), dataset.filter, None, "1GB")


def answered(job: Job) -> list[bytes]:
    """Answer as Spark does, with one task for all parts."""
    numbers = pa.record_batch({"id": pa.array(range(len(job)))})
    batches = list(function_for(job)(iter([numbers])))
    return joined(pa.Table.from_batches(batches), range(len(job)))


def problem(job: Job) -> SnapshotError:
    with pytest.raises(SnapshotError) as raised:
        answered(job)
    assert "\n" not in str(raised.value)
    return raised.value


def test_an_answer_has_the_types_and_zones_of_duckdb(dataset: Dataset) -> None:
    [stream] = answered(job_of(dataset))
    table = pa.ipc.open_stream(stream).read_all()
    assert table.schema.field("timestamp").type == pa.timestamp("us", "UTC")
    assert table.equals(dataset.query("max").to_arrow_table())


def test_another_version_is_refused(dataset: Dataset) -> None:
    job = replace(job_of(dataset), versions="clearml-snapshot 0.0.1 with duckdb 1.0")
    assert f"has {versions()}, and this machine has {job.versions}; install" in str(problem(job))


def test_another_snapshot_at_the_path_is_refused(
    dataset: Dataset, make_dataset: MakeDataset
) -> None:
    place = Place(str(make_dataset(nasty()[:1])), None, Place.of(dataset.snapshot).digest)
    error = problem(replace(job_of(dataset), place=place))
    assert f"cannot read {place.path} (another snapshot is there); put the dataset" in str(error)


def test_the_error_of_a_query_keeps_its_exit_code(dataset: Dataset) -> None:
    query = parse("wrong", "-- Fails.\nSELECT error('no') AS x;")
    error = problem(replace(job_of(dataset), query=query, values={}))
    assert error.exit_code == ExitCode.USAGE
    assert "no" in str(error)


def test_a_worker_without_the_package_says_so(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(dataset)
    monkeypatch.setitem(sys.modules, "clearml_snapshot.queries.engine.worker", None)
    assert str(problem(job)).startswith("a Spark worker does not have what it needs (")


def test_a_pack_is_opened_where_it_is(
    make_dataset: MakeDataset, tmp_path: Path, dataset: Dataset
) -> None:
    from clearml_snapshot.cli.main import main

    pack = tmp_path / "all.zip"
    assert main(["pack", "--data", str(make_dataset(nasty())), "-o", str(pack), "-q"]) == 0
    with open_dataset(pack) as packed:
        assert Place.of(packed.snapshot).path == str(pack)
        assert answered(job_of(packed, "stats")) == answered(job_of(dataset, "stats"))


def test_a_bucket_is_read_where_it_is(
    make_dataset: MakeDataset, dataset: Dataset, store: Store
) -> None:
    copy(str(make_dataset(nasty())), store.at("a"))
    with open_dataset(store.at("a")) as remote:
        assert Place.of(remote.snapshot).path == store.at("a")
        assert answered(job_of(remote, "stats")) == answered(job_of(dataset, "stats"))


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_pieces_have_one_size_and_join_again(stream: list[bytes], size: int) -> None:
    cut_up = list(cut(iter(stream), size))
    assert b"".join(cut_up) == b"".join(stream)
    assert all(len(piece) == size for piece in cut_up[:-1])
    assert len(cut_up[-1]) < size


def test_the_pieces_of_a_part_are_put_in_order() -> None:
    rows = pa.table(
        {
            "part": [1, 0, 1],
            "number": [1, 0, 0],
            "problem": pa.array([None] * 3, pa.string()),
            "data": [b"c", b"a", b"b"],
        }
    )
    assert joined(rows, range(2)) == [b"a", b"bc"]


def test_only_the_program_of_the_same_version_is_unpickled(dataset: Dataset) -> None:
    with pytest.raises(SnapshotError, match="install the same versions on every worker"):
        list(pieces(b"no pickle", "clearml-snapshot 0 with duckdb 0", 0))
