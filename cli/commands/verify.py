"""The `verify` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.dataset import DEFAULT_DATA, Data
from clearml_snapshot.cli.options.output import Output
from clearml_snapshot.cli.options.query_limits import make_pages
from clearml_snapshot.cli.options.sections import MAINTAIN
from clearml_snapshot.cli.output.destination import OutputOptions
from clearml_snapshot.cli.output.stdout import STDOUT, write_answer, write_text
from clearml_snapshot.cli.output.terminal import note, printable
from clearml_snapshot.cli.process.interrupt import Interruptible
from clearml_snapshot.cli.text.outcome import write_outcome
from clearml_snapshot.cli.text.verify import facts, finding_lines
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, UsageError
from clearml_snapshot.exporter.store.format.states import MISSING, in_words, incomplete

if TYPE_CHECKING:
    from clearml_snapshot.exporter.store.verify.verify import Verification


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "verify", verify, panel=MAINTAIN, logs=True)


def verify(
    path: Annotated[
        Path | None,
        typer.Argument(help="A dataset, one snapshot or a pack.", show_default="that of --data"),
    ] = None,
    server_summary: Annotated[
        bool,
        typer.Option(
            "--server-summary",
            help="List series that differ from the server's own summary of them.",
        ),
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Check only the list of files and every hash, not what is in the files.",
        ),
    ] = False,
    *,
    data: Data = DEFAULT_DATA,
    output: Output,
) -> None:
    """Check that a snapshot is unchanged, and report what is missing (offline).

    Compares every file with its checksum, the tables with each other (keys, counts, series with
    points), and each generated text with what this version generates; a text from another version
    that differs is reported as `not proven`. Prints one line per problem. The exit code is 5 if
    there is a problem, and 3 if the snapshot is intact but some tasks are partial, failed or not
    read yet. --quick stops after the checksums: it finds every changed byte, but not a file that
    was written wrong with a correct checksum. With --server-summary, compares with the server's
    summary of each series instead.
    """
    folder = path or data
    if server_summary and quick:
        raise UsageError("--quick and --server-summary check different things; use one of them")
    if server_summary:
        _write_server_summary(folder, output)
        return
    as_json = _is_json(output)
    verification = _verified(folder, quiet=output.quiet, quick=quick)
    code = _verdict(verification)
    if not as_json:
        lines = finding_lines(verification)
        write_text("".join(f"{printable(line)}\n" for line in lines), output.path)
    for text in verification.notes:
        note(text)
    if as_json:
        write_outcome("verify", code, facts(verification), missing=incomplete(verification.states))
    raise typer.Exit(code)


def _is_json(output: OutputOptions) -> bool:
    """Return whether to print one JSON object; the other formats are for tables."""
    if output.format not in (None, "json") or output.table is not None:
        raise UsageError(
            "verify prints lines or --format json; other formats and --table need --server-summary"
        )
    if output.format == "json" and output.path not in (None, STDOUT):
        raise UsageError("verify --format json prints on stdout; redirect it instead of using -o")
    return output.format == "json"


def _verified(folder: Path, *, quiet: bool, quick: bool) -> "Verification":
    from clearml_snapshot.cli.output.progress import make_progress
    from clearml_snapshot.exporter.store.verify.verify import verify as verify_snapshot

    with Interruptible():
        progress = make_progress(quiet=quiet)
        return verify_snapshot(folder, progress=progress, make_pages=make_pages, quick=quick)


def _verdict(verification: "Verification") -> ExitCode:
    """Choose the exit code: a snapshot may be intact but not complete."""
    if not verification.is_intact:
        return ExitCode.DATASET
    return ExitCode.PARTIAL if in_words(verification.states, MISSING) else ExitCode.COMPLETE


def _write_server_summary(folder: Path, output: OutputOptions) -> None:
    from clearml_snapshot.queries import open_dataset
    from clearml_snapshot.queries.duckdb_errors import translating_errors
    from clearml_snapshot.queries.status.server_summary import disagreements, server_summary

    with Interruptible(), open_dataset(folder) as opened, translating_errors():
        differing = disagreements(opened).materialize()
        write_answer(opened.result(differing, is_materialized=True), output, name="summary")
        if not output.quiet:
            note(str(server_summary(opened, differing)))
