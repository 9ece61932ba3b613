"""Why no answer came, in a few words that name the setting to look at, and never a secret.

The texts of requests and urllib3 hold whole addresses, so they are looked through for what is
known and are never shown.
"""

import re
from typing import Final

import requests

from clearml_snapshot.exporter.client.failures import TryAgainError, needs_login
from clearml_snapshot.exporter.client.route import Route

_CERTIFICATES: Final = (
    ("hostname mismatch", "is for another name than {name}; {check}"),
    ("ip address mismatch", "is for another name than {name}; {check}"),
    (
        "certificate has expired",
        "has expired; renew it on the server (or is this clock wrong?)",
    ),
    ("not yet valid", "is not valid yet; see if the clock of this machine is right"),
)
"""What OpenSSL says of a certificate, and what that means."""
_NO_TLS: Final = ("wrong_version_number", "wrong version number", "http_request")
_NO_BUNDLE: Final = ("no_certificate_or_crl_found", "pem lib", "[x509")


def connection_failure(error: Exception, allowed: float, route: Route) -> TryAgainError:
    """Say what went wrong with a request that got no answer.

    Args:
        error: what requests, urllib3 or the socket raised.
        allowed: seconds that the request had.
        route: how the server was to be reached.
    """
    if isinstance(error, requests.exceptions.ProxyError):
        return _wrong(_of_proxy(str(error), route))
    if isinstance(error, requests.exceptions.SSLError):
        return _wrong(f"TLS: {_of_tls(str(error).lower(), route)}{route.through}")
    named = _of_address(error, route)
    if named is not None:
        return _wrong(named + route.through)
    return _of_line(error, allowed, route)


def _wrong(text: str) -> TryAgainError:
    return TryAgainError(text, wrong_address=True)


def _of_proxy(text: str, route: Route) -> str:
    proxy = "the proxy" if route.proxy is None else f"the proxy {route.proxy}"
    setting = "the proxy's setting" if route.proxy is None else route.proxy.source
    without = f"check {setting}, or put {route.name} into NO_PROXY to go without it"
    answered = re.search(r"Tunnel connection failed: (\d{3})", text)
    if answered and answered[1] == "407":
        return needs_login(route)
    if answered:
        return f"{proxy} answered HTTP {answered[1]} when asked for {route.host}; {without}"
    if "NameResolutionError" in text:
        return f"{proxy} has an unknown host; {without}"
    if "only use HTTP and not HTTPS" in text:
        return f"{proxy} does not speak TLS; begin its address with http://, in {setting}"
    if "certificate verify failed" in text:
        return f"{proxy} has a certificate that cannot be verified; {without}"
    if "Connection refused" in text:
        return f"{proxy} refuses connections; {without}"
    return f"{proxy} does not answer; {without}"


def _of_tls(text: str, route: Route) -> str:
    for mark, meaning in _CERTIFICATES:
        if mark in text:
            said = meaning.format(name=route.name, check=route.check)
            return f"certificate verify failed: the server's certificate {said}"
    if any(mark in text for mark in _NO_TLS):
        return f"the server does not speak TLS on this port; is it http://? {route.check}"
    if any(mark in text for mark in _NO_BUNDLE):
        return f"the CA bundle {route.bundle or ''} holds no certificate"
    if "certificate verify failed" not in text:
        return f"the handshake failed; does this port speak TLS? {route.check}"
    if route.bundle is not None:
        return (
            "certificate verify failed: no authority of the CA bundle "
            f"{route.bundle} vouches for the server's certificate"
        )
    return (
        "certificate verify failed: no known authority vouches for the server's certificate; for "
        "a private authority set REQUESTS_CA_BUNDLE or api.verify_certificate"
    )


def _of_address(error: Exception, route: Route) -> str | None:
    """Name what is wrong with the address; None where it may be right."""
    text = str(error)
    if "NameResolutionError" in text:
        return f"unknown host; {route.check}"
    if "Connection refused" in text:
        return f"connection refused; is the server up, and the port right? {route.check}"
    if "unreachable" in text or "No route to host" in text:
        return f"the host cannot be reached from here; {route.check}"
    if "BadStatusLine" in text:
        return f"what answers does not speak HTTP; is the port right? {route.check}"
    if isinstance(error, ValueError):  # InvalidURL, InvalidSchema, a host that cannot be encoded
        return f"not a valid address; {route.check}"
    return None


def _of_line(error: Exception, allowed: float, route: Route) -> TryAgainError:
    """Say what happened to a line that was there, and may be there again."""
    text = str(error)
    if isinstance(error, (requests.Timeout, TimeoutError)) or "timed out" in text:
        return TryAgainError(f"no whole answer within {allowed:.0f} s{route.through}")
    if isinstance(error, requests.exceptions.ContentDecodingError) or "decod" in text:
        return TryAgainError("a body that cannot be decompressed")
    if "IncompleteRead" in text:
        return TryAgainError("a truncated body")
    is_bare = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    reason = error.strerror if is_bare and isinstance(error, OSError) else None
    dropped = f"the connection was dropped{f' ({reason})' if reason else ''}"
    return TryAgainError(dropped + route.through, was_dropped=True)
