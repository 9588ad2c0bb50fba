"""How many photos each filter would leave, as the API says it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from pydantic import Field

from engine.query import write_filter
from engine.sentences import MAX_CHARACTERS
from indexer.library.facets import Facets, Place
from web.schema.base import RequestModel, ResponseModel

_MAX_FACETS = 100


class FacetsRequest(RequestModel):
    """Which photos are counted."""

    q: str = Field("", max_length=MAX_CHARACTERS, description="A query; without one, all photos are counted.")


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
