"""Small pictures of the photos found, on a terminal that can show them (extra `thumbnails`)."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import click

from engine.results import Hit
from model.errors import PixelseekError

_ROWS = 8
"""Lines of text that a picture is high."""
_SIDE = 400  # pixels: as fine as any terminal shows in so few lines

thumbnails_option = click.option(
    "--thumbnails", is_flag=True, help="Show each photo below its line. Needs the extra thumbnails, and a terminal."
)

Draw = Callable[[Hit], None]


class NoThumbnails(PixelseekError):  # noqa: N818
    """No pictures can be shown; the message says what is missing."""


@contextmanager
def drawing(*, wanted: bool) -> Iterator[Draw | None]:
    """What draws a hit on the terminal; None where that is not wanted, or nobody would see it.

    kitty and Ghostty get the picture itself, terminals with Sixel (iTerm2, WezTerm, foot, xterm, Windows Terminal) too,
    all others blocks of colour. Raises NoThumbnails where the extra is not installed.
    """
    if not wanted:
        yield None
        return
    if find_spec("textual_image") is None:
        raise NoThumbnails("--thumbnails needs the extra thumbnails: pip install 'pixelseek[thumbnails]'")
    if not _is_terminal():
        click.echo("Thumbnails are for a terminal: there are none in a pipe or a file.", err=True)
        yield None
        return
    from indexer.thumbnails import ThumbnailMaker

    maker = ThumbnailMaker()
    try:
        yield lambda hit: _draw(maker.make(hit.path, _SIDE))
    finally:
        maker.close()


def _is_terminal() -> bool:
    """Whether there is a terminal that can be asked what it can show, and that says how large it is."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.get_terminal_size(sys.stdout.fileno()).columns > 0


def _draw(thumbnail: object) -> None:
    """Draw a WebP; nothing where the photo could not be read."""
    if not isinstance(thumbnail, bytes):
        return
    from PIL import Image
    from rich.console import Console
    from textual_image.renderable import Image as Picture

    with Image.open(io.BytesIO(thumbnail), formats=("WEBP",)) as image:
        Console().print(Picture(image.convert("RGB"), width="auto", height=_ROWS))
