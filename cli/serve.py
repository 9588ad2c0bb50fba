"""`pixelseek serve`: the same search in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from cli.listening import Endpoint
from cli.options import (
    FILE,
    chosen_library,
    library_device_option,
    library_option,
    log_file_option,
    named_weights_option,
    verbose_option,
)
from model.errors import PixelseekError

_THREADS = 96
"""Most of them wait: 64 searches for the model, 8 for its answer, 8 for news of indexing."""
_MIB = 1024**2
_IDLE_S = 60


class RootMissing(PixelseekError):  # noqa: N818
    """A folder inside which folders may be added is not there."""


class PasswordMissing(PixelseekError):  # noqa: N818
    """Other machines would be let in without a password."""


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 lets the network in, behind a password."
)
@click.option("--port", type=click.IntRange(min=1, max=65535), default=8080, help="Port to listen on.")
@click.option(
    "--root",
    type=FILE,
    metavar="DIR",
    multiple=True,
    help="Folders inside it may be added on the page; name the option again for more.",
)
@library_option
@named_weights_option
@library_device_option
@log_file_option
@verbose_option
def serve(
    host: str,
    port: int,
    root: tuple[Path, ...],
    library: Path | None,
    weights: str | None,
    device: str | None,
    log_file: Path | None,
    verbose: bool,
) -> None:
    """Search in a browser.

    Only this machine can reach the page, unless --host says otherwise; then a
    password must be set: pixelseek library password.

    Example: pixelseek serve --port 8080 --root ~/Pictures
    """
    import logging

    from waitress.server import create_server

    from cli.logs import logging_to
    from web import close_app, create_app
    from web.access import password_hash
    from web.service import service_of
    from web.uploads import MAX_UPLOAD_BYTES

    folder = chosen_library(library)
    for place in root:
        if not place.is_dir():
            raise RootMissing(f"{place} is not a folder. Name one that exists with --root.")
    config: dict[str, object] = {"LIBRARY": folder, "WEIGHTS": weights, "DEVICE": device, "ROOTS": root or ()}
    endpoint = Endpoint.resolve(host, port)
    if endpoint.is_loopback:
        # Other sites, open in the same browser, must not reach the photos under a name of their own.
        config["HOSTS"] = ("localhost", "127.0.0.1", "::1", endpoint.host)
    elif password_hash(folder) is None:
        named = endpoint.host or "no host name"
        raise PasswordMissing(
            f"{named} lets other machines in: set a password first, with `pixelseek library password`."
        )
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a page asks for many photos at once: no news
    with logging_to(log_file, verbose=verbose), endpoint.listen() as listener:
        app = create_app(config)
        server = create_server(
            app,
            sockets=[listener],
            threads=_THREADS,
            channel_timeout=_IDLE_S,
            channel_request_lookahead=1,  # lets a search see that nobody waits for it any more
            max_request_body_size=MAX_UPLOAD_BYTES + _MIB,  # a little more than the application, which says it better
            clear_untrusted_proxy_headers=False,  # a photo is shown in the file manager for no client of a proxy
            ident=None,
        )
        click.echo(f"Pixelseek is at {', for other machines at '.join(endpoint.links())}  (Ctrl-C stops it)", err=True)
        service_of(app).overviews.warm_up()
        log = logging.getLogger("pixelseek.serve")
        log.info("serving the library %s at %s", folder, " and ".join(endpoint.links()))
        try:
            server.run()
        finally:
            close_app(app)
            log.info("stopped")
