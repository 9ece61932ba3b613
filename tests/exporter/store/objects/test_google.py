"""Google Cloud Storage, through the requests of obstore to an XML API with generations."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clearml_snapshot.exporter import export
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.selection.selection import Selection
from clearml_snapshot.exporter.selection.task_filter import TaskFilter
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.queries import open_dataset
from tests.exporter.store.writing.remote.test_export import TakeHome, team
from tests.queries.conftest import write
from tests.support.buckets import Fault, new_bucket
from tests.support.google import GoogleProxy, google_storage, set_google_environment
from tests.support.nasty import nasty
from tests.support.same_there import assert_same_there


@pytest.fixture
def google(
    s3_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[GoogleProxy, str]]:
    with google_storage(s3_port) as proxy:
        set_google_environment(monkeypatch, proxy.url, tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield proxy, f"gs://{new_bucket(s3_port)}"


def test_a_dataset_on_google_answers_the_same(
    tmp_path: Path, google: tuple[GoogleProxy, str]
) -> None:
    data, address = tmp_path / "data", f"{google[1]}/a b/c"
    write(data, nasty())
    assert_same_there(data, address, tmp_path / "back")


def test_writers_at_once_lose_nothing_on_google(
    take_home: TakeHome, tmp_path: Path, google: tuple[GoogleProxy, str]
) -> None:
    """One write per second to one object is what Google allows; more is answered with 429."""
    proxy, address = google[0], f"{google[1]}/team"
    proxy.faults += [
        Fault("status", "PUT", "current.json", skip=n, count=1, status=429, code="SlowDown")
        for n in (0, 2)
    ]
    proxy.faults.append(Fault("lost", "PUT", "current.json", skip=4, count=1))
    home = take_home(team(4))

    def run(number: int) -> None:
        export(address, Selection(TaskFilter(tags=(f"t{number}",))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert [fault.fired for fault in proxy.faults] == [1, 1, 1]
    assert len(open_snapshot(Path(address)).selections) == 4
    copy(address, str(tmp_path / "back"), snapshots=1)
    type(home)(home.server, tmp_path / "back").check()


def test_errors_of_google_are_one_line(google: tuple[GoogleProxy, str]) -> None:
    with pytest.raises(UsageError, match=r"there is no bucket gs://nothing;"):
        open_dataset("gs://nothing/x")
    google[0].faults.append(Fault("status", status=403, code="AccessDenied"))
    with pytest.raises(SnapshotError, match=r"no permission to read gs://.*\(403 AccessDenied\)"):
        open_dataset(f"{google[1]}/x")


@pytest.mark.parametrize("content", ["", "{}", "not JSON", '{"client_email": "secret-mail"}'])
def test_a_key_of_a_service_account_that_is_wrong(
    google: tuple[GoogleProxy, str], tmp_path: Path, content: str
) -> None:
    (tmp_path / "service-account.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="GOOGLE_APPLICATION_CREDENTIALS") as error:
        open_dataset(f"{google[1]}/x")
    assert "secret-mail" not in str(error.value)
    assert "\n" not in str(error.value)
