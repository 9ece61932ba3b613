"""The `demo` command: exports an invented history from an embedded server and queries it."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.sections import DATASET, EXPORT
from clearml_snapshot.cli.output.terminal import note, printable, styled, with_marks
from clearml_snapshot.cli.typer_ext.commands import add_command
from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError

if TYPE_CHECKING:
    from clearml_snapshot.exporter.standin.http.server import StandIn

_PORT: Final = 18008
"""Preferred port of the server, so that a second demo finds its dataset's server again."""
_LOCAL: Final = "http://127.0.0.1:"

_COMMANDS: Final = (
    ("whoami",),
    ("export", "--all"),
    ("query", "max", "--metric", "accuracy"),
    ("query", "min", "--metric", "loss/validation", "--top", "5"),
    (
        "sql",
        "SELECT project, max(value) AS best FROM scalars WHERE metric = 'accuracy' "
        "GROUP BY ALL ORDER BY best DESC",
    ),
)
"""The commands that the demo runs, without ``--data``."""


_DRAWS: Final = "uniplot"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "demo", demo, panel=EXPORT)


def demo(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="DIR",
            rich_help_panel=DATASET,
            help="Dataset folder for the demo; it is kept.",
        ),
    ] = Path("data/demo"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the invented history.")] = 7,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Port of the server; 0 chooses a free one.",
            show_default=f"{_PORT}, or a free one",
        ),
    ] = None,
) -> None:
    """Try clearml-snapshot without a server: export an invented history and query it."""
    run: Callable[[Sequence[str]], int] = ctx.obj
    with _stand_in(seed, port) as server:
        os.environ.update(server.environment())
        note(f"a stand-in ClearML server with an invented history listens on {server.url}")
        for command in _COMMANDS:
            if command[0] == "export":
                _export(run, command, data, server)
            else:
                _show(run, [*command, *([] if command == ("whoami",) else ["--data", str(data)])])
    _look(run, data)
    note(f"the dataset stays in {data}; to query it: {sys.argv[0]} query max --data {data}")


def _look(run: Callable[[Sequence[str]], int], data: Path) -> None:
    """Draw curves, if the package that draws is installed, and write a report."""
    if find_spec(_DRAWS) is None:
        note(f"plot draws curves in the terminal; it needs: pip install {_DRAWS}")
    else:
        _show(run, ["plot", "accuracy", "--by", "Args/lr", "--data", str(data)])
    _show(run, ["report", "-o", str(data / "report.html"), "--data", str(data)])


def _export(
    run: Callable[[Sequence[str]], int], command: Sequence[str], data: Path, server: "StandIn"
) -> None:
    """Export after another demo in the same folder, whose server has another port."""
    before = _host(data)
    _wait(data)
    arguments = [*command, "--data", str(data), "--wait"]
    try:
        _show(run, [*arguments, *_moved(data, server)])
    except typer.Exit:
        if _host(data) == before or not _moved(data, server):
            raise
        note("another demo has just exported into this folder; continuing with its dataset")
        _show(run, [*arguments, *_moved(data, server)])


def _wait(data: Path) -> None:
    """Wait until a demo that is exporting into the folder has finished."""
    from clearml_snapshot.exporter.store.disk.locks import locked
    from clearml_snapshot.exporter.store.format.layout import lock

    if lock(data).is_file():
        with suppress(OSError), locked(lock(data), wait=True):
            pass


def _stand_in(seed: int, port: int | None) -> "StandIn":
    """Start the server, on a free port if none is given and the default one is in use."""
    from clearml_snapshot.exporter.standin.data.history import demo_history
    from clearml_snapshot.exporter.standin.http.server import StandIn

    history = demo_history(seed)
    try:
        return StandIn(history, port=_PORT if port is None else port)
    except OSError as error:
        if port is None:
            return StandIn(history)
        raise UsageError(
            f"port {port} is not free ({error.strerror}); choose another with --port"
        ) from None


def _moved(data: Path, server: "StandIn") -> list[str]:
    """Return the option that is needed if a dataset comes from a demo on another port."""
    host = _host(data)
    is_other = host is not None and host.startswith(_LOCAL) and host != server.url
    return ["--server-moved"] if is_other else []


def _host(data: Path) -> str | None:
    """Return the server of a dataset; None without a dataset."""
    from clearml_snapshot.exporter.store.opening import open_snapshot

    try:
        return str(open_snapshot(data).server.get("host"))
    except SnapshotError:  # no dataset yet; other problems are reported by the export
        return None


def _show(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    """Print a command as it would be typed, and run it."""
    sys.stdout.flush()
    typed = f"$ clearml-snapshot {printable(shlex.join(arguments))}"
    print(f"\n{styled(typed, '1', sys.stderr)}", file=with_marks(sys.stderr), flush=True)
    code = run(arguments)
    if code != ExitCode.COMPLETE:
        raise typer.Exit(code)
