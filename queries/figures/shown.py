"""A plot in Python: it draws itself in Jupyter and marimo, and saves itself as a picture."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any, Final, get_args

from clearml_snapshot.exporter.errors import SnapshotError
from clearml_snapshot.exporter.selection.names import no_such
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.exporter.store.disk.scratch import replacing_file
from clearml_snapshot.queries.ask.best import direction_of
from clearml_snapshot.queries.ask.header import find
from clearml_snapshot.queries.dataset import Dataset
from clearml_snapshot.queries.figures.curves import curves
from clearml_snapshot.queries.figures.look import Look
from clearml_snapshot.queries.figures.model import Figure, Kind
from clearml_snapshot.queries.notes.below import footnotes
from clearml_snapshot.queries.result import Rows

_LOOKS: Final = frozenset(each.name for each in fields(Look)) - {"columns"}


@dataclass(frozen=True)
class Plot:
    """Curves, drawn when they are shown."""

    figure: Figure = field(repr=False)
    notes: tuple[str, ...] = ()
    """What the command ``plot`` prints below it, each as one line of text."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a picture: .svg, .png, .pdf, .html, .vl.json (Vega-Lite) or .txt.

        Raises:
            UsageError: another extension, or the package that draws is not installed.
            SnapshotError: the file cannot be written.
        """
        from clearml_snapshot.queries.figures.outputs.drawing import TEXT, known_suffix, picture

        file = Path(path)
        suffix = known_suffix(file)
        data = f"{self!r}\n".encode() if suffix == TEXT else picture(self.figure, suffix)
        try:
            with replacing_file(file) as target:
                target.write(data)
        except OSError as error:
            raise SnapshotError(f"{file}: {reason(error)}") from error

    def _repr_html_(self) -> str:
        """Draw it as SVG, with its notes below."""
        from clearml_snapshot.queries.figures.outputs.drawing import svg

        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        return f"<div>{svg(self.figure)}{notes}</div>"

    def __repr__(self) -> str:
        """Draw it as text, as wide as the terminal."""
        from clearml_snapshot.queries.figures.outputs.terminal import Screen, text

        size = shutil.get_terminal_size()
        return text(self.figure, Screen(size.columns, size.lines)).rstrip("\n")


def plotted(dataset: Dataset, typed: Mapping[str, Any]) -> Plot:
    """Make a plot of what ``Dataset.plot`` was given.

    Raises:
        NoSuchNameError: no such metric, variant or hyperparameter.
        UsageError: an argument is unknown or wrong.
        SnapshotError: there is nothing to draw.
    """
    looks = {name: value for name, value in typed.items() if name in _LOOKS}
    others = {name: typed[name] for name in typed if name not in looks}
    look = Look(**{**looks, "best": direction_of(looks.get("best"))})
    if look.kind not in get_args(Kind):
        raise no_such("kind", str(look.kind), get_args(Kind))
    if look.kind != "curve":
        from clearml_snapshot.queries.figures.kinds.asked import kind_figure, notes_below

        drawn, asked = kind_figure(dataset, others, look)
        return Plot(drawn, (*drawn.notes, *notes_below(dataset, asked, quiet=False)))
    query = find("curve")
    values = dataset.bound(query, **others)
    figure = curves(dataset, values, look)
    below = footnotes(dataset, query, values, Rows((), (), ((),)), quiet=False)
    return Plot(figure, (*figure.notes, *below))
