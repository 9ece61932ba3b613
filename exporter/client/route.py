"""The way to a server: its address, the proxy and the CA bundle, and where they were set.

So a failure can name the setting that is wrong. What cannot work is refused before anything is
sent. No text here contains the password in a proxy's address.
"""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests.utils
from urllib3.util import parse_url

from clearml_snapshot.exporter.addresses import without_userinfo
from clearml_snapshot.exporter.client.configuration import DEFAULT, ServerConfiguration
from clearml_snapshot.exporter.errors import ServerError
from clearml_snapshot.exporter.own_keys import remember

_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables in which requests looks for a CA bundle, in its order."""
_PROXY_SCHEMES: Final = frozenset({"http", "https"})
_SOCKS: Final = frozenset({"socks4", "socks4a", "socks5", "socks5h"})


@dataclass(frozen=True)
class Setting:
    """A value that may be displayed, and where it was set."""

    value: str
    source: str

    def __str__(self) -> str:
        return f"{self.value} (from {self.source})"


@dataclass(frozen=True)
class Route:
    """How a server is reached."""

    host: str
    host_source: str = "CLEARML_API_HOST"
    proxy: Setting | None = None
    """Without user and password; None if no proxy is used."""
    bundle: Setting | None = None
    """The file or folder of certificates; None for those that requests brings."""

    @property
    def name(self) -> str:
        """The host's name, without scheme and port."""
        return urlsplit(self.host).hostname or self.host

    @property
    def check(self) -> str:
        """What to do if the address itself seems to be wrong."""
        if self.host_source == DEFAULT:
            return f"set CLEARML_API_HOST (it is not set, so {self.host} was used)"
        if self.host_source.isupper():
            return f"check {self.host_source}"
        return f"check api.api_server in {self.host_source}"

    @property
    def through(self) -> str:
        """Mention the proxy, for failures that it may have caused."""
        return "" if self.proxy is None else f" (through the proxy {self.proxy})"


def find_route(configuration: ServerConfiguration) -> Route:
    """Find out how requests reaches a server.

    Raises:
        ServerError: a proxy or a CA bundle that is set cannot be used.
    """
    sources = {name: source for name, _, source in configuration.sources}
    return Route(
        configuration.api_host,
        sources.get("api server", "CLEARML_API_HOST"),
        _proxy(configuration.api_host),
        _bundle(configuration, sources.get("verify certificate", "verify certificate")),
    )


def _proxy(host: str) -> Setting | None:
    """Find the proxy that requests uses for an address, and check that it can be used."""
    proxies = requests.utils.get_environ_proxies(host)
    scheme = urlsplit(host).scheme
    # As requests.utils.select_proxy: those of a single host are not environment variables.
    kind = next((kind for kind in (scheme, "all") if kind in proxies), None)
    if kind is None or not proxies[kind]:
        return None
    source = _variable(kind)
    address = str(proxies[kind])
    shown = without_userinfo(address)
    wrong = _wrong_with(address)
    if wrong is not None:
        raise ServerError(
            f"the proxy {shown!r} (from {source}) {wrong}; change {source}, or unset it, or add "
            f"{urlsplit(host).hostname} to NO_PROXY"
        )
    return Setting(shown, source)


def _variable(kind: str) -> str:
    for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY"):
        if os.environ.get(name):
            return name
    return "the settings of the system" if kind in getproxies() else f"{kind.upper()}_PROXY"


def _wrong_with(address: str) -> str | None:
    """Explain why requests could not use a proxy; None if it can."""
    try:
        parts = parse_url(address if "://" in address else f"http://{address}")
        host = parts.host
        user, password = requests.utils.get_auth_from_url(address)
    except ValueError:
        return "is not an address such as http://proxy.example.org:3128"
    if not host:
        return "does not name a host"
    if parts.scheme in _SOCKS:
        is_able = importlib.util.find_spec("socks") is not None
        return None if is_able else "needs PySocks, which is not installed (pip install PySocks)"
    if parts.scheme not in _PROXY_SCHEMES:
        return f"is of the unknown kind {parts.scheme}:// (http, https or socks5 can be used)"
    remember(password)
    if not is_latin(user + password):
        return "has a user or password with a character that cannot be sent; percent-encode it"
    return None


def is_latin(text: str) -> bool:
    """Return whether a text can be sent as credentials in an HTTP header (Latin-1)."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _bundle(configuration: ServerConfiguration, source: str) -> Setting | None:
    """Find the CA bundle that requests uses, and check that it exists.

    Raises:
        ServerError: it does not exist; the error of requests would not name the setting.
    """
    if not configuration.api_host.startswith("https:"):
        return None
    bundle = _set_bundle(configuration.verify, source, os.environ)
    if bundle is not None and not Path(bundle.value).exists():
        raise ServerError(
            f"there is no CA bundle at {bundle.value!r}; change or unset {bundle.source}"
        )
    return bundle


def _set_bundle(verify: bool | str, source: str, environment: Mapping[str, str]) -> Setting | None:
    if isinstance(verify, str):
        return Setting(verify, source)
    if not verify:
        return None
    return next((Setting(environment[n], n) for n in _BUNDLES if environment.get(n)), None)
