"""Ctrl-C at the worst of moments: the first one commits what is complete, and nothing else."""

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clearml_snapshot.exporter.interrupt import first_interrupt
from clearml_snapshot.exporter.standin.data.history import grid_history
from clearml_snapshot.exporter.store.parts.partition_buffer import PartitionBuffer
from clearml_snapshot.exporter.store.parts.staging import Stage
from clearml_snapshot.exporter.store.verify.verify import verify
from clearml_snapshot.exporter.store.writing import build as commit

if TYPE_CHECKING:
    from tests.exporter.conftest import Home

TakeHome = Callable[..., "Home"]
MOMENTS = {
    "while points are flushed": (PartitionBuffer, "_finish_flush"),
    "between a row and its points": (Stage, "_take_points"),
    "while a commit is built": (commit.SnapshotBuilder, "_add_series"),
}


@pytest.mark.parametrize("checkpoint", [1, 20_000])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_first_one_leaves_complete_tasks_only(
    moment: str,
    checkpoint: int,
    take_home: TakeHome,
    limit_stages: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = take_home(grid_history(5, 3, 20))
    limit_stages(flush_rows=50)
    monkeypatch.setattr("clearml_snapshot.exporter.sync.export._CHECKPOINT_TASKS", checkpoint)
    owner, name = MOMENTS[moment]
    real: Callable[..., Any] = getattr(owner, name)
    pressed: list[None] = []

    def press(*arguments: Any) -> Any:
        if not pressed:
            pressed.append(None)
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(owner, name, press)
    report = home.export(workers=1)
    assert pressed
    # In the last commit there is nothing left to be interrupted.
    is_last = checkpoint > 1 and moment == "while a commit is built"
    assert report.result == ("complete" if is_last else "interrupted")
    assert verify(home.folder).problems == ()
    home.check(*(key for key, row in home.tasks().items() if row["state"] != "unread"))
    assert home.tasks().keys() == home.database.tasks.keys()
    assert home.export(all_tasks=False).result == "complete"
    home.check()


def test_the_second_one_raises_and_the_old_ways_come_back() -> None:
    stopped = threading.Event()
    with first_interrupt(stopped.set) as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.was_pressed
        assert stopped.wait(60)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_earlier_handler_stays() -> None:
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        with first_interrupt(lambda: None) as interrupt:
            signal.raise_signal(signal.SIGINT)
        assert (pressed, interrupt.was_pressed) == ([signal.SIGINT], False)
    finally:
        signal.signal(signal.SIGINT, before)
