"""The fields of a photo's metadata that are stored."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from indexer.metadata.dates import Moment, iso_date

METADATA_VERSION = 1
"""Raised when more is read than before: the metadata of photos read with a lower one is read again."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a photo. A field is None if it is missing or makes no sense."""

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
    """Where the date was read: `exif`, `xmp`, `iptc` or `png`; guessed from a file's `name` or time of writing (`file`)
    where none of those has one."""
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    """Degrees north."""
    longitude: float | None = None
    """Degrees east."""
    orientation: int | None = None
    """EXIF orientation of the stored pixels, 1 to 8."""
    title: str | None = None
    """Written into the file by other programs, as description, keywords and author."""
    description: str | None = None
    keywords: list[str] = field(default_factory=list)
    author: str | None = None

    def completed_by(self, other: Metadata) -> Metadata:
        """This metadata, completed by the fields of `other`. A date or a position comes whole from one of them."""
        groups = [("latitude", "longitude"), DATE_FIELDS]
        grouped = {name for group in groups for name in group}
        missing = [name for name, value in vars(self).items() if value in (None, []) and name not in grouped]
        missing += [name for group in groups if getattr(self, group[0]) is None for name in group]
        return replace(self, **{name: getattr(other, name) for name in missing})

    def with_date(self, moment: Moment | None, source: str) -> Metadata:
        """This metadata with the date `moment`; unchanged where that is None."""
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
        """This metadata without a date."""
        return replace(
            self, taken_at=None, taken_offset=None, taken_microsecond=None, taken_precision=None, taken_source=None
        )

    def taken_iso(self) -> str | None:
        """When the photo was taken, in ISO 8601, on the clock of the place where that is known; None for no date.

        No more exact than it is known: a year is `1950`, a month `1950-07`, a day `1950-07-14`.
        """
        if self.taken_at is None:
            return None
        return iso_date(self.taken_at, self.taken_offset, self.taken_microsecond, self.taken_precision)


METADATA_FIELDS = tuple(field.name for field in fields(Metadata))
DATE_FIELDS = tuple(name for name in METADATA_FIELDS if name.startswith("taken_"))
