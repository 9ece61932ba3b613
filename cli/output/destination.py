"""Where a result is written, and in which format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

SCREENFUL: Final = 40
"""The number of rows that a terminal shows."""

Format = Literal[
    "table", "csv", "tsv", "json", "jsonl", "markdown", "latex", "parquet", "arrow", "xlsx", "text"
]

TypedFormat = Literal[
    "table",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "markdown",
    "md",
    "latex",
    "tex",
    "parquet",
    "arrow",
    "xlsx",
    "text",
    "txt",
]
"""What can be typed: the names of formats, and extensions that differ from them."""
FORMATS: Final[dict[str, Format]] = {"md": "markdown", "tex": "latex", "txt": "text"}
"""The formats of these extensions."""


@dataclass(frozen=True)
class OutputOptions:
    """Where a result is written, and in which format."""

    format: Format | None = None
    """None: chosen by the file's extension, else a table on a terminal and CSV in a pipe."""
    path: Path | None = None
    """None: stdout."""
    table: str | None = None
    """The table's name in a ``.duckdb`` file."""
    quiet: bool = False
    columns: tuple[str, ...] = ()
    """The columns to write, in this order; empty means every column."""
    wide: bool = False
    """A table on a terminal, in Markdown or in LaTeX has every column."""
