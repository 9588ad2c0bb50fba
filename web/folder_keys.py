"""Paths of folders in addresses and forms: a path may have bytes that are no text."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

_SAFE = "/ "


def key_of(path: Path) -> str:
    """The path as text."""
    return quote(os.fsencode(path), safe=_SAFE)


def path_of(key: str) -> Path:
    """The path of a key."""
    return Path(os.fsdecode(unquote_to_bytes(key)))
