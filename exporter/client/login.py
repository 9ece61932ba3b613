"""What a token says of itself, and which settings to look at when a login is refused."""

from dataclasses import dataclass
from typing import Final

import msgspec

from clearml_snapshot.exporter.client.answers import Owner, TokenClaims
from clearml_snapshot.exporter.client.configuration import DEFAULT, ServerConfiguration
from clearml_snapshot.exporter.client.route import Route
from clearml_snapshot.exporter.errors import ServerError
from clearml_snapshot.exporter.own_keys import scrub

_OLDEST: Final = (2, 16)
"""The API version (ClearML 1.2) since which points are paged by iteration and a request's metrics,
its count and the scroll of a listing are heeded; older servers ignore all of them in silence."""


@dataclass(frozen=True)
class Identity:
    """Who is logged in where, out of the token."""

    user_id: str
    user_name: str
    company_id: str
    company_name: str
    server_version: str
    api_version: str


def refuse_too_old(host: str, claims: TokenClaims, api_version: tuple[int, ...]) -> None:
    """See that a server is new enough for what it will be asked.

    Raises:
        ServerError: it is not.
    """
    if api_version < _OLDEST:
        named = ".".join(map(str, api_version))
        raise ServerError(
            f"{host} is too old: ClearML {claims.server_version or 'unknown'} (API {named}) "
            "ignores what this tool asks for; ClearML 1.2 (API 2.16) or newer is needed"
        )


def read_identity(claims: TokenClaims, api_version: str) -> Identity:
    """Read who is logged in from a token's payload."""
    owner = claims.identity or Owner()
    return Identity(
        user_id=scrub(owner.user or ""),
        user_name=scrub(owner.user_name or ""),
        company_id=scrub(owner.company or ""),
        company_name=scrub(owner.company_name or ""),
        server_version=scrub(claims.server_version or "unknown"),
        api_version=scrub(api_version),
    )


def token_claims(token: str) -> TokenClaims:
    """Read a token's payload; whether its signature holds is the server's business.

    Raises:
        ValueError: it is not a token, or no header can carry it.
    """
    import jwt

    if not (token.isascii() and token.isprintable()):
        raise ValueError("a token of other characters than ASCII")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return msgspec.convert(claims, TokenClaims)
    except (jwt.PyJWTError, msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None


def check_login(configuration: ServerConfiguration, route: Route) -> str:
    """Name the settings that the credentials came from, and the address where nobody set it."""
    sources = {name: source for name, _, source in configuration.sources}
    if configuration.token:
        given = "CLEARML_AUTH_TOKEN, which may have ended"
    else:
        keys = (sources.get("access key"), sources.get("secret key"))
        given = " and ".join(dict.fromkeys(filter(None, keys))) or (
            "CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY, or clearml.conf"
        )
    server = f"; also {route.check}" if route.host_source == DEFAULT else ""
    return f"check {given}{server}"
