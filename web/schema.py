"""What the API takes and gives, as pydantic models: the one source of its checks and of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.duplicates import Copy
from engine.explain import Explanation
from engine.query import write_filter
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from indexer.library.facets import PLACE_KM, Facets, Place
from indexer.library.photo import PhotoRecord
from indexer.library.status import LibraryStatus
from indexer.present import State

LARGEST_LIMIT = 200
_MOST_FACETS = 100


class Request(BaseModel):
    """What is asked. A name that is not known is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(Request):
    """A sentence, and how much of its answer is wanted."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        description="What the photos show, in English; words to keep out and filters too.",
    )
    limit: int = Field(20, ge=1, le=LARGEST_LIMIT, description="How many photos to return.")
    rerank: bool = Field(True, description="Read words and photos together; false stops at the order of similarity.")
    sort: Sort = Field("match", description="`date`: the photos whose match is not weak come newest first.")
    cursor: str | None = Field(
        None, max_length=64, description="`next` of the page before: goes on in the same order, whatever was indexed."
    )


class SimilarRequest(Request):
    """What the photos shall show beside, and how many are wanted."""

    q: str = Field(
        "", max_length=MAX_CHARACTERS, description="Words wanted as much as the photo; filters and words to keep out."
    )
    limit: int = Field(20, ge=1, le=LARGEST_LIMIT, description="How many photos to return.")


class FacetsRequest(Request):
    """Among which photos."""

    q: str = Field("", max_length=MAX_CHARACTERS, description="A query; its filters count, its words do not.")


class ExplainRequest(Request):
    """What a photo is held against."""

    q: str = Field(min_length=1, max_length=MAX_CHARACTERS, description="The sentence, in English.")


class AskRequest(Request):
    """A question about a photo."""

    q: str = Field(min_length=1, max_length=MAX_CHARACTERS, description="The question, in English.")
    top: int = Field(5, ge=1, le=LARGEST_LIMIT, description="How many answers to return.")


class HeatRequest(ExplainRequest):
    """Which word of it is meant."""

    word: int | None = Field(None, ge=0, description="Place of the word in `words`, from 0. None: all words together.")


class IndexRequest(Request):
    """What to index."""

    folders: list[str] = Field(
        [], max_length=100, description="Absolute paths, under the roots the server allows. None: every known folder."
    )


class Answer(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")


class HitAnswer(Answer):
    """One photo that was found."""

    path: str
    photo_id: int
    similarity: float | None = Field(
        description="Cosine of the embeddings, -1 to 1: what the shortlist goes by; null where there is no sentence."
    )
    match: float | None = Field(description="Probability that the photo matches, 0 to 1; null without a rerank.")
    score: float | None = Field(description="What reranked hits are sorted by; null without a rerank.")
    online: bool = Field(description="False while its folder cannot be reached.")


class SearchAnswer(Answer):
    """Photos that fit the sentence, best first: what `pixelseek search --json` prints, and `next`."""

    query: str
    hits: list[HitAnswer]
    cutoff: float = Field(description="The match below which a hit is weak.")
    reranked: int = Field(description="How many photos were reranked: they come first, on this page and the next ones.")
    timings_ms: dict[str, float] = Field(description="Milliseconds of each stage of the search.")
    next: str | None = Field(description="The cursor of the next page; null where there is none.")


class SimilarAnswer(Answer):
    """Photos similar to one, most similar first."""

    hits: list[HitAnswer]


class WordAnswer(Answer):
    """A word, where it looks, and how much it speaks for the photo."""

    word: str
    evidence: float = Field(
        description="The logarithm of how many times as high the odds are that people use it of this photo as of any."
    )
    map: list[list[float]] = Field(description="Rows of cells that cover the photo, 0 to 1: where it looks most.")


class ExplainAnswer(Answer):
    """Why a photo matches a sentence: where in it each word looks, and how much each speaks for it."""

    words: list[WordAnswer] = Field(description="As they stand in the sentence; only those the model has read.")
    overall: list[list[float]] = Field(description="Rows of cells, 0 to 1: where words usually look.")

    @classmethod
    def of(cls, explanation: Explanation) -> ExplainAnswer:
        """The answer that `explanation` is."""
        maps = explanation.maps.round(3).tolist()
        told = zip(explanation.words, explanation.evidence.round(3).tolist(), maps, strict=True)
        words = [WordAnswer(word=word, evidence=evidence, map=rows) for word, evidence, rows in told]
        return cls(words=words, overall=explanation.overall.round(3).tolist())


class OneAnswer(Answer):
    """One answer that may be right."""

    answer: str
    probability: float = Field(description="How likely it is right, 0 to 1.")


class AskAnswer(Answer):
    """The likeliest answers to a question about a photo, best first."""

    question: str
    known: bool = Field(description="False where even the first answer is less likely than the cutoff.")
    cutoff: float = Field(description="The probability below which a first answer is not to be believed.")
    answers: list[OneAnswer]


class FacetAnswer(Answer):
    """Photos of one kind."""

    name: str = Field(description="A month as `2021-07`, a camera, or the absolute path of a folder.")
    filter: str | None = Field(description="What finds them, to be added to a query; null where no query can say it.")
    photos: int = Field(description="How many there are; of a folder, files.")


class PlaceAnswer(Answer):
    """Photos taken near one another."""

    latitude: float
    longitude: float
    filter: str = Field(description="What finds them, to be added to a query.")
    photos: int

    @classmethod
    def of(cls, place: Place) -> PlaceAnswer:
        """The answer about `place`."""
        near = f"near:{place.latitude},{place.longitude},{PLACE_KM:g}"
        return cls(latitude=place.latitude, longitude=place.longitude, filter=near, photos=place.photos)


class FacetsAnswer(Answer):
    """How many photos there are of each kind, each counted as if the query did not filter by it."""

    months: list[FacetAnswer] = Field(description="By when they were taken, the earliest first.")
    cameras: list[FacetAnswer] = Field(description="Most photos first, a hundred at most, as folders and places.")
    folders: list[FacetAnswer]
    places: list[PlaceAnswer]

    @classmethod
    def of(cls, facets: Facets) -> FacetsAnswer:
        """The answer about `facets`; made without checks, since file names need not be text."""

        def counts(name: str, photos: Mapping[str, int], most: int | None = None) -> list[FacetAnswer]:
            return [
                FacetAnswer.model_construct(name=value, filter=write_filter(name, value), photos=count)
                for value, count in islice(photos.items(), most)
            ]

        return cls.model_construct(
            months=counts("taken", facets.months),
            cameras=counts("camera", facets.cameras, _MOST_FACETS),
            folders=counts("folder", facets.folders, _MOST_FACETS),
            places=[PlaceAnswer.of(place) for place in facets.places],
        )


class PhotoAnswer(Answer):
    """What is known of a photo."""

    photo_id: int
    path: str
    online: bool = Field(description="False while its folder cannot be reached.")
    width: int = Field(description="Pixels, upright, as height is.")
    height: int
    taken_at: str | None = Field(
        description="ISO 8601; without an offset where the camera did not say its own. No more exact than it is known: "
        "a year is `1950`, a month `1950-07`, a day `1950-07-14`."
    )
    taken_source: Literal["exif", "xmp", "iptc", "png", "name", "file"] | None = Field(
        description="Where the date stands. Guessed from the `name` of the file, or from when the `file` was written, "
        "it is not certain."
    )
    camera: str | None
    lens: str | None
    latitude: float | None
    longitude: float | None
    title: str | None = Field(description="Written into the file by other programs, as description and keywords.")
    description: str | None
    keywords: list[str]
    author: str | None
    note: str | None = Field(description="What is wrong with the file, where it is read all the same.")
    caption: str | None = Field(description="Written by people with Pixelseek, as tags.")
    tags: list[str]

    @classmethod
    def of(cls, photo: PhotoRecord) -> PhotoAnswer:
        """The answer about `photo`; made without checks, since file names need not be text."""
        same = {name: getattr(photo, name) for name in cls.model_fields.keys() - {"photo_id", "taken_at"}}
        return cls.model_construct(photo_id=photo.id, taken_at=photo.taken_iso(), **same)


class CopyAnswer(Answer):
    """A file that holds nearly the same photo."""

    path: str
    photo_id: int = Field(description="Files of one photo are the same byte by byte.")
    width: int = Field(description="Pixels, as height is.")
    height: int
    size: int = Field(description="Bytes.")
    state: State = Field(description="`changed`: since it was indexed. `offline`: it cannot be looked at now.")
    links: list[str] = Field(description="Other paths that lead to the same file.")


class DuplicatesAnswer(Answer):
    """The files that hold a photo or nearly the same one, the largest first."""

    copies: list[CopyAnswer]

    @classmethod
    def of(cls, copies: list[Copy]) -> DuplicatesAnswer:
        """The answer about `copies`; made without checks, since file names need not be text."""
        return cls.model_construct(copies=[CopyAnswer.model_construct(**asdict(copy)) for copy in copies])


class FolderAnswer(Answer):
    """An indexed folder."""

    path: str
    online: bool = Field(description="Whether it could be reached when last indexed.")
    files: int = Field(description="Photo files known in it, unreadable ones counted.")
    exclude: list[str] = Field(description="Patterns of what is left out of it, beside what is by default.")
    include: list[str] = Field(description="Patterns of what is read all the same.")


class FailureAnswer(Answer):
    """A file that could not be read as a photo."""

    path: str
    reason: str


class StatusAnswer(Answer):
    """Where the library stands."""

    photos: int = Field(description="Photos that a search can find.")
    waiting: int = Field(description="Photos that these weights have not encoded yet.")
    failed: int
    failures: list[FailureAnswer]
    passed_over: dict[str, int] = Field(description="Files of kinds that are not read, by suffix.")
    folders: list[FolderAnswer]
    bytes_on_disk: int = Field(description="Of the library itself, without photos and thumbnails.")
    generation: str = Field(description="The model's generation, a digest of its weights and settings.")
    index_fresh: bool = Field(description="Whether the FAISS index covers every photo; the others are compared beside.")

    @classmethod
    def of(cls, status: LibraryStatus) -> StatusAnswer:
        """The answer about a library; made without checks, since file names need not be text."""
        return cls.model_construct(
            photos=status.photos,
            waiting=status.waiting,
            failed=status.failed,
            failures=[FailureAnswer.model_construct(path=path, reason=reason) for path, reason in status.failures],
            folders=[
                FolderAnswer.model_construct(
                    path=folder.path,
                    online=folder.online,
                    files=folder.locations,
                    exclude=folder.exclude,
                    include=folder.include,
                )
                for folder in status.folders
            ],
            passed_over=status.passed_over,
            bytes_on_disk=status.bytes_on_disk,
            generation=status.generation,
            index_fresh=status.index_fresh,
        )


class JobAnswer(Answer):
    """How far indexing has come."""

    state: Literal["idle", "running", "done", "cancelled", "failed"]
    done: int = Field(0, description="Files read so far; unchanged files are not counted.")
    total: int = 0
    failed: int = Field(0, description="Files that could not be read as photos.")
    message: str | None = Field(None, description="How it ended.")


class Problem(Answer):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Always `about:blank`: the status says what kind of problem it is.")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what helps.")
