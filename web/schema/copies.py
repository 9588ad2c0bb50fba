"""Requests and responses about files with nearly the same photo."""

from __future__ import annotations

from pydantic import Field

from engine.duplicates import Copy
from indexer.photo_files import State
from web.copies import Comparison
from web.schema.base import MAX_LIMIT, RequestModel, ResponseModel


class CopyAnswer(ResponseModel):
    """A file with nearly the same photo."""

    path: str
    photo_id: int = Field(description="Files with the same id have the same bytes.")
    width: int = Field(description="Pixels.")
    height: int
    size: int = Field(description="Bytes.")
    state: State = Field(description="`changed`: since it was indexed. `offline`: its folder cannot be reached.")
    links: list[str] = Field(description="Other paths that lead to the same file.")
    taken_at: str | None = Field(description="When it was taken, as in the record of a photo; null for no date.")


class DuplicatesAnswer(ResponseModel):
    """The files that hold a photo or nearly the same one, the largest first."""

    copies: list[CopyAnswer]

    @classmethod
    def of(cls, copies: list[Copy]) -> DuplicatesAnswer:
        """The copies as a response."""
        return cls.model_construct(copies=[CopyAnswer.from_attributes(copy) for copy in copies])


class CopyGroupsRequest(RequestModel):
    """Which groups of copies to return."""

    start: int = Field(0, ge=0, le=2**31, description="How many groups to leave out.")
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many groups to return.")


class CopyGroupsAnswer(ResponseModel):
    """Groups of files that hold nearly the same photo, the largest groups first, in each the largest file first."""

    ready: bool = Field(description="False while the photos are compared for the first time.")
    compared: int = Field(description="How many photos the comparison that is running has compared.")
    photos: int = Field(description="How many photos it compares; 0 while none is running.")
    problem: str | None = Field(description="Why the photos could not be compared.")
    total: int = Field(description="How many groups there are.")
    files: int = Field(description="How many files are in them.")
    smaller_bytes: int = Field(description="What all files but the largest of each group take.")
    groups: list[DuplicatesAnswer] = Field(description="Without groups whose files have gone or changed since.")
    next: int | None = Field(description="`start` of the next groups; null after the last.")

    @classmethod
    def of(cls, comparison: Comparison, groups: list[list[Copy]], start: int, limit: int) -> CopyGroupsAnswer:
        """Some groups of the comparison as a response."""
        total, after = len(comparison.groups), start + limit
        return cls.from_attributes(
            comparison,
            ready=comparison.is_ready,
            total=total,
            groups=[DuplicatesAnswer.of(group) for group in groups],
            next=after if after < total else None,
        )
