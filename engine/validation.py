"""What is checked before a search: the query and the numbers beside it, and the library that is searched."""

from __future__ import annotations

import shlex
from typing import Literal, TypeAlias

from engine.errors import EngineError, QueryError
from engine.query import Query
from engine.sentences import checked_text
from indexer.library.defaults import recorded_weights
from indexer.library.filters import NO_FILTERS
from indexer.library.settings import MAX_SHORTLIST
from indexer.library.view import LibraryView

Sort: TypeAlias = Literal["match", "date"]
MAX_EXCLUDED = 8
"""More excluded terms are refused: each costs a rerank."""


def check_query(query: Query) -> None:
    """Raise QueryError where there is nothing to search for, or an excluded term makes no sense."""
    if not query.words and (query.filters == NO_FILTERS or query.excluded):
        raise QueryError('there is nothing to search for: describe a photo, for example "a dog on the beach".')
    check_excluded(query)


def check_excluded(query: Query) -> None:
    """Raise QueryError where an excluded term is blank, or there are too many."""
    if len(query.excluded) > MAX_EXCLUDED:
        raise QueryError(f"{len(query.excluded)} excluded terms are more than {MAX_EXCLUDED}.")
    for term in query.excluded:
        if not checked_text(term):
            raise QueryError("an excluded term is blank.")


def check_limit(limit: int) -> None:
    """Raise QueryError where no hit is asked for."""
    if limit < 1:
        raise QueryError(f"the limit must be 1 or more, not {limit}.")


def check_sort(sort: Sort, *, rerank: bool) -> None:
    """Raise QueryError where photos without a match are to be sorted by date."""
    if sort == "date" and not rerank:
        raise QueryError("only reranked photos can be sorted by date: the others have no match.")


def check_shortlist(size: int) -> None:
    """Raise QueryError where so many photos cannot be reranked."""
    if not 1 <= size <= MAX_SHORTLIST:
        raise QueryError(f"the shortlist must be 1 to {MAX_SHORTLIST:,} photos, not {size:,}.")


def require_photos(library: LibraryView, weights: str) -> None:
    """Raise EngineError, naming the command that helps, where there is nothing that these weights can search.

    Photos that they have encoded while other weights answer searches are not searched: some may be missing yet.
    """
    if library.is_current() and library.photo_count():
        return
    status = library.status()
    if not status.photos and not status.waiting:
        raise EngineError(f"the library {library.path} holds no photos: index a folder first: pixelseek index FOLDER")
    command = shlex.join(["pixelseek", "index", "--weights", weights, "--library", str(library.path)])
    if library.is_current():
        raise EngineError(f"the {status.waiting:,} photos in {library.path} are not encoded yet: {command}")
    others, photos = recorded_weights(library.path) or "the others", status.photos + status.waiting
    raise EngineError(
        f"the {photos:,} photos in {library.path} were encoded by other weights than {weights}, "
        f"which have encoded {status.photos:,} so far. Search with {others}, or encode the rest with these: {command}"
    )
