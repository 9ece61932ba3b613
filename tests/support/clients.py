"""A client with limits of its own, and what it has sent."""

from typing import TYPE_CHECKING

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import ServerConfiguration
from clearml_snapshot.exporter.standin.http.server import StandIn

if TYPE_CHECKING:
    pass


def logged_in(server: StandIn, **limits: float) -> Client:
    whole = {
        name: int(limit) if name == "max_requests" else limit for name, limit in limits.items()
    }
    keys = (server.access_key, server.secret_key)
    configuration = ServerConfiguration(server.url, None, access_key=keys[0], secret_key=keys[1])
    api = Client(configuration, RequestLimits(**{"timeout": 60, "give_up_after": 120, **whole}))  # type: ignore[arg-type]
    api.login()
    return api


def count(server: StandIn, endpoint: str = "") -> int:
    return sum(name.startswith(endpoint) for name, _ in server.requests)
