"""Writes results to stdout, a file or a database; nothing else writes to stdout."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from clearml_snapshot.cli.output.destination import OutputOptions
from clearml_snapshot.cli.output.formats import BINARY, WRITERS
from clearml_snapshot.cli.output.rows import SafeRows
from clearml_snapshot.cli.output.scrubbed import ScreenSink
from clearml_snapshot.cli.output.terminal import (
    is_terminal,
    note,
    shows_colours,
    shows_links,
    silence,
)
from clearml_snapshot.exporter.errors import SnapshotError, UsageError
from clearml_snapshot.exporter.own_keys import scrub
from clearml_snapshot.exporter.store.disk.disk_errors import reason, way_out
from clearml_snapshot.exporter.store.disk.files import sync_folder
from clearml_snapshot.exporter.store.disk.places import refuse_address
from clearml_snapshot.exporter.store.disk.scratch import replacing_file
from clearml_snapshot.exporter.store.disk.targets import check_new_file
from clearml_snapshot.queries.ask.answer_columns import EVERY_COLUMN, AnswerColumns

if TYPE_CHECKING:
    from clearml_snapshot.queries.result import Result

EXTENSIONS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".tex": "latex",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".xlsx": "xlsx",
    ".txt": "text",
}
_DATABASE: Final = ".duckdb"
STDOUT: Final = Path("-")
FOR_READING: Final = frozenset({"markdown", "latex"})
_FOR_PROGRAMS: Final = frozenset({"csv", "tsv", "text"})
"""Formats that keep every character in a pipe; on a terminal texts are escaped first."""


def write_answer(
    result: "Result",
    options: OutputOptions,
    *,
    name: str,
    screenful: int | None = None,
    answer: AnswerColumns = EVERY_COLUMN,
    below: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Write an answer to stdout or to a file.

    Args:
        result: the answer.
        options: what was typed.
        name: the table's name in a database, unless another was typed.
        screenful: the number of rows that a terminal shows; the total is reported.
        answer: the columns that a table on a terminal never leaves out.
        below: gives the notes on it, once all of its rows were read; papers have them as comments.

    Raises:
        UsageError: an unknown extension, a directory, or several answers as text.
        NoSuchNameError: ``--columns`` names a column that the answer does not have.
        SnapshotError: the file cannot be written.
    """
    path = None if options.path in (None, STDOUT) else options.path
    if options.columns:
        from clearml_snapshot.cli.output.tables.heads import chosen_columns

        every = [column.name for column in result.columns]
        answer = chosen_columns(options.columns, every, answer)
        result.keep(answer.names)
    if path is not None and path.suffix.lower() == _DATABASE:
        _write_database(result, path, options, name)
        return
    if options.table is not None:
        raise UsageError("--table needs a .duckdb file; add -o FILE.duckdb")
    form = form_of(options)
    on_screen = path is None and is_terminal(sys.stdout)
    if form == "table":
        rows = SafeRows(result)
        if on_screen:
            with _sink(None, has_marks=True) as sink:
                sink.write(_draw_on_screen(rows, screenful, answer, options).encode())
        else:
            _write_table(rows, path)
        return
    if form in BINARY and on_screen:
        raise UsageError(f"{form} is binary; write it to a file with -o, or to a pipe")
    rows = SafeRows(
        result,
        for_screen=on_screen and form in _FOR_PROGRAMS,
        answer=answer,
        is_complete=options.wide,
    )
    with _sink(path, has_marks=form in BINARY) as sink:
        WRITERS[form](rows, sink)
        if form in FOR_READING:
            from clearml_snapshot.cli.output.paper import comments

            sink.write(comments(below(), form))
    if form in FOR_READING:
        from clearml_snapshot.cli.output.paper import left_out  # few answers need it

        names, way = left_out(rows)
        if names:
            _note_left_out(names, way)


def is_for_reading(options: OutputOptions) -> bool:
    """Return whether an answer is drawn as a table on a terminal, for a person."""
    is_table = options.format in (None, "table")
    return is_table and options.path in (None, STDOUT) and is_terminal(sys.stdout)


def form_of(options: OutputOptions) -> str:
    """Return the format in which an answer is written; ``a DuckDB file`` if it is a table of one.

    Raises:
        UsageError: the file has an unknown extension.
    """
    path = None if options.path in (None, STDOUT) else options.path
    if path is not None and path.suffix.lower() == _DATABASE:
        return "a DuckDB file"
    return options.format or _default_format(path)


def page_form(options: OutputOptions, name: str) -> str:
    """Choose the format of a page: text, or one JSON object.

    Args:
        options: what was typed.
        name: the command, as an error names it.

    Raises:
        UsageError: the format or the file's extension is one for tables.
    """
    suffix = options.path.suffix.lower() if options.path is not None else ""
    form = options.format or EXTENSIONS.get(suffix, "text")
    if form not in ("json", "text") or options.table is not None or suffix == _DATABASE:
        raise UsageError(f"{name} prints a page; use --by for a table, or --format json")
    return form


def refuse_stdout(target: Path) -> None:
    """Check that ``-o`` does not name stdout if only a folder or an archive can be written.

    Raises:
        UsageError: it is ``-``, which would become a folder of that name.
    """
    refuse_address(target)
    if target == STDOUT:
        raise UsageError(f"-o {STDOUT}: cannot write this to stdout; give a file or folder")


def write_text(text: str, path: Path | None = None) -> None:
    """Write text to stdout or to a file; on a terminal only line ends and tabs are not escaped.

    Raises:
        SnapshotError: it cannot be written.
    """
    with _sink(None if path == STDOUT else path) as sink:
        sink.write(scrub(text).encode())


def write_drawing(data: bytes, path: Path | None = None) -> None:
    """Write a picture, or text with colours of this program, to stdout or to a file.

    Raises:
        UsageError: the path is a directory, or its directory does not exist.
        SnapshotError: it cannot be written.
    """
    with _sink(None if path == STDOUT else path, has_marks=True) as sink:
        sink.write(data)


def _default_format(path: Path | None) -> str:
    if path is None:
        return "table" if is_terminal(sys.stdout) else "csv"
    form = EXTENSIONS.get(path.suffix.lower())
    if form is None:
        extensions = ", ".join((*EXTENSIONS, _DATABASE))
        raise UsageError(f"-o {path}: unknown file extension; use {extensions}, or --format")
    return form


def _write_table(rows: SafeRows, path: Path | None) -> None:
    """Write every row and column, without colour."""
    from clearml_snapshot.cli.output.tables.long_table import write_table

    with _sink(path) as sink:
        write_table(rows, sink)


def _draw_on_screen(
    rows: SafeRows, screenful: int | None, answer: AnswerColumns, options: OutputOptions
) -> str:
    """Draw what fits the terminal, and report what did not, even with --quiet."""
    from clearml_snapshot.cli.output.tables import table as tables
    from clearml_snapshot.cli.output.tables.drawing import Screen

    shown = list(rows) if screenful is None else rows.first(screenful + 1)
    size = shutil.get_terminal_size()
    screen = Screen(
        0 if options.wide else size.columns,
        shows_colours(sys.stdout),
        shows_links(sys.stdout),
        size.lines if answer.names and not options.wide else 0,
    )
    if len(shown) == 1:
        return tables.draw_lines(rows, shown[0], screen, answer).text
    drawing = tables.draw_table(rows, shown[:screenful], screen, answer)
    if drawing.left_out and shown:
        chosen = "" if options.columns else "--columns, "
        _note_left_out(drawing.left_out, f"use {chosen}--wide or -o FILE.csv")
    if screenful is not None and len(shown) > screenful:
        total = rows.count()
        of_all = "" if total is None else f" of {total:,}"
        note(f"the first {screenful}{of_all} rows (use -o FILE or a pipe to get all)")
    return drawing.text


def _note_left_out(names: Sequence[str], way: str) -> None:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    note(f"columns not shown: {', '.join(names[:6])}{more} ({way} to get them)")


@contextmanager
def _sink(path: Path | None, *, has_marks: bool = False) -> Iterator[BinaryIO]:
    """Open the destination, and report errors of the system in one line.

    Args:
        path: None is stdout.
        has_marks: what is written is binary, or has colours of this program and is escaped.
    """
    try:
        if path is None:
            yield sys.stdout.buffer if has_marks else _screened(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        elif path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as device:
                yield device if has_marks else _screened(device)
        else:
            with replacing(path) as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        if path is None:
            silence(sys.stdout)
        where, then = ("stdout", "") if path is None else (str(path), f"; {way_out(error)}")
        raise SnapshotError(f"cannot write {where}: {reason(error)}{then}") from None


def _screened(sink: BinaryIO) -> BinaryIO:
    """Escape what goes to a terminal, also if it is named as a file: ``-o /dev/tty``."""
    return cast("BinaryIO", ScreenSink(sink)) if sink.isatty() else sink


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write beside the file and rename over it, so that no reader sees an incomplete file.

    The contents are on the disk before the file is renamed, so that a power cut does not leave an
    incomplete file either.

    Raises:
        UsageError: the path is a directory, or its directory does not exist.
        OSError: it cannot be written.
    """
    check_new_file(path, "-o")
    target = path.resolve()
    with replacing_file(target) as file:
        yield file
    sync_folder(target.parent)


def _write_database(result: "Result", path: Path, options: OutputOptions, name: str) -> None:
    """Replace one table of a DuckDB file, in one transaction; its other tables stay."""
    import duckdb

    from clearml_snapshot.exporter.store.engine import file_names as literal
    from clearml_snapshot.exporter.store.engine.sql_text import sql_name

    if options.format is not None:
        raise UsageError(f"-o {path} is a database; --format cannot be used with it")
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"-o {path}: this is not a file in an existing directory")
    if not literal.can_hold_database(path):
        raise UsageError(
            f"-o {path}: DuckDB cannot write a database in a folder whose name contains ? or a "
            "backslash; choose another folder"
        )
    table = sql_name(options.table or name)
    try:
        with (
            duckdb.connect(literal.literal(path)) as database,
            SafeRows(result).batches() as answer,
        ):
            database.register("answer", answer)
            database.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM answer")
        sync_folder(path.resolve().parent)
    except duckdb.Error as error:
        if result.error is not None:  # the query failed, not the database
            raise result.error from None
        raise SnapshotError(f"cannot write {path}: {' '.join(str(error).split())}") from None
