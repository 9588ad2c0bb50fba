"""Requests and responses about photos, and what people write about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from indexer.library.annotations import MAX_CAPTION, MAX_TAG, MAX_TAGS
from indexer.library.found_text import FoundText
from indexer.library.photo import PhotoRecord
from web.schema.base import PhotoIds, RequestModel, ResponseModel

Tag = Annotated[str, Field(max_length=MAX_TAG)]


class AnnotationRequest(RequestModel):
    """What to write about a photo."""

    caption: str | None = Field(None, max_length=MAX_CAPTION, description="Empty: the caption is deleted.")
    tags: list[Tag] | None = Field(None, max_length=MAX_TAGS, description="These tags and no others.")
    tag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to add.")
    untag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to remove.")
    favourite: bool | None = Field(None, description="Whether the photo is a favourite.")


class AnnotationsRequest(RequestModel):
    """What to write about many photos."""

    photo_ids: PhotoIds
    tag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to add.")
    untag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to remove.")
    favourite: bool | None = Field(None, description="Whether the photos are favourites.")


class ZipRequest(RequestModel):
    """The photos whose files to send."""

    photo_ids: PhotoIds


class TextAnswer(ResponseModel):
    """A line of text in a photo."""

    text: str
    confidence: float = Field(description="How certain the reading is, 0 to 1.")
    box: list[list[float]] = Field(
        description="The corners, clockwise as one reads it from the upper left one: fractions of width and height."
    )


class PhotoAnswer(ResponseModel):
    """What is known of a photo: what `pixelseek caption --json` prints."""

    photo_id: int
    path: str
    online: bool = Field(description="False while its folder cannot be reached.")
    width: int = Field(description="Pixels of the upright photo.")
    height: int
    taken_at: str | None = Field(
        description="ISO 8601; without an offset where it is unknown. Less precise where only that is known: `1950`, "
        "`1950-07`, `1950-07-14`."
    )
    taken_source: Literal["exif", "xmp", "iptc", "png", "name", "file"] | None = Field(
        description="Where the date was read. `name` (of the file) and `file` (when it was written) are guesses."
    )
    camera: str | None
    lens: str | None
    latitude: float | None
    longitude: float | None
    place: str | None = Field(description="City or region, and country, by the position: `Lisbon, Portugal`.")
    city: str | None
    region: str | None
    country: str | None
    title: str | None = Field(description="Written into the file by another program; description and keywords too.")
    description: str | None
    keywords: list[str]
    author: str | None
    note: str | None = Field(description="What is wrong with a file that can still be read.")
    caption: str | None = Field(description="Written with Pixelseek; tags too.")
    tags: list[str]
    favourite: bool
    text: list[TextAnswer] = Field(description="What can be read in the photo; empty where that was not looked for.")

    @classmethod
    def of(cls, photo: PhotoRecord, text: Sequence[FoundText]) -> PhotoAnswer:
        """The photo, with the text in it, as a response."""
        lines = [TextAnswer.from_attributes(line) for line in text]
        return cls.from_attributes(photo, photo_id=photo.id, taken_at=photo.taken_iso(), text=lines)


class AnnotationAnswer(ResponseModel):
    """What people wrote about a photo."""

    caption: str | None
    tags: list[str]
    favourite: bool


class ShownAnswer(ResponseModel):
    """The file that the file manager shows."""

    path: str


class ChangedAnswer(ResponseModel):
    """The photos that were changed."""

    changed: list[int] = Field(description="Their ids. The others were so already, or are not in the library.")
