"""The day on which a photo was taken: its number in SQL, and the date of such a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, cast

from indexer.library.filters import clock

_DAY_S = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_DAY = 200_000  # days before 1970: integer division in SQL rounds towards zero, so days are made positive

number_of_day = (cast(clock + _EARLIEST_DAY * _DAY_S, BigInteger) // _DAY_S).label("number_of_day")
"""NULL where it is not known when the photo was taken."""


def date_of_day(number: int) -> datetime:
    """The midnight with which the day of that number begins."""
    return _EPOCH + timedelta(days=number - _EARLIEST_DAY)
