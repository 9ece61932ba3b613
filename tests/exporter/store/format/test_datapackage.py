"""datapackage.json describes every file and column; it needs no tool to be read."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from clearml_snapshot.exporter.store.format.datapackage import descriptor
from clearml_snapshot.exporter.store.format.layout import FORMAT_VERSION
from clearml_snapshot.exporter.store.snapshots import read_header, read_snapshot
from clearml_snapshot.exporter.store.writing.dataset import writing

STANDARD_TYPES: Final = {
    "string": "string",
    "int64": "integer",
    "double": "number",
    "bool": "boolean",
    "timestamp[ms, tz=UTC]": "datetime",
    "list<element: string>": "array",
}
"""The standard's name of a type, by its type in Parquet."""


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    commit: Callable[..., Any],
    line: Callable[..., list[Any]],
) -> Path:
    data = tmp_path_factory.mktemp("described") / "data"
    tasks = {("a", "2024"): line("a", [1.0, 2.0]), ("b", "ü/ñ"): line("b", [3.0]), ("c", None): []}
    with writing(data) as dataset:
        snapshot = commit(dataset, tasks)
    return Path(snapshot.root)


@pytest.fixture(scope="module")
def package(folder: Path) -> dict[str, Any]:
    package: dict[str, Any] = json.loads((folder / "datapackage.json").read_text("utf-8"))
    return package


def test_it_is_a_data_package_of_version_2(package: dict[str, Any], folder: Path) -> None:
    header = read_header(folder)
    assert package["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert package["created"] == header["created_at"]
    assert package["version"] == f"{FORMAT_VERSION}.1.0"
    assert package["sources"] == [
        {"title": "the ClearML server http://localhost:8008", "path": "http://localhost:8008"}
    ]
    assert package["totals"] == header["totals"]


def test_each_file_is_described(package: dict[str, Any], folder: Path) -> None:
    described = [file for resource in package["resources"] for file in resource["files"]]
    on_disk = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    assert {file["path"] for file in described} == on_disk.keys()
    assert len(described) == len(on_disk)
    for file in described:
        content = on_disk[file["path"]].read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["rows"] == pq.read_metadata(on_disk[file["path"]]).num_rows


def test_each_resource_lists_its_files(package: dict[str, Any]) -> None:
    for resource in package["resources"]:
        files, paths = resource["files"], resource["path"]
        listed = [paths] if isinstance(paths, str) else paths
        assert listed == [file["path"] for file in files]
        assert isinstance(paths, str) == (len(files) == 1)  # the standard requires both forms
        for total in ("rows", "bytes"):
            assert resource["totals"][total] == sum(file[total] for file in files)
    rows = {resource["name"]: resource["totals"]["rows"] for resource in package["resources"]}
    assert rows == {"tasks": 3, "hyperparams": 3, "series": 2, "scalars": 3, "exports": 1}


def test_the_fields_are_those_of_the_files(package: dict[str, Any], folder: Path) -> None:
    for resource in package["resources"]:
        schema = pq.read_schema(folder / resource["files"][0]["path"])
        fields = resource["schema"]["fields"]
        assert [field["name"] for field in fields] == schema.names
        for field, stored in zip(fields, schema, strict=True):
            assert field["type"] == STANDARD_TYPES[str(stored.type)]
            assert (field.get("constraints") == {"required": True}) != stored.nullable
            assert field["description"]


def test_keys_name_fields(package: dict[str, Any]) -> None:
    tables = {resource["name"]: resource["schema"] for resource in package["resources"]}
    assert tables["series"]["primaryKey"] == ["task_id", "metric", "variant"]
    # A primary key holds no NULL, and an iteration may be one.
    assert tables["scalars"]["uniqueKeys"] == [["task_id", "metric", "variant", "iteration"]]
    assert "primaryKey" not in tables["scalars"]
    referring = {name for name, schema in tables.items() if "foreignKeys" in schema}
    assert referring == {"hyperparams", "series", "scalars"}


def test_the_same_gives_the_same_text(folder: Path) -> None:
    snapshot, header = read_snapshot(folder), read_header(folder)
    del header["files"]
    text = (folder / "datapackage.json").read_text("utf-8")
    assert descriptor(header, snapshot.files) == text
    assert descriptor(dict(reversed(header.items())), snapshot.files) == text


@pytest.mark.parametrize("server", [{}, {"version": "2.3.0"}, {"host": "../../etc/passwd"}])
def test_what_is_not_an_address_is_not_a_path(folder: Path, server: dict[str, str]) -> None:
    snapshot = read_snapshot(folder)
    package = json.loads(descriptor({**read_header(folder), "server": server}, snapshot.files))
    assert [source.keys() for source in package["sources"]] == [{"title"}]
