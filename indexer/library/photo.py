"""What is known of one photo, and what makes it the same photo wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """What makes a photo the same photo, wherever it lies."""

    digest: bytes
    """BLAKE2b-128 of the file's bytes."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Photo:
    """A visible photo."""

    id: int
    path: str
    """Absolute path of its file, one that can be reached where it lies in several places."""
    online: bool
    """False while the folder it lies in cannot be reached."""
    size: int
    """Bytes."""
    width: int
    """Pixels, upright, as height is."""
    height: int
    taken_at: int | None
    """UTC seconds; the camera's own clock read as UTC when `taken_offset` is unknown."""
    taken_offset: int | None
    """Seconds east of UTC."""
    taken_microsecond: int | None
    """To be added to `taken_at`."""
    taken_precision: str | None
    """`year`, `month` or `day` where no more is known; `taken_at` is the start of it."""
    taken_source: str | None
    """Where the date stands: `exif`, `xmp`, `iptc` or `png`; else it is guessed from a file's `name` or `file` time."""
    camera: str | None
    lens: str | None
    latitude: float | None
    longitude: float | None
    orientation: int | None
    """EXIF orientation, 1 to 8."""
    title: str | None
    """What other programs have written into the file, as description and keywords."""
    description: str | None
    keywords: list[str]
    author: str | None
    note: str | None
    """What is wrong with its file, which is read all the same."""
    caption: str | None
    """What people have written about it with Pixelseek, as tags."""
    tags: list[str]
