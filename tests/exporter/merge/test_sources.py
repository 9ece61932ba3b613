"""What may be merged: packs, damaged files, another server, dates of the future."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.errors import DatasetError, UsageError
from clearml_snapshot.exporter.merge import build as merge_build
from clearml_snapshot.exporter.merge import merge as merge_module
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.snapshots import no_readers
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing import dataset as dataset_module
from tests.support.merging import TRAIN, Stored, Write, mark_as_packed


def test_a_pack_folder_and_what_it_left_out(tmp_path: Path, write: Write) -> None:
    root = write("ours", [Stored("a", {TRAIN: [1]})]).root
    mark_as_packed(root, ["users: who made a task, who exported"])
    write("theirs", [Stored("b", {TRAIN: [1]})])
    merged = merge_datasets([root, tmp_path / "theirs"], tmp_path / "both")
    assert [source.taken_out for source in merged.sources] == [
        ("users: who made a task, who exported",),
        (),
    ]


@pytest.mark.parametrize("first", ["pack", "whole"])
def test_of_one_reading_the_copy_that_nothing_was_taken_out_of(
    tmp_path: Path, write: Write, first: str
) -> None:
    write("whole", [Stored("a", {TRAIN: [1]}, params="1")])
    pack = write("pack", [Stored("a", {TRAIN: [1]}, params="2")]).root  # made later
    mark_as_packed(pack, ["params: all of hyperparams"])
    sources = {"pack": pack, "whole": tmp_path / "whole"}
    order = [sources.pop(first), *sources.values()]
    merged = merge_datasets(order, tmp_path / "both")
    ((lost,),) = [source.lost for source in merged.sources if source.lost]
    assert (lost.to, lost.why) == (
        str(tmp_path / "whole"),
        "of the same reading, with something taken out",
    )
    assert merged.poorer == 0


def test_a_newer_copy_without_what_an_older_one_has_is_reported(
    tmp_path: Path, write: Write
) -> None:
    write("whole", [Stored("a", {TRAIN: [1]}), Stored("b", {TRAIN: [1]})])
    pack = write("pack", [Stored("a", {TRAIN: [1]}, 1), Stored("c", {}, 1)]).root
    mark_as_packed(pack, ["params: all of hyperparams"])
    assert merge_datasets([tmp_path / "whole", pack], tmp_path / "both").poorer == 1


def test_a_pack_without_hosts_is_refused(tmp_path: Path, write: Write) -> None:
    mark_as_packed(write("ours", []).root, ["hosts: machines, the server's address, links to it"])
    write("theirs", [])
    with pytest.raises(UsageError, match="ours comes from"):
        merge_datasets([tmp_path / "theirs", tmp_path / "ours"], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_another_server_is_refused(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {})])
    write("theirs", [], server={"host": "https://other"})
    with pytest.raises(
        UsageError, match=r"ours is from http://localhost:8008, and .*theirs is from https://other"
    ):
        merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")


def test_sources_are_held_meanwhile(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write("ours", []).root
    free: list[bool] = []

    def look_and_build(*arguments: Any) -> None:
        with no_readers(root) as is_free:
            free.append(is_free)
        build(*arguments)

    build = merge_build.build_merged
    monkeypatch.setattr(merge_module, "build_merged", look_and_build)
    merge_datasets([tmp_path / "ours", root], tmp_path / "both")
    assert free == [False]


def test_a_damaged_file_is_named_before_it_is_taken_over(tmp_path: Path, write: Write) -> None:
    write("ours", [Stored("a", {TRAIN: [1]})])
    (part,) = (tmp_path / "ours").glob("snapshots/*/scalars/*/*.parquet")
    content = bytearray(part.read_bytes())
    content[40] ^= 1
    part.write_bytes(content)
    write("theirs", [])
    with pytest.raises(DatasetError, match=r"ours is damaged: content changed .*scalars"):
        merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "both")


def test_a_reading_of_the_future_does_not_win(write: Write, tmp_path: Path) -> None:
    """A time later than its own snapshot's is a lie: the newest reading wins."""
    write("ours", [Stored("a", {TRAIN: [1, 2]})])
    write("theirs", [Stored("a", {TRAIN: [9, 9]}, day=365_000)])
    (problem,) = verify(tmp_path / "theirs").problems
    assert problem.startswith("time after its snapshot was made: task a, fetched_at 30")
    with pytest.raises(
        DatasetError, match=r"theirs has task a as read at 30.*, after the snapshot"
    ):
        merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_snapshot_of_the_future_is_not_merged(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("ours", [Stored("a", {TRAIN: [1, 2]})])
    later = datetime(2999, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(dataset_module, "moment_after", lambda _: later)
    write("theirs", [Stored("a", {TRAIN: [9, 9]}, day=300_000)])
    with pytest.raises(DatasetError, match="is dated 2999-01-01 00:00 UTC"):
        merge_datasets([tmp_path / "ours", tmp_path / "theirs"], tmp_path / "merged")
