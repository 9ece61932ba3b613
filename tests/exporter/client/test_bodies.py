"""How long an answer may be: packed, unpacked, and a list that has no end."""

import gzip
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from requests.exceptions import ContentDecodingError

from clearml_snapshot.exporter.client import transport as wire
from clearml_snapshot.exporter.client.failures import retry_after_seconds
from clearml_snapshot.exporter.client.transport import TooMuchError, unpacked
from clearml_snapshot.exporter.errors import RefusedError, ServerError
from clearml_snapshot.exporter.reader.paging import list_in_passes
from clearml_snapshot.exporter.standin.data.database import Database
from clearml_snapshot.exporter.standin.http.server import StandIn
from tests.exporter.client.test_client import logged_in
from tests.exporter.conftest import Home

Start = Callable[..., StandIn]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _lying(body: bytes, length: int) -> bytes:
    """Change the uncompressed length that gzip records at the end of a body."""
    return gzip.compress(body)[:-4] + length.to_bytes(4, "little")


@pytest.mark.parametrize("claimed", [0, 1, 5_000, 2**32 - 1])
def test_a_body_that_becomes_too_large(monkeypatch: pytest.MonkeyPatch, claimed: int) -> None:
    monkeypatch.setattr(wire, "MOST_BODY", 1 << 16)
    bomb = _lying(bytes(1 << 24), claimed)
    tracemalloc.start()
    with pytest.raises(TooMuchError):
        unpacked(bomb, "gzip")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_the_largest_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_BODY", 1 << 16)
    assert unpacked(gzip.compress(bytes(1 << 16)), "gzip") == bytes(1 << 16)
    with pytest.raises(ContentDecodingError):
        unpacked(gzip.compress(bytes(1000))[:-9], "gzip")
    with pytest.raises(ContentDecodingError):
        unpacked(_lying(bytes(1000), 5), "gzip")


@pytest.mark.parametrize("is_packed", [True, False])
def test_an_answer_that_is_too_long_is_one_line_about_its_endpoint(
    start_standin: Start, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    database = Database()
    database.add_project("a project " + "x" * 8_000)
    api = logged_in(start_standin(database))
    monkeypatch.setattr(wire, "MOST_BODY", 4_000)
    if not is_packed:
        monkeypatch.setitem(wire._HEADERS, "Accept-Encoding", "identity")
        api = logged_in(start_standin(database))
    with pytest.raises(RefusedError, match=r"projects\.get_all_ex answered more than") as caught:
        api.get("projects.get_all_ex")
    assert caught.value.status == wire.TOO_LARGE
    assert api.get("server.info"), "the next one is answered"


def test_a_page_that_is_too_long_is_requested_in_smaller_ones(
    take_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database()
    task = database.add_task("long names", "p")
    names = {"metric": "m" * 500, "variant": "v" * 500}
    database.report(task, [{**names, "iter": at, "value": float(at)} for at in range(1, 101)])
    home = take_home(database)
    monkeypatch.setattr(wire, "MOST_BODY", 40_000)
    assert home.export().result == "complete"
    home.check()
    sizes = {body["batch_size"] for body in home.sent("events.get_task_events")}
    assert min(sizes) < 50


def test_users_whose_pages_do_not_end(
    start_standin: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_standin()
    for number in range(4):
        server.database.add_user(f"user {number}")
    api, call, pages = logged_in(server), type(logged_in(server)).call, []

    def first_page(self: Any, endpoint: str, body: Any, *rest: Any) -> Any:
        pages.append(body["page"])
        return call(self, endpoint, {**body, "page": 0}, *rest)

    monkeypatch.setattr(type(api), "call", first_page)
    user_ids = [user["id"] for user in list_in_passes(api, "users", ("id",), size=2)]
    assert (len(user_ids), len(pages)) == (2, 4), "two pages in each of two passes"


def test_users_without_an_end(start_standin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    api = logged_in(start_standin())
    monkeypatch.setattr("clearml_snapshot.exporter.reader.paging._MOST_PAGES", 7)

    def new_ones(endpoint: str, body: Any, decode: Any) -> Any:
        entries = ",".join(f'{{"id": "{body["page"]}-{at}"}}' for at in range(2))
        return decode(f'{{"data": {{"users": [{entries}]}}}}'.encode())

    monkeypatch.setattr(api, "call", new_ones)
    with pytest.raises(ServerError, match="lists users without end"):
        list(list_in_passes(api, "users", ("id",), size=2))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("nan", 0.0), ("-nan", 0.0), ("-inf", 0.0), ("-1", 0.0), ("soon", 0.0), ("2", 2.0)],
)
def test_retry_after_that_is_not_a_time(header: str, seconds: float) -> None:
    assert retry_after_seconds(header) == seconds


def test_retry_after_for_ever() -> None:
    assert retry_after_seconds("1e999") == float("inf")
