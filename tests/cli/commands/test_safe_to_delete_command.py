"""`safe-to-delete` as a user meets it: ids on stdout, and what they do not mean on stderr."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import ExitCode
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.faults import Fault
from clearml_snapshot.exporter.standin.http.server import StandIn
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.objects.remote import RemoteDataset
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from tests.support.buckets import Store, skip_waits

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NOT_HERE = (
    "scalars only: console logs, plots, debug samples, artifacts and models are not stored here"
)
OLD = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def server(
    start_standin: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> StandIn:
    """Three tasks of two projects, the first of them old; all exported completely."""
    database = Database()
    for number, project in enumerate(("vision", "vision", "speech")):
        task = database.add_task(f"task {number}", project, created=OLD + timedelta(days=number))
        database.set_status(task, "in_progress")
        database.report_series(task, "loss", "train", [0, 1], [2.0, 1.0], [1, 2])
        database.set_status(task, "completed")
    database.edit(next(iter(database.tasks)), last_update=OLD)
    standin = start_standin(database)
    for name, value in standin.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLEARML_SNAPSHOT_DATA", str(tmp_path / "data"))
    assert main(["export", "--all", "--quiet"]) == ExitCode.COMPLETE
    return standin


def ids(server: StandIn) -> list[str]:
    return list(server.database.tasks)


def test_ids_go_to_stdout_and_what_they_do_not_mean_to_stderr(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == ids(server)
    assert f"{NOT_HERE}, and are lost when a task is deleted" in stderr.splitlines()
    assert "tasks listed: 3" in stderr.splitlines()


def test_filters_and_ages_narrow(server: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    first, second, third = ids(server)
    for arguments, expected in (
        (["--project", "vision"], [first, second]),
        (["--task", third[:8]], [third]),
        (["--older-than", "30d"], [first]),
        (["--older-than", "30d", "--project", "speech"], []),
        (["--task-name", "task*", "--limit", "1"], [third]),
    ):
        assert main(["safe-to-delete", *arguments]) == ExitCode.COMPLETE
        printed, stderr = capfd.readouterr()
        assert printed.splitlines() == expected
        assert NOT_HERE in stderr


def test_the_cut_off_is_printed_as_a_moment(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["safe-to-delete", "--older-than", "2026-01-31T10:00Z"]) == ExitCode.COMPLETE
    stderr = capfd.readouterr().err
    assert "only tasks last updated at or before 2026-01-31 10:00 UTC (--older-than)" in stderr


def test_every_reason_is_counted_and_a_missing_point_is_exit_3(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    lost, running, gone = ids(server)
    server.database.continue_task(running)
    server.database.delete_task(gone)
    assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == [lost]
    assert "tasks listed: 1; not listed: 1 gone from the server; 1 not ended" in stderr

    server.database.lose(lost, keep=lambda metric, variant, iteration: iteration == 0)
    assert main(["safe-to-delete"]) == ExitCode.PARTIAL
    printed, stderr = capfd.readouterr()
    assert printed == ""
    assert "1 with a different number of points on the server" in stderr
    assert NOT_HERE in stderr


def test_changed_tasks_are_to_be_exported_first(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    server.database.ping(ids(server)[0])
    assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    assert "1 changed since they were read: export first" in capfd.readouterr().err
    assert main(["export", "--quiet"]) == ExitCode.COMPLETE
    assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    assert capfd.readouterr().out.splitlines() == ids(server)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--older-than", "soon"], ExitCode.USAGE, "--older-than: 'soon' is not a valid time"),
        (["--older-than", "1m"], ExitCode.USAGE, "--older-than: the age '1m' could be minutes or"),
        (["--project", "visoin"], ExitCode.USAGE, "vision"),
        (["--data", "nowhere"], ExitCode.USAGE, "nowhere"),
    ],
    ids=lambda value: str(value),
)
def test_what_cannot_be_meant(
    server: StandIn,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    code: ExitCode,
    words: str,
) -> None:
    assert main(["safe-to-delete", *arguments]) == code
    printed, stderr = capfd.readouterr()
    assert printed == ""
    assert words in stderr


@pytest.mark.usefixtures("clock")
def test_a_dead_server_lists_nothing(server: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    server.faults.add(Fault("drop", "*", skip=2))
    assert main(["safe-to-delete"]) == ExitCode.SERVER
    assert capfd.readouterr().out == ""


def test_a_changed_file_lists_nothing(
    server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its size is as it was, so that a count of rows would find nothing."""
    root = open_snapshot(tmp_path / "data").root
    project = server.database.tasks[ids(server)[0]]["project"]
    changed = next((root / "scalars" / f"project_id={project}").glob("*.parquet"))
    content = changed.read_bytes()
    changed.write_bytes(content[:50] + bytes(100) + content[150:])
    assert main(["safe-to-delete", "--quiet"]) == ExitCode.DATASET
    printed, stderr = capfd.readouterr()
    assert printed == ""
    assert changed.name in stderr
    assert "no task is listed" in stderr
    assert "run clearml-snapshot verify" in stderr
    assert main(["safe-to-delete", "--project", "speech"]) == ExitCode.COMPLETE
    assert capfd.readouterr().out.splitlines() == ids(server)[2:]


def test_quiet_leaves_the_ids(server: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["safe-to-delete", "--quiet"]) == ExitCode.COMPLETE
    assert capfd.readouterr() == ("".join(f"{task}\n" for task in ids(server)), "")


def test_odd_values_are_reported(server: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    task = ids(server)[0]
    big = {"metric": "big", "variant": "v", "iter": 0, "value": 2**60 + 1}
    server.database.report(task, [big])
    assert main(["export", "--quiet"]) == ExitCode.COMPLETE
    assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == ids(server)[1:]
    assert "not listed: 1 with values that differ from what was sent (points_bad)" in stderr


def test_the_list_is_kept_and_its_tasks_may_go(
    server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert main(["safe-to-delete", "--reread"]) == ExitCode.COMPLETE
    stderr = capfd.readouterr().err
    assert "proof: every point was read again just now and equals the stored one" in stderr
    assert open_snapshot(data).number == 2
    for task in ids(server):
        server.database.delete_task(task)
    main(["export"])
    assert "3 newly gone from the server (3 as expected)" in capfd.readouterr().err
    assert main(["status"]) == ExitCode.COMPLETE
    assert (
        "3 tasks gone as expected (previously listed by safe-to-delete)" in capfd.readouterr().out
    )


def test_ids_in_a_file_are_accepted_as_gone(
    server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone.txt"
    gone.write_text(f"{ids(server)[0]}  # deleted on Monday\n")
    server.database.delete_task(ids(server)[0])
    assert main(["export", "--accept-gone", f"@{gone}"]) == ExitCode.COMPLETE
    assert "1 newly gone from the server (1 as expected)" in capfd.readouterr().err
    assert main(["export", "--accept-gone", "@nowhere"]) == ExitCode.USAGE
    assert "--accept-gone: cannot read nowhere" in capfd.readouterr().err
    assert main(["export", "--recount", "--reread"]) == ExitCode.USAGE
    assert "cannot be combined" in capfd.readouterr().err


def test_a_list_that_cannot_be_kept_is_printed_all_the_same(
    server: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    with writing(data):
        assert main(["safe-to-delete"]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == ids(server)
    assert "the list was not recorded in the dataset (" in stderr
    root = open_snapshot(data).root
    assert main(["safe-to-delete", "--data", str(root)]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == ids(server)
    assert "proof: the server's number of points, and its own summary of each series" in stderr
    assert "the list was not recorded in the dataset (" in stderr
    assert open_snapshot(data).number == 1


@pytest.fixture
def bucket(server: StandIn, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same dataset in a bucket."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy(str(tmp_path / "data"), store.at())
    return store.at()


def recorded(place: str | Path) -> list[tuple[object, ...]]:
    with open_dataset(place) as dataset:
        statement = "SELECT task_id, safe_to_delete_at IS NOT NULL FROM tasks ORDER BY task_id"
        return dataset.sql(statement).fetchall()


@pytest.mark.parametrize(
    "arguments",
    [("--reread",), ("--format", "json"), ("--project", "speech")],
    ids=" ".join,
)
def test_a_bucket_gives_the_same(
    bucket: str,
    server: StandIn,
    tmp_path: Path,
    arguments: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
) -> None:
    server.database.continue_task(ids(server)[1])
    said = []
    for place in (str(tmp_path / "data"), bucket):
        assert main(["safe-to-delete", *arguments, "--data", place]) == ExitCode.COMPLETE
        text = capfd.readouterr()
        said.append((text.out, text.err))
    assert said[0] == said[1]
    assert recorded(bucket) == recorded(tmp_path / "data")
    assert (ids(server)[2], True) in recorded(bucket)
    assert verify(Path(bucket)).is_intact
    assert not list((tmp_path / "cache").rglob("*.parquet"))


def test_a_damaged_object_of_a_bucket_lists_nothing(
    bucket: str, store: Store, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_waits(monkeypatch)
    objects = store.dataset().bucket
    for key in objects.listing("files/scalars/"):
        content = objects.read(key, 2**20)[0]
        objects.delete([key])
        objects.create(key, bytes([content[0] ^ 1]) + content[1:])
    assert main(["safe-to-delete", "-q", "--data", bucket]) == ExitCode.DATASET
    printed, stderr = capfd.readouterr()
    assert printed == ""
    assert "no task is listed" in stderr
    assert stderr.count("\n") == 1


def test_a_commit_of_somebody_else_is_kept(
    bucket: str, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish: Callable[..., object] = RemoteDataset.publish

    def late(remote: RemoteDataset, choose: Callable[..., object]) -> object:
        monkeypatch.setattr(RemoteDataset, "publish", publish)
        assert main(["selections", "remove", "1", "-q", "--data", bucket]) == 0
        return publish(remote, choose)

    monkeypatch.setattr(RemoteDataset, "publish", late)
    assert main(["safe-to-delete", "--data", bucket]) == ExitCode.COMPLETE
    assert recorded(bucket) == [(task_id, True) for task_id in sorted(ids(server))]
    assert open_snapshot(Path(bucket)).selections == []


def test_a_list_that_a_store_refuses_is_not_recorded(
    bucket: str, store: Store, server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    store.fault("status", method="PUT", status=403, code="AccessDenied")
    assert main(["safe-to-delete", "-q", "--data", bucket]) == ExitCode.COMPLETE
    printed, stderr = capfd.readouterr()
    assert printed.splitlines() == ids(server)
    assert "the list was not recorded in the dataset (no permission to write" in stderr
