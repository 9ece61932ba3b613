"""A dataset on a web server, as a bucket has it or as a folder: read in parts, and checked."""

import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from clearml_snapshot.cli.main import main
from clearml_snapshot.exporter.errors import DatasetError, NoDatasetError, SnapshotError, UsageError
from clearml_snapshot.exporter.store.copying.copy import copy
from clearml_snapshot.exporter.store.format import layout
from clearml_snapshot.exporter.store.objects.address import parse_address
from clearml_snapshot.exporter.store.objects.bucket import Bucket
from clearml_snapshot.exporter.store.opening import open_snapshot
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing.dataset import writing
from clearml_snapshot.queries import open_dataset
from tests.exporter.store.conftest import _commit as commit
from tests.exporter.store.conftest import _line as line
from tests.queries.conftest import MakeDataset
from tests.queries.test_in_bucket import answers
from tests.support.buckets import Store
from tests.support.static_host import Start
from tests.support.teams import team

IDS = [letter * 32 for letter in "abcde"]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(make_dataset: MakeDataset) -> Path:
    return team(make_dataset)


def tasks_at(address: str, **options: Any) -> Any:
    with open_dataset(address, **options) as dataset:
        return dataset.sql("SELECT task_id FROM tasks ORDER BY ALL").fetchall()


def add(folder: Path, task_id: str) -> None:
    with writing(folder) as dataset:
        commit(dataset, {(task_id, "p"): line(task_id, [1.0, 2.0])}, task_id)


def test_every_query_answers_the_same(data: Path, store: Store, start_host: Start) -> None:
    copy(str(data), store.at())
    with open_dataset(data) as here:
        wanted = answers(here, IDS)
    host = start_host(data)
    for address in (store.public(), host.at()):
        with open_dataset(address) as there:
            assert answers(there, IDS) == wanted
    for path in ("current/", "snapshots/000001"):
        assert tasks_at(host.at(path)) == tasks_at(str(data))


def test_copies_of_what_is_published_are_intact(
    data: Path, store: Store, start_host: Start, tmp_path: Path
) -> None:
    copy(str(data), store.at())
    host = start_host(data, ranges=False)  # whole files need none
    for number, address in enumerate((store.public(), host.at(), host.at("current"))):
        target = tmp_path / f"copy{number}"
        report = copy(address, str(target))
        assert report.source == address
        assert verify(target, quick=True).is_intact
        assert (target / "current/SHA256SUMS").read_bytes() == (
            data / "current/SHA256SUMS"
        ).read_bytes()
        assert copy(address, str(target)).files == 0


def test_a_pack_that_was_unpacked_is_copied_with_its_pages(
    data: Path, start_host: Start, tmp_path: Path
) -> None:
    assert main(["pack", "--data", str(data), "-o", str(tmp_path / "site"), "--report"]) == 0
    host = start_host(tmp_path / "site")
    copy(host.at(), str(tmp_path / "back"))
    for name in ("index.html", "report.html", "summary.csv"):
        copied = tmp_path / "back/current" / name
        assert copied.read_bytes() == (tmp_path / "site" / name).read_bytes()


def test_commands_on_the_command_line(
    data: Path, start_host: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = start_host(data).at()
    commands = (
        ("query", "max", "--metric", "loss"),
        ("sql", "SELECT count(*) FROM scalars"),
        ("status",),
        ("selections",),
        ("plot", "loss", "-o", str(tmp_path / "x.svg")),
    )
    for command in commands:
        codes = [main([*command, "--data", place]) for place in (str(data), address)]
        assert codes[0] == codes[1]
        assert codes[0] in (0, 3)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert (tmp_path / "x.svg").exists()
    assert main(["convert", address, "--to", "tensorboard", "-o", str(tmp_path / "events")]) == 0


@pytest.mark.parametrize("command", [("verify",), ("pack", "-o", "x.zip"), ("export", "--all")])
def test_other_commands_refuse_in_words(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--data", "https://127.0.0.1:9/x"]) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "https://127.0.0.1:9/x" in error


def test_snapshots_of_a_folder_are_chosen_by_number_only(start_host: Start, tmp_path: Path) -> None:
    for task_id in ("a", "b"):
        add(tmp_path / "data", task_id)
    address = start_host(tmp_path / "data").at()
    assert tasks_at(address) == [("a",), ("b",)]
    assert tasks_at(address, snapshot=2) == [("a",), ("b",)]
    for which in (-1, datetime.now(UTC)):
        with pytest.raises(NoDatasetError, match="does not list its snapshots"):
            tasks_at(address, snapshot=which)
    with pytest.raises(NoDatasetError, match="has no snapshot 7"):
        tasks_at(address, snapshot=7)


def test_snapshots_of_the_layout_of_a_bucket_are_all_there(store: Store, tmp_path: Path) -> None:
    for task_id in ("a", "b"):
        add(tmp_path / "data", task_id)
        copy(str(tmp_path / "data"), store.at())
    assert tasks_at(store.public(), snapshot=-1) == [("a",)]
    assert tasks_at(store.public()) == [("a",), ("b",)]


def test_a_server_without_ranges_is_one_line_and_sends_no_table(
    data: Path, start_host: Start
) -> None:
    host = start_host(data, ranges=False)
    with pytest.raises(UsageError, match=r"range requests.*clearml-snapshot copy http://127"):
        tasks_at(host.at())
    asked = [given for path, given in host.seen if path.endswith(".parquet")]
    assert all(asked)  # for a part of the first file of each table
    assert len(asked) <= 2 * len(layout.TABLE_NAMES)


def test_only_ranges_of_large_files_are_requested(data: Path, start_host: Start) -> None:
    host = start_host(data)
    tasks_at(host.at())
    assert all(given for path, given in host.seen if path.endswith(".parquet"))


def test_what_is_not_there_is_one_line(data: Path, start_host: Start, tmp_path: Path) -> None:
    host = start_host(data.parent)
    with pytest.raises(NoDatasetError, match=r"neither current\.json nor current/snapshot\.json"):
        tasks_at(host.at("nothing"))
    host.missing = 403
    with pytest.raises(SnapshotError, match=r"no permission to read .* \(403\).*check the address"):
        tasks_at(host.at("nothing"))
    assert tasks_at(host.at(data.name))  # 403 is also what a bucket answers for what is missing
    next((data / "current/tasks").iterdir()).unlink()
    host.missing = 404
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(DatasetError, match=r"a file of .* is missing"):
        tasks_at(host.at(data.name))


def test_a_bucket_that_is_not_public_is_one_line(data: Path, store: Store) -> None:
    copy(str(data), store.at())
    address = store.public()
    store.proxy.is_public = False
    with pytest.raises(SnapshotError, match=r"no permission to read .* \(403\)"):
        tasks_at(address)


def test_redirects_are_followed_within_reason(
    data: Path, start_host: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = start_host(data)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    secure = start_host(data, context)
    moved = start_host(data, redirects={"/old": plain.at(), "/up": secure.at(), "/round": "/round"})
    assert tasks_at(moved.at("old")) == tasks_at(str(data))
    with pytest.raises(SnapshotError, match="certificate of the web server is not valid"):
        tasks_at(moved.at("up"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert tasks_at(moved.at("up")) == tasks_at(secure.at()) == tasks_at(str(data))
    with pytest.raises(UsageError, match="redirects to an address that cannot be followed"):
        tasks_at(moved.at("round"))
    secure.redirects["/"] = plain.at() + "/"  # without encryption
    with pytest.raises(UsageError, match="redirects to an address that cannot be followed"):
        tasks_at(secure.at())


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("status", {"status": 503}, r"answers with an error \(503"),
        ("status", {"status": 401}, r"no permission to read .* \(401"),
        ("drop", {}, "does not answer; check the network and the address"),
        ("truncate", {}, "ended early; run it again|does not answer"),
    ],
)
def test_a_bad_line_is_one_line(
    data: Path, store: Store, kind: Any, options: dict[str, Any], words: str
) -> None:
    copy(str(data), store.at())
    store.fault(kind, method="GET", **options)
    with pytest.raises(SnapshotError, match=words) as refused:
        tasks_at(store.public())
    assert "\n" not in str(refused.value)
    assert "AWS" not in str(refused.value)


@pytest.mark.parametrize("text", [b"<html>log in</html>", b"[]", b"\0", b'{"format": "x"}'])
def test_another_text_is_one_line(data: Path, start_host: Start, text: bytes) -> None:
    host = start_host(data)
    for name in ("current.json", "current/snapshot.json"):
        (data / "current.json").unlink(missing_ok=True)
        (data / name).write_bytes(text)
        with pytest.raises(
            DatasetError, match=r"/(current|snapshot)\.json is damaged: "
        ) as refused:
            tasks_at(host.at())
        assert "\n" not in str(refused.value)


def forged(change: Callable[[Path], object]) -> Any:
    return pytest.param(change, id=change.__name__)


def listed_outside(folder: Path) -> None:
    path = folder / "snapshot.json"
    path.write_text(path.read_text().replace('"tasks/', '"../tasks/'))


def other_readme(folder: Path) -> None:
    (folder / "README.md").write_text("x")


def other_sums(folder: Path) -> None:
    path = folder / "SHA256SUMS"
    path.write_text(path.read_text().replace("README.md", "READ.md"))


@pytest.mark.parametrize("change", [forged(f) for f in (listed_outside, other_readme, other_sums)])
def test_texts_that_do_not_agree_are_refused(
    data: Path, start_host: Start, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    change((data / "current").resolve())
    address = start_host(data).at()
    with pytest.raises(DatasetError):
        tasks_at(address)
    with pytest.raises(DatasetError):
        copy(address, str(tmp_path / "copy"))
    assert not (tmp_path / "copy/current").exists()


def test_a_damaged_file_is_not_copied(data: Path, start_host: Start, tmp_path: Path) -> None:
    path = max((data / "current").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="checksum mismatch"):
        copy(start_host(data).at(), str(tmp_path / "copy"))


def test_a_folder_that_is_updated_is_never_a_mix(start_host: Start, tmp_path: Path) -> None:
    """Everything is read below the number that was found first, however the link moves."""
    data = tmp_path / "data"
    add(data, "a")
    host = start_host(data)
    first = shutil.copytree(data / "snapshots/000001", tmp_path / "first")
    with open_dataset(host.at()) as opened:
        add(data, "b")
        if not (data / "snapshots/000001").exists():  # pruned here; a publisher may keep it
            shutil.copytree(first, data / "snapshots/000001")
        assert opened.sql("SELECT count(*) FROM scalars").fetchall() == [(2,)]
    assert tasks_at(host.at()) == [("a",), ("b",)]
    assert {path.split("/")[1] for path, _ in host.seen} == {"current.json", "current", "snapshots"}


def test_nothing_is_written_to_a_web_server(data: Path, start_host: Start) -> None:
    bucket = Bucket.at(parse_address(start_host(data).at()))
    for write in (
        lambda: bucket.create("x", b""),
        lambda: bucket.replace("x", b"", None),
        lambda: bucket.delete(["x"]),
        lambda: copy(str(data), start_host(data).at()),
    ):
        with pytest.raises(UsageError, match="is on a web server, which is only read"):
            write()


def test_credentials_of_a_cloud_are_not_sent_there(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(str(data), store.at())
    sent, forward = [], store.proxy.forward

    def noted(request: Any, body: bytes) -> Any:
        sent.append(dict(request.headers))
        return forward(request, body)

    monkeypatch.setattr(store.proxy, "forward", noted)
    tasks_at(store.public())
    assert sent
    assert {name.lower() for headers in sent for name in headers} <= {
        "accept",
        "user-agent",
        "host",
        "range",
    }


def test_two_hosts_share_no_bytes_in_the_cache(
    data: Path, start_host: Start, tmp_path: Path
) -> None:
    """A host that sends wrong bytes deceives only those who read from it."""
    other = shutil.copytree(data, tmp_path / "other", symlinks=True)
    for path in (other / "current/tasks").iterdir():
        path.write_bytes(b"PAR1" + b"\0" * (path.stat().st_size - 8) + b"PAR1")
    with pytest.raises(DatasetError):
        tasks_at(start_host(other).at())
    assert tasks_at(start_host(data).at()) == tasks_at(str(data))
    assert open_snapshot(Path(start_host(data).at())).number == 1
