"""Copies between folders, packs and buckets: complete, only what is missing, never a mix."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clearml_snapshot.exporter.errors import DatasetError, LockedError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.format.retention import Retention
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.opening import kept_snapshots, open_snapshot
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from tests.support.buckets import Store

Make = Callable[..., Path]
KEEP = Retention("9", newest=9)


@pytest.fixture
def make(tmp_path: Path, commit: Callable[..., Any], line: Callable[..., Any]) -> Make:
    """Commit snapshots of one task each, with an export of their own."""

    def make_dataset(name: str, *task_ids: str, **options: Any) -> Path:
        with writing(tmp_path / name) as dataset:
            for task_id in task_ids:
                values = [random.Random(task_id).random() for _ in range(200)]
                commit(
                    dataset,
                    {(task_id, f"p/{task_id}"): line(task_id, values)},
                    f"export-{task_id}",
                    keep=KEEP,
                    compact=False,
                    **options,
                )
        return tmp_path / name

    return make_dataset


def contents(folder: Path) -> dict[str, str]:
    """Give the hash of each file of a snapshot folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def current(data: Path) -> dict[str, str]:
    return contents(open_snapshot(data).root)


def test_every_direction_keeps_every_byte(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a", "b")
    wanted = current(data)
    copy(str(data), str(tmp_path / "first.zip"))
    copy(str(data), store.at("first"))
    copy(str(data), str(tmp_path / "first"))
    places = [str(tmp_path / "first.zip"), store.at("first"), str(tmp_path / "first")]
    targets = [lambda n: str(tmp_path / f"{n}.zip"), store.at, lambda n: str(tmp_path / n)]
    for number, (place, target) in enumerate(product(places, targets)):
        end = target(f"from-{number}")
        report = copy(place, end)
        assert (
            report.content_id
            == hashlib.sha256((open_snapshot(data).root / "SHA256SUMS").read_bytes()).hexdigest()
        )
        copy(end, str(tmp_path / f"back-{number}"))
        assert current(tmp_path / f"back-{number}") == wanted
        assert verify(tmp_path / f"back-{number}", quick=True).is_intact
    unpack(tmp_path / "first.zip", tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == wanted


def test_only_what_is_missing_is_copied(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a", "b")
    for target in (store.at(), str(tmp_path / "copy")):
        report = copy(str(data), target)
        assert report.added == (1, 2)
    make("data", "c")
    sent = store.proxy.seen.count("PUT", "files/")
    new = {e.sha256 for e in open_snapshot(data).files} - {
        e.sha256 for e in open_snapshot(data, 2).files
    }
    for target in (store.at(), str(tmp_path / "copy")):
        report = copy(str(data), target)
        assert (report.added, report.files) == ((3,), len(new))
        assert report.present == len(open_snapshot(data).files) - len(new)
        again = copy(str(data), target)
        assert (again.added, again.files, again.number) == ((), 0, 3)
    assert store.proxy.seen.count("PUT", "files/") == sent + len(new)
    assert kept_snapshots(tmp_path / "copy") == [1, 2, 3]
    for number in (1, 2, 3):
        ours, theirs = (open_snapshot(d, number).root for d in (data, tmp_path / "copy"))
        assert contents(ours) == contents(theirs)


def test_the_number_of_snapshots_is_kept_or_narrowed(
    make: Make, store: Store, tmp_path: Path
) -> None:
    data = make("data", "a", "b", "c", "d")
    for target in (store.at(), str(tmp_path / "copy")):
        assert copy(str(data), target, snapshots=2).added == (3, 4)
    make("data", "e")
    for target in (store.at(), str(tmp_path / "copy")):
        assert copy(str(data), target).snapshots == 3
        report = copy(str(data), target, snapshots=1)
        assert (report.snapshots, report.removed) == (1, (3, 4))
        with pytest.raises(UsageError, match="at least 1"):
            copy(str(data), target, snapshots=0)
    assert kept_snapshots(tmp_path / "copy") == [5]


def test_a_checkpoint_does_not_stay(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a", "b", checkpoint=True)
    for target in (store.at(), str(tmp_path / "copy")):
        assert copy(str(data), target).added == (2,)
    make("data", "c")
    for target in (store.at(), str(tmp_path / "copy")):
        assert copy(str(data), target).snapshots == 1


@pytest.mark.parametrize("is_bucket", [True, False])
def test_another_dataset_is_refused(
    make: Make, store: Store, tmp_path: Path, is_bucket: bool
) -> None:
    target = store.at() if is_bucket else str(tmp_path / "copy")
    ours, same_number = make("ours", "a", "b"), make("other", "x", "y")
    copy(str(ours), target)
    with pytest.raises(UsageError, match="has another snapshot 2 than"):
        copy(str(same_number), target)
    make("other", "z")
    with pytest.raises(UsageError, match="its exports are others"):
        copy(str(same_number), target, snapshots=1)
    older = make("older", "w")
    with writing(older) as dataset:  # only snapshot 1, which the target has with other contents
        dataset.prune(Retention("1", newest=1))
    with pytest.raises(UsageError, match="has another snapshot 1 than"):
        copy(str(older), target)
    assert copy(str(ours), target).number == 2


def test_a_target_that_is_ahead_stays(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a")
    shutil.copytree(data, tmp_path / "old", symlinks=True)
    make("data", "b", "c")
    for target in (store.at(), str(tmp_path / "copy")):
        copy(str(data), target, snapshots=1)
        assert copy(str(tmp_path / "old"), target).number == 3


def test_a_dataset_is_not_copied_into_itself(make: Make) -> None:
    data = make("data", "a")
    for target in (data, data / "inside", data / "snapshots"):
        with pytest.raises(UsageError, match="the source itself"):
            copy(str(data), str(target))


def test_a_damaged_source_is_refused(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a")
    file = next(open_snapshot(data).root.glob("scalars/*/*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    for target in (store.at(), str(tmp_path / "copy"), str(tmp_path / "x.zip")):
        with pytest.raises(DatasetError, match="checksum mismatch"):
            copy(str(data), target)
    assert store.dataset().pointer() is None
    assert not (tmp_path / "x.zip").exists()
    with pytest.raises(SnapshotError, match="no dataset"):
        open_snapshot(tmp_path / "copy")


def test_a_damaged_object_is_refused(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a")
    copy(str(data), store.at())
    bucket = store.dataset().bucket
    key = next(key for key in bucket.listing("files/") if "scalars" in key)
    content, version = bucket.read(key, 2**20)
    bucket.replace(key, content[:-1] + b"x", version)
    with pytest.raises(DatasetError, match="checksum mismatch"):
        copy(store.at(), str(tmp_path / "copy"))
    bucket.delete([key])
    with pytest.raises(DatasetError, match="missing"):
        copy(store.at(), str(tmp_path / "copy"))
    bucket.create(key, content[:-1])
    with pytest.raises(DatasetError, match="bytes instead of"):
        copy(str(make("data", "b")), store.at())


def test_a_hostile_manifest_is_refused(make: Make, store: Store, tmp_path: Path) -> None:
    copy(str(make("data", "a")), store.at())
    remote = store.dataset()
    found = remote.pointer()
    assert found is not None
    listed, bucket = found[0].current, remote.bucket
    content, version = bucket.read(listed.manifest_key, 2**20)
    bucket.replace(
        listed.manifest_key, content.replace(b"scalars/project", b"../../project"), version
    )
    with pytest.raises(DatasetError, match="checksum mismatch"):
        copy(store.at(), str(tmp_path / "copy"))


def test_a_bad_line_changes_nothing(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a", "b")
    store.fault("status", method="PUT", skip=3, count=2)
    store.fault("lost", method="PUT", key="files/", skip=1, count=3)
    store.fault("lost", method="PUT", key="snapshots/", count=2)
    store.fault("lost", method="PUT", key="current.json", count=1)
    store.fault("drop", method="PUT", key="files/", count=1)
    copy(str(data), store.at())
    store.fault("truncate", method="GET", key="files/", count=2)
    store.fault("flip", method="GET", key="files/", count=1)
    store.fault("status", method="GET", count=2)
    copy(store.at(), str(tmp_path / "copy"))
    assert current(tmp_path / "copy") == current(data)
    assert kept_snapshots(tmp_path / "copy") == [1, 2]


def test_killed_at_random_moments_it_resumes(make: Make, store: Store, tmp_path: Path) -> None:
    """Each place has the last state or the new one; what has arrived is not copied again."""
    data = make("data", "a")
    rounds = 25 if os.environ.get("SOAK") else 3
    tasks = [f"t{number}" for number in range(rounds)]
    random_moments = random.Random(None if os.environ.get("SOAK") else 7)
    for task_id in tasks:
        make("data", task_id)
        for source, target in ((str(data), store.at()), (store.at(), str(tmp_path / "copy"))):
            kill_a_copy(source, target, random_moments.uniform(0, 0.25))
            found = store.dataset().pointer()
            if found is not None:
                for listed in found[0].snapshots:
                    read = store.dataset().read(listed)
                    sizes = {k: v.bytes for k, v in read_files(store).items()}
                    for entry in read.snapshot.files:
                        assert sizes[keys.file_key(entry)] == entry.bytes
            if (tmp_path / "copy" / "current").exists():
                assert verify(tmp_path / "copy", quick=True).is_intact
            copy(source, target)
    assert current(tmp_path / "copy") == current(data)
    assert not (tmp_path / "copy" / ".incoming").exists()


def read_files(store: Store) -> Any:
    return store.dataset().bucket.listing("files/")


def kill_a_copy(source: str, target: str, seconds: float) -> None:
    script = (
        "import sys\nfrom clearml_snapshot.exporter.store.copying.copy import copy\n"
        "import obstore, pyarrow.parquet, clearml_snapshot.exporter.store.writing.dataset\n"
        "print(flush=True)\ncopy(*sys.argv[1:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, source, target],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)


def test_what_has_arrived_is_not_copied_again(make: Make, store: Store, tmp_path: Path) -> None:
    data = make("data", "a", "b", "c")
    store.fault("status", method="PUT", key="files/", skip=5, status=403)
    with pytest.raises(SnapshotError, match="no permission to write"):
        copy(str(data), store.at())
    arrived = len(read_files(store))
    assert arrived >= 5
    assert store.dataset().pointer() is None
    store.proxy.faults.clear()
    assert copy(str(data), store.at()).present == arrived
    store.fault("status", method="GET", key="files/", skip=4, status=403)
    with pytest.raises(SnapshotError, match="no permission to read"):
        copy(store.at(), str(tmp_path / "copy"))
    store.proxy.faults.clear()
    assert copy(store.at(), str(tmp_path / "copy")).present >= 4


def test_the_views_of_a_bucket_open_in_a_bare_duckdb(
    make: Make, store: Store, tmp_path: Path
) -> None:
    """Its extension for S3 is not installed here, so the addresses are those of a local copy."""
    data = make("data", "a", "b")
    copy(str(data), store.at())
    remote = store.dataset()
    bucket, listed = remote.bucket, remote.snapshots()[-1]
    for key in bucket.listing("files/"):
        path = tmp_path / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(key, 2**20)[0])
    views = bucket.read(listed.open_sql_key, 2**20)[0].decode()
    assert f"'{store.at()}/files/scalars/project_id=p%2Fa/" in views
    with duckdb.connect() as connection:
        connection.execute(views.replace(store.at(), str(tmp_path / "objects")))
        counts = "SELECT count(*), count(DISTINCT project_id), min(project_id) FROM scalars"
        assert connection.sql(counts).fetchall() == [(400, 2, "p/a")]
        assert connection.sql("SELECT count(*) FROM tasks").fetchall() == [(2,)]


def test_two_copies_at_once_end_consistently(make: Make, store: Store, tmp_path: Path) -> None:
    """Copies of three states of one dataset: the newest one is current, and nothing is missing."""
    data = make("data", "a")
    states = [data]
    for number, task_id in enumerate(("b", "c", "d")):
        shutil.copytree(data, tmp_path / f"state{number}", symlinks=True)
        states.append(tmp_path / f"state{number}")
        make("data", task_id)
    failed: list[SnapshotError] = []

    def run(source: Path) -> None:
        try:
            copy(str(source), store.at())
        except SnapshotError as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(state,)) for state in states * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    pointer = store.dataset().pointer()
    assert pointer is not None
    assert pointer[0].current.number == 4
    copy(store.at(), str(tmp_path / "back"))
    assert current(tmp_path / "back") == current(data)


def test_two_different_datasets_at_once_do_not_mix(
    make: Make, store: Store, tmp_path: Path
) -> None:
    datasets = [make(name, f"{name}1", f"{name}2") for name in ("x", "y", "z")]
    ended: list[Path | SnapshotError] = []

    def run(source: Path) -> None:
        try:
            copy(str(source), store.at())
            ended.append(source)
        except SnapshotError as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(dataset,)) for dataset in datasets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [won] = [end for end in ended if isinstance(end, Path)]
    refused = [str(end) for end in ended if isinstance(end, UsageError)]
    assert len(refused) == 2
    assert all("it is not a copy of the same dataset" in text for text in refused)
    copy(store.at(), str(tmp_path / "back"))
    assert current(tmp_path / "back") == current(won)


def test_a_folder_that_is_being_written_is_refused(make: Make, tmp_path: Path) -> None:
    data, target = make("data", "a"), make("target", "b")
    with writing(target), pytest.raises(LockedError):
        copy(str(data), str(target))


def test_readers_see_one_state_while_copies_run(make: Make, store: Store) -> None:
    data = make("data", "a")
    copy(str(data), store.at(), snapshots=1)
    done = threading.Event()
    seen: set[int] = set()
    wrong: list[Exception] = []

    def read() -> None:
        remote = store.dataset()
        while not done.is_set():
            try:
                listed = remote.snapshots()[-1]
                snapshot = remote.read(listed).snapshot
                assert snapshot.totals.tasks == listed.number
                seen.add(listed.number)
            except (SnapshotError, AssertionError) as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for task_id in "bcde":
        make("data", task_id)
        copy(str(data), store.at(), snapshots=1)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(seen) > 1
