"""Paths on a terminal: short, and links to the files where the terminal takes them."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from model.paths import home_folder

_WITHOUT_LINKS = ("", "dumb", "linux")
"""What TERM is on terminals that may print a link's address as text."""


def short_path(path: str) -> str:
    """The shortest way to write the absolute `path`: as it is, from the current folder, or from the home folder (~)."""
    ways = [path]
    home = str(home_folder()).rstrip(os.sep)
    if home and path.startswith(home + os.sep):
        ways.append("~" + path.removeprefix(home))
    with suppress(OSError, ValueError):  # the current folder was deleted, or lies on another drive
        relative = os.path.relpath(path)
        # A command that is given it must not take it for an option, and a shell not for a home folder.
        ways.append(os.path.join(os.curdir, relative) if relative.startswith(("-", "~")) else relative)  # noqa: PTH118
    return min(reversed(ways), key=len)


def takes_links() -> bool:
    """Whether the terminal takes links (OSC 8). FORCE_HYPERLINK says so for one that is not known; 0 turns them off."""
    if forced := os.environ.get("FORCE_HYPERLINK"):
        return forced != "0"
    return bool(os.environ.get("WT_SESSION")) or os.environ.get("TERM", "") not in _WITHOUT_LINKS


def link(text: str, path: str) -> str:
    """`text` as a link to the file. The name of the machine is in it, so that a terminal elsewhere does not follow."""
    address = Path(path).as_uri().replace("file://", f"file://{quote(socket.gethostname())}", 1)
    return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\"
