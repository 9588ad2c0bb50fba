"""What is in a library, as the API says it."""

from __future__ import annotations

from pydantic import Field

from engine.query import write_filter
from indexer.library.overview import Group, Overview
from web.schema.base import ResponseModel


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
