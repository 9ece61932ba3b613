"""Answers of the wrong shape: one line or one task, never a traceback; all of them in `make soak`.

``tests/bench/bent.py`` bends every value of every answer; here is a small sample, chosen by a seed.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_snapshot.exporter.client.answers import Columns, Judged, NamedEntry, judge, reader
from clearml_snapshot.exporter.client.failures import DamagedBodyError
from tests.conftest import Clock
from tests.exporter.conftest import Home
from tests.support.bending import SCENES, Bend, BentServer, Stage, bends, small_database

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
_SAMPLE = 6


@pytest.fixture
def bent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[], Stage]]:
    with BentServer(small_database()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield lambda: Stage(server, tmp_path)


def test_a_sample_of_bent_answers(bent: Callable[[], Stage]) -> None:
    stage, chance = bent(), random.Random(11)
    for scene in SCENES[:2]:
        for bend in chance.sample([*bends(stage.look(scene))], _SAMPLE // 2):
            assert stage.faults(scene, bend) == [], f"{scene.name}: {bend}"


@pytest.mark.parametrize("key", ["task", "type", "metric"])
def test_half_a_character_in_an_event_is_stored_in_words(
    bent: Callable[[], Stage], key: str
) -> None:
    stage, scene = bent(), SCENES[0]
    call = next(call for call in stage.look(scene) if call[0] == "events.get_task_events")
    path = ("events", 0, key)
    assert stage.faults(scene, Bend(call, path, "half a character")) == []


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("year 0", "its created is not a time"),
        ("true", "its created has another form (expected str | null, got bool)"),
    ],
)
def test_one_bad_task_is_reported_and_ends_nothing(
    bent: Callable[[], Stage], odd: str, reason: str
) -> None:
    stage, scene = bent(), SCENES[0]
    call = next(call for call in stage.look(scene) if call[1] == "parent")
    assert stage.faults(scene, Bend(call, ("tasks", 0, "created"), odd)) == []
    home = Home(stage.server, stage.home / "data")
    bad = stage.seen[scene.name][call]["tasks"][0]["id"]
    states = {task: (row["state"], row["reason"]) for task, row in home.tasks().items()}
    assert states.pop(bad) == ("partial", f"its entry in the list of tasks: {reason}")
    assert set(states.values()) == {("complete", None)}
    home.check(*states)


def test_a_task_without_an_id_is_a_warning(
    bent: Callable[[], Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    stage, scene = bent(), SCENES[0]
    call = next(call for call in stage.look(scene) if call[1] == "parent")
    stage.server.bend = Bend(call, ("tasks", 0, "id"), "deleted")
    code, _, errors = stage.run(scene)
    assert code == 3
    warning = "warning: tasks.get_all_ex returned 1 tasks without a usable id: they were left out"
    assert warning in errors


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"variants": 5}', "expected object | null, got int at variants"),
        ('{"returned": -1}', "expected int >= 0 at returned"),
        ('{"total": true}', "expected int | null, got bool at total"),
    ],
)
def test_an_answer_of_another_form_names_the_field(data: str, message: str) -> None:
    with pytest.raises(DamagedBodyError, match="another form") as caught:
        reader(Columns)(f'{{"data": {data}}}'.encode())
    assert message in str(caught.value)


@pytest.mark.parametrize("body", ["", "[]", "null", '{"data": []}', '{"data": null}', "[" * 9999])
def test_what_is_not_an_envelope(body: str) -> None:
    with pytest.raises(DamagedBodyError):
        reader(Columns)(body.encode())


def test_numbers_and_bytes_that_python_refuses_spoil_no_other_entry() -> None:
    body = b'{"data": {"variants": {"x": ' + b"9" * 5_000 + b', "\xff": 1}}}'
    assert (reader(Columns)(body).variants or {}).keys() == {"x", "\ufffd"}


@pytest.mark.parametrize("entry", [None, 5, "x", [], {}, {"name": "x"}, {"id": ""}, {"id": 5}])
def test_an_entry_without_an_id_is_none(entry: Any) -> None:
    judged: Judged[NamedEntry] = judge(entry, NamedEntry)
    assert judged.entry is None
    assert judged.odd
