"""Where a server listens, and under which address a browser finds it."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """What a person named as host and port, as the system understands it."""

    host: str
    """A name, or an IP address without brackets; empty for every address of the machine."""
    family: socket.AddressFamily
    address: tuple[Any, ...]

    @classmethod
    def resolve(cls, host: str, port: int) -> Endpoint:
        """Look up `host`, which may be an IPv6 address in brackets. Raises OSError, which names it."""
        name = re.sub(r"^\[(.*:.*)\]$", r"\1", host.strip().lower())
        try:
            addresses = socket.getaddrinfo(name or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except UnicodeError as error:
            raise OSError(errno.EINVAL, "this is no host name", name) from error
        except OSError as error:
            raise OSError(error.errno, error.strerror, _with_port(name, port)) from error
        family, _, _, _, address = min(addresses, key=lambda entry: entry[0] != socket.AF_INET)
        return cls(name, family, address)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        address = ip_address(self.address[0])
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    @property
    def _takes_ipv4_too(self) -> bool:
        return self.address[0] == "::" and socket.has_dualstack_ipv6()

    def listen(self) -> socket.socket:
        """A socket that listens there; on `::` for IPv4 too, where the system can. Raises OSError, which names it."""
        try:
            return socket.create_server(self.address, family=self.family, dualstack_ipv6=self._takes_ipv4_too)
        except OSError as error:
            raise OSError(error.errno, error.strerror, _with_port(self.host, self.address[1])) from error

    def links(self) -> list[str]:
        """Addresses that a browser can open: the first on this machine, the others on other machines."""
        if not ip_address(self.address[0]).is_unspecified:
            names = [self.host or self.address[0]]
        elif self.family == socket.AF_INET or self._takes_ipv4_too:
            names = ["127.0.0.1", *_seen_from_outside(socket.AF_INET)]
        else:
            names = ["::1", *_seen_from_outside(socket.AF_INET6)]
        return [f"http://{_with_port(name, self.address[1])}" for name in names]


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _seen_from_outside(family: socket.AddressFamily) -> list[str]:
    """The address of this machine on the network, where it has one."""
    elsewhere = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"  # reserved: no machine has them
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((elsewhere, 9))  # sends nothing: the system only says which way it would go
            return [unsent.getsockname()[0]]
    except OSError:
        return []
