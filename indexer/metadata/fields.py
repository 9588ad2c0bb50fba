"""The fields that are kept of a photo's metadata."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from indexer.metadata.dates import Moment

METADATA_VERSION = 1
"""Raised when more is read than before: photos whose metadata is older are asked again, and not encoded anew."""


@dataclass(frozen=True)
class Metadata:
    """What is known of a photo beside its pixels; None where missing or senseless."""

    taken_at: int | None = None
    """UTC seconds; the camera's own clock read as UTC when `taken_offset` is unknown. The start of a year, month or
    day of which no more is known."""
    taken_offset: int | None = None
    """Seconds east of UTC."""
    taken_microsecond: int | None = None
    """To be added to `taken_at`."""
    taken_precision: str | None = None
    """`year`, `month` or `day` where no more is known."""
    taken_source: str | None = None
    """Where the date stands: `exif`, `xmp`, `iptc` or `png`; of a photo in the catalog also `name` or `file`."""
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    """Degrees north."""
    longitude: float | None = None
    """Degrees east."""
    orientation: int | None = None
    """1 to 8."""
    title: str | None = None
    description: str | None = None
    keywords: list[str] = field(default_factory=list)
    author: str | None = None

    def completed_by(self, other: Metadata) -> Metadata:
        """This, and what `other` tells where this tells nothing. A date or a position comes whole from one of them."""
        groups = [("latitude", "longitude"), _TAKEN]
        whole = {name for group in groups for name in group}
        missing = [name for name, value in vars(self).items() if value in (None, []) and name not in whole]
        missing += [name for group in groups if getattr(self, group[0]) is None for name in group]
        return replace(self, **{name: getattr(other, name) for name in missing})

    def taken(self, moment: Moment | None, source: str) -> Metadata:
        """This with that date; as it is without one."""
        if moment is None:
            return self
        return replace(
            self,
            taken_at=moment.at,
            taken_offset=moment.offset,
            taken_microsecond=moment.microsecond or None,
            taken_precision=moment.precision,
            taken_source=source,
        )

    def without_date(self) -> Metadata:
        """This without a date."""
        return replace(
            self, taken_at=None, taken_offset=None, taken_microsecond=None, taken_precision=None, taken_source=None
        )


_TAKEN = tuple(one.name for one in fields(Metadata) if one.name.startswith("taken_"))
