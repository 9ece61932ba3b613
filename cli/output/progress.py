"""Reports progress on stderr: a live bar on a terminal, plain lines at intervals elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.scrubbed import scrub_streams
from clearml_snapshot.cli.output.terminal import is_terminal, line, note, with_marks, writes_log
from clearml_snapshot.cli.output.words import counted
from clearml_snapshot.exporter.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_PLAIN_EVERY: Final = 10.0
"""Seconds between lines if stderr is not a terminal."""


class PlainProgress(Progress):
    """Lines for a log: notes immediately, numbers every ten seconds."""

    def __init__(self) -> None:
        self._tasks = self._done = self._points = 0
        self._begun = self._reported = time.monotonic()

    def note(self, text: str) -> None:
        """Write a note."""
        note(text)

    def begin(self, tasks: int, unchanged: int) -> None:
        """Report how many tasks will be read."""
        self._tasks, self._begun = tasks, time.monotonic()
        kept = f", {unchanged:,} unchanged" if unchanged else ""
        note(f"{counted(tasks, 'task')} to read{kept}")

    def task_done(self, points: int, requests: int) -> None:
        """Report progress if the last line is old."""
        self._done += 1
        self._points += points
        now = time.monotonic()
        if now - self._reported >= _PLAIN_EVERY:
            self._reported = now
            rate = self._points / max(now - self._begun, 1e-9)
            note(
                f"{self._done:,} of {counted(self._tasks, 'task')}, "
                f"{counted(self._points, 'point')} ({rate:,.0f}/s), {counted(requests, 'request')}"
            )

    def committed(self, tasks: int) -> None:
        """Report how many tasks are committed."""
        note(f"checkpoint: {counted(tasks, 'more task')} committed")


class BarProgress(Progress):
    """A live bar; notes appear above it."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._points = 0

    def note(self, text: str) -> None:
        """Write a note above the bar."""
        if self._bar is None:
            note(text)
        else:
            self._bar.console.print(line(text), style="dim", markup=False, highlight=False)

    def listing(self, tasks: int) -> None:
        """Overwrite one line until the bar begins."""
        _draw(f"\rlisting: {counted(tasks, 'task')}")

    def begin(self, tasks: int, unchanged: int) -> None:
        """Draw the bar."""
        _draw("\r\x1b[K")
        kept = f", {unchanged:,} unchanged" if unchanged else ""
        note(f"{counted(tasks, 'task')} to read{kept}")
        if not tasks:
            return
        self._bar = _make_bar()
        self._task = self._bar.add_task("", total=tasks, points=0, requests=0, rate=0.0)
        self._bar.start()
        scrub_streams()  # Rich replaces both streams until it stops

    def task_done(self, points: int, requests: int) -> None:
        """Move the bar."""
        self._points += points
        if self._bar is not None and self._task is not None:
            elapsed = self._bar.tasks[0].elapsed or 1e-9
            self._bar.update(
                self._task,
                advance=1,
                points=self._points,
                requests=requests,
                rate=self._points / elapsed,
            )

    def committed(self, tasks: int) -> None:
        """Report how many tasks are committed."""
        self.note(f"checkpoint: {counted(tasks, 'more task')} committed")

    def end(self) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def make_progress(*, quiet: bool) -> Progress:
    """Choose how progress is reported: not at all, as a bar, or as lines for a log."""
    if quiet:
        return Progress()
    return BarProgress() if is_terminal(sys.stderr) and not writes_log() else PlainProgress()


def _draw(text: str) -> None:
    """Write text that moves the cursor."""
    stream = with_marks(sys.stderr)
    stream.write(text)
    stream.flush()


def _make_bar() -> "Bar":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[points]:,} points"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TextColumn("{task.fields[requests]:,} req"),
        TimeRemainingColumn(compact=True),
        console=_console(),
        transient=True,
    )


@contextmanager
def parts_bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show the parts of an answer as a bar on a terminal, from the second part on.

    Yields:
        A function that receives the number of finished parts, and of all parts.
    """
    if quiet or writes_log() or not is_terminal(sys.stderr):
        yield lambda _done, _all: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with RichProgress(*columns, console=_console(), transient=True) as bar:
        scrub_streams()  # Rich replaces both streams until it stops
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console() -> "Console":
    from rich.console import Console

    return Console(file=with_marks(sys.stderr), highlight=False)
