"""The last place before a terminal or a log file: no credential of this process goes past it."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from clearml_snapshot.exporter.own_keys import scrub


class ScrubbedStream:
    """A text stream that replaces this process's credentials in all that is written to it.

    Python's own tracebacks, warnings and the log lines of libraries come through here as well:
    they take ``sys.stderr`` as it is at that moment.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text without them."""
        return self._stream.write(scrub(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each without them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def scrubbed_stderr() -> Iterator[None]:
    """Have all that is written to stderr scrubbed; a bug's traceback is written after `main`.

    So the program itself never leaves this block; calls of `main` in a block do nothing.
    """
    stream = sys.stderr
    if isinstance(stream, ScrubbedStream):
        yield
        return
    sys.stderr = cast("TextIO", ScrubbedStream(stream))
    try:
        yield
    finally:
        if isinstance(sys.stderr, ScrubbedStream):
            sys.stderr = stream
