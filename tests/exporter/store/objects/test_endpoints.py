"""Addresses of stores that are none end in one line: obstore would panic at them."""

import json
from pathlib import Path

import pytest

from clearml_snapshot.exporter.errors import NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.objects import connecting
from clearml_snapshot.queries import open_dataset
from tests.support.buckets import Store

WRONG = [
    "127.0.0.1:5055",
    "localhost:5055",
    "http:/127.0.0.1:5055",
    "http://",
    "http://:5055",
    "http://a b",
    "http://[::1",
    "http://host:99999",
    "http://user:pass|word@h|ost",
    'http://h"x',
    "http://höst",
    "ftp://host",
    "http://host\n",
]


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("endpoint", WRONG)
def test_an_endpoint_that_is_no_address(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv(name, endpoint)
    with pytest.raises(UsageError) as error:
        open_dataset("s3://history/x")
    assert str(error.value) == (
        f"{name} is not a complete address; write http://host:port or https://host"
    )
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("endpoint", WRONG)
def test_an_emulator_of_google_that_is_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    file = tmp_path / "account.json"
    file.write_text(json.dumps({**account, "gcs_base_url": endpoint}), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(file))
    with pytest.raises(UsageError, match="gcs_base_url of the service account is not a complete"):
        open_dataset("gs://history/x")


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1", "http://[::1]:1", "http://u:p@127.0.0.1:1/path"]
)
def test_an_endpoint_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setitem(connecting.RETRY, "max_retries", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(SnapshotError, match=r"does not answer; check .*AWS_ENDPOINT_URL"):
        open_dataset("s3://history/x")


def test_an_endpoint_that_has_no_dataset_is_named(store: Store) -> None:
    with pytest.raises(NoDatasetError, match="check the address and AWS_ENDPOINT_URL, or copy"):
        open_dataset(store.at("nothing"))
