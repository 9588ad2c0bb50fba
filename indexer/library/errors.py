# ruff: noqa: N818  (LibraryMissing needs no suffix Error)
"""The errors of a library. Their messages are shown to the user."""

from __future__ import annotations

from model.errors import PixelseekError

REMEDY = "`pixelseek library verify --repair` makes that again"
"""Ends the message about derived data that is not sound."""


class LibraryError(PixelseekError):
    """Something is wrong with a library; the message names it and the remedy."""


class LibraryMissing(LibraryError):
    """There is no library at that path."""


class ServerUnreachable(LibraryError):
    """A server that holds a part of the library cannot be reached, or the connection to it was lost."""


class CatalogUnreachable(ServerUnreachable):
    """It holds the catalog."""


class VectorsUnreachable(ServerUnreachable):
    """It holds the vectors of photos."""


class VectorsMissing(LibraryError):
    """The server has no collection of that name, or gave the name to another one."""


class FilesUnreachable(LibraryError):
    """The place where a library keeps pixel features and thumbnails cannot be used."""


class LibraryClosed(LibraryError):
    """The library was used after it was closed."""


class LibraryLocked(LibraryError):
    """Another process is writing to the library."""


class LibraryReadOnly(LibraryError):
    """The library's folder cannot be written."""


class LibraryReencoded(LibraryError):
    """Other weights encoded the photos after the library was opened."""


class LibraryTooNew(LibraryError):
    """The library was written by a newer Pixelseek."""


class LibraryDamaged(LibraryError):
    """The catalog is not a readable database."""


class FeaturesMissing(LibraryDamaged):
    """The files that hold pixel features are missing or damaged; the message names one."""


class FolderMissing(LibraryError):
    """A folder to index does not exist."""


class PatternRefused(LibraryError):
    """A pattern of excluded files makes no sense, or was given for a part of a folder."""


class PhotoMissing(LibraryError):
    """A photo is not, or is no longer, in the library."""


class SavedSearchMissing(LibraryError):
    """There is no saved search of that name."""


class SavedSearchRefused(LibraryError):
    """The name of a saved search is taken, empty or too long, or there are too many."""


class AnnotationRefused(LibraryError):
    """A caption or tag is too long, or is not text."""


class TaughtWordMissing(LibraryError):
    """There is no such taught word."""


class TaughtWordRefused(LibraryError):
    """The name of a taught word is no text or too long, or there are too many words or answers."""


def reason(error: OSError) -> str:
    """The message of the operating system."""
    return error.strerror or str(error)
