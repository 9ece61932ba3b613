"""Options of `export` for what no date on the server shows: silent changes, deleted tasks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.groups import OptionGroup
from clearml_snapshot.cli.options.sections import REREAD
from clearml_snapshot.cli.options.text_input import read_ids
from clearml_snapshot.exporter.errors import UsageError

if TYPE_CHECKING:
    from clearml_snapshot.exporter.sync.planning.plan import Again as Depth


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
            rich_help_panel=REREAD,
            help="Compare the server's counts and summary of stored tasks too whose dates did not "
            "move, and read again what differs.",
        ),
    ] = False,
    reread: Annotated[
        bool,
        typer.Option(
            "--reread",
            rich_help_panel=REREAD,
            help="Read all points of stored tasks again; this alone finds an overwritten point.",
        ),
    ] = False,
    accept_gone: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-gone",
            metavar="ID",
            rich_help_panel=REREAD,
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
