"""Parse dates as programs write them, in metadata and in the names of files.

An impossible date is no date. If only the time of day is impossible, the day is kept.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_MAX_CHARACTERS = 64
_MIN_YEAR = 1826  # the oldest known photo
_MIN_DIGITAL_YEAR = 1990  # of a date without separators in the file name of a camera
_MIN_FILE_TIME = 315_705_600  # 3 January 1980 in seconds since 1970: unset clocks begin at 1970 or 1980
_MAX_AHEAD_S = 86_400  # for time zones and clocks that are fast
_MAX_OFFSET_S = 14 * 3600
_BUDDHIST_YEARS, _BUDDHIST_ERA = range(2400, 2700), 543
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DATE = re.compile(
    r"(?P<year>\d{4})(?!\d)(?:\s*[-:/.]\s*(?P<month>\d{1,2})?(?:\s*[-:/.]\s*(?P<day>\d{1,2})?)?)?(?!\d)"
    r"|(?P<compact>\d{8})(?=\D|$|\d{6})"
)
_TIME = re.compile(
    r"(?:[\sT,_:-]*?)"
    r"(?:(?P<hour>\d{1,2})\s*(?P<mark>[:.h-])\s*(?P<minute>\d{1,2})(?:\s*(?P=mark)\s*(?P<second>\d{1,2}))?"
    r"|(?P<compact>\d{6}|\d{4}))"
    r"(?:[.,:](?P<fraction>\d+))?\s*(?P<meridiem>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>\S.*)?"
)
_OFFSET = re.compile(
    r"(?:UTC|GMT)?\s*(?P<sign>[+\-\u2212])\s*(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?(?::?00)?", re.IGNORECASE
)
_NAMED_DATE = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<mark>[-_.])(?P<month>\d\d)(?P=mark)(?P<day>\d\d)(?=\D|$)"
    r"|(?<!\d)(?P<compact>(?:19|20)\d{6})(?=\D|$|\d{6})"
)
_NAMED_TIME = re.compile(
    r"(?:[\s_.T-]{1,3}|\s+(?P<word>[^\W\d_]{1,4})(?:\s[^\W\d_]{1,4})?\s+)?"
    r"(?:(?P<hour>\d\d?)(?P<mark>[-_.:h\s])(?P<minute>\d\d)(?P=mark)(?P<second>\d\d)(?!\d)"
    r"|(?P<compact>\d{6})(?=\D|$|\d{3}(?!\d)))"
    r"(?:[-_.]?(?P<fraction>\d{3})(?!\d))?(?:\s*(?P<meridiem>[AaPp])\.?[Mm]\b)?"
)
_AFTERNOON = ("下午", "午後", "오후")
_NAMED_EPOCH = re.compile(r"(?:FB_IMG_|mmexport|wx_camera_)(?P<milliseconds>\d{13})(?!\d)")


@dataclass(frozen=True)
class Moment:
    """A point in time, or a period whose time is not known more exactly."""

    at: int
    """UTC seconds; the local clock taken as UTC if `offset` is unknown. The start of a period."""
    offset: int | None = None
    """Seconds east of UTC."""
    microsecond: int = 0
    precision: str | None = None
    """`year`, `month` or `day` for a period; None for a time."""


def parse_date(text: str | None, *, offset: str | None = None, fraction: str | None = None) -> Moment | None:
    """The date in `text`, which a program wrote into a photo; None if it makes no sense.

    `offset` and `fraction` come from separate fields; those in `text` take precedence.
    """
    text = _plain(text)
    date = _DATE.match(text)
    if date is None:
        return None
    if compact := date["compact"]:
        year, month, day = int(compact[:4]), int(compact[4:6]), int(compact[6:])
    else:
        year, month, day = (int(date[name] or 0) for name in ("year", "month", "day"))
    if year in _BUDDHIST_YEARS:
        year -= _BUDDHIST_ERA
    if not month or not day:
        if date["day"] is None and any(letter.isdecimal() for letter in text[date.end() :]):
            return None
        return _moment(year, month or 1, 1, precision="month" if month else "year")
    time = _TIME.match(text, date.end())
    if time is None:
        return _moment(year, month, day, precision="day")
    zone = parse_offset(time["zone"])
    return _at_time(
        (year, month, day),
        time,
        meridiem=time["meridiem"],
        offset=parse_offset(offset) if zone is None else zone,
        fraction=time["fraction"] or _plain(fraction).replace(" ", "0"),
    )


def parse_mail_date(text: str | None) -> Moment | None:
    """The date in `text` in the format of e-mail (`Wed, 14 Jul 2021 18:30:05 +0200`), which the PNG standard uses."""
    try:
        date = parsedate_to_datetime(_plain(text))
    except (ValueError, IndexError, OverflowError):
        return None
    offset = date.utcoffset()
    seconds = None if offset is None else int(offset.total_seconds())
    return _moment(*date.timetuple()[:6], offset=seconds if seconds is None or abs(seconds) <= _MAX_OFFSET_S else None)


def parse_offset(text: str | None) -> int | None:
    """Seconds east of UTC: `Z`, `UTC`, `+02:00`, `+0200`, `+2:00`, `+02`; None for anything else."""
    text = _plain(text)
    if text.upper() in ("Z", "UTC", "GMT"):
        return 0
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    minutes = int(match["minutes"] or 0)
    seconds = int(match["hours"]) * 3600 + minutes * 60
    if minutes > 59 or seconds > _MAX_OFFSET_S:
        return None
    return seconds if match["sign"] == "+" else -seconds


def date_in_name(name: str, *, now: float) -> Moment | None:
    """The date in the name of a file: `IMG_20190714_153000.jpg`, `Screenshot 2020-01-02 at 3.04.05 PM.png`.

    None if there is no possible date. A date after `now` (seconds since 1970) is impossible.
    """
    name = unicodedata.normalize("NFKC", name)
    if epoch := _NAMED_EPOCH.search(name):
        seconds, milliseconds = divmod(int(epoch["milliseconds"]), 1000)
        is_possible = _MIN_FILE_TIME < seconds <= now + _MAX_AHEAD_S
        return Moment(seconds, microsecond=milliseconds * 1000) if is_possible else None
    for date in _NAMED_DATE.finditer(name):
        if compact := date["compact"]:
            year, month, day = int(compact[:4]), int(compact[4:6]), int(compact[6:])
        else:
            year, month, day = int(date["year"]), int(date["month"]), int(date["day"])
        time = _NAMED_TIME.match(name, date.end())
        if time is None:
            moment = _moment(year, month, day, precision="day")
        else:
            meridiem = "p" if time["word"] in _AFTERNOON else time["meridiem"]
            moment = _at_time((year, month, day), time, meridiem=meridiem, offset=None, fraction=time["fraction"])
        too_early = bool(compact) and year < _MIN_DIGITAL_YEAR
        if moment is not None and not too_early and moment.at <= now + _MAX_AHEAD_S:
            return moment
    return None


def date_of_file(mtime_ns: int, *, now: float) -> Moment | None:
    """The time of change of a file (nanoseconds since 1970), with this computer's time zone; None if impossible."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    if not _MIN_FILE_TIME <= seconds <= now + _MAX_AHEAD_S:
        return None
    offset = datetime.fromtimestamp(seconds, UTC).astimezone().utcoffset() or timedelta()
    return Moment(seconds, int(offset.total_seconds()), nanoseconds // 1000)


def clock_time(at: int, offset: int | None, microsecond: int | None = None) -> datetime:
    """The local time; without a time zone if `offset` is unknown."""
    # The local time first: the same moment in UTC may lie after the last year of `datetime`.
    local = _EPOCH + timedelta(seconds=at + (offset or 0), microseconds=microsecond or 0)
    return local.replace(tzinfo=None if offset is None else timezone(timedelta(seconds=offset)))


def iso_date(at: int, offset: int | None, microsecond: int | None, precision: str | None) -> str:
    """ISO 8601: `2021-07-14T18:30:05.25+02:00`; cut to the `precision`: `1950`, `1950-07`, `1950-07-14`."""
    text = clock_time(at, offset, microsecond).isoformat()
    return text[: {"year": 4, "month": 7, "day": 10}.get(precision or "", len(text))]


def _at_time(
    day: tuple[int, int, int], time: re.Match[str], *, meridiem: str | None, offset: int | None, fraction: str | None
) -> Moment | None:
    """A moment of that day; the whole day if the time is impossible."""
    if compact := time["compact"]:
        hour, minute, second = (int(compact[start : start + 2] or 0) for start in (0, 2, 4))
    else:
        hour, minute, second = (int(time[name] or 0) for name in ("hour", "minute", "second"))
    if meridiem:
        hour = hour % 12 + (12 if meridiem[0] in "pP" else 0)
    if hour == 24:  # some phones count hours from 1 to 24: it is the first hour of that day
        hour = 0
    if second == 60:  # a leap second
        second = 59
    digits = fraction if fraction and fraction.isdecimal() else "0"
    microsecond = int(digits[:6].ljust(6, "0"))
    moment = _moment(*day, hour, minute, second, offset=offset, microsecond=microsecond)
    return moment or _moment(*day, precision="day")


def _moment(
    year: int,
    month: int,
    day: int,
    hour: int = 0,
    minute: int = 0,
    second: int = 0,
    *,
    offset: int | None = None,
    microsecond: int = 0,
    precision: str | None = None,
) -> Moment | None:
    if year < _MIN_YEAR:
        return None
    try:
        clock = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return Moment(int((clock - _EPOCH).total_seconds()) - (offset or 0), offset, microsecond, precision)


def _plain(text: str | None) -> str:
    """The beginning of `text` in form NFKC, without surrounding spaces."""
    return unicodedata.normalize("NFKC", (text or "")[:_MAX_CHARACTERS]).split("\0")[0].strip()
