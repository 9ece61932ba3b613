"""The application: every command in one place, every ending in one place."""

import functools
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from clearml_snapshot.cli.commands import (
    dataset,
    demo,
    diff,
    export,
    merge,
    query,
)
from clearml_snapshot.cli.commands import (
    pack as share,
)
from clearml_snapshot.cli.commands import (
    safe_to_delete as saved,
)
from clearml_snapshot.cli.output.scrubbed import scrubbed_streams
from clearml_snapshot.cli.output.terminal import complain, silence
from clearml_snapshot.cli.process.loading import imports_told
from clearml_snapshot.cli.typer_ext import shells
from clearml_snapshot.cli.typer_ext.commands import Group, usage_line
from clearml_snapshot.exporter.client.configured_keys import remember_configured
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError
from clearml_snapshot.exporter.interrupt import terminated_as_interrupted
from clearml_snapshot.exporter.store.disk.disk_errors import reason

PROGRAM = "clearml-snapshot"

app = typer.Typer(
    name=PROGRAM,
    cls=Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(ctx: typer.Context, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:  # a shell's TAB parses without doing anything
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Take a ClearML history home: every scalar point as Parquet, then ask DuckDB.

    Configure as for the clearml package (clearml.conf or CLEARML_API_HOST,
    CLEARML_API_ACCESS_KEY, CLEARML_API_SECRET_KEY).
    """
    if ctx.invoked_subcommand is None and not version:
        typer.echo(ctx.get_help())


for commands in (export, query, dataset, diff, saved, share, merge, demo):
    commands.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bugs keep their traceback."""
    _open_closed_streams()
    with scrubbed_streams():
        return _ended(arguments)


def _ended(arguments: Sequence[str] | None) -> int:
    """Run one command and tell its ending."""
    try:
        with terminated_as_interrupted(), imports_told():
            code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except SnapshotError as error:
        complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        complain(usage_line(error))
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return ExitCode.INTERRUPTED
    except PermissionError as error:
        complain(f"the system refuses {error.filename}: {error.strerror}; ask its owner")
        return ExitCode.FAILED
    except MemoryError:
        complain("out of memory; ask for less, or allow more memory")
        return ExitCode.FAILED
    except BrokenPipeError:
        silence(sys.stdout, sys.stderr)
        return ExitCode.COMPLETE
    except OSError as error:
        complain(_refused(error))
        return ExitCode.FAILED
    return code


def _refused(error: OSError) -> str:
    """Say what the system cannot do: a name that is too long, a disk that fails, no more files."""
    name = error.filename2 or error.filename
    return f"{'system' if name is None else name}: {reason(error)}"


def _run(arguments: Sequence[str]) -> int:
    """Parse and invoke; Typer's own ``main`` would end a closed pipe with exit code 1."""
    remember_configured()
    command = _command()
    if os.environ.get(shells.SHELL_VARIABLE):  # PowerShell 7.5 leaves it behind, empty
        return shells.answer(command, PROGRAM, arguments)
    _check_text(arguments)
    try:
        with command.make_context(PROGRAM, list(arguments)) as ctx:
            command.invoke(ctx)
    except typer.Exit as end:
        return end.exit_code
    return ExitCode.COMPLETE


@functools.cache
def _command() -> Any:
    """Build the tree of commands: once per process, as it takes a while."""
    shells.register()
    return typer.main.get_command(app)


def _open_closed_streams() -> None:
    """Give the program what cron and daemons may close: Python makes None of such a stream."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _check_text(arguments: Sequence[str]) -> None:
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(f"argument {number} is not valid text in this locale's encoding")
