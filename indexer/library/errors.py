# ruff: noqa: N818  (LibraryMissing says it all)
"""What can be wrong with a library, in words for the person who opened it."""

from __future__ import annotations

from model.errors import PixelseekError

REMEDY = "`pixelseek library verify --repair` makes that again"
"""Ends the message about derived data that is not sound."""


class LibraryError(PixelseekError):
    """Something is wrong with a library; the message names it and the remedy."""


class LibraryMissing(LibraryError):
    """There is no library at that path."""


class LibraryClosed(LibraryError):
    """The library is used after it was closed."""


class LibraryLocked(LibraryError):
    """Another process is writing to the library."""


class LibraryReadOnly(LibraryError):
    """The library's folder cannot be written."""


class LibraryReencoded(LibraryError):
    """Other weights have encoded the photos since the library was opened."""


class LibraryTooNew(LibraryError):
    """The library was written by a newer Pixelseek."""


class LibraryDamaged(LibraryError):
    """The catalog is not a readable database."""


class FolderMissing(LibraryError):
    """A folder to index does not exist."""


class PatternRefused(LibraryError):
    """A pattern of what to leave out makes no sense, or is given for a part of a folder."""


class PhotoMissing(LibraryError):
    """A photo has left the library since it was found."""


class AnnotationRefused(LibraryError):
    """A caption or a tag that is too long, or no text."""


def reason(error: OSError) -> str:
    """What the system says is wrong."""
    return error.strerror or str(error)
