"""Entry point: registers the commands and maps every outcome to an exit code."""

import functools
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clearml_snapshot.cli.options.output import LOG, LOG_VARIABLE, typed_value
from clearml_snapshot.cli.output.scrubbed import scrubbed_streams
from clearml_snapshot.cli.output.terminal import complain, log_lines, silence
from clearml_snapshot.cli.process.loading import import_errors
from clearml_snapshot.cli.typer_ext.commands import Group, usage_line
from clearml_snapshot.cli.typer_ext.parameters import SHELL_VARIABLE, set_completer
from clearml_snapshot.exporter.client.configured_keys import remember_configured
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError
from clearml_snapshot.exporter.interrupt import terminated_as_interrupted
from clearml_snapshot.exporter.settings import naming_options
from clearml_snapshot.exporter.store.disk.disk_errors import reason
from clearml_snapshot.exporter.store.finding import is_dataset, looks_like_path

PROGRAM = "clearml-snapshot"

_FILES: Final = {
    "export": ("export",),
    "whoami": ("whoami",),
    "query": ("query",),
    "looking.plot": ("plot",),
    "looking.report": ("report",),
    "sql": ("sql",),
    "status": ("status", "show"),
    "verify": ("verify",),
    "selections": ("selections",),
    "diff": ("diff",),
    "safe_to_delete": ("safe-to-delete",),
    "pack": ("pack", "unpack"),
    "looking.convert": ("convert",),
    "merge": ("merge",),
    "places.copy": ("copy",),
    "demo": ("demo",),
}
"""The files in ``cli/commands``, each with its commands."""


def _show_version(ctx: typer.Context, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:  # completion only parses
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


def _start(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Show the version.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Export ClearML scalars to Parquet and query them offline.

    Uses the configuration of the clearml package: clearml.conf, or CLEARML_API_HOST,
    CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY.
    """
    if ctx.invoked_subcommand is None and not version:
        typer.echo(ctx.get_help())


def make_app(command: str | None = None) -> typer.Typer:
    """Make the application with one command, or with all if that name is not one of them.

    The files of other commands are not loaded, which saves about 0.04 s of a cold query.
    """
    app = typer.Typer(
        name=PROGRAM,
        cls=Group,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
            "color": False,
        },
    )
    app.callback(invoke_without_command=True)(_start)
    files = [file for file, commands in _FILES.items() if command in commands]
    for file in files or _FILES:
        import_module(f"clearml_snapshot.cli.commands.{file}").register(app)
    return app


def _complete(
    parameter: str, typed: dict[str, Any], incomplete: str, query: object
) -> dict[str, str] | None:
    from clearml_snapshot.cli.typer_ext.completion import complete  # only a shell that asks

    return complete(parameter, typed, incomplete, query)


set_completer(_complete)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a bug keeps its traceback."""
    _open_closed_streams()
    typed = sys.argv[1:] if arguments is None else arguments
    log = typed_value(typed, LOG) or os.environ.get(LOG_VARIABLE)
    with scrubbed_streams(), log_lines(log), naming_options():
        try:
            code, error = _ending(typed)
            if error is not None:
                complain(error)
                _write_failure(typed, code, error)
        except BrokenPipeError:
            silence(sys.stdout, sys.stderr)
        except SnapshotError as failure:  # stdout cannot be written
            complain(str(failure))
        return code


def _write_failure(arguments: Sequence[str], code: int, error: str) -> None:
    """Write the error as JSON too, if that is the format that was requested."""
    if typed_value(arguments, "--format") == "json":
        from clearml_snapshot.cli.text.outcome import has_outcome, write_failure

        if has_outcome(arguments):
            write_failure(arguments[0], code, error)
            sys.stdout.flush()


def _ending(arguments: Sequence[str]) -> tuple[int, str | None]:
    """Run one command; return its exit code, and an error as one line."""
    try:
        with terminated_as_interrupted(), import_errors():
            code = _run(arguments)
        sys.stdout.flush()
    except SnapshotError as error:
        return error.exit_code, str(error)
    except typer.TyperException as error:
        return ExitCode.USAGE, usage_line(error)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED, "interrupted"
    except PermissionError as error:
        return ExitCode.FAILED, f"cannot access {error.filename}: {error.strerror}; ask its owner"
    except MemoryError:
        return ExitCode.FAILED, "out of memory; query less data, or allow more memory"
    except BrokenPipeError:
        silence(sys.stdout, sys.stderr)
        return ExitCode.COMPLETE, None
    except OSError as error:
        return ExitCode.FAILED, _system_error(error)
    return code, None


def _system_error(error: OSError) -> str:
    """Describe an error of the system, such as a name that is too long or a failing disk."""
    name = error.filename2 or error.filename
    return f"{'system' if name is None else name}: {reason(error)}"


def _run(arguments: Sequence[str]) -> int:
    """Parse and invoke; Typer's own ``main`` would end a closed pipe with exit code 1."""
    remember_configured()
    if os.environ.get(SHELL_VARIABLE):  # PowerShell 7.5 leaves it set but empty
        from clearml_snapshot.cli.typer_ext import shells

        return shells.answer(_command(), PROGRAM, arguments)
    _check_text(arguments)
    if any("completion" in argument for argument in arguments):
        from clearml_snapshot.cli.typer_ext import shells

        shells.register()
    arguments = _in_full(arguments)
    command = _command(*arguments[:1])
    try:
        with command.make_context(PROGRAM, list(arguments), obj=main) as ctx:
            command.invoke(ctx)
    except typer.Exit as end:
        return end.exit_code
    return ExitCode.COMPLETE


def _in_full(arguments: Sequence[str]) -> Sequence[str]:
    """Complete what is short for something else: ``help X``, ``version``, and a dataset alone."""
    if not arguments:
        return arguments
    first, *others = arguments
    if first == "help":
        return [*others, "--help"]
    if first == "version":
        return ["--version", *others]
    commands = {command for commands in _FILES.values() for command in commands}
    if first not in commands and first in _query_names():
        raise UsageError(f"no such command {first!r}; did you mean 'query {first}'?")
    is_path = is_dataset(Path(first)) or looks_like_path(first)
    if first not in commands and not first.startswith("-") and is_path:
        return ["show", *arguments]
    return arguments


def _query_names() -> Sequence[str]:
    from clearml_snapshot.queries.ask.header import names  # only for a mistyped command

    return names()


@functools.cache
def _command(name: str | None = None) -> Any:
    """Build the tree of commands, or one of it, once per process because it is slow."""
    return typer.main.get_command(make_app(name))


def _open_closed_streams() -> None:
    """Replace streams that cron or a daemon has closed: Python sets them to None."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _check_text(arguments: Sequence[str]) -> None:
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(f"argument {number} is not valid text in the current locale")
