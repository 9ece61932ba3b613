"""`demo`: a team's invented history on the embedded server, taken home and asked."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from clearml_snapshot.cli.frame import add_command
from clearml_snapshot.cli.options import DATASET
from clearml_snapshot.cli.terminal import note, styled
from clearml_snapshot.exporter.errors import ExitCode, UsageError

_PORT: Final = 18008
"""Fixed, so that a second demo finds its dataset to be of the same server."""

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
"""What the demo shows; the last but two is the main job's answer."""


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    add_command(app, "demo", demo, panel="Take home")


def demo(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", rich_help_panel=DATASET, help="Left behind."),
    ] = Path("data/demo"),
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another history.")] = 7,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the server; 0 takes a free one.")
    ] = _PORT,
) -> None:
    """Try it without a server: export an invented history, then ask it."""
    from clearml_snapshot.exporter.standin.history import demo_history
    from clearml_snapshot.exporter.standin.server import StandIn

    try:
        server = StandIn(demo_history(seed), port=port)
    except OSError as error:
        raise UsageError(
            f"port {port} is not free ({error.strerror}); give another --port"
        ) from None
    with server:
        os.environ.update(server.environment())
        note(f"a stand-in ClearML server with an invented history listens on {server.url}")
        for command in _COMMANDS:
            _run([*command, *(() if command == ("whoami",) else ("--data", str(data)))])
    note(f"the dataset stays in {data}; go on with: {sys.argv[0]} query max --data {data}")


def _run(arguments: Sequence[str]) -> None:
    """Show a command as it would be typed, and run it."""
    from clearml_snapshot.cli.main import main

    sys.stdout.flush()
    typed = f"\n$ clearml-snapshot {shlex.join(arguments)}"
    print(styled(typed, "1", sys.stderr), file=sys.stderr, flush=True)
    code = main(arguments)
    if code != ExitCode.COMPLETE:
        raise typer.Exit(code)
