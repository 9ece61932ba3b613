"""Escapes unsafe characters; writes notes and errors to stderr."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, cast, get_args

from clearml_snapshot.exporter.errors import shortened
from clearml_snapshot.exporter.own_keys import scrub_json
from clearml_snapshot.exporter.unseen import as_escape, as_json, spelled_out

_NO_LINKS: Final = frozenset({"", "dumb", "linux", "unknown"})
"""Values of TERM for terminals that print a hyperlink's escape sequence or do not support it."""


def printable(text: str) -> str:
    r"""Escape control characters, line breaks and invisible ones (``\x1b[2J``, ``\u200b``)."""
    return spelled_out(text, as_escape)


def printable_lines(text: str) -> str:
    """Escape the same in text of several lines, but keep line ends and tabs."""
    return spelled_out(text, lambda char: char if char in "\n\t" else as_escape(char))


def with_marks(stream: TextIO) -> TextIO:
    """Return the stream for text with colours and cursor movements of this program.

    Text that is written to the stream itself is escaped on a terminal, see `output.scrubbed`.
    """
    return cast("TextIO", getattr(stream, "with_marks", stream))


def line(text: str) -> str:
    """Make one line of any text: printable, and short enough to read."""
    return shortened(printable(text))


LogForm = Literal["text", "time", "json"]
"""How lines on stderr are written: text, or for a log."""

_log: LogForm = "text"


@contextmanager
def log_lines(form: str | None) -> Iterator[None]:
    """Write lines on stderr in one of the forms; an unknown one is refused later."""
    global _log
    before = _log
    _log = cast("LogForm", form) if form in get_args(LogForm) else "text"
    try:
        yield
    finally:
        _log = before


def writes_log() -> bool:
    """Return whether lines on stderr have the form of a log."""
    return _log != "text"


def note(text: str) -> None:
    """Write one line on stderr; stdout is for data."""
    stream = sys.stderr
    if _log == "text":
        print(styled(line(text), "2", stream), file=with_marks(stream), flush=True)
    else:
        level = "warning" if text.startswith("warning:") else "info"
        print(_logged(_log, level, text), file=stream, flush=True)


def complain(text: str) -> None:
    """Report in one line on stderr why the command fails."""
    stream = sys.stderr
    if _log == "text":
        message = f"{styled('error:', '1;31', stream)} {line(text)}"
        print(message, file=with_marks(stream), flush=True)
    else:
        print(_logged(_log, "error", text), file=stream, flush=True)


def _logged(form: LogForm, level: str, text: str) -> str:
    """Write a line of a log, with the time in UTC."""
    time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if form == "time":
        return f"{time} {'error: ' if level == 'error' else ''}{line(text)}"
    entry = {"time": time, "level": level, "message": shortened(text)}
    return spelled_out(scrub_json(json.dumps(entry, ensure_ascii=False)), as_json)


def styled(text: str, codes: str, stream: TextIO) -> str:
    """Wrap the text in SGR codes if the stream is a terminal that shows colours."""
    return f"\x1b[{codes}m{text}\x1b[0m" if shows_colours(stream) else text


def shows_colours(stream: TextIO) -> bool:
    """Return whether to use colours: on a capable terminal, without NO_COLOR (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and _term() not in ("", "dumb")


def shows_links(stream: TextIO) -> bool:
    """Return whether hyperlinks (OSC 8) may be sent; most terminals without support ignore them."""
    return is_terminal(stream) and _term() not in _NO_LINKS


def is_terminal(stream: TextIO) -> bool:
    """Return whether the stream is a terminal; a closed stream is not."""
    return not stream.closed and stream.isatty()


def silence(*streams: TextIO) -> None:
    """Redirect streams to the null device, so that Python's last flush does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _term() -> str:
    return os.environ.get("TERM", "")
