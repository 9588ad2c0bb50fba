"""The choice of a folder to index: among the allowed roots, or, for a person at this machine, in a listing.

The listing is for those who run the server for themselves: it is there where the server listens on this machine alone,
names no roots and has no password, and only for requests from this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from indexer.folder_listing import FolderBrowser, FolderListing, ListedFolder
from model.paths import expanded, home_folder
from web.access import password_hash
from web.folder_keys import key_of, path_of
from web.indexing import FolderNotAllowed
from web.same_machine import is_from_this_machine
from web.service import current_service


def may_list_folders() -> bool:
    """Whether the client of this request may see the folders of this machine, and add any of them."""
    service = current_service()
    return (
        bool(current_app.config["HOSTS"])  # the server listens on this machine alone
        and not service.indexing.roots
        and password_hash(service.library) is None
        and is_from_this_machine()
    )


def folder_to_index(path: str | Path) -> Path:
    """The folder, if this request may have it indexed. Raises FolderNotAllowed."""
    service = current_service()
    if not may_list_folders():
        return service.indexing.allowed(str(path))
    folder = expanded(path)
    found = FolderBrowser(leave_out=service.library).find(folder) if folder.is_absolute() else None
    if found is None:
        raise FolderNotAllowed(
            f"{path} cannot be added from the page: choose a folder in your home folder or on a mounted disk, and no "
            "hidden one, or use `pixelseek index` in a terminal."
        )
    return found


def listing(key: str | None) -> FolderListing:
    """What lies in the folder of that key; None: where folders begin. Raises FolderNotAllowed."""
    if not may_list_folders():
        raise FolderNotAllowed("folders are listed on this machine only, until a password or a root is set.")
    folder = folder_to_index(path_of(key)) if key else None
    try:
        return FolderBrowser(leave_out=current_service().library).listing(folder)
    except OSError as error:
        raise FolderNotAllowed(f"{folder} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class Choice:
    """A folder on the page."""

    name: str
    key: str
    count: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class Chooser:
    """A listing on the page."""

    here: Choice | None
    """None where folders begin."""
    above: list[Choice]
    folders: list[Choice]
    left_out: int

    @classmethod
    def of(cls, listing: FolderListing) -> Chooser:
        """The listing as the page shows it."""
        return cls(
            None if listing.itself is None else _choice(listing.itself),
            [Choice(_name(path), key_of(path)) for path in listing.above],
            [_choice(folder) for folder in listing.folders],
            listing.left_out,
        )


def _choice(folder: ListedFolder) -> Choice:
    return Choice(_name(folder.path), key_of(folder.path), _count(folder), folder.problem)


def _name(path: Path) -> str:
    return "All of your home folder" if path == home_folder().resolve() else path.name


def _count(folder: ListedFolder) -> str:
    if folder.photos is None:
        return ""
    if not folder.is_complete:
        return f"more than {folder.photos:,} photos" if folder.photos else "not counted"
    if not folder.photos:
        return "no photos"
    return f"{folder.photos:,} photo{'s' if folder.photos > 1 else ''}"
