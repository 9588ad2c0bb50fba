"""Requests and responses about saved searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from engine.sentences import MAX_CHARACTERS
from indexer.library.saved_searches import MAX_NAME
from web.schema.base import RequestModel, ResponseModel

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
