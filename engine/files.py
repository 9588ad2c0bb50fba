"""A photo that is named by its file, in the library or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import QueryError
from indexer.decoding import Failure, Picture
from indexer.library.photo import FileIdentity
from indexer.workers import read_photo_alone
from model.image_processor import PixelBertImageProcessor


@dataclass(frozen=True)
class PhotoFile:
    """A photo file, read and decoded."""

    identity: FileIdentity
    picture: Picture


def read_file(path: Path, processor: PixelBertImageProcessor) -> PhotoFile:
    """Read the photo at `path`.

    It is decoded in a process of its own, under the limits of indexing. Raises QueryError where it is not a photo.
    """
    if not path.is_file():
        raise QueryError(f"{path} is not a file. Name a photo.")
    read = read_photo_alone(str(path), processor)
    if isinstance(read, Failure):
        raise QueryError(f"{path} cannot be read as a photo: {read}")
    assert read.picture is not None, "nothing was known, so everything was decoded"
    return PhotoFile(read.identity, read.picture)
