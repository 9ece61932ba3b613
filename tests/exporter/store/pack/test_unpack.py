"""Packs: unpacked completely or not at all, queried through a cache; folders with traps."""

import errno
import io
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import duckdb
import platformdirs
import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.pack.cache import with_points
from clearml_snapshot.exporter.store.pack.unpack import unpack
from clearml_snapshot.exporter.store.pack.zip_writer import members, write_archive
from clearml_snapshot.exporter.store.snapshots import hold
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.ask.user_queries import folders
from tests.exporter.store.test_versions import make_older

Call = Callable[..., Any]

COUNT = "SELECT count(*) FROM scalars"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, commit: Call, line: Call) -> Path:
    """A dataset of two tasks, one in a project and one in none."""
    data = tmp_path_factory.mktemp("data") / "data"
    with writing(data) as dataset:
        tasks = {("t1", "p"): line("t1", [1.0, 2.0]), ("t2", None): line("t2", [3.0])}
        commit(dataset, tasks)
    return data


@pytest.fixture(scope="module")
def root(data: Path) -> Path:
    return (data / "current").resolve()


@pytest.fixture
def pack(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with (tmp_path / "x.zip").open("wb") as stream:
        write_archive(stream, members(root))
    return tmp_path / "x.zip"


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _cached() -> list[Path]:
    packs = Path(platformdirs.user_cache_dir("clearml-snapshot", appauthor=False)) / "packs"
    return sorted(packs.iterdir()) if packs.is_dir() else []


@pytest.mark.parametrize("made", [True, False])
def test_unpacked_it_is_the_snapshot_again(
    pack: Path, root: Path, tmp_path: Path, made: bool
) -> None:
    target = tmp_path / "q3"
    if made:
        target.mkdir()
    snapshot = unpack(pack, target).snapshot
    assert (snapshot.root, snapshot.pack) == (target, None)
    assert _contents(target) == _contents(root)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q3", "x.zip"]


def test_a_target_that_is_in_use_or_nowhere(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "q3").mkdir()
    (tmp_path / "q3" / "thesis.tex").write_text("")
    for target in (tmp_path / "q3", pack):
        with pytest.raises(UsageError, match="already exists; use a new or an empty folder"):
            unpack(pack, target)
    with pytest.raises(UsageError, match=r"there is no folder .*; create it first"):
        unpack(pack, tmp_path / "none" / "q3")
    for missing in (tmp_path / "y.zip", tmp_path):
        with pytest.raises(NoDatasetError, match="no pack at"):
            unpack(missing, tmp_path / "new")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), SnapshotError),
    ],
)
def test_stopped_half_way_nothing_is_left(
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    raised: type[BaseException],
) -> None:
    def fail(descriptor: int) -> None:
        seen.append(descriptor)
        if len(seen) == 5:
            raise fault

    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised):
        unpack(pack, tmp_path / "q3")
    assert len(seen) == 5
    assert list(tmp_path.iterdir()) == [pack]


def test_more_than_the_disk_holds(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    for use in (lambda: unpack(pack, tmp_path / "q3"), lambda: verify(pack)):
        with pytest.raises(
            SnapshotError, match=r"x.zip needs .* bytes unpacked, but .* has only 1,000"
        ):
            use()
    assert not (tmp_path / "q3").exists()


class _Unseekable(io.RawIOBase):
    """A pipe: zipfile then writes sizes behind the contents."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += data
        return len(data)


def _zipped_anew(root: Path, stream: BinaryIO, folder: str, method: int) -> None:
    """Zip a folder as other programs do: with its name, entries of folders, dates, any order."""
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.comment = b"for Ada"
        for path in [root, *sorted(root.rglob("*"), reverse=True)]:
            name = f"{folder}{path.relative_to(root).as_posix()}".removesuffix(".")
            if name:
                archive.write(path, name)


@pytest.mark.parametrize("folder", ["", "000001/", "Größe of q3/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("seekable", [True, False])
def test_zipped_anew_by_something_else(
    root: Path, pack: Path, tmp_path: Path, folder: str, method: int, seekable: bool
) -> None:
    stream = io.BytesIO() if seekable else _Unseekable()
    _zipped_anew(root, cast("BinaryIO", stream), folder, method)
    content = stream.getvalue() if isinstance(stream, io.BytesIO) else bytes(stream.written)
    pack.write_bytes(content)
    unpack(pack, tmp_path / "q3")
    assert _contents(tmp_path / "q3") == _contents(root)
    found = verify(pack)
    assert found.problems == ()
    assert found.notes == (
        "the archive itself is not checked: it was not written by pack, but zipped again",
    )


def test_an_older_format_has_no_hashes_of_its_texts(root: Path, pack: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(root, older)
    make_older(older, 2)
    (older / "SHA256SUMS").unlink()
    (older / "datapackage.json").unlink()
    with pack.open("wb") as stream:
        write_archive(stream, members(older))
    assert unpack(pack, tmp_path / "q3").snapshot.format_version == 2
    with open_dataset(pack) as dataset:
        assert dataset.sql(COUNT).fetchall() == [(3,)]
    assert verify(pack).is_intact


def test_a_pack_is_asked_like_a_dataset(pack: Path, data: Path) -> None:
    ask = "SELECT task_id, iteration, value FROM scalars ORDER BY ALL"
    with open_dataset(pack) as packed, open_dataset(data) as dataset:
        assert repr(packed).startswith(f"<Dataset {pack},")
        assert packed.tasks().fetchall() == dataset.tasks().fetchall()
        assert packed.sql(ask).fetchall() == dataset.sql(ask).fetchall()
        maxima = [one.query("max", metric="loss").fetchall() for one in (packed, dataset)]
    assert maxima[0] == maxima[1]


def test_points_are_unpacked_when_a_question_needs_them(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = _cached()
        dataset.tasks().fetchall()
        assert not (folder / "scalars").exists()
        assert dataset.sql("DESCRIBE tasks").fetchall()
        assert not (folder / "scalars").exists()
        assert dataset.sql("SELECT count(*) FROM query_table('sca' || 'lars')").fetchall() == [(3,)]
        assert (folder / "scalars").is_dir()
    assert not (folder / "README.md").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM scalars",
        'FROM "main"."SCALARS"',
        "FROM files.scalars",
        "SELECT (SELECT max(value) FROM scalars) FROM tasks",
        "WITH points AS (FROM scalars) FROM points",
        "FROM suspects([0.0])",
        "FROM suspect_zeros",
        "FROM query('FROM sca' || 'lars')",
        "DESCRIBE scalars",
    ],
)
def test_a_statement_that_reads_points_unpacks_them(pack: Path, statement: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = _cached()
        dataset.sql(statement).fetchall()
        assert (folder / "scalars").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM tasks WHERE name <> 'scalars' -- a query of suspect_zeros",
        "WITH scalars AS (SELECT 1) FROM scalars",
        "SELECT 1 AS scalars",
        "SELECT * FROM information_schema.columns",
        "FROM duckdb_views()",
        "SHOW ALL TABLES",
        "SELECT $value::INTEGER",
    ],
)
def test_a_statement_that_reads_no_points_unpacks_none(pack: Path, statement: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = _cached()
        dataset.sql(statement, {"value": 1} if "$" in statement else None).fetchall()
        dataset.explain(statement.replace("$value", "1"))
        assert not (folder / "scalars").exists()


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("FROM scalar", "scalar does not exist"),
        ("SELECT nothing FROM tasks", "nothing"),
        ("FROM tasks WHERE", "syntax"),
    ],
)
def test_a_wrong_statement_unpacks_no_points(pack: Path, statement: str, wrong: str) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = _cached()
        with pytest.raises(UsageError, match=wrong):
            dataset.sql(statement)
        assert not (folder / "scalars").exists()


def test_explain_unpacks_what_it_explains(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        (folder,) = _cached()
        assert "READ_PARQUET" in dataset.explain("SELECT count(*) FROM scalars WHERE value > 0")
        assert (folder / "scalars").exists()


def test_a_pack_is_packed_again(pack: Path, tmp_path: Path) -> None:
    assert main(["pack", "--data", str(pack), "-o", str(tmp_path / "again.zip")]) == 0
    assert main(["pack", "--data", str(tmp_path / "again.zip"), "-o", str(tmp_path / "3.zip")]) == 0
    with open_dataset(tmp_path / "3.zip") as dataset:
        assert dataset.sql(COUNT).fetchall() == [(3,)]


def test_points_that_are_still_packed_are_no_empty_table(pack: Path) -> None:
    with open_dataset(pack) as dataset:
        behind = dataset._connection  # what no statement of a user reaches
        with pytest.raises(duckdb.CatalogException, match="still_in_the_pack"):
            behind.sql(COUNT).fetchall()


def test_a_pack_is_unpacked_once(pack: Path, tmp_path: Path) -> None:
    open_snapshot(pack)
    (folder,) = _cached()
    first = {path: path.stat().st_ino for path in folder.rglob("*")}
    os.utime(folder, (0, 0))
    shutil.copy(pack, tmp_path / "copy.zip")
    snapshot = open_snapshot(tmp_path / "copy.zip")
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == first
    assert (snapshot.root, snapshot.location) == (folder, tmp_path / "copy.zip")
    assert time.time() - folder.stat().st_mtime < 1000


@pytest.mark.parametrize("table", ["tasks", "scalars", None])
def test_a_damaged_cache_is_made_again(pack: Path, table: str | None) -> None:
    snapshot = open_snapshot(pack)
    path = Path(snapshot.paths(table)[0]) if table else snapshot.root / "snapshot.json"
    path.unlink()
    again = open_snapshot(pack)
    assert again == snapshot
    assert path.is_file()
    assert _cached() == [snapshot.root]


def test_a_cached_pack_goes_after_a_month_unless_somebody_reads_it(
    pack: Path, data: Path, tmp_path: Path, commit: Call, line: Call
) -> None:
    held, unused = open_snapshot(pack), tmp_path / "cache/clearml-snapshot/packs/0123"
    shutil.copytree(held.root, unused)
    recent = shutil.copytree(unused, unused.with_name("4567"))
    abandoned = unused.with_name(".killed")
    abandoned.mkdir()
    month_ago = time.time() - 31 * 24 * 3600
    for folder in (held.root, unused, abandoned):
        os.utime(folder, (month_ago, month_ago))
    with writing(tmp_path / "other") as dataset:
        other = commit(dataset, {("t9", "p"): line("t9", [9.0])})
    with (tmp_path / "y.zip").open("wb") as stream:
        write_archive(stream, members(other.root))
    with hold(held):
        new = open_snapshot(tmp_path / "y.zip")
    assert _cached() == sorted([held.root, recent, new.root])


_ASK = (
    "import sys; from clearml_snapshot.queries import open_dataset\n"
    "with open_dataset(sys.argv[1]) as d: print(d.sql('SELECT count(*) FROM scalars').fetchall())"
)


def test_two_processes_at_once(pack: Path) -> None:
    command = [sys.executable, "-c", _ASK, str(pack)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[0] for run in runs] == ["[(3,)]\n"] * 2
    assert len(_cached()) == 1


def test_without_a_cache_there_is_a_temporary_one(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    told = {"XDG_CACHE_HOME": str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-c", _ASK, str(pack)]
    run = subprocess.run(
        command, env={**os.environ, **told}, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[(3,)]\n"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("refused", ["mkdir", "utime", "rename"])
def test_a_cache_that_the_disk_refuses_is_told_in_one_line(
    pack: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    open_snapshot(pack, points=False)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, refused, refuse)
    with pytest.raises(
        SnapshotError,
        match=r"cannot write .*: No space left.*; .*x\.zip cannot be opened; free some space",
    ):
        open_snapshot(pack)


def test_without_a_home_there_is_no_cache(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a folder named ~ would be made in the working folder."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/x")
    monkeypatch.chdir(pack.parent)
    open_snapshot(pack)
    assert not Path("~").exists()


def test_a_pack_that_changed_under_an_open_snapshot(
    pack: Path, tmp_path: Path, commit: Call, line: Call
) -> None:
    snapshot = open_snapshot(pack, points=False)
    with writing(tmp_path / "other") as dataset:
        other = commit(dataset, {("t9", "p"): line("t9", [9.0])})
    with pack.open("wb") as stream:
        write_archive(stream, members(other.root))
    with pytest.raises(DatasetError, match="has been replaced by another pack; open it again"):
        with_points(snapshot)


def test_commands_on_a_pack(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(pack)]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"dataset     {pack}\n")
    assert page.endswith(f"the file to copy: {pack}\n")
    assert main(["verify", str(pack)]) == 0
    assert f" in {pack}\n" in capsys.readouterr().out
    for writes in (["selections", "remove", "1"], ["export"], ["export", "--only-failed"]):
        assert main([*writes, "--data", str(pack)]) == 2
        assert f"{pack} is not a folder" in capsys.readouterr().err
    assert main(["query", "max", "--metric", "loss", "--data", str(pack), "--snapshot", "7"]) == 2
    assert f"{pack} is a single snapshot (number 1)" in capsys.readouterr().err


def test_no_export_into_a_pack(pack: Path) -> None:
    before = pack.read_bytes()
    with pytest.raises(UsageError, match="is not a folder"), writing(pack):
        pass
    assert pack.read_bytes() == before


@pytest.fixture
def arrived(root: Path, tmp_path: Path) -> Path:
    """A snapshot folder that came in a tar, to be filled with traps."""
    return Path(shutil.copytree(root, tmp_path / "arrived"))


def _first(folder: Path, table: str) -> Path:
    return min(folder.joinpath(table).rglob("*.parquet"))


@pytest.mark.parametrize("table", ["tasks", "scalars"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_that_lead_out_of_a_folder(
    arrived: Path, tmp_path: Path, table: str, what: str
) -> None:
    path = _first(arrived, table) if what == "file" else _first(arrived, table).parent
    outside = path.rename(tmp_path / path.name)
    path.symlink_to(outside, target_is_directory=what == "folder")
    with pytest.raises(DatasetError, match="a link that points outside the folder"):
        open_snapshot(arrived)
    assert any("a link that points outside" in problem for problem in verify(arrived).problems)


def test_links_that_stay_inside_are_followed(arrived: Path) -> None:
    path = _first(arrived, "tasks")
    path.symlink_to(path.rename(arrived / "tasks" / ".kept"))
    assert open_snapshot(arrived).totals.tasks == 2
    assert verify(arrived).is_intact


@pytest.mark.parametrize("name", ["tasks", "README.md", "SHA256SUMS", "index.html"])
def test_pipes_are_not_waited_for(arrived: Path, name: str) -> None:
    path = _first(arrived, "tasks") if name == "tasks" else arrived / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert not verify(arrived).is_intact
    if name == "tasks":
        with pytest.raises(DatasetError, match="is not a regular file"):
            open_snapshot(arrived)


def test_a_pipe_for_a_snapshot_json(data: Path, arrived: Path, tmp_path: Path) -> None:
    (arrived / "snapshot.json").unlink()
    os.mkfifo(arrived / "snapshot.json")
    (tmp_path / "data" / "snapshots").mkdir(parents=True)
    arrived.rename(tmp_path / "data" / "snapshots" / "000001")
    with pytest.raises(DatasetError, match="not a regular file"):
        open_snapshot(tmp_path / "data")
    assert not verify(tmp_path / "data").is_intact


def test_queries_that_come_with_a_snapshot_are_not_loaded(arrived: Path, data: Path) -> None:
    for folder in ("queries", "snapshots"):
        (arrived / folder).mkdir()
    (arrived / "queries" / "steal.sql").write_text("SELECT 1")
    assert folders([], arrived, {}) == ()
    assert folders([], arrived / "x.zip", {}) == ()
    (arrived / "snapshot.json").unlink()  # a dataset has its own
    assert folders([], arrived, {}) == (arrived / "queries",)
