"""Collects which server and user are configured, where, and what the user can see."""

from collections.abc import Callable

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.reader.listing import count_visible


def identify(
    limits: RequestLimits, web_host: str | None, notice: Callable[[str], None]
) -> dict[str, str]:
    """Log in and collect what ``whoami`` shows, in order and without secrets.

    Raises:
        LoginError, ServerError: the login failed.
    """
    configuration = read_configuration(web_host)
    api = Client(configuration, limits, notice)
    identity = api.login()
    projects, tasks = count_visible(api)
    settings = {name: f"{value} (from {source})" for name, value, source in configuration.sources}
    return {
        "server": f"ClearML {identity.server_version}, API {identity.api_version}",
        "user": f"{identity.user_name} ({identity.user_id})",
        "company": identity.company_name,
        **settings,
        **_on_the_way(api.route),
        "visible": f"{projects:,} projects, {tasks:,} tasks",
    }


def _on_the_way(route: Route) -> dict[str, str]:
    """Describe the proxy and the CA bundle, if there are any."""
    settings = {"proxy": route.proxy, "ca bundle": route.bundle}
    return {name: str(setting) for name, setting in settings.items() if setting is not None}
