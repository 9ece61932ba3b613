"""Options of the commands that talk to a server."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from clearml_snapshot.cli.frame import OptionGroup
from clearml_snapshot.cli.options import OUTPUT

if TYPE_CHECKING:
    from clearml_snapshot.exporter.api import Limits

SERVER: Final = "The server"

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

    def limits(self) -> "Limits":
        """Give them as the exporter takes them."""
        from clearml_snapshot.exporter.api import Limits

        return Limits(self.timeout, self.give_up_after)


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
