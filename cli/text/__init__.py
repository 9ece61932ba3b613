"""What people read after a command, one module per command.

Comes in: reports of ``exporter`` and ``queries``. Goes out: lines of text. Nothing is printed
here: ``cli.output`` does that.
"""

from datetime import UTC, datetime

from clearml_snapshot.cli.output.terminal import printable


def cut(text: str, width: int) -> str:
    """Shorten a text to a width; its characters are escaped first."""
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def moment(time: datetime) -> str:
    """Write a time for a person: ``2026-01-31 10:00 UTC``."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
