"""Explains why there was no answer and which setting to check, without revealing secrets.

The messages of requests and urllib3 contain complete addresses, so they are searched for known
causes and never shown.
"""

import re
from typing import Final

import requests

from clearml_snapshot.exporter.client.failures import TryAgainError, needs_login
from clearml_snapshot.exporter.client.route import Route

_CERTIFICATES: Final = (
    ("hostname mismatch", "is for a different name than {name}; {check}"),
    ("ip address mismatch", "is for a different name than {name}; {check}"),
    (
        "certificate has expired",
        "has expired; renew it on the server (or is this clock wrong?)",
    ),
    ("not yet valid", "is not valid yet; check the clock of this machine"),
)
"""What OpenSSL reports about a certificate, and what that means."""
_NO_TLS: Final = ("wrong_version_number", "wrong version number", "http_request")
_NO_BUNDLE: Final = ("no_certificate_or_crl_found", "pem lib", "[x509")


def connection_failure(error: Exception, allowed: float, route: Route) -> TryAgainError:
    """Explain why a request got no answer.

    Args:
        error: what requests, urllib3 or the socket raised.
        allowed: seconds that the request had.
        route: the way to the server.
    """
    if isinstance(error, requests.exceptions.ProxyError):
        return _wrong(_of_proxy(str(error), route))
    if isinstance(error, requests.exceptions.SSLError):
        return _wrong(f"TLS: {_of_tls(str(error).lower(), route)}{route.through}")
    named = _of_address(error, route)
    if named is not None:
        return _wrong(named + route.through)
    return _of_connection(error, allowed, route)


def _wrong(text: str) -> TryAgainError:
    return TryAgainError(text, wrong_address=True)


def _of_proxy(text: str, route: Route) -> str:
    proxy = "the proxy" if route.proxy is None else f"the proxy {route.proxy}"
    setting = "the proxy's setting" if route.proxy is None else route.proxy.source
    without = f"check {setting}, or add {route.name} to NO_PROXY to connect without it"
    answered = re.search(r"Tunnel connection failed: (\d{3})", text)
    if answered and answered[1] == "407":
        return needs_login(route)
    if answered:
        return f"{proxy} answered HTTP {answered[1]} to a request for {route.host}; {without}"
    if "NameResolutionError" in text:
        return f"{proxy} has an unknown host; {without}"
    if "only use HTTP and not HTTPS" in text:
        return f"{proxy} does not support TLS; start its address with http://, in {setting}"
    if "certificate verify failed" in text:
        return f"{proxy} has a certificate that cannot be verified; {without}"
    if "Connection refused" in text:
        return f"{proxy} refuses connections; {without}"
    return f"{proxy} does not answer; {without}"


def _of_tls(text: str, route: Route) -> str:
    for mark, meaning in _CERTIFICATES:
        if mark in text:
            problem = meaning.format(name=route.name, check=route.check)
            return f"certificate verify failed: the server's certificate {problem}"
    if any(mark in text for mark in _NO_TLS):
        return f"the server does not use TLS on this port; is it http://? {route.check}"
    if any(mark in text for mark in _NO_BUNDLE):
        return f"the CA bundle {route.bundle or ''} contains no certificate"
    if "certificate verify failed" not in text:
        return f"the handshake failed; is TLS used on this port? {route.check}"
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
    """Explain what is wrong with the address; None if it may be correct."""
    text = str(error)
    if "NameResolutionError" in text:
        return f"unknown host; {route.check}"
    if "Connection refused" in text:
        return f"connection refused; is the server running, and the port correct? {route.check}"
    if "unreachable" in text or "No route to host" in text:
        return f"the host cannot be reached from here; {route.check}"
    if "BadStatusLine" in text:
        return f"the answer is not HTTP; is the port correct? {route.check}"
    if isinstance(error, ValueError):  # InvalidURL, InvalidSchema, a host that cannot be encoded
        return f"not a valid address; {route.check}"
    return None


def _of_connection(error: Exception, allowed: float, route: Route) -> TryAgainError:
    """Explain a failure of a connection that existed, and may be restored."""
    text = str(error)
    if isinstance(error, (requests.Timeout, TimeoutError)) or "timed out" in text:
        return TryAgainError(f"no complete answer within {allowed:.0f} s{route.through}")
    if isinstance(error, requests.exceptions.ContentDecodingError) or "decod" in text:
        return TryAgainError("a body that cannot be decompressed")
    if "IncompleteRead" in text:
        return TryAgainError("a truncated body")
    is_bare = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    reason = error.strerror if is_bare and isinstance(error, OSError) else None
    dropped = f"the connection was dropped{f' ({reason})' if reason else ''}"
    return TryAgainError(dropped + route.through, was_dropped=True)
