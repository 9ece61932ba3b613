"""Handles Ctrl-C: the first one ends the work in an orderly way, the second one at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether Ctrl-C was pressed."""

    was_pressed: bool = False


@contextmanager
def first_interrupt(stop: Callable[[], None]) -> Iterator[Interrupt]:
    """Let the first Ctrl-C call ``stop`` instead of raising at an arbitrary statement.

    A KeyboardInterrupt between two statements could leave a stage or a commit half done. The next
    Ctrl-C raises as usual. Outside the main thread, or if another handler is installed, nothing
    changes.

    Args:
        stop: makes the work end soon; called in its own thread, as it may wait for a lock that
            the interrupted statement holds.
    """
    interrupt = Interrupt()
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

    def press(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.was_pressed = True
        threading.Thread(target=stop, name="stop", daemon=True).start()

    if is_ours:
        signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does: ``timeout``, systemd and containers send it.

    Outside the main thread, or if another handler is installed, nothing changes.
    """
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
