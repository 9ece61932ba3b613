"""Merging datasets in buckets gives what merging their copies in folders gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.verify.verify import verify
from tests.support.buckets import Store
from tests.support.merging import TRAIN, Stored, Write

A, B, C = (letter * 32 for letter in "abc")


@pytest.fixture
def two(
    write: Write, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Path], list[Path]]:
    """Two datasets that share a task: in folders, and in buckets."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write("ours", [Stored(A, {TRAIN: [1.0, 2.0]}), Stored(B, {TRAIN: [3.0]})])
    write("theirs", [Stored(B, {TRAIN: [3.0, 4.0]}, day=1), Stored(C, {TRAIN: [5.0]})])
    here = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in here:
        copy(str(folder), store.at(folder.name))
    return here, [Path(store.at(folder.name)) for folder in here]


def test_the_same_snapshot(
    two: tuple[list[Path], list[Path]], store: Store, tmp_path: Path
) -> None:
    here, there = two
    wanted = merge_datasets(here, tmp_path / "wanted")
    content_id = verify(tmp_path / "wanted").content_id
    for number, sources in enumerate((there, [here[0], there[1]])):
        merged = merge_datasets(sources, tmp_path / f"{number}")
        assert verify(tmp_path / f"{number}").content_id == content_id
        assert (merged.totals, merged.shared, merged.added) == (
            wanted.totals,
            wanted.shared,
            wanted.added,
        )
    merged = merge_datasets(there, Path(store.at("both")))
    assert merged.snapshot == Path(store.at("both"))
    found = verify(Path(store.at("both")))
    assert found.is_intact
    assert found.content_id == content_id
    assert not list((tmp_path / "cache").rglob("*.parquet"))


def test_the_command_names_addresses(
    two: tuple[list[Path], list[Path]],
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, there = two
    said = []
    for sources in (here, there):
        typed = [str(path).replace("s3:/b", "s3://b") for path in sources]
        target = str(tmp_path / "x") if sources is here else store.at("x")
        assert main(["merge", *typed, "-o", target]) == 0
        text = capsys.readouterr()
        for path, name in zip(typed, ("OURS", "THEIRS"), strict=True):
            text = text._replace(err=text.err.replace(path, name))
        lines = text.err.replace(target, "TARGET").splitlines(keepends=True)
        said.append("".join(line for line in lines if not line.startswith("copying ")))
    folder = "the folder to copy: TARGET/snapshots/000001"
    assert said[0].replace(folder, "the dataset: TARGET") == said[1]


def test_what_is_refused(
    two: tuple[list[Path], list[Path]],
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, there = two
    ours, theirs = (store.at("ours"), store.at("theirs"))
    for arguments, words in (
        ((ours, theirs, "-o", ours), f"{ours} already has a dataset; choose an address without"),
        ((ours, ours + "/", "-o", store.at("x")), f"{ours} is given twice"),
        ((ours, theirs, "-o", store.at("x"), "--share", "group"), "a bucket has rights of its own"),
        ((ours, store.at("nothing"), "-o", store.at("x")), "no dataset at"),
        ((ours, "ftp://x/y", "-o", store.at("x")), "is an address, but this reads"),
    ):
        assert main(["merge", *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert store.dataset("x").pointer() is None
    key = next(iter(store.dataset("ours").bucket.listing("files/scalars/")))
    store.dataset("ours").bucket.delete([key])
    with pytest.raises(DatasetError, match=f"^{ours} is damaged: missing: ") as refused:
        merge_datasets(there, tmp_path / "x")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "x").exists()


def test_a_dataset_that_somebody_puts_there_meanwhile_stays(
    two: tuple[list[Path], list[Path]], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    publish: Callable[..., object] = RemoteDataset.publish

    def late(remote: RemoteDataset, choose: Callable[..., object]) -> object:
        monkeypatch.setattr(RemoteDataset, "publish", publish)
        copy(str(here[0]), store.at("both"))
        return publish(remote, choose)

    monkeypatch.setattr(RemoteDataset, "publish", late)
    with pytest.raises(UsageError, match="already has a dataset"):
        merge_datasets(there, Path(store.at("both")))
    assert verify(Path(store.at("both"))).content_id == verify(here[0]).content_id


@pytest.mark.parametrize("kind", ["lost", "drop", "status"])
def test_a_bad_line_changes_nothing(
    kind: str, two: tuple[list[Path], list[Path]], store: Store, tmp_path: Path
) -> None:
    here, there = two
    merge_datasets(here, tmp_path / "wanted")
    for method, key in (("GET", "files/"), ("PUT", "both/files"), ("PUT", "both/current.json")):
        store.fault(kind, method=method, key=key, count=1)  # type: ignore[arg-type]
    merge_datasets(there, Path(store.at("both")))
    wanted = verify(tmp_path / "wanted").content_id
    assert verify(Path(store.at("both"))).content_id == wanted


def test_a_store_that_refuses_is_one_line(two: tuple[list[Path], list[Path]], store: Store) -> None:
    _, there = two
    store.fault("status", method="PUT", key="both/files", status=403, code="AccessDenied")
    with pytest.raises(SnapshotError, match="no permission to write") as refused:
        merge_datasets(there, Path(store.at("both")))
    assert "\n" not in str(refused.value)
    assert store.dataset("both").pointer() is None
