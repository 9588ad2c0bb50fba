"""Requests and responses of the API as pydantic models: one source for validation, JSON and the OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from engine.duplicates import Copy
from engine.explain import MIN_MAP_ODDS
from engine.query import write_filter
from engine.results import HintKind
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from indexer.folder_listing import FolderListing, ListedFolder
from indexer.library.annotations import MAX_CAPTION, MAX_TAG, MAX_TAGS
from indexer.library.facets import Facets, Place
from indexer.library.found_text import FoundText
from indexer.library.overview import Group, Overview
from indexer.library.photo import PhotoRecord
from indexer.library.saved_searches import MAX_NAME
from indexer.library.status import LibraryStatus
from indexer.photo_files import State
from indexer.selection import DEFAULT_EXCLUDES, NO_MEDIA
from indexer.text_extra import reads_text
from web.copies import Comparison
from web.folder_keys import key_of
from web.indexing import IndexJob, Progress

MAX_PHOTO_ID = 2**63 - 1
MAX_SELECTED = 10_000
"""Photos that one request may name."""
_MAX_LIMIT = 200
_MAX_FACETS = 100
Tag = Annotated[str, Field(max_length=MAX_TAG)]


class RequestModel(BaseModel):
    """The parameters of a request. An unknown parameter is an error."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(RequestModel):
    """A query, and how many of its photos to return."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["a dog on the beach", "a beach -crowd taken:2021"],
        description="What the photos show, in English; with excluded terms (`-crowd`) and filters.",
    )
    limit: int = Field(20, ge=1, le=_MAX_LIMIT, description="How many photos to return.")
    rerank: bool = Field(
        True, description="Whether words and photos are read together; without it photos come in order of similarity."
    )
    sort: Sort = Field("match", description="`date`: the best photos come newest first.")
    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next` of the page before. The order stays the same, also while photos are indexed.",
    )


class SimilarRequest(RequestModel):
    """What the similar photos show too, and how many to return."""

    q: str = Field(
        "",
        max_length=MAX_CHARACTERS,
        examples=["at night"],
        description="Words that count as much as the photo; with excluded terms and filters.",
    )
    limit: int = Field(20, ge=1, le=_MAX_LIMIT, description="How many photos to return.")


class FacetsRequest(RequestModel):
    """Which photos are counted."""

    q: str = Field("", max_length=MAX_CHARACTERS, description="A query; without one, all photos are counted.")


SearchName = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME, examples=["Rex at the sea"], description="Of a saved search.")
]


class SaveSearchRequest(RequestModel):
    """A search to keep."""

    name: SearchName
    q: str = Field(
        min_length=1, max_length=MAX_CHARACTERS, examples=["a dog on the beach taken:2021"], description="The query."
    )


class RenameSearchRequest(RequestModel):
    """Another name for a saved search."""

    name: SearchName
    new_name: SearchName


class DeleteSearchRequest(RequestModel):
    """Which saved search to delete."""

    name: SearchName


class ExplainRequest(RequestModel):
    """The sentence that a photo is compared with."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["a dog on the beach"],
        description="The sentence, in English.",
    )


class AskRequest(RequestModel):
    """A question about a photo, and how many answers to return."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["how many dogs are there?"],
        description="The question, in English.",
    )
    top: int = Field(5, ge=1, le=_MAX_LIMIT, description="How many answers to return.")


class HeatRequest(ExplainRequest):
    """Which word of the sentence to show."""

    word: int = Field(ge=0, examples=[1], description="Index of the word in `words`, from 0.")


class AnnotationRequest(RequestModel):
    """What to write about a photo."""

    caption: str | None = Field(None, max_length=MAX_CAPTION, description="Empty: the caption is deleted.")
    tags: list[Tag] | None = Field(None, max_length=MAX_TAGS, description="These tags and no others.")
    tag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to add.")
    untag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to remove.")
    favourite: bool | None = Field(None, description="Whether the photo is a favourite.")


PhotoId = Annotated[int, Field(ge=0, le=MAX_PHOTO_ID)]
PhotoIds = Annotated[
    list[PhotoId],
    Field(min_length=1, max_length=MAX_SELECTED, examples=[[7, 9]], description="The photos, by id."),
]


class ZipRequest(RequestModel):
    """The photos whose files to send."""

    photo_ids: PhotoIds


class AnnotationsRequest(RequestModel):
    """What to write about many photos."""

    photo_ids: PhotoIds
    tag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to add.")
    untag: list[Tag] = Field([], max_length=MAX_TAGS, description="Tags to remove.")
    favourite: bool | None = Field(None, description="Whether the photos are favourites.")


class IndexRequest(RequestModel):
    """The folders to index."""

    folders: list[str] = Field(
        [],
        max_length=100,
        examples=[["/home/me/Pictures"]],
        description="Absolute paths inside the roots that the server allows, or any that `folders` lists. Empty: every "
        "known folder.",
    )


class ResponseModel(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def from_attributes(cls, source: object, **values: Any) -> Self:
        """The response with each field that is an attribute of `source`, and with `values`.

        It is not validated: the values are our own, and file names need not be valid Unicode.
        """
        attributes = {name: getattr(source, name) for name in cls.model_fields if hasattr(source, name)}
        return cls.model_construct(**attributes | values)


class HitAnswer(ResponseModel):
    """One photo that was found."""

    path: str
    photo_id: int
    similarity: float | None = Field(
        description="Cosine of the embeddings, -1 to 1, which orders the shortlist; null without a sentence."
    )
    match: float | None = Field(
        description="Probability that a person says that the photo fits the sentence, 0 to 1; null without a rerank."
    )
    score: float | None = Field(description="Orders the reranked hits; null without a rerank.")
    width: int = Field(description="Pixels of the upright photo.")
    height: int
    size: int = Field(description="Bytes of the file.")
    taken_at: str | None = Field(description="When it was taken, as in the record of a photo; null for no date.")
    thumbnail: str = Field(description="Address of its thumbnail on this server, at most 640 pixels a side.")
    online: bool = Field(description="False while its folder cannot be reached.")
    copies: list[int] = Field(description="Ids of other photos that this search found and that are nearly the same.")


class SavedSearchAnswer(ResponseModel):
    """A search that a person keeps."""

    name: str
    query: str


class SavedSearchesAnswer(ResponseModel):
    """The saved searches, in the order of their names."""

    searches: list[SavedSearchAnswer]

    @classmethod
    def of(cls, saved: Mapping[str, str]) -> SavedSearchesAnswer:
        """The searches by name as a response."""
        searches = [SavedSearchAnswer.model_construct(name=name, query=query) for name, query in saved.items()]
        return cls.model_construct(searches=searches)


class HintAnswer(ResponseModel):
    """What one may want to know about a search, such as why it found no good photo, and what to try instead."""

    kind: HintKind
    text: str = Field(description="One sentence.")
    query: str | None = Field(description="A query to try instead.")


class SearchAnswer(ResponseModel):
    """Photos that fit the sentence, best first: what `pixelseek search --json` prints, with thumbnails, and `next`."""

    query: str
    hits: list[HitAnswer]
    line: int = Field(
        description="How many photos are the best ones: they come first, on this page and the next ones; 0: none is."
    )
    hints: list[HintAnswer] = Field(description="Why there may be no good photo, and what to try instead.")
    reranked: int = Field(description="How many photos were reranked. They come first, on this page and the next ones.")
    timings_ms: dict[str, float] = Field(description="Milliseconds of each stage of the search.")
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


class SimilarAnswer(ResponseModel):
    """Similar photos, most similar first: what `pixelseek similar --json` prints."""

    hits: list[HitAnswer]


class WordAnswer(ResponseModel):
    """A word, how much evidence for the photo it is, and where in the photo it is seen."""

    word: str
    evidence: float = Field(
        description="Log-odds ratio: how much likelier people use the word for this photo than for any photo. 0 for a "
        "word that the model has not learned."
    )
    map: list[list[float]] | None = Field(
        description="Rows of a grid over the photo, 0 to 1: where the word is seen. Null where the evidence is below "
        f"{math.log(MIN_MAP_ODDS):.1f} ({MIN_MAP_ODDS:g} times the usual odds), or the photo's file cannot be read."
    )


class ExplainAnswer(ResponseModel):
    """Why a photo matches a sentence: what `pixelseek explain --json` prints."""

    sentence: str
    match: float = Field(description="Match of the sentence alone: excluded terms and annotations are left out.")
    words: list[WordAnswer] = Field(description="As they stand in the sentence; only those that the model reads.")


class OneAnswer(ResponseModel):
    """One possible answer."""

    answer: str
    probability: float = Field(description="How likely it is right, 0 to 1.")


class AskAnswer(ResponseModel):
    """The likeliest answers to a question about a photo, best first."""

    question: str
    known: bool = Field(description="False where the first answer is less likely than the cutoff.")
    cutoff: float = Field(description="The probability below which the model does not know the answer.")
    answers: list[OneAnswer]


class FacetAnswer(ResponseModel):
    """A value that photos can be filtered by."""

    name: str = Field(description="A month as `2021-07`, a camera, or the absolute path of a folder.")
    filter: str | None = Field(description="The filter to add to a query; null where a query cannot express it.")
    photos: int = Field(description="How many photos there are; of a folder, how many files.")


class PlaceAnswer(ResponseModel):
    """A place where photos were taken."""

    name: str = Field(description="City or region, and country: `Lisbon, Portugal`.")
    country: str
    latitude: float = Field(description="The mean of the photos' positions.")
    longitude: float
    filter: str | None = Field(description="The filter to add to a query; null where a query cannot express it.")
    photos: int

    @classmethod
    def of(cls, place: Place) -> PlaceAnswer:
        """The place as a response."""
        return cls.from_attributes(place, filter=write_filter("place", place.name))


class FacetsAnswer(ResponseModel):
    """How many photos each filter would leave. Each kind of filter is counted as if the query had none of it."""

    months: list[FacetAnswer] = Field(description="When photos were taken, the earliest first.")
    cameras: list[FacetAnswer] = Field(description="Most photos first, at most 100; folders and places too.")
    folders: list[FacetAnswer]
    places: list[PlaceAnswer]

    @classmethod
    def of(cls, facets: Facets) -> FacetsAnswer:
        """The facets as a response."""

        def counts(name: str, photos: Mapping[str, int], limit: int | None = None) -> list[FacetAnswer]:
            return [
                FacetAnswer.model_construct(name=value, filter=write_filter(name, value), photos=count)
                for value, count in islice(photos.items(), limit)
            ]

        return cls.model_construct(
            months=counts("taken", facets.months),
            cameras=counts("camera", facets.cameras, _MAX_FACETS),
            folders=counts("folder", facets.folders, _MAX_FACETS),
            places=[PlaceAnswer.of(place) for place in facets.places[:_MAX_FACETS]],
        )


class GroupAnswer(ResponseModel):
    """Photos of one year or folder."""

    name: str = Field(description="A year, or the absolute path of a folder.")
    filter: str | None = Field(description="The filter that finds them; null where a query cannot express it.")
    photos: int = Field(description="How many photos there are; of a folder, how many files.")
    cover: int = Field(description="The id of one of them.")


class OverviewAnswer(ResponseModel):
    """What is in the library at a glance."""

    photos: int = Field(description="How many photos a search can find.")
    newest: list[int] = Field(
        description="Ids of the photos that were taken last, the newest first; at most 12, and no copies."
    )
    favourites: list[int] = Field(description="Ids of the newest favourites, likewise.")
    years: list[GroupAnswer] = Field(description="The latest first.")
    folders: list[GroupAnswer] = Field(description="The indexed folders; in place of a single one, those in it.")

    @classmethod
    def of(cls, overview: Overview, favourites: list[int], photos: int) -> OverviewAnswer:
        """The overview as a response."""

        def groups(name: str, groups: list[Group]) -> list[GroupAnswer]:
            return [GroupAnswer.from_attributes(group, filter=write_filter(name, group.name)) for group in groups]

        return cls.from_attributes(
            overview,
            photos=photos,
            favourites=favourites,
            years=groups("taken", overview.years),
            folders=groups("folder", overview.folders),
        )


class ExamplesAnswer(ResponseModel):
    """Sentences that find good photos in this library."""

    ready: bool = Field(description="False while the first sentences are looked for: ask again.")
    examples: list[str] = Field(description="At most 6; none where the weights have no word detectors.")


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
    limit: int = Field(20, ge=1, le=_MAX_LIMIT, description="How many groups to return.")


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
        description="Whether the FAISS index covers every photo; photos outside it are compared one by one."
    )
    search: str = Field(
        description="What finds the photos nearest to a sentence, by the library's settings: `FAISS on the CPU`, "
        "`FAISS on the GPU` or `PyTorch on the GPU`."
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


class Problem(ResponseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Always `about:blank`: the status says which kind of error it is.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what helps.")
    wrong: str | None = Field(None, description="The part of the query that makes no sense, where one is to blame.")
    queries: list[str] = Field([], description="Queries to try instead, the likeliest first.")
