"""The host name that a request was sent to, in any spelling."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import SecurityError

_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\s:/?#@\\\[\]]+)(?::([0-9]{0,5}))?", re.IGNORECASE | re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def canonical(host: str) -> str:
    """The canonical spelling of `host`, a name or an IP address, with or without brackets."""
    name = host.strip().removeprefix("[").removesuffix("]").lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)


def check_host(trusted: Collection[str]) -> None:
    """Raise SecurityError unless the request's `Host` is one of `trusted`, on any port.

    Another site can point its own name at this machine (DNS rebinding). A browser then treats our pages as pages of
    that site, but it sends the name of that site as `Host`.
    """
    spelled = _HOST.fullmatch(request.headers.get("Host", ""))
    if spelled is None or canonical(spelled[1]) not in map(canonical, trusted):
        raise SecurityError(f"this server does not answer to that host name, only to {', '.join(trusted)}")


def is_this_host(origin: str) -> bool:
    """Whether `origin`, the header `Origin`, names the host and port that the request was sent to."""
    try:
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS[parts.scheme]
        origin_host, origin_port = parts.hostname, str(parts.port or default)
    except (KeyError, ValueError):
        return False
    here = _HOST.fullmatch(request.headers.get("Host", ""))
    if here is None or not origin_host:
        return False
    return (canonical(origin_host), origin_port) == (canonical(here[1]), here[2] or default)
