"""Packs of a dataset in a bucket are those of its copy in a folder; packs are put into a bucket."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from clearml_snapshot.queries.pack.pack import pack
from tests.exporter.store.conftest import Point
from tests.exporter.store.conftest import _commit as commit
from tests.exporter.store.conftest import _line as line
from tests.queries.conftest import MakeDataset, write
from tests.support.buckets import Store, skip_waits
from tests.support.nasty import nasty
from tests.support.teams import team

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "options",
    [
        ("--keep-secrets",),
        ("--redact", "users,hosts,params,repos,comments,secrets"),
        ("--metric", "loss", "--keep-secrets"),
        ("--tag", "gpu", "--report", "--keep-secrets"),
        ("--task", "a" * 32),
        ("--task", "z" * 32),
    ],
    ids=" ".join,
)
def test_the_same_bytes(
    options: tuple[str, ...],
    make_dataset: MakeDataset,
    store: Store,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    data = team(make_dataset)
    copy(str(data), store.at())
    said, packs = [], []
    for number, place in enumerate((str(data), store.at())):
        target = tmp_path / f"{number}.zip"
        code = main(["pack", "--data", place, "-o", str(target), *options])
        text = capsys.readouterr()
        err = [note for note in text.err.splitlines() if not note.startswith("bringing files of")]
        said.append(
            (code, *[re.sub(r"\d\.zip", "X", "\n".join(part)) for part in ([text.out], err)])
        )
        packs.append(target.read_bytes() if target.exists() else None)
    assert said[0] == said[1]
    assert packs[0] == packs[1]
    assert (packs[0] is None) == (options[-1] == "z" * 32)


def test_the_nasty_dataset(store: Store, tmp_path: Path) -> None:
    data = tmp_path / "nasty"
    write(data, nasty())
    copy(str(data), store.at())
    for place, target in ((str(data), "a.zip"), (store.at(), "b.zip")):
        assert main(["pack", "--data", place, "-o", str(tmp_path / target), "-q"]) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.fixture
def projects(tmp_path: Path, store: Store) -> str:
    """A dataset of tasks in projects of their own."""
    with writing(tmp_path / "data") as dataset:
        rows: dict[tuple[str, str | None], list[Point]] = {
            (letter * 32, f"p{letter}"): line(letter * 32, [1.0, 2.0]) for letter in "abc"
        }
        commit(dataset, rows)
    copy(str(tmp_path / "data"), store.at())
    return store.at()


def fetched(store: Store) -> set[str]:
    """Give the projects of whose points something was read."""
    keys = "\n".join(key for method, key in store.proxy.seen.requests if method == "GET")
    return {*re.findall("files/scalars/project_id=([^/]+)", keys)}


def test_points_of_other_projects_stay_there(
    projects: str, store: Store, tmp_path: Path, empty_cache: Path
) -> None:
    store.proxy.seen.requests.clear()
    arguments = ["pack", "--data", projects, "-o", str(tmp_path / "x"), "-q"]
    assert main([*arguments, "--task", "b" * 32]) == 0
    assert fetched(store) == {"pa", "pb"}  # of the first file DuckDB reads which columns it has
    assert verify(tmp_path / "x").is_intact
    assert not list(empty_cache.rglob("*.parquet"))


def test_a_changed_object_is_refused(
    projects: str, store: Store, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_waits(monkeypatch)
    bucket = store.dataset().bucket
    key = next(iter(bucket.listing("files/scalars/project_id=pb")))
    content = bucket.read(key, 2**20)[0]
    bucket.delete([key])
    bucket.create(key, content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["pack", "--data", projects, "-o", str(tmp_path / "x.zip"), "-q"]) == 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"error: {projects} is damaged: content changed" in error
    assert key in error
    assert not (tmp_path / "x.zip").exists()


def test_a_pack_is_put_into_a_bucket(
    make_dataset: MakeDataset, store: Store, tmp_path: Path, capsys: Capture
) -> None:
    data = team(make_dataset)
    copy(str(data), store.at("source"))
    local = tmp_path / "x"
    assert main(["pack", "--data", str(data), "-o", str(local)]) == 0
    wanted = capsys.readouterr()
    for source in (store.at("source"), str(data)):  # the second one replaces an earlier pack
        assert main(["pack", "--data", source, "-o", store.at("shared")]) == 0
        text = capsys.readouterr()
        assert text.out == wanted.out.replace(str(local), store.at("shared"))
    [listed] = store.dataset("shared").snapshots()
    assert listed.content_id == verify(local).content_id
    with open_dataset(store.at("shared")) as there, open_dataset(local) as here:
        statement = "SELECT * FROM tasks ORDER BY task_id"
        assert there.sql(statement).fetchall() == here.sql(statement).fetchall()
    assert (
        main(["pack", "--data", str(data), "--task", "a" * 32, "-o", store.at("shared"), "-q"]) == 0
    )
    with open_dataset(store.at("shared")) as there:
        assert there.snapshot.totals.tasks == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("source", "has a dataset that is not a pack; choose another address"),
        ("new.zip", "is a dataset, which commands read where it is; omit .zip"),
    ],
)
def test_what_cannot_be_a_target(
    target: str, words: str, make_dataset: MakeDataset, store: Store, capsys: Capture
) -> None:
    data = team(make_dataset)
    copy(str(data), store.at("source"))
    before = store.dataset("source").snapshots()
    assert main(["pack", "--data", str(data), "-o", store.at(target)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert store.dataset("source").snapshots() == before
    assert main(["pack", "--data", store.at("source"), "-o", store.at("source")]) == 2
    assert "is what would be packed" in capsys.readouterr().err


def test_a_dataset_that_somebody_puts_there_meanwhile_stays(
    make_dataset: MakeDataset, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = team(make_dataset)
    write(tmp_path / "other", [{"task_id": "f" * 32}])
    publish: Callable[..., object] = RemoteDataset.publish

    def late(remote: RemoteDataset, choose: Callable[..., object]) -> object:
        monkeypatch.setattr(RemoteDataset, "publish", publish)
        copy(str(tmp_path / "other"), store.at("shared"))
        return publish(remote, choose)

    monkeypatch.setattr(RemoteDataset, "publish", late)
    with open_dataset(data) as dataset, pytest.raises(UsageError, match="that is not a pack"):
        pack(dataset, Path(store.at("shared")))
    [listed] = store.dataset("shared").snapshots()
    assert store.dataset("shared").read(listed).snapshot.totals.tasks == 1


@pytest.mark.parametrize("kind", ["lost", "drop", "status"])
def test_a_bad_line_while_it_is_put_there(
    kind: str, make_dataset: MakeDataset, store: Store
) -> None:
    for key in ("files/", "snapshots/", "current.json"):
        store.fault(kind, method="PUT", key=key, count=1)  # type: ignore[arg-type]
    with open_dataset(team(make_dataset)) as dataset:
        packed = pack(dataset, Path(store.at("shared")))
    assert packed.path == Path(store.at("shared"))
    assert verify(Path(store.at("shared"))).content_id == packed.content_id


def test_what_the_store_refuses_is_one_line(make_dataset: MakeDataset, store: Store) -> None:
    data = team(make_dataset)
    store.fault("status", method="PUT", key="files/", status=403, code="AccessDenied")
    with (
        open_dataset(data) as dataset,
        pytest.raises(SnapshotError, match="no permission to write"),
    ):
        pack(dataset, Path(store.at("shared")))
    assert store.dataset("shared").pointer() is None
    store.proxy.faults.clear()
    copy(str(data), store.at())
    with open_dataset(store.at()) as dataset:
        key = next(iter(store.dataset().bucket.listing("files/hyperparams/")))
        store.dataset().bucket.delete([key])
        with pytest.raises(
            DatasetError, match=r"is damaged: missing: .*; run clearml-snapshot ver"
        ):
            pack(dataset, Path(store.at("shared")))
