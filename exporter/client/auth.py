"""Logs in and renews the token, reads its claims, and names the settings of a refused login."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from requests.auth import AuthBase, HTTPBasicAuth

from clearml_snapshot.exporter.client.answers import Login, Owner, TokenClaims, reader
from clearml_snapshot.exporter.client.configuration import DEFAULT, ServerConfiguration
from clearml_snapshot.exporter.client.failures import (
    DamagedBodyError,
    TryAgainError,
    failure,
    is_it_the_api,
    looks_like,
    message,
)
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.client.transport import Bearer
from clearml_snapshot.exporter.errors import LoginError, ServerError
from clearml_snapshot.exporter.own_keys import remember, scrub

_RENEW_BEFORE: Final = 300.0
"""A token is renewed this many seconds before it expires, or after nine tenths of its lifetime
(docs/clearml-server.md, "Login and tokens")."""
_OLDEST: Final = (2, 16)
"""The API version (ClearML 1.2) since which points are paged by iteration, and the metrics and the
count of a request and the scroll of a listing are honoured; older servers ignore them silently
(docs/clearml-server.md, "Older servers")."""


@dataclass(frozen=True)
class Identity:
    """Who is logged in where, as read from the token."""

    user_id: str
    user_name: str
    company_name: str
    server_version: str
    api_version: str


class Authenticator:
    """Keeps a valid token, for any number of threads.

    Args:
        configuration: contains the credentials.
        route: the way to the server, for errors.
        post: sends one request and returns its status and body.
        until_done: repeats a login until it succeeds.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        configuration: ServerConfiguration,
        route: Route,
        post: Callable[[str, bytes, AuthBase], tuple[int, bytes]],
        until_done: Callable[[Callable[[], TokenClaims]], TokenClaims],
        now: Callable[[], float],
    ) -> None:
        remember(configuration.access_key, configuration.secret_key, configuration.token)
        self._configuration = configuration
        self._route = route
        self._post = post
        self._until_done = until_done
        self._now = now
        self._lock = threading.Lock()
        self._renew_at = float("inf")
        self.token: str | None = None
        """The current token; None before the first login."""

    def log_in(self) -> TokenClaims:
        """Get a token, whether there is one or not.

        Raises:
            LoginError: the server refuses the credentials.
            ServerError: there is no ClearML server, or it does not answer.
        """
        self.token = None
        return self.renew(None)

    def valid_token(self) -> str:
        """Return the token, renewed if it is about to expire; raises as ``log_in`` does."""
        token = self.token
        if token is None or self._now() > self._renew_at:
            self.renew(token)
            token = self.token
        assert token is not None
        return token

    def renew(self, old_token: str | None) -> TokenClaims:
        """Log in, once however many threads found ``old_token`` expired."""
        with self._lock:
            if old_token is not None and self.token != old_token:
                return TokenClaims()
            if old_token is None:
                return self._until_done(self._log_in_once)
            return self._log_in_once()

    def _log_in_once(self) -> TokenClaims:
        status, body = self._post("/auth.login", b"{}", self._credentials())
        if status == 401:
            raise LoginError(
                f"{self._route.host} refused the login ({message(body) or looks_like(body)}); "
                f"{check_login(self._configuration, self._route)}"
            )
        if status != 200:
            raise failure(self._route, "auth.login", status, body, login=True)
        try:
            token = reader(Login)(body).token
            claims = token_claims(token)
        except (DamagedBodyError, ValueError):
            raise TryAgainError(
                f"the login was answered with {looks_like(body)}; {is_it_the_api(self._route)}",
                wrong_address=True,
            ) from None
        remember(token)
        self.token = token
        # By the length of its lifetime: this clock and the server's may differ.
        lifetime = (claims.exp or float("inf")) - (claims.iat or time.time())
        self._renew_at = self._now() + lifetime - min(_RENEW_BEFORE, lifetime / 10)
        return claims

    def _credentials(self) -> AuthBase:
        configured = self._configuration
        if configured.access_key and configured.secret_key:
            return HTTPBasicAuth(configured.access_key, configured.secret_key)
        return Bearer(self.token or configured.token or "")


def refuse_too_old(host: str, claims: TokenClaims, api_version: tuple[int, ...]) -> None:
    """Check that a server supports the requests that this tool sends.

    Raises:
        ServerError: it is too old.
    """
    if api_version < _OLDEST:
        named = ".".join(map(str, api_version))
        raise ServerError(
            f"{host} is too old: ClearML {claims.server_version or 'unknown'} (API {named}) "
            "ignores parts of the requests; ClearML 1.2 (API 2.16) or newer is required"
        )


def read_identity(claims: TokenClaims, api_version: str) -> Identity:
    """Read who is logged in from a token's payload."""
    owner = claims.identity or Owner()
    return Identity(
        user_id=scrub(owner.user or ""),
        user_name=scrub(owner.user_name or ""),
        company_name=scrub(owner.company_name or ""),
        server_version=scrub(claims.server_version or "unknown"),
        api_version=scrub(api_version),
    )


def token_claims(token: str) -> TokenClaims:
    """Read a token's payload, without checking its signature: only the server can.

    Raises:
        ValueError: it is not a token, or it cannot be sent in a header.
    """
    import jwt

    if not (token.isascii() and token.isprintable()):
        raise ValueError("a token with characters that are not printable ASCII")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return msgspec.convert(claims, TokenClaims)
    except (jwt.PyJWTError, msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None


def check_login(configuration: ServerConfiguration, route: Route) -> str:
    """Name the settings that hold the credentials, and the address if it is only the default."""
    sources = {name: source for name, _, source in configuration.sources}
    if configuration.token:
        given = "CLEARML_AUTH_TOKEN, which may have expired"
    else:
        keys = (sources.get("access key"), sources.get("secret key"))
        given = " and ".join(dict.fromkeys(filter(None, keys))) or (
            "CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY, or clearml.conf"
        )
    server = f"; also {route.check}" if route.host_source == DEFAULT else ""
    return f"check {given}{server}"
