"""Verify in a bucket finds what it finds in the folder that was copied there."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects import keys
from clearml_snapshot.exporter.store.objects.keys import ListedSnapshot
from clearml_snapshot.exporter.store.verify.verify import Verification, verify
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.pack import pack
from clearml_snapshot.queries.pack.texts import make_pages
from tests.queries.conftest import write
from tests.support.buckets import Store
from tests.support.damage import Call, rewritten
from tests.support.nasty import nasty


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def facts(found: Verification) -> dict[str, Any]:
    """Give everything but the place."""
    return {name: getattr(found, name) for name in Verification.__slots__ if name != "root"}


def current(store: Store) -> ListedSnapshot:
    return store.dataset().snapshots()[-1]


def put(store: Store, key: str, content: bytes) -> None:
    bucket = store.dataset().bucket
    bucket.delete([key])
    assert bucket.create(key, content)


def keys_of(store: Store) -> dict[str, str]:
    """Give the key of each file by its path."""
    files = store.dataset().read(current(store)).snapshot.files
    return {entry.path: keys.file_key(entry) for entry in files}


def test_an_intact_dataset(made: Path, store: Store) -> None:
    copy(str(made), store.at())
    for quick in (False, True):
        found = verify(Path(store.at()), quick=quick)
        assert found.root == store.at()
        assert facts(found) == facts(verify(made, quick=quick))
        assert found.is_intact
    assert verify(Path(store.at()), 1).tasks == 2
    with pytest.raises(NoDatasetError, match="has no snapshot 7"):
        verify(Path(store.at()), 7)


def test_the_nasty_dataset(tmp_path: Path, store: Store) -> None:
    data = tmp_path / "nasty"
    write(data, nasty())
    copy(str(data), store.at())
    assert facts(verify(Path(store.at()))) == facts(verify(data))


def test_each_object_is_read_once(made: Path, store: Store, empty_cache: Path) -> None:
    copy(str(made), store.at())
    for quick in (False, True):
        store.proxy.seen.requests.clear()
        verify(Path(store.at()), quick=quick)
        assert store.proxy.seen.count("GET", "files/") == len(keys_of(store))
        assert store.proxy.seen.count("PUT") == store.proxy.seen.count("HEAD") == 0
        assert not [path for path in empty_cache.rglob("*.parquet") if path.is_file()]


def test_what_nothing_refers_to_is_no_problem(made: Path, store: Store) -> None:
    copy(str(made), store.at())
    put(store, f"files/tasks/{'0' * 64}.parquet", b"of a writer that was killed")
    assert verify(Path(store.at())).is_intact


@pytest.mark.parametrize("quick", [True, False])
def test_damaged_objects_are_named(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    copy(str(made), store.at())
    paths = keys_of(store)
    [gone, short, flipped, *_] = sorted(paths)
    content = {path: store.dataset().bucket.read(key, 2**20)[0] for path, key in paths.items()}
    store.dataset().bucket.delete([paths[gone]])
    put(store, paths[short], content[short][:-1])
    wrong = bytes([content[flipped][0] ^ 1]) + content[flipped][1:]
    put(store, paths[flipped], wrong)
    found = verify(Path(store.at()), quick=quick)
    size = len(content[short])
    hashes = [hashlib.sha256(text).hexdigest()[:12] for text in (wrong, content[flipped])]
    assert found.problems == (
        f"missing: {gone} ({paths[gone]})",
        f"{size - 1:,} bytes instead of {size:,}: {short} ({paths[short]})",
        f"content changed (sha256 {hashes[0]}… instead of {hashes[1]}…): {flipped} "
        f"({paths[flipped]})",
    )


def test_a_damaged_list_of_files(made: Path, store: Store) -> None:
    copy(str(made), store.at())
    key = current(store).manifest_key
    content = store.dataset().bucket.read(key, 2**24)[0]
    put(store, key, content.replace(b"complete", b"complote", 1))
    found = verify(Path(store.at()))
    assert found.problems == (f"{store.at(key and f'data/{key}')} is damaged (checksum mismatch)",)
    store.dataset().bucket.delete([key])
    assert verify(Path(store.at())).problems == (f"missing: {key}",)


def test_a_newer_layout_is_not_damage(made: Path, store: Store) -> None:
    copy(str(made), store.at())
    listed = current(store)
    content = store.dataset().bucket.read(listed.manifest_key, 2**24)[0]
    newer = content.replace(b'"layout_version": 1', b'"layout_version": 2')
    put(store, listed.manifest_key, newer)
    digest = hashlib.sha256(newer).hexdigest()
    there = ListedSnapshot(listed.number, listed.content_id, digest, listed.created_at)
    store.dataset().publish(lambda _: (there,))
    with pytest.raises(DatasetError, match="upgrade"):
        verify(Path(store.at()))


def test_rows_that_a_faulty_writer_wrote(snapshot: Path, store: Store) -> None:
    rewritten(snapshot, "series", lambda rows: rows.slice(1))
    wanted = verify(snapshot)
    assert wanted.problems
    copy(str(snapshot), store.at())
    assert verify(Path(store.at())).problems == wanted.problems
    assert verify(Path(store.at()), quick=True).is_intact


def test_views_that_were_changed_are_not_proven(made: Path, store: Store) -> None:
    copy(str(made), store.at())
    key = current(store).open_sql_key
    put(store, key, b"COPY (SELECT 1) TO '/tmp/x'")
    found = verify(Path(store.at()))
    assert found.is_intact
    assert found.unproven == (
        f"{key}: differs from what this version writes for this address; do not run it unless you "
        "trust whoever wrote it",
    )
    store.dataset().bucket.delete([key])
    assert verify(Path(store.at())).unproven[0].startswith(f"{key}: it is missing")


def test_pages_of_a_pack_are_made_again(made: Path, store: Store, tmp_path: Path) -> None:
    with open_dataset(made) as dataset:
        pack(dataset, tmp_path / "x.zip", PackOptions())
    copy(str(tmp_path / "x.zip"), store.at())
    found = verify(Path(store.at()), make_pages=make_pages)
    assert (found.problems, found.unproven) == ((), ())
    assert found.content_id == verify(tmp_path / "x.zip").content_id
    page = next(key for key in store.dataset().bucket.listing("files/pages/") if "index" in key)
    put(store, page, b"<html>")
    [problem] = verify(Path(store.at()), make_pages=make_pages).problems
    assert problem.startswith("content changed")
    store.dataset().bucket.delete([page])
    assert verify(Path(store.at()), quick=True).problems == ("missing: index.html",)


@pytest.mark.parametrize("kind", ["truncate", "flip", "drop", "status", "lost"])
def test_a_bad_line_is_no_damage(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    copy(str(made), store.at())
    fault = store.fault(kind, method="GET", key="files/", skip=1, count=2)
    assert verify(Path(store.at())).is_intact
    assert fault.fired == 2


def test_a_store_that_refuses_is_one_line(
    made: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(str(made), store.at())
    store.fault("status", method="GET", key="files/", status=403, code="AccessDenied")
    with pytest.raises(SnapshotError, match="no permission to read"):
        verify(Path(store.at()))
    assert main(["verify", store.at()]) == 1
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.splitlines()[-1].startswith(f"error: no permission to read {store.at()}")


def test_no_dataset_there(store: Store) -> None:
    with pytest.raises(NoDatasetError, match="no dataset at"):
        verify(Path(store.at()))
    with pytest.raises(UsageError, match="there is no bucket"):
        verify(Path("s3://not-there/x"))


def test_the_command_says_the_same(
    made: Path, store: Store, capsys: pytest.CaptureFixture[str], commit: Call
) -> None:
    copy(str(made), store.at())
    root = str((made / "current").resolve())
    for options in ((), ("--quick",), ("--format", "json")):
        said = []
        for place in (str(made), store.at()):
            assert main(["verify", "--data", place, *options]) == 0
            said.append(capsys.readouterr().out.replace(root, "AT").replace(store.at(), "AT"))
        assert said[0] == said[1]
        assert "AT" in said[0]
    store.dataset().bucket.delete([next(iter(keys_of(store).values()))])
    assert main(["verify", "--data", store.at(), "-q"]) == 5
    assert capsys.readouterr().out.startswith("damaged: missing: ")
