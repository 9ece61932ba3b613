"""The last place before a terminal, a pipe or a log file: what nobody may see does not go past it.

That is this process's credentials and, on a terminal, characters that steer it or are unseen.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO, cast

from clearml_snapshot.cli.output.terminal import is_terminal, printable_lines
from clearml_snapshot.exporter.own_keys import scrub


class ScrubbedStream:
    """A text stream that replaces this process's credentials in all that is written to it.

    Python's own tracebacks, warnings and the log lines of libraries come through here as well:
    they take ``sys.stderr`` as it is at that moment. On a terminal whatever steers it is escaped;
    `with_marks` is the way for our own colours.
    """

    def __init__(self, stream: TextIO, *, marks: bool = False) -> None:
        self._stream = stream
        self._escapes = is_terminal(stream) and not marks

    @property
    def with_marks(self) -> "ScrubbedStream":
        """Give the same stream for text that was escaped and has our own marks in it."""
        return ScrubbedStream(self._stream, marks=True)

    def write(self, text: str) -> int:
        """Write the text without them."""
        safe = scrub(text)
        return self._stream.write(printable_lines(safe) if self._escapes else safe)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each without them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class ScreenSink:
    """Where the bytes of an answer go on a terminal: what steers it is escaped.

    Each call of ``write`` brings complete characters.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, text: bytes) -> int:
        """Write UTF-8 text; only its line ends and tabs are obeyed."""
        return self._sink.write(printable_lines(text.decode("utf-8", "backslashreplace")).encode())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


@contextmanager
def scrubbed_streams() -> Iterator[None]:
    """Have all that is written to stdout and stderr go through here.

    A bug's traceback is written after `main`, so the program itself never leaves this block; calls
    of `main` in a block do nothing.
    """
    before = sys.stdout, sys.stderr
    scrub_streams()
    try:
        yield
    finally:
        for name, stream in zip(("stdout", "stderr"), before, strict=True):
            if isinstance(getattr(sys, name), ScrubbedStream):
                setattr(sys, name, stream)


def scrub_streams() -> None:
    """Put it before both streams, unless it is there or the stream is not."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ScrubbedStream):
            setattr(sys, name, cast("TextIO", ScrubbedStream(stream)))
