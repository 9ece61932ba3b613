"""Filters everything that is written to stdout and stderr.

This process's credentials are removed and, on a terminal, control characters and invisible
characters are escaped.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO, cast

from clearml_snapshot.cli.output.terminal import is_terminal, printable_lines
from clearml_snapshot.exporter.own_keys import scrub


class ScrubbedStream:
    """A text stream that replaces this process's credentials in everything written to it.

    Python's tracebacks and warnings and the log lines of libraries pass through here too, because
    they look up ``sys.stderr`` when they write. On a terminal, control characters are escaped;
    `with_marks` lets the colours of this program through.
    """

    def __init__(self, stream: TextIO, *, marks: bool = False) -> None:
        self._stream = stream
        self._escapes = is_terminal(stream) and not marks

    @property
    def with_marks(self) -> "ScrubbedStream":
        """The same stream for text that is escaped already and contains colours of this program."""
        return ScrubbedStream(self._stream, marks=True)

    def write(self, text: str) -> int:
        """Write the text without credentials."""
        safe = scrub(text)
        return self._stream.write(printable_lines(safe) if self._escapes else safe)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line without credentials."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class ScreenSink:
    """A binary stream for results on a terminal: control characters are escaped.

    Each call of ``write`` must contain complete characters.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, text: bytes) -> int:
        """Write UTF-8 text; only line ends and tabs are not escaped."""
        return self._sink.write(printable_lines(text.decode("utf-8", "backslashreplace")).encode())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


@contextmanager
def scrubbed_streams() -> Iterator[None]:
    """Pass everything that is written to stdout and stderr through the filter.

    The program installs the filter until its end, because a bug's traceback is written after
    `main`; then this block changes nothing.
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
    """Wrap both streams, unless they are wrapped already or closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, ScrubbedStream):
            setattr(sys, name, cast("TextIO", ScrubbedStream(stream)))
