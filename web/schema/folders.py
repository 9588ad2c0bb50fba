"""Requests and responses about folders that may be indexed."""

from __future__ import annotations

from pydantic import Field

from indexer.folder_listing import FolderListing, ListedFolder
from web.folder_keys import key_of
from web.schema.base import RequestModel, ResponseModel


class FoldersRequest(RequestModel):
    """Which folder to list."""

    at: str | None = Field(None, max_length=20_000, description="The `at` of a folder; none: where folders begin.")


class ListedFolderAnswer(ResponseModel):
    """A folder that may be indexed."""

    path: str
    at: str = Field(description="Lists this folder: its path, percent-encoded.")
    photos: int | None = Field(description="How many photos were counted in it; null where it could not be read.")
    is_complete: bool = Field(description="Whether all were counted: the time is limited.")
    problem: str | None = Field(description="Why it cannot be read.")

    @classmethod
    def of(cls, folder: ListedFolder) -> ListedFolderAnswer:
        """The folder as a response."""
        return cls.from_attributes(folder, path=str(folder.path), at=key_of(folder.path))


class FoldersAnswer(ResponseModel):
    """Folders that may be indexed."""

    path: str | None = Field(description="Of the folder that is listed; null where folders begin.")
    folders: list[ListedFolderAnswer]
    left_out: int = Field(description="How many more folders lie there.")

    @classmethod
    def of(cls, listing: FolderListing) -> FoldersAnswer:
        """The listing as a response."""
        folders = [ListedFolderAnswer.of(folder) for folder in listing.folders]
        return cls.from_attributes(listing, path=None if listing.path is None else str(listing.path), folders=folders)
