"""Whether a request comes from a browser or a program on the machine where the server runs."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import request

_PROXY_HEADERS = ("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP")
_PROXY_PREFIXES = ("x-forwarded", "cf-", "x-original", "x-envoy")


def is_from_this_machine() -> bool:
    """Whether the request comes from this machine, and through no proxy as far as can be seen.

    A web server in front is on this machine too: it is known by its headers, or by the name of the site that the
    browser sends as `Origin`.
    """
    headers = request.headers
    if any(name in headers for name in _PROXY_HEADERS):
        return False
    if any(name.lower().startswith(_PROXY_PREFIXES) for name in headers.keys()):  # noqa: SIM118  (no mapping)
        return False
    origin = headers.get("Origin", "null")
    return _is_loopback(request.remote_addr or "") and (origin == "null" or _names_this_machine(origin))


def _names_this_machine(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
