"""Options of `export` for changes that no date on the server shows, and for deleted tasks."""

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
    """How stored tasks are checked although no date has changed, and which may be gone."""

    again: "Depth | None"
    accept_gone: tuple[str, ...]


def again_options(
    recount: Annotated[
        bool,
        typer.Option(
            "--recount",
            rich_help_panel=REREAD,
            help="Compare the server's counts and summary even for stored tasks whose dates have "
            "not changed, and read tasks that differ again.",
        ),
    ] = False,
    reread: Annotated[
        bool,
        typer.Option(
            "--reread",
            rich_help_panel=REREAD,
            help="Read all points of stored tasks again; only this detects overwritten points.",
        ),
    ] = False,
    accept_gone: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-gone",
            metavar="ID",
            rich_help_panel=REREAD,
            help="Tasks that were deleted intentionally: an id or a unique prefix, @FILE or - "
            "(stdin) for many, or all.",
        ),
    ] = None,
) -> AgainOptions:
    """Collect how stored tasks are checked.

    Raises:
        UsageError: --recount and --reread are both given, or a file of ids cannot be read.
    """
    if recount and reread:
        raise UsageError(
            "--recount and --reread cannot be combined; --reread already includes a recount"
        )
    accepted = read_ids(accept_gone or (), "--accept-gone")
    return AgainOptions("points" if reread else "counts" if recount else None, accepted)


Again = Annotated[AgainOptions, OptionGroup(again_options)]
