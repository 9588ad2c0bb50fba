"""Requests and responses about indexing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.indexing import IndexJob, Progress
from web.schema.base import RequestModel, ResponseModel


class IndexRequest(RequestModel):
    """The folders to index."""

    folders: list[str] = Field(
        [],
        max_length=100,
        examples=[["/home/me/Pictures"]],
        description="Absolute paths inside the roots that the server allows, or any that `folders` lists. Empty: every "
        "known folder.",
    )


class PassedOverAnswer(ResponseModel):
    """Files that cannot be found, for one reason."""

    reason: str = Field(description="Why a file could not be read, or the suffix of a kind that is not read.")
    is_photo: bool = Field(description="Whether the files have names of photos; false: of kinds that are not read.")
    files: int
    examples: list[str] = Field(description="Paths of a few of them; of kinds that are not read, of their folders.")


class JobAnswer(ResponseModel):
    """The progress of indexing."""

    state: Literal["idle", "running", "done", "cancelled", "failed"]
    done: int = Field(0, description="Files read so far; unchanged files are not counted.")
    total: int = 0
    failed: int = Field(0, description="Files that could not be read as photos.")
    message: str | None = Field(None, description="How indexing ended.")
    text: str = Field("", description="The progress in one sentence.")
    rate: float | None = Field(None, description="Files per second, over half a minute; null while it is unknown.")
    seconds_left: float | None = Field(None, description="How long it still takes; null while that is unknown.")
    newest: list[int] = Field([], description="Ids of the photos that this run added last, the latest first.")
    passed_over: list[PassedOverAnswer] = Field([], description="The files of the library that are not searched.")

    @classmethod
    def of(cls, job: IndexJob, progress: Progress | None = None) -> JobAnswer:
        """The progress, by default that of now, as a response."""
        outcome = job.outcome()
        return cls.from_attributes(
            progress or job.progress,
            newest=outcome.newest,
            passed_over=[PassedOverAnswer.from_attributes(group) for group in outcome.passed_over],
        )
