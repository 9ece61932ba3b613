"""A dataset in a bucket answers like the folder that it was copied from, and reads little of it."""

import random
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import (
    DatasetError,
    NoDatasetError,
    SnapshotError,
    UsageError,
)
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects import file_system
from clearml_snapshot.exporter.store.objects.file_system import RangeFile, Segments, StoredFile
from clearml_snapshot.exporter.store.objects.keys import file_key
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import Dataset, open_dataset
from clearml_snapshot.queries.engine.job import Place
from tests.exporter.store.conftest import Point
from tests.exporter.store.conftest import _commit as commit
from tests.exporter.store.conftest import _line as line
from tests.queries.conftest import MakeDataset
from tests.support.buckets import Store
from tests.support.catalogue import NEEDED
from tests.support.teams import team

CATALOGUE = Path(__file__).parents[2] / "queries" / "catalogue"
NAMES = sorted(path.stem for path in CATALOGUE.glob("*.sql"))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def answers(dataset: Dataset, ids: list[str]) -> Mapping[str, Any]:
    """Answer every query of the catalogue."""
    found = {}
    for name in NAMES:
        options = dict(NEEDED.get(name, {}))
        if name == "compare":
            options["task"] = ids[:2]
        try:
            relation = dataset.query(name, **options)
            found[name] = str(relation.fetchall())  # NaN is not equal to itself
        except SnapshotError as error:
            found[name] = str(error)
    return found


def test_every_query_answers_the_same(make_dataset: MakeDataset, store: Store) -> None:
    data = team(make_dataset)
    copy(str(data), store.at("a/b"))
    ids = [letter * 32 for letter in "abcde"]
    with open_dataset(data) as here, open_dataset(store.at("a/b")) as there:
        wanted = answers(here, ids)
        assert answers(there, ids) == wanted
    assert sum(text.startswith("[(") for text in wanted.values()) > len(NAMES) * 3 // 4


def large(folder: Path) -> None:
    """Write a few hundred thousand points that do not compress."""
    rows: dict[tuple[str, str | None], list[Point]] = {}
    for number in range(20):
        numbers = random.Random(number)
        task_id = f"{number:032x}"
        rows[task_id, "p"] = [
            (task_id, metric, "train", i, datetime.now(UTC), numbers.random(), "w")
            for metric in ("loss", "accuracy", "other")
            for i in range(2_000)
        ]
    with writing(folder) as dataset:
        commit(dataset, rows)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "data"
    large(folder)
    return folder


def received(store: Store, ask: Callable[[], object]) -> tuple[int, int]:
    """Give the requests and the bytes of a question."""
    store.proxy.seen.requests.clear()
    store.proxy.seen.sent = 0
    ask()
    return len(store.proxy.seen.requests), store.proxy.seen.sent


def test_only_what_is_needed_is_read(many: Path, store: Store) -> None:
    copy(str(many), store.at())
    size = sum(found.bytes for found in store.dataset().bucket.listing("files/").values())

    def ask(sql: str) -> object:
        with open_dataset(store.at()) as dataset:
            return dataset.sql(sql).fetchall()

    highest = "SELECT max(max) FROM series"
    points = f"SELECT max(value) FROM scalars WHERE metric = 'loss' AND task_id = '{7:032x}'"
    requests, fetched = received(store, lambda: ask(highest))
    assert fetched < 0.12 * size
    assert requests < 20
    assert received(store, lambda: ask(highest))[0] == 1  # the pointer
    assert received(store, lambda: ask(points))[1] < 0.5 * size
    assert store.proxy.seen.count("HEAD") == store.proxy.seen.count("LIST") == 0


def test_pages_at_the_end_are_not_fetched_twice(
    many: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indexes of pages are kept, as the ends of files are."""
    monkeypatch.setattr(file_system, "_LARGE", 2**16)
    monkeypatch.setattr(file_system, "_TAIL_OF_LARGE", 2**11)
    monkeypatch.setattr(file_system, "_AHEAD", 2**9)
    copy(str(many), store.at())
    sql = f"SELECT max(value) FROM scalars WHERE metric = 'loss' AND task_id = '{7:032x}'"

    def ask() -> Any:
        with open_dataset(store.at()) as dataset:
            return dataset.sql(sql).fetchall()

    first = received(store, ask)
    again = received(store, ask)
    assert again[0] < first[0]
    with open_dataset(many) as dataset:
        assert ask() == dataset.sql(sql).fetchall()


def test_more_threads_than_cores_wait_for_requests(many: Path, store: Store) -> None:
    copy(str(many), store.at())
    setting = "SELECT current_setting('threads')"
    for address, threads, used in ((store.at(), None, 8), (store.at(), 3, 3), (many, 2, 2)):
        with open_dataset(address, threads=threads) as dataset:
            assert dataset.sql(setting).fetchall()[0][0] >= used
            if threads is not None:
                assert dataset.sql(setting).fetchall() == [(used,)]


def test_earlier_snapshots_are_opened_by_number_and_time(store: Store, tmp_path: Path) -> None:
    with writing(tmp_path / "data") as dataset:
        for number, task_id in enumerate(("a" * 32, "b" * 32)):
            commit(dataset, {(task_id, "p"): line(task_id, [1.0])}, f"e{number}")
    copy(str(tmp_path / "data"), store.at())
    for which, count in ((None, 2), (-1, 1), (1, 1), (2, 2), (datetime.now(UTC), 2)):
        with open_dataset(store.at(), snapshot=which) as opened:
            assert opened.sql("SELECT count(*) FROM tasks").fetchall() == [(count,)]
    for which in (-2, 7, datetime(2020, 1, 1, tzinfo=UTC)):
        with pytest.raises(NoDatasetError, match="has no snapshot"):
            open_dataset(store.at(), snapshot=which)


def test_sql_is_confined(make_dataset: MakeDataset, store: Store, tmp_path: Path) -> None:
    copy(str(team(make_dataset)), store.at("ours"))
    copy(str(team(make_dataset)), store.at("theirs"))
    key = next(iter(store.dataset("theirs").bucket.listing("files/tasks/")))
    (tmp_path / "x.parquet").write_bytes(store.dataset("theirs").bucket.read(key, 2**20)[0])
    with open_dataset(store.at("ours")) as dataset:
        for path in (store.at(f"theirs/{key}"), str(tmp_path / "x.parquet"), "/etc/passwd"):
            for function in ("read_parquet", "read_text", "glob"):
                with pytest.raises(UsageError, match="only the views"):
                    dataset.sql(f"SELECT * FROM {function}('{path}')").fetchall()
        protocol = dataset.snapshot.paths("tasks")[0].partition("://")[0]
        for path in (f"{protocol}://../x", f"{protocol}://tasks/*.parquet"):
            with pytest.raises(UsageError):
                dataset.sql(f"SELECT * FROM read_parquet('{path}')").fetchall()
        with pytest.raises(UsageError):
            dataset.sql(f"COPY tasks TO '{protocol}://tasks/x.parquet'")


@pytest.mark.parametrize("kind", ["status", "drop", "truncate", "lost"])
def test_a_bad_line_changes_no_answer(many: Path, store: Store, kind: str) -> None:
    copy(str(many), store.at())
    sql = "SELECT sum(iteration), max(value), count(DISTINCT task_id) FROM scalars"
    with open_dataset(many) as dataset:
        wanted = dataset.sql(sql).fetchall()
    store.fault(kind, method="GET", key="files/", skip=1, count=2)  # type: ignore[arg-type]
    with open_dataset(store.at()) as dataset:
        assert dataset.sql(sql).fetchall() == wanted


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AccessDenied", SnapshotError, "no permission to read"),
        (404, "NoSuchKey", DatasetError, "an object of .* is missing"),
        (503, "SlowDown", SnapshotError, "answers with an error"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    many: Path, store: Store, status: int, code: str, kind: type[SnapshotError], words: str
) -> None:
    copy(str(many), store.at())
    store.fault("status", method="GET", key="files/scalars", status=status, code=code)
    with pytest.raises(kind, match=words) as refused, open_dataset(store.at()) as dataset:
        dataset.rows(dataset.sql("SELECT max(value) FROM scalars"))
    assert "\n" not in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_files_in_a_bucket_are_not_registered_for_iceberg(
    many: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(str(many), store.at())
    target = tmp_path / "tables"
    assert main(["convert", store.at(), "--to", "iceberg", "-o", str(target)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {store.at()}")
    assert "is not on this machine, and only files of this machine can be registered" in err
    assert err.count("\n") == 1
    assert not target.exists()


def test_commands_that_read(
    many: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(str(many), store.at())
    commands = (
        ("query", "max", "--metric", "loss"),
        ("query", "curve", "--metric", "loss", "--task", f"{7:032x}"),
        ("sql", "SELECT metric, count(*) AS n FROM scalars GROUP BY ALL ORDER BY ALL"),
        ("query", "stats"),
        ("status",),
        ("plot", "loss", "-o", "OUT.svg"),
        ("report", "-o", "OUT.html", "--metric", "loss"),
        ("convert", "--to", "tensorboard", "-o", "OUTevents", "--metric", "loss"),
    )
    for command in commands:
        printed, files = [], []
        for number, data in enumerate((str(many), store.at())):
            out = str(tmp_path / f"out{number}")
            words = [word.replace("OUT", out) for word in command]
            assert main([*words, "--data", data]) == 0
            text = capsys.readouterr()
            root = str((many / "current").resolve())
            shown = (
                (text.out + text.err).replace(root, "AT").replace(data, "AT").replace(out, "OUT")
            )
            shown = re.sub(r"(less than a|\d+) minutes? old", "AGE", shown)
            printed.append(shown.replace("folder to copy", "dataset to copy"))
            files.append([path.read_bytes() for path in tmp_path.glob(f"out{number}.*")])
        assert [x for x in printed[0].splitlines() if "readable by" not in x] == printed[
            1
        ].splitlines()
        assert files[0] == files[1]


def test_an_open_dataset_stays_as_it_was_during_copies(store: Store, tmp_path: Path) -> None:
    data = tmp_path / "data"

    def add(task_id: str) -> None:
        with writing(data) as dataset:
            commit(dataset, {(task_id, "p"): line(task_id, [1.0, 2.0])}, task_id)
        copy(str(data), store.at(), snapshots=1)

    add("a" * 32)
    with open_dataset(store.at()) as dataset:
        add("b" * 32)
        assert dataset.sql("SELECT count(*) FROM scalars").fetchall() == [(2,)]
        assert dataset.sql("SELECT count(*) FROM tasks").fetchall() == [(1,)]
    with open_dataset(store.at()) as dataset:
        assert dataset.sql("SELECT count(*) FROM scalars").fetchall() == [(4,)]


def test_a_cache_that_was_changed_is_not_believed(many: Path, store: Store, tmp_path: Path) -> None:
    copy(str(many), store.at())

    def ask() -> Any:
        with open_dataset(store.at()) as dataset:
            return dataset.sql("SELECT count(*), max(max) FROM series").fetchall()

    wanted = ask()
    for path in (tmp_path / "cache").rglob("bytes/*"):
        path.write_bytes(b"x" * path.stat().st_size)
    assert ask() == wanted


def test_workers_of_spark_get_the_address_and_the_number(
    make_dataset: MakeDataset, store: Store
) -> None:
    copy(str(team(make_dataset)), store.at())
    with open_dataset(store.at()) as dataset:
        place = Place.of(dataset.snapshot)
    assert (place.path, place.number) == (store.at(), 1)


def test_threads_that_share_a_file_read_what_each_asked_for(many: Path, store: Store) -> None:
    """One sets its position while another one, which has set its own, waits for the network."""
    copy(str(many), store.at())
    entry = max(open_dataset(many).snapshot.files, key=lambda entry: entry.bytes)
    content = (many / "current" / entry.path).read_bytes()
    stored = StoredFile(file_key(entry), entry.bytes, entry.sha256, is_kept=False)
    file = RangeFile(store.dataset().bucket, stored, Segments())
    wrong: list[int] = []
    together = threading.Barrier(8)

    def read(seed: int) -> None:
        numbers = random.Random(seed)
        for _ in range(20):
            start = numbers.randrange(len(content))
            file.seek(start)
            together.wait()
            if file.read(1_000) != content[start : start + 1_000] or file.tell() > len(content):
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_many_threads_of_duckdb_answer_the_same(
    many: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(str(many), store.at())
    sql = (
        "SELECT metric, sum(iteration), max(value), min(value), count(*) FROM scalars "
        "GROUP BY ALL ORDER BY ALL"
    )
    with open_dataset(many) as dataset:
        wanted = dataset.sql(sql).fetchall()
    for number in range(5):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache{number}"))
        with open_dataset(store.at(), threads=8) as dataset:
            assert dataset.sql(sql).fetchall() == wanted
