"""What a library knows of one photo, and what makes it the same photo wherever its file lies."""

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
    """Absolute path of its file, one that can be reached where it lies in several places."""
    online: bool
    """False while the folder it lies in cannot be reached."""
    size: int
    """Bytes."""
    width: int
    """Pixels, upright, as height is."""
    height: int
    note: str | None
    """What is wrong with its file, which is read all the same."""
    caption: str | None
    tags: list[str]
