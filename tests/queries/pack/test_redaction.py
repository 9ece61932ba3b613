"""What is removed from a pack is nowhere in it, and no credential is packed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.errors import (
    UsageError,
)
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries.pack.redaction import header_changes
from clearml_snapshot.queries.pack.secret_scan import Secrets
from tests.queries.conftest import START, write
from tests.support.packs import everything, listing, pack_of, revealing_tasks

LEAKS = {
    "users": ("u-ada", "Ada"),
    "hosts": ("https://app.secret-host.example", "http://server"),
    "params": ("0.125", "warmup"),
    "repos": ("git.inside.example", "feature/x", "abc123def", "train_it.py"),
    "comments": ("my comment", "stopped by", "no gain"),
}
"""What each category takes out, as it is in ``revealing_tasks``."""


@pytest.fixture(scope="module")
def revealing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the tasks that reveal something, and beside it a pack of all of it."""
    folder = tmp_path_factory.mktemp("revealing")
    write(folder / "data", revealing_tasks())
    pack_of(folder / "data", folder / "whole", report=True)
    return folder / "data"


@pytest.mark.parametrize("category", sorted(LEAKS))
def test_what_is_taken_out_is_nowhere(revealing: Path, tmp_path: Path, category: str) -> None:
    packed = pack_of(revealing, tmp_path / "pack", redact=frozenset({category}), report=True)
    assert (tmp_path / "pack" / "report.html").is_file()
    before, after = everything(revealing.parent / "whole"), everything(tmp_path / "pack")
    for text in LEAKS[category]:
        assert text in before
        assert text not in after
    for other in set(LEAKS) - {category}:
        assert any(text in after for text in LEAKS[other])
    assert [line.partition(":")[0] for line in packed.taken_out] == [category]
    assert packed.taken_out[0] in (tmp_path / "pack" / "snapshot.json").read_text()
    assert verify(tmp_path / "pack").problems == ()


def test_a_selection_by_user_does_not_name_them(tmp_path: Path) -> None:
    write(tmp_path / "data", revealing_tasks())
    task_filter = TaskFilter(users=("Ada",))
    pack_of(tmp_path / "data", tmp_path / "pack", task_filter, redact=frozenset({"users"}))
    assert "Ada" not in everything(tmp_path / "pack")
    assert "--user '(taken out)'" in (tmp_path / "pack" / "snapshot.json").read_text()


def test_what_an_earlier_pack_recorded_is_redacted_too(tmp_path: Path) -> None:
    write(tmp_path / "data", revealing_tasks())
    pack_of(tmp_path / "data", tmp_path / "one", TaskFilter(users=("Ada",), tags=()))
    pack_of(tmp_path / "one", tmp_path / "two", redact=frozenset({"users"}))
    assert "Ada" in everything(tmp_path / "one")
    assert "Ada" not in everything(tmp_path / "two")


def test_machines_are_taken_out_with_hosts(tmp_path: Path) -> None:
    write(tmp_path / "data", revealing_tasks())
    pack_of(tmp_path / "data", tmp_path / "pack", redact=frozenset({"hosts"}))
    files = [*(tmp_path / "pack" / "scalars").rglob("*.parquet")]
    workers = [pq.ParquetFile(file).read()["worker"].to_pylist() for file in files]
    assert workers == [[None] * 6]


def test_whose_server_it_is_is_taken_out_with_hosts(tmp_path: Path) -> None:
    write(tmp_path / "data", revealing_tasks())
    server = {"host": "http://server", "web": "http://web", "company": "Inside Ltd", "version": "2"}
    snapshot = replace(open_snapshot(tmp_path / "data"), server=server)
    assert header_changes(snapshot, {"hosts"}, Secrets())["server"] == {"version": "2"}


def with_secret(**columns: Any) -> list[dict[str, Any]]:
    return [{"task_id": "1" * 32, "points": [("loss", "train", 0, 1.0)], **columns}]


TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5"


def test_a_credential_anywhere_stops_a_pack(tmp_path: Path) -> None:
    secrets = (TOKEN, "s3cret-Pa55", "Xk29fjw0Qpa")
    columns: list[dict[str, Any]] = [
        {"name": f"run with {TOKEN}"},
        {"comment": f"use {TOKEN}"},
        {"tags": ["fine", TOKEN]},
        {"branch": TOKEN},
        {"repository": "https://ada:s3cret-Pa55@git.example/x.git"},
        {"reason": f"header {TOKEN} refused", "state": "partial"},
        {"params": [{"section": "Args", "name": "github", "value": TOKEN}]},
        {"params": [{"section": "Args", "name": "api_key", "value": "Xk29fjw0Qpa"}]},
        {"params": [{"section": "Args", "name": TOKEN, "value": "1"}]},
        {"points": [(f"loss {TOKEN}", "train", 0, 1.0), ("acc", "val", 0, 0.5)]},
        {"points": [("loss", TOKEN, 0, 1.0), ("acc", "val", 0, 0.5)]},
        {"type": TOKEN},
        {"status": f"stopped by {TOKEN}"},
        {"system_tags": ["archived", TOKEN]},
        {"user_id": TOKEN},
        {"parent": TOKEN},
        {"entry_point": f"train.py --x {TOKEN}"},
        {"params": [{"section": "Args", "name": "lr", "value": "1", "type": TOKEN}]},
        {"name": "what the other task has in api_key: Xk29fjw0Qpa"},
        {"params": [{"section": "Args", "name": "note", "value": "Xk29fjw0Qpa"}]},
    ]
    places = [
        {"points": [("loss", "train", 0, 1.0)], **place, "task_id": f"{number:032x}"}
        for number, place in enumerate(columns)
    ]
    data = tmp_path / "data"
    write(data, places)
    with pytest.raises(UsageError, match=f"{len(places)} values that look like") as refused:
        pack_of(data, tmp_path / "pack.zip")
    assert not any(secret in str(refused.value) for secret in secrets)
    assert listing(tmp_path / "data" / "..") == listing(tmp_path)
    assert not (tmp_path / "pack.zip").exists()
    packed = pack_of(data, tmp_path / "safe", redact=frozenset({"secrets"}), report=True)
    assert not any(secret in everything(tmp_path / "safe") for secret in secrets)
    assert packed.taken_out == (f"secrets: {len(places)} values that look like a credential",)
    assert verify(tmp_path / "safe").problems == ()


def test_an_id_that_is_a_credential_stops_a_pack(tmp_path: Path) -> None:
    write(tmp_path / "data", [{**with_secret()[0], "task_id": TOKEN, "project_id": TOKEN}])
    with pytest.raises(UsageError, match="the id of a project and of a task looks") as refused:
        pack_of(tmp_path / "data", tmp_path / "pack.zip", redact=frozenset({"secrets"}))
    assert TOKEN not in str(refused.value)


def test_a_credential_in_snapshot_json_stops_a_pack(tmp_path: Path) -> None:
    with writing(tmp_path / "data") as dataset:
        stage = dataset.new_stage()
        server = {"host": "http://server", "company": f"ACME {TOKEN}", "id": "s"}
        row: dict[str, Any] = {
            "warnings": [f"look at {TOKEN}"],
            "error": f"refused {TOKEN}",
            "result": "failed",
        }
        row |= {"export_id": "1" * 32, "started": START}
        task = {"task_id": "1" * 32, "server_id": "http://server", "state": "complete"}
        stage.add({**task, "fetched_at": START, "fingerprint": "f"}, (), None)
        dataset.commit(stage, server=server, selections=[{"note": TOKEN}], export_row=row)
    with pytest.raises(UsageError, match=r"company in snapshot\.json"):
        pack_of(tmp_path / "data", tmp_path / "pack.zip")
    pack_of(tmp_path / "data", tmp_path / "safe", redact=frozenset({"secrets"}))
    assert TOKEN not in everything(tmp_path / "safe")
    assert verify(tmp_path / "safe").problems == ()


def test_what_was_typed_reveals_no_credential(tmp_path: Path) -> None:
    write(tmp_path / "data", with_secret(tags=[TOKEN], params=[], comment=""))
    others = [("acc", "val", 0, 0.5), (f"loss {TOKEN}", "train", 0, 1.0)]
    write(tmp_path / "named", with_secret(points=others))
    task_filter, redact = TaskFilter(tags=(TOKEN,)), frozenset({"secrets"})
    pack_of(tmp_path / "data", tmp_path / "tag", task_filter, redact=redact)
    pack_of(
        tmp_path / "named", tmp_path / "metric", exclude_metrics=(f"loss {TOKEN}",), redact=redact
    )
    for name in ("tag", "metric"):
        assert TOKEN not in everything(tmp_path / name)


def test_what_is_not_included_needs_no_option(tmp_path: Path) -> None:
    write(tmp_path / "data", with_secret(comment=TOKEN))
    pack_of(tmp_path / "data", tmp_path / "pack", redact=frozenset({"comments"}))
    assert TOKEN not in everything(tmp_path / "pack")


def test_redacted_values_are_counted_at_their_task(tmp_path: Path) -> None:
    params = [{"section": "Args", "name": name, "value": TOKEN} for name in ("a", "b")]
    write(tmp_path / "data", with_secret(params=params, comment=TOKEN, tags=[TOKEN], redacted=3))
    packed = pack_of(tmp_path / "data", tmp_path / "pack", redact=frozenset({"secrets"}))
    (row,) = pq.read_table(tmp_path / "pack" / "tasks").to_pylist()
    assert row["redacted"] == 7
    assert packed.taken_out == (
        "secrets: 4 values that look like a credential",
        "secrets: 3 values that look like a credential, already at the export",
    )
