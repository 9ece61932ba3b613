"""Shared by commands that talk to a server: time limits, and limits on requests and time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clearml_snapshot.cli.options.groups import OptionGroup
from clearml_snapshot.cli.options.sections import RUN_LIMITS, SERVER
from clearml_snapshot.exporter.selection.times import read_span

if TYPE_CHECKING:
    from clearml_snapshot.exporter.client.budget import RequestLimits


@dataclass(frozen=True)
class ServerOptions:
    """How long to wait for a server, and the address of its web UI."""

    timeout: float
    give_up_after: float
    web_host: str | None

    def limits(self, run_limits: "RunLimitOptions | None" = None) -> "RequestLimits":
        """Combine these with the limits on a run, as the exporter expects them."""
        from clearml_snapshot.exporter.client.budget import RequestLimits

        if run_limits is None:
            return RequestLimits(self.timeout, self.give_up_after)
        return RequestLimits(
            self.timeout,
            self.give_up_after,
            max_requests=run_limits.max_requests,
            max_rate=run_limits.max_rate,
            max_seconds=run_limits.max_seconds,
        )


@dataclass(frozen=True)
class RunLimitOptions:
    """Limits on a run; None means no limit."""

    max_requests: int | None
    max_rate: float | None
    """Requests per second."""
    max_seconds: float | None


def server_options(
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.1,
            rich_help_panel=SERVER,
            help="Time limit for one request.",
        ),
    ] = 60.0,
    give_up_after: Annotated[
        float,
        typer.Option(
            "--give-up-after",
            metavar="SECONDS",
            min=0.1,
            rich_help_panel=SERVER,
            help="Give up after this many seconds without a successful request.",
        ),
    ] = 120.0,
    web_host: Annotated[
        str | None,
        typer.Option(
            "--web-host",
            metavar="URL",
            rich_help_panel=SERVER,
            help="Address of the web UI, for links to tasks.",
            show_default="as configured",
        ),
    ] = None,
) -> ServerOptions:
    """Collect the server options; credentials are never options."""
    return ServerOptions(timeout, give_up_after, web_host)


Server = Annotated[ServerOptions, OptionGroup(server_options)]


def run_limit_options(
    max_requests: Annotated[
        int | None,
        typer.Option(
            "--max-requests",
            metavar="N",
            min=1,
            rich_help_panel=RUN_LIMITS,
            help="Maximum number of requests, such as for a quota of hosted ClearML.",
        ),
    ] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            "--max-rate",
            metavar="PER_SECOND",
            min=0.001,
            rich_help_panel=RUN_LIMITS,
            help="Maximum requests per second, evenly spaced; slows the run but never ends it.",
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(
            "--max-time",
            metavar="TIME",
            rich_help_panel=RUN_LIMITS,
            help="Time limit for the run, such as 30s, 90min, 6h or 2d.",
        ),
    ] = None,
) -> RunLimitOptions:
    """Collect the limits on a run.

    Raises:
        UsageError: the time is not valid.
    """
    max_seconds = None if max_time is None else read_span(max_time, "--max-time")
    return RunLimitOptions(max_requests, max_rate, max_seconds)


RunLimits = Annotated[RunLimitOptions, OptionGroup(run_limit_options)]
