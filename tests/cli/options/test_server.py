"""Options of the commands that talk to a server."""

import pytest

from clearml_snapshot.cli.options.server import run_limit_options, server_options
from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "seconds"), [("90", 90), ("30s", 30), ("90min", 5400), ("6h", 21600), ("2d", 172800)]
)
def test_spans_of_time(typed: str, seconds: int) -> None:
    assert run_limit_options(None, None, typed).max_seconds == seconds


@pytest.mark.parametrize("typed", ["", "0", "0h", "soon", "-5m", "90m", "6 ours", "1e3", "nan"])
def test_no_spans_of_time(typed: str) -> None:
    with pytest.raises(UsageError, match="--max-time"):
        run_limit_options(None, None, typed)


def test_limits_on_a_run_become_limits_of_requests() -> None:
    server = server_options(5.0, 7.0, None)
    assert server.limits() == RequestLimits(5.0, 7.0)
    assert server.limits(run_limit_options(9, 2.5, "1min")) == RequestLimits(5.0, 7.0, 9, 2.5, 60.0)
