"""Collects which server and user are configured, where, and what the user can see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clearml_snapshot.exporter.client.budget import RequestLimits
from clearml_snapshot.exporter.client.client import Client
from clearml_snapshot.exporter.client.configuration import read_configuration
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.reader.listing import count_visible


@dataclass(frozen=True, slots=True)
class Whoami:
    """What ``whoami`` shows, without secrets."""

    server_version: str
    api_version: str
    user_name: str
    user_id: str
    company: str
    settings: tuple[tuple[str, str, str], ...]
    """The name of each setting, its value and where it comes from."""
    route: Mapping[str, str]
    """The proxy and the CA bundle, if there are any."""
    projects: int
    """Projects that the user can see."""
    tasks: int

    def in_words(self) -> dict[str, str]:
        """Return everything in order, for a person."""
        settings = {name: f"{value} (from {source})" for name, value, source in self.settings}
        return {
            "server": f"ClearML {self.server_version}, API {self.api_version}",
            "user": f"{self.user_name} ({self.user_id})",
            "company": self.company,
            **settings,
            **self.route,
            "visible": f"{self.projects:,} projects, {self.tasks:,} tasks",
        }

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; each setting is followed by where it comes from."""
        settings: dict[str, str] = {}
        for name, value, source in self.settings:
            key = name.replace(" ", "_")
            settings |= {key: value, f"{key}_from": source}
        return {
            "server_version": self.server_version,
            "api_version": self.api_version,
            "user_name": self.user_name,
            "user_id": self.user_id,
            "company": self.company,
            **settings,
            **{name.replace(" ", "_"): value for name, value in self.route.items()},
            "visible_projects": self.projects,
            "visible_tasks": self.tasks,
        }


def identify(limits: RequestLimits, web_host: str | None, notice: Callable[[str], None]) -> Whoami:
    """Log in and collect what ``whoami`` shows.

    Raises:
        LoginError, ServerError: the login failed.
    """
    configuration = read_configuration(web_host)
    api = Client(configuration, limits, notice)
    identity = api.login()
    projects, tasks = count_visible(api)
    return Whoami(
        identity.server_version,
        identity.api_version,
        identity.user_name,
        identity.user_id,
        identity.company_name,
        configuration.sources,
        _on_the_way(api.route),
        projects,
        tasks,
    )


def _on_the_way(route: Route) -> dict[str, str]:
    """Describe the proxy and the CA bundle, if there are any."""
    settings = {"proxy": route.proxy, "ca bundle": route.bundle}
    return {name: str(setting) for name, setting in settings.items() if setting is not None}
