"""What a terminal may be sent, and one-line notes on stderr."""

import os
import sys
from typing import Final, TextIO, cast

from clearml_snapshot.exporter.errors import shortened
from clearml_snapshot.exporter.unseen import as_escape, spelled_out

_NO_LINKS: Final = frozenset({"", "dumb", "linux", "unknown"})
"""Values of TERM whose terminal prints a hyperlink's escape sequence or cannot follow it."""


def printable(text: str) -> str:
    r"""Escape what would steer a terminal, break a line or be unseen (``\x1b[2J``, ``\u200b``)."""
    return spelled_out(text, as_escape)


def printable_lines(text: str) -> str:
    """Escape the same in text of several lines, which stay lines: help, SQL, a plan."""
    return spelled_out(text, lambda one: one if one in "\n\t" else as_escape(one))


def with_marks(stream: TextIO) -> TextIO:
    """Give the way to a stream for text with our own colours and movements of the cursor.

    All that is written to the stream itself is escaped where it is a terminal, see `cli.scrubbed`.
    """
    return cast("TextIO", getattr(stream, "with_marks", stream))


def line(text: str) -> str:
    """Make one line for a person of any text: printable, and of a length that can be read."""
    return shortened(printable(text))


def note(text: str) -> None:
    """Say one line to the person, on stderr; stdout is data."""
    stream = sys.stderr
    print(styled(line(text), "2", stream), file=with_marks(stream), flush=True)


def complain(text: str) -> None:
    """Say in one line on stderr why the command fails."""
    stream = sys.stderr
    told = f"{styled('error:', '1;31', stream)} {line(text)}"
    print(told, file=with_marks(stream), flush=True)


def styled(text: str, codes: str, stream: TextIO) -> str:
    """Wrap the text in SGR codes where the stream is a terminal that shows colours."""
    return f"\x1b[{codes}m{text}\x1b[0m" if shows_colours(stream) else text


def shows_colours(stream: TextIO) -> bool:
    """Whether to colour: a terminal, and neither NO_COLOR (no-color.org) nor a dumb one."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and _term() not in ("", "dumb")


def shows_links(stream: TextIO) -> bool:
    """Whether the terminal may be sent hyperlinks (OSC 8); others pass over them unseen."""
    return is_terminal(stream) and _term() not in _NO_LINKS


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads the stream; a closed stream has no reader."""
    return not stream.closed and stream.isatty()


def silence(*streams: TextIO) -> None:
    """Point streams nowhere, so that the interpreter's last flush finds no closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _term() -> str:
    return os.environ.get("TERM", "")
