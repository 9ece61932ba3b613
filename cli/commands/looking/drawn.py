"""Where a figure goes: the terminal, or a file whose extension chooses the picture."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clearml_snapshot.cli.output.stdout import STDOUT, write_drawing
from clearml_snapshot.cli.output.terminal import is_terminal, shows_colours
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.outputs.drawing import TEXT, known_suffix, picture

if TYPE_CHECKING:
    from clearml_snapshot.queries.figures.model import Figure
    from clearml_snapshot.queries.figures.outputs.terminal import Screen

_DOTS: Final = 2
"""Dots of braille beside each other in a character."""


def write_figure(figure: "Figure", output: Path | None) -> None:
    """Draw a figure on the terminal, or into a file.

    Raises:
        UsageError: the package that draws is not installed.
        SnapshotError: the file cannot be written.
    """
    write_drawing(_drawn(figure, suffix_of(output), output), output)


def suffix_of(output: Path | None) -> str:
    """Return the extension that chooses what is drawn.

    Raises:
        UsageError: it is not a known one.
    """
    return TEXT if output is None or output == STDOUT else known_suffix(output)


def fitting(look: Look, output: Path | None) -> Look:
    """Thin the points to what the picture can show."""
    if suffix_of(output) == TEXT:
        width = look.size[0] if look.size else shutil.get_terminal_size().columns
        return replace(look, columns=_DOTS * width)
    return replace(look, columns=look.size[0]) if look.size else look


def _drawn(figure: "Figure", suffix: str, output: Path | None) -> bytes:
    if suffix != TEXT:
        return picture(figure, suffix)
    from clearml_snapshot.queries.figures.outputs.terminal import text

    return text(figure, _screen(output)).encode()


def _screen(output: Path | None) -> "Screen":
    from clearml_snapshot.queries.figures.outputs.terminal import Screen

    size = shutil.get_terminal_size()
    is_file = output not in (None, STDOUT)
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    has_unicode = is_file or not is_terminal(sys.stdout) or encoding.startswith("utf")
    return Screen(size.columns, size.lines, not is_file and shows_colours(sys.stdout), has_unicode)
