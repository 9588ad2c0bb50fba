"""Where `pixelseek serve` listens, and that the addresses it prints can be opened."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from cli.listening import Endpoint


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("127.0.0.1", "http://127.0.0.1:{port}"),
        (" 127.0.0.1 ", "http://127.0.0.1:{port}"),
        ("127.0.0.2", "http://127.0.0.2:{port}"),
        ("localhost", "http://localhost:{port}"),
        ("LocalHost", "http://localhost:{port}"),
        ("0.0.0.0", "http://127.0.0.1:{port}"),
        ("", "http://127.0.0.1:{port}"),
        pytest.param("::1", "http://[::1]:{port}", marks=needs_ipv6),
        pytest.param("[::1]", "http://[::1]:{port}", marks=needs_ipv6),
        pytest.param("0:0:0:0:0:0:0:1", "http://[0:0:0:0:0:0:0:1]:{port}", marks=needs_ipv6),
        pytest.param("::", "http://127.0.0.1:{port}", marks=needs_ipv6),
        pytest.param("[::]", "http://127.0.0.1:{port}", marks=needs_ipv6),
    ],
)
def test_every_address_printed_can_be_opened(host: str, link: str) -> None:
    endpoint = Endpoint.resolve(host, free_port())
    links = endpoint.links()
    assert links[0] == link.format(port=endpoint.address[1])
    with endpoint.listen():
        for address in links:
            parts = urlsplit(address)
            with closing(socket.create_connection((parts.hostname, parts.port), timeout=5)):
                pass


@needs_ipv6
def test_every_address_means_ipv6_too_where_it_is_written_so() -> None:
    endpoint = Endpoint.resolve("::", free_port())
    with endpoint.listen():
        for address in ("::1", "127.0.0.1"):
            socket.create_connection((address, endpoint.address[1]), timeout=5).close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("0", False),
        ("", False),
        ("::", False),
        ("192.0.2.7", False),
        ("fe80::1", False),
    ],
)
def test_what_only_this_machine_reaches_is_known(host: str, loopback: bool) -> None:
    assert Endpoint.resolve(host, 8080).is_loopback is loopback


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 70, "1.2.3.4.5", "[", "http://localhost", "a b"])
def test_what_is_no_host_is_named(host: str) -> None:
    with pytest.raises(OSError, match=re.escape(host)):
        Endpoint.resolve(host, 8080)
