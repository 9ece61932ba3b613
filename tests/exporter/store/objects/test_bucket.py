"""Objects against a server of S3: conditions, faults at the socket, and errors in one line."""

import io
import sys
from pathlib import Path
from typing import Literal, get_args

import pytest

from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.objects.keys import ListedSnapshot, Pointer
from clearml_snapshot.exporter.store.objects.probe import check_conditions
from tests.support.buckets import ACCESS_KEY, SECRET_KEY, Kind, Store

HASH = "0" * 64


def bucket_at(store: Store) -> Bucket:
    return Bucket.at(parse_address(store.at()))


def listed(number: int) -> ListedSnapshot:
    from tests.exporter.store.conftest import NOW

    return ListedSnapshot(number, f"{number:064x}", HASH, NOW)


def test_an_object_is_created_once_and_replaced_as_it_was_read(store: Store) -> None:
    bucket = bucket_at(store)
    assert bucket.create("x", b"1")
    assert not bucket.create("x", b"2")
    content, version = bucket.read("x", 10)
    assert content == b"1"
    assert bucket.replace("x", b"3", version)
    assert not bucket.replace("x", b"4", version)
    assert bucket.read("x", 10)[0] == b"3"
    assert {key: found.bytes for key, found in bucket.listing("").items()} == {"x": 1}
    bucket.delete(["x", "y"])
    assert bucket.size("x") is None


def test_odd_characters_of_projects_survive_in_keys(store: Store) -> None:
    bucket = bucket_at(store)
    keys = ["files/scalars/project_id=a%2Fb%25/1.parquet", "files/project_id=__HIVE_DEFAULT__/2"]
    for key in keys:
        assert bucket.create(key, key.encode())
    assert sorted(bucket.listing("files/")) == sorted(keys)
    assert [bucket.read(key, 99)[0].decode() for key in keys] == keys


def test_a_store_with_conditions_is_recognised(store: Store) -> None:
    check_conditions(bucket_at(store))
    assert bucket_at(store).listing("") == {}


@pytest.mark.parametrize("kind", ["lost", "drop", "status"])
def test_a_fault_does_not_make_it_look_worse(store: Store, kind: Kind) -> None:
    for skip in range(4):
        store.fault(kind, method="PUT", skip=skip, count=1)
    check_conditions(bucket_at(store))


def test_a_store_that_ignores_conditions_is_refused(store: Store) -> None:
    store.proxy.keeps_conditions = False
    with pytest.raises(UsageError, match="does not support conditional writes"):
        check_conditions(bucket_at(store))


def test_a_damaged_download_is_repeated(store: Store) -> None:
    import hashlib

    bucket, content = bucket_at(store), bytes(range(256)) * 1000
    bucket.create("x", content)
    for kind in get_args(Literal["truncate", "flip", "status"]):
        store.fault(kind, method="GET", count=1)
    target = io.BytesIO()
    bucket.download("x", target, hashlib.sha256(content).hexdigest())
    assert target.getvalue() == content
    with pytest.raises(DatasetError, match="checksum mismatch"):
        bucket.download("x", target, HASH)


def test_a_lost_answer_of_a_commit_is_a_commit(store: Store) -> None:
    remote = store.dataset()
    remote.publish(lambda _: (listed(1),))
    lost = store.fault("lost", method="PUT", key="current.json", count=1)
    pointer = remote.publish(lambda last: (*(last or Pointer(())).snapshots[:1], listed(2)))
    assert lost.fired == 1
    assert pointer == Pointer((listed(1), listed(2)))
    found = remote.pointer()
    assert found is not None
    assert found[0] == pointer


def test_a_writer_that_was_overtaken_chooses_again(store: Store) -> None:
    remote, other = store.dataset(), store.dataset()
    asked: list[int] = []

    def choose(last: Pointer | None) -> tuple[ListedSnapshot, ...]:
        there = () if last is None else last.snapshots
        asked.append(len(there))
        if len(asked) < 3:  # somebody is quicker
            other.publish(lambda p: (*(() if p is None else p.snapshots), listed(len(asked))))
        return (*there, listed(9))

    assert [s.number for s in remote.publish(choose).snapshots] == [1, 2, 9]
    assert asked == [0, 1, 2]


def test_who_is_always_overtaken_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "replace", lambda *_: False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(SnapshotError, match="first, 40 times in a row"):
        store.dataset().publish(lambda _: (listed(1),))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "no permission to read"),
        (401, "InvalidToken", "no permission to read"),
        (403, "SignatureDoesNotMatch", "(403 SignatureDoesNotMatch)"),
        (301, "PermanentRedirect", "set AWS_REGION"),
        (503, "SlowDown", "answers with an error (503 SlowDown); run it again later"),
    ],
)
def test_a_refusal_is_one_line_without_credentials(
    store: Store, status: int, code: str, words: str
) -> None:
    store.fault("status", status=status, code=code)
    with pytest.raises(SnapshotError) as refused:
        store.dataset().pointer()
    text = str(refused.value)
    assert words in text
    assert "\n" not in text
    assert SECRET_KEY not in text
    assert ACCESS_KEY not in text
    assert store.at() in text or "AWS_REGION" in text


def test_no_bucket_is_one_line(store: Store) -> None:
    bucket = Bucket.at(parse_address("s3://not-there/x"))
    for use in (
        lambda: bucket.read("x", 1),
        lambda: bucket.create("x", b""),
        lambda: bucket.listing(""),
    ):
        with pytest.raises(UsageError, match="there is no bucket s3://not-there"):
            use()


def test_no_dataset_is_one_line(store: Store) -> None:
    with pytest.raises(NoDatasetError, match=f"no dataset at {store.at()}; check the address"):
        store.dataset().snapshots()


def test_nobody_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SnapshotError, match="does not answer; check the network"):
        store.dataset().pointer()


def test_a_store_that_stalls_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from clearml_snapshot.exporter.store.objects import connecting

    monkeypatch.setattr(connecting, "TIMEOUT", timedelta(milliseconds=100))
    store.fault("stall")
    with pytest.raises(SnapshotError, match="does not answer"):
        store.dataset().pointer()


def test_a_missing_package_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(UsageError, match=r"s3:// needs the package obstore.*pip install obstore"):
        store.dataset()


def test_keys_of_a_profile_are_used(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = eu-west-1\nendpoint_url = {store.proxy.url}\n"
        f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert store.dataset().pointer() is None
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(UsageError, match="a profile that does not exist"):
        store.dataset()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"format": "other", "snapshots": []}',
        b'{"format": "clearml-snapshot", "layout_version": 1, "snapshots": []}',
        b'{"format": "clearml-snapshot", "layout_version": 1, "snapshots": [{"number": 1}]}',
        b'{"format": "clearml-snapshot", "layout_version": 2, "snapshots": [1]}',
    ],
)
def test_a_damaged_pointer_is_one_line(store: Store, content: bytes) -> None:
    bucket_at(store).create("current.json", content)
    with pytest.raises(DatasetError, match=r"data/current\.json is damaged: ") as refused:
        store.dataset().snapshots()
    assert "\n" not in str(refused.value)
