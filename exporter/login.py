"""What a token says of itself, and which settings to look at when a login is refused."""

from typing import Any

from clearml_snapshot.exporter.configuration import DEFAULT, ServerConfiguration
from clearml_snapshot.exporter.route import Route


def token_claims(token: object) -> dict[str, Any]:
    """Read a token's payload; whether its signature holds is the server's business.

    Raises:
        ValueError: it is not a token, or no header can carry it.
    """
    import jwt

    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        raise ValueError("a token of other characters than ASCII")
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except jwt.PyJWTError as error:
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
