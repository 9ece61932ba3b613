"""Addresses of servers: how they are written, compared and shown. Pure.

One spelling per address is used to connect, to store and to compare, so that a dataset does not
take ``HTTP://API.example.org:80/`` for another server than ``http://api.example.org``.
"""

import functools
import ipaddress
import re

_DEFAULT_PORTS = {"http": 80, "https": 443}


@functools.lru_cache(1024)
def normal_address(text: str) -> str | None:
    """Give an http(s) address in its one spelling, or None for what is not one.

    Scheme and host in lower case, the host as ASCII (IDNA 2008, as requests sends it), an IPv6
    address compressed; without user and password, default port, or a slash at the end. A path
    stays, in its own case.
    """
    from urllib3.util import parse_url

    try:
        parts = parse_url(without_userinfo(text.strip()))
        host = (parts.host or "").encode("idna").decode()  # refuses labels that are empty or long
        host = _compressed(host)
    except ValueError:  # a host that cannot be, a port that is not a number
        return None
    port = parts.port
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0:
        return None
    if parts.query or parts.fragment:
        return None
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{(parts.path or '').rstrip('/')}"


def same_address(one: str | None, other: str | None) -> bool:
    """Tell whether two texts are one address, whatever their spelling."""
    return one == other or spelling(one) == spelling(other)


def spelling(text: str | None) -> str | None:
    """Give the one spelling of an address; a text that is not one stays as it is."""
    return None if text is None else normal_address(text) or text


def without_userinfo(address: str) -> str:
    """Drop ``user:password@`` so that no message and no dataset can carry it.

    Also out of what is not an address: a password may hold slashes, a scheme may be missing.
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
