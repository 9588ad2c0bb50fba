"""Where a library stands, as the API says it."""

from __future__ import annotations

from pydantic import Field

from indexer.library.status import LibraryStatus
from indexer.selection import DEFAULT_EXCLUDES, NO_MEDIA
from indexer.text_extra import reads_text
from web.schema.base import ResponseModel


class FolderAnswer(ResponseModel):
    """An indexed folder."""

    path: str
    online: bool = Field(description="Whether it could be reached when last indexed.")
    files: int = Field(description="How many photo files it holds, with unreadable ones.")
    exclude: list[str] = Field(description="Patterns of files that are not indexed, beside those by default.")
    include: list[str] = Field(description="Patterns of files that are indexed although another pattern excludes them.")


class FailureAnswer(ResponseModel):
    """A file that could not be read as a photo."""

    path: str
    reason: str


class StatusAnswer(ResponseModel):
    """Where the library stands: what `pixelseek status --json` prints."""

    library: str = Field(description="The folder of the library.")
    catalog: str = Field(description="The catalog: its file in that folder, or its URL without the password.")
    files: str = Field(description="URL where pixel features and thumbnails are; empty: in that folder.")
    photos: int = Field(description="Photos that a search can find.")
    waiting: int = Field(description="Photos that are not encoded yet.")
    text_read: int = Field(description="Photos in which text was looked for.")
    text_waiting: int | None = Field(description="Photos whose text is not read yet; null where no text is read.")
    failed: int
    failures: list[FailureAnswer]
    passed_over: dict[str, int] = Field(description="How many files of other types there are, by suffix.")
    folders: list[FolderAnswer]
    bytes_on_disk: int = Field(description="Size of the library itself, without photos and thumbnails.")
    weights: str | None = Field(description="The name of the model; null where it is unknown.")
    generation: str = Field(description="The model's generation, a digest of its weights and settings.")
    other_generations: dict[str, int] = Field(description="Bytes of files that other models made, by generation.")
    left_out_by_default: list[str] = Field(description="Patterns of files that are not indexed in any folder.")
    index_fresh: bool = Field(
        description="Whether the index of vectors covers every photo; photos outside it are compared one by one."
    )
    search: str = Field(
        description="What finds the photos nearest to a sentence, by the library's settings: `FAISS on the CPU`, "
        "`FAISS on the GPU`, `PyTorch on the GPU` or `Milvus at URL`, without its password."
    )

    @classmethod
    def of(cls, status: LibraryStatus, weights: str | None) -> StatusAnswer:
        """The status as a response; `weights` is the name of the model."""
        return cls.from_attributes(
            status,
            library=str(status.path),
            text_waiting=status.text_waiting if reads_text(status.path) else None,
            weights=weights,
            left_out_by_default=[*DEFAULT_EXCLUDES, NO_MEDIA],
            failures=[FailureAnswer.model_construct(path=path, reason=reason) for path, reason in status.failures],
            folders=[FolderAnswer.from_attributes(folder, files=folder.locations) for folder in status.folders],
        )
