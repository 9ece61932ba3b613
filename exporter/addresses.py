"""Normalises, compares and displays addresses of servers. Pure.

One spelling per address is used to connect, to store and to compare, so that a dataset does not
mistake ``HTTP://API.example.org:80/`` for a different server than ``http://api.example.org``.
"""

import functools
import ipaddress
import re

_DEFAULT_PORTS = {"http": 80, "https": 443}


@functools.lru_cache(1024)
def normal_address(text: str) -> str | None:
    """Return the one spelling of an http(s) address, or None if the text is not one.

    Scheme and host in lower case, the host as ASCII (IDNA 2008, as requests sends it), an IPv6
    address compressed; without user and password, default port, or a slash at the end. A path
    is kept, with its case.
    """
    from urllib3.util import parse_url

    try:
        parts = parse_url(without_userinfo(text.strip()))
        host = (parts.host or "").encode("idna").decode()  # refuses empty and long labels
        host = _compressed(host)
    except ValueError:  # an impossible host, or a port that is not a number
        return None
    port = parts.port
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0:
        return None
    if parts.query or parts.fragment:
        return None
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{(parts.path or '').rstrip('/')}"


def same_address(first: str | None, second: str | None) -> bool:
    """Return whether two texts are the same address, however they are spelled."""
    return first == second or spelling(first) == spelling(second)


def spelling(text: str | None) -> str | None:
    """Return the one spelling of an address; any other text is returned unchanged."""
    return None if text is None else normal_address(text) or text


def without_userinfo(address: str) -> str:
    """Drop ``user:password@`` so that no message and no dataset can contain it.

    This also works for invalid addresses: a password may contain slashes, a scheme may be missing.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://)?", address)
    start = scheme[0] if scheme else ""
    return start + address[len(start) :].rpartition("@")[2]


def _compressed(host: str) -> str:
    """Write an IPv6 address in its shortest form; a zone stays."""
    if not host.startswith("["):
        return host
    address, percent, zone = host.strip("[]").partition("%")
    return f"[{ipaddress.IPv6Address(address).compressed}{percent}{zone}]"
