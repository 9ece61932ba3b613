"""Options of `export` for what no date on the server shows: silent changes, deleted tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clearml_snapshot.cli.options.options import read_ids
from clearml_snapshot.cli.typer_ext.commands import OptionGroup
from clearml_snapshot.exporter.errors import UsageError

if TYPE_CHECKING:
    from clearml_snapshot.exporter.sync.planning.plan import Again as Depth

AGAIN: Final = "What no date shows"


@dataclass(frozen=True)
class AgainOptions:
    """What is asked of stored tasks although no date moved, and which may be gone."""

    again: "Depth | None"
    accept_gone: tuple[str, ...]


def again_options(
    recount: Annotated[
        bool,
        typer.Option(
            "--recount",
            rich_help_panel=AGAIN,
            help="Compare the server's counts and summary of stored tasks too whose dates did not "
            "move, and read again what differs.",
        ),
    ] = False,
    reread: Annotated[
        bool,
        typer.Option(
            "--reread",
            rich_help_panel=AGAIN,
            help="Read all points of stored tasks again; this alone finds an overwritten point.",
        ),
    ] = False,
    accept_gone: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-gone",
            metavar="ID",
            rich_help_panel=AGAIN,
            help="Tasks that were deleted on purpose: an id or its unique beginning, @FILE or - "
            "(stdin) for many, or all.",
        ),
    ] = None,
) -> AgainOptions:
    """Gather them.

    Raises:
        UsageError: both --recount and --reread, or a file of ids that cannot be read.
    """
    if recount and reread:
        raise UsageError("--reread reads what --recount would only count; give one of them")
    accepted = read_ids(accept_gone or (), "--accept-gone")
    return AgainOptions("points" if reread else "counts" if recount else None, accepted)


Again = Annotated[AgainOptions, OptionGroup(again_options)]
