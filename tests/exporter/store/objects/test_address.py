"""Addresses: read, refused in words, and never repeated if they may contain a password."""

from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import UsageError
from clearml_snapshot.exporter.store.objects.address import is_address, parse_address


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("S3://bucket/a/", "s3://bucket/a"),
        ("gs://bucket", "gs://bucket"),
        ("az://box/project_id=1", "az://box/project_id=1"),
        (Path("s3://bucket/a"), "s3://bucket/a"),
    ],
)
def test_an_address_is_read(typed: str | Path, read: str) -> None:
    assert is_address(typed)
    assert str(parse_address(typed)) == read


@pytest.mark.parametrize(
    "typed", ["data", "/s3/x", "https://host/x", "C:/x", "s3", "a:b", "s3:///x"]
)
def test_a_path_is_no_address(typed: str) -> None:
    assert not is_address(typed)


@pytest.mark.parametrize(
    "typed",
    ["s3://", "s3://b", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/x?y", "gs://a b/x"],
)
def test_a_wrong_address_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="bucket"):
        parse_address(typed)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError, match="AWS_PROFILE") as refused:
        parse_address("s3://AKIAKEY:topsecret@bucket/x")
    assert "topsecret" not in str(refused.value)
