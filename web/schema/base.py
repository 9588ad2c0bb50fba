"""What requests and responses of the API have in common."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

MAX_PHOTO_ID = 2**63 - 1
MAX_SELECTED = 10_000
"""Photos that one request may name."""
MAX_LIMIT = 200
"""Hits, answers or groups that one request may ask for."""


class RequestModel(BaseModel):
    """The parameters of a request. An unknown parameter is an error."""

    model_config = ConfigDict(extra="forbid")


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


PhotoId = Annotated[int, Field(ge=0, le=MAX_PHOTO_ID)]
PhotoIds = Annotated[
    list[PhotoId],
    Field(min_length=1, max_length=MAX_SELECTED, examples=[[7, 9]], description="The photos, by id."),
]


class Problem(ResponseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Always `about:blank`: the status says which kind of error it is.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what helps.")
    wrong: str | None = Field(None, description="The part of the query that makes no sense, where one is to blame.")
    queries: list[str] = Field([], description="Queries to try instead, the likeliest first.")
