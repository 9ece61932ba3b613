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
        ("https://Host.example:8443/a%20b/", "https://host.example:8443/a%20b"),
        ("http://[::1]:80", "http://[::1]:80"),
        (Path("https://host/a"), "https://host/a"),
    ],
)
def test_an_address_is_read(typed: str | Path, read: str) -> None:
    assert is_address(typed)
    assert str(parse_address(typed)) == read


@pytest.mark.parametrize("typed", ["data", "/s3/x", "ftp://host/x", "C:/x", "s3", "a:b", "s3:///x"])
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


@pytest.mark.parametrize(
    "typed",
    [
        "https://ada:topsecret@host/x",
        "https://host/x?X-Amz-Signature=topsecret",
        "https://host/x#topsecret",
        "https://host:80@topsecret/x",
    ],
)
def test_secrets_in_an_address_of_the_web_are_not_repeated(typed: str) -> None:
    with pytest.raises(UsageError, match="without a password") as refused:
        parse_address(typed)
    assert "topsecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("https://", "names no host"),
        ("https://ho st/x", "names no host"),
        ("https://host//x", "without empty parts"),
        ("https://host/../x", "without empty parts"),
        ("https://host/pack.zip", "download it and give its path"),
    ],
)
def test_a_wrong_address_of_the_web_is_refused(typed: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_address(typed)
