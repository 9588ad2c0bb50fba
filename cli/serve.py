"""`pixelseek serve`: the same search in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import LibraryOption, WeightsOption, chosen_library
from model.weights import DEFAULT

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_THREADS = 80  # most of them wait: up to 64 searches for the model, 8 streams of events


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets the network in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
) -> None:
    """Search in a browser.

    There is no password: whoever can reach the address can see the photos.

    Example: pixelseek serve --port 8080
    """
    import logging
    import socket

    from waitress.server import create_server

    from web import create_app

    config: dict[str, object] = {"LIBRARY": chosen_library(library), "WEIGHTS": weights}
    if host in _LOOPBACK:
        # Other sites, open in the same browser, must not reach the photos under a name of their own.
        config["TRUSTED_HOSTS"] = list(_LOOPBACK)
    address = f"{f'[{host}]' if ':' in host else host}:{port}"
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from error
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a page asks for many photos at once: no news
    with listener:
        server = create_server(create_app(config), sockets=[listener], threads=_THREADS)
        typer.echo(f"Pixelseek is at http://{address}  (Ctrl-C stops it)", err=True)
        server.run()
