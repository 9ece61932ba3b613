"""Options of the commands that talk to a server."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from clearml_snapshot.cli.options.options import OUTPUT
from clearml_snapshot.cli.typer_ext.commands import OptionGroup
from clearml_snapshot.exporter.selection.times import read_span

if TYPE_CHECKING:
    from clearml_snapshot.exporter.client.budget import RequestLimits

SERVER: Final = "The server"
CEILINGS: Final = "Ceilings (exit code 7; run it again to go on)"

Json = Annotated[
    Literal["json"] | None,
    typer.Option(
        "--format",
        metavar="json",
        rich_help_panel=OUTPUT,
        help="One JSON object on stdout.",
        show_default="words on stderr",
    ),
]


@dataclass(frozen=True)
class ServerOptions:
    """How long to wait for a server, and where its web UI is."""

    timeout: float
    give_up_after: float
    web_host: str | None

    def limits(self, ceilings: "CeilingOptions | None" = None) -> "RequestLimits":
        """Give them, and the ceilings of the run, as the exporter takes them."""
        from clearml_snapshot.exporter.client.budget import RequestLimits

        if ceilings is None:
            return RequestLimits(self.timeout, self.give_up_after)
        return RequestLimits(
            self.timeout,
            self.give_up_after,
            max_requests=ceilings.max_requests,
            max_rate=ceilings.max_rate,
            max_seconds=ceilings.max_seconds,
        )


@dataclass(frozen=True)
class CeilingOptions:
    """What a run may cost; None is no ceiling."""

    max_requests: int | None
    max_rate: float | None
    """Requests a second."""
    max_seconds: float | None


def server_options(
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.1,
            rich_help_panel=SERVER,
            help="How long one request may take.",
        ),
    ] = 60.0,
    give_up_after: Annotated[
        float,
        typer.Option(
            "--give-up-after",
            metavar="SECONDS",
            min=0.1,
            rich_help_panel=SERVER,
            help="How long without any success until the server counts as dead.",
        ),
    ] = 120.0,
    web_host: Annotated[
        str | None,
        typer.Option(
            "--web-host",
            metavar="URL",
            rich_help_panel=SERVER,
            help="The web UI's address, for links to tasks.",
            show_default="as configured",
        ),
    ] = None,
) -> ServerOptions:
    """Gather how to talk to a server; keys are never options."""
    return ServerOptions(timeout, give_up_after, web_host)


Server = Annotated[ServerOptions, OptionGroup(server_options)]


def ceiling_options(
    max_requests: Annotated[
        int | None,
        typer.Option(
            "--max-requests",
            metavar="N",
            min=1,
            rich_help_panel=CEILINGS,
            help="Requests in all; hosted ClearML counts them.",
        ),
    ] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            "--max-rate",
            metavar="PER_SECOND",
            min=0.001,
            rich_help_panel=CEILINGS,
            help="Requests a second, evenly spread; it slows down and never ends the run.",
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            "--max-time",
            metavar="TIME",
            rich_help_panel=CEILINGS,
            help="How long the run may take: 30s, 90m, 6h, 2d.",
        ),
    ] = None,
) -> CeilingOptions:
    """Gather what a run may cost.

    Raises:
        UsageError: a time that is none.
    """
    max_seconds = None if max_time is None else read_span(max_time, "--max-time")
    return CeilingOptions(max_requests, max_rate, max_seconds)


Ceilings = Annotated[CeilingOptions, OptionGroup(ceiling_options)]
