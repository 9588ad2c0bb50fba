"""A web server in front of another, as docs/deploying.md sets up nginx."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

_OWN = {"connection", "host", "keep-alive", "transfer-encoding"}
"""Headers of one connection, which a proxy does not pass on."""


class _Handler(BaseHTTPRequestHandler):
    upstream = ""

    def _pass_on(self) -> None:
        """Without buffering, under the host name localhost, on a connection of its own."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        behind = http.client.HTTPConnection(self.upstream, timeout=60)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        kept = [(name, value) for name, value in self.headers.items() if name.lower() not in _OWN]
        for name, value in [("Host", "localhost"), ("Connection", "close"), *kept]:
            behind.putheader(name, value)
        behind.endheaders(body or None)
        answer = behind.getresponse()
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.end_headers()
        while chunk := answer.read1(65536):
            self.wfile.write(chunk)
            self.wfile.flush()
        behind.close()

    def __getattr__(self, name: str) -> object:
        """`do_GET`, `do_POST` and so on."""
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no news."""


@contextmanager
def proxied(upstream: str, host: str, certificate: Path | None = None) -> Iterator[str]:
    """The address on `host` of a proxy before the server at address `upstream`; with TLS if there is a certificate."""
    handler = type("Handler", (_Handler,), {"upstream": urlsplit(upstream).netloc})
    with _Server((host, 0), handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{'http' if certificate is None else 'https'}://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def self_signed(folder: Path) -> Path:
    """A certificate with its key, made by OpenSSL."""
    file = folder / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=photos.example -keyout - -out -"
    made = subprocess.run(command.split(), capture_output=True, check=True)
    file.write_bytes(made.stdout)
    return file
