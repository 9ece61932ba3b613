"""Tries whether a store has what a commit needs: create-only, and compare-and-set."""

import secrets
from contextlib import suppress
from typing import Final

from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.store.objects.bucket import Bucket

_PROBE: Final = ".probe"


def check_conditions(bucket: Bucket) -> None:
    """Check that conditions of writes are kept, with an object that is deleted again.

    Not every store that speaks S3 does: some ignore the conditions and overwrite.

    Raises:
        UsageError: they are not; two writers could lose data.
        SnapshotError: the store refuses, or cannot be reached.
    """
    key = f"{_PROBE}/{secrets.token_hex(16)}"
    try:
        if not _keeps(bucket, key):
            raise UsageError(
                f"{bucket.address} cannot be written to: its store does not support conditional "
                "writes (If-None-Match and If-Match), without which two writers could overwrite "
                "each other; use another store, or write to a local folder"
            )
    finally:
        with suppress(SnapshotError):  # who may not delete may still write
            bucket.delete([key])


def _keeps(bucket: Bucket, key: str) -> bool:
    bucket.create(key, b"1")  # may answer that it exists, if the first answer was lost
    _, first = bucket.read(key, 64)
    if bucket.create(key, b"2") or bucket.read(key, 64)[0] != b"1":
        return False
    bucket.replace(key, b"2", first)  # as above
    if bucket.read(key, 64)[0] != b"2":
        return False
    return not bucket.replace(key, b"3", first) and bucket.read(key, 64)[0] == b"2"
