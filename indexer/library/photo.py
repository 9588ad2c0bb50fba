"""The record of a photo, and the identity of its file."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.metadata.fields import Metadata


@dataclass(frozen=True)
class FileIdentity:
    """Files with the same identity hold the same photo."""

    digest: bytes
    """BLAKE2b-128 of the file's bytes."""
    size: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class PhotoRecord(Metadata):
    """A visible photo: its file, the metadata in it, and what people wrote about it with Pixelseek.

    The one list of a photo's fields. Columns of the catalog, exports and the web API have the same names and types:
    they are built from it, or a test compares them with it.
    """

    id: int
    path: str
    """Absolute path of its file; of several files, one that can be reached."""
    online: bool
    """False while its folder cannot be reached."""
    size: int
    """Bytes."""
    width: int
    """Pixels, upright, as height is."""
    height: int
    city: str | None
    """Derived from the position, as region and country are; in English."""
    region: str | None
    country: str | None
    note: str | None
    """What is wrong with its file, although it could be read."""
    caption: str | None
    tags: list[str]
    favourite: bool

    @property
    def place(self) -> str | None:
        """Where it was taken, such as `Lisbon, Portugal`; None where that is not known."""
        return place_text(self.city or self.region, self.country)


def place_text(city: str | None, country: str | None) -> str | None:
    """City, or region, and country as one text; each once."""
    return ", ".join(dict.fromkeys(name for name in (city, country) if name)) or None
