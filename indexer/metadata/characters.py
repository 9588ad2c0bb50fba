"""Decode text in unknown character sets.

Wrongly decoded text is worse than none: nobody finds it, and everybody sees it. So bytes whose character set cannot be
determined are dropped.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_OTHER_SCRIPT = re.compile(rb"[\x80-\xff]{4}")
_CODE_BYTES = 8
_MIN_UTF8_BYTES = 8


def one_line(value: Any, max_length: int) -> str | None:
    """`value` as one line of valid text of at most `max_length` characters; None if nothing remains.

    It may be `str`, or bytes in an unknown character set.
    """
    text = decoded(value) if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return None
    text = text.encode("utf-8", "replace").decode("utf-8").lstrip("\ufeff").split("\0")[0]
    return " ".join(_CONTROLS.sub(" ", text).split())[:max_length].rstrip() or None


def decoded(value: bytes) -> str | None:
    """The text in `value`, whose character set is not declared; None if it cannot be determined.

    UTF-16 if it begins with a byte order mark, else UTF-8, else Windows-1252 or Latin-1. Four non-ASCII letters in a
    row are not Western European, but for example Cyrillic or Chinese in a legacy character set.
    """
    if value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return value.decode("utf-16", "ignore")
    value = value.partition(b"\0")[0]
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        whole = value[: error.start]
        if error.reason == "unexpected end of data" and not whole.isascii():
            return whole.decode("utf-8")  # a field that was truncated inside a character
    if _OTHER_SCRIPT.search(value):
        return None
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def as_stored(value: Any) -> Any:
    """The bytes of a text that Pillow decoded as Latin-1 without knowing; anything else unchanged."""
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            return value
    return value


def windows_text(value: Any) -> str | None:
    """Text of Windows Explorer: UTF-16 as bytes, or as a tuple of byte values."""
    return bytes(value).decode("utf-16-le", "ignore") if isinstance(value, (bytes, tuple)) else None


def user_comment(value: Any, *, big_endian: bool) -> str | None:
    """The text of an EXIF UserComment, whose first eight bytes name its character set. The byte order is the file's."""
    value = as_stored(value)
    if not isinstance(value, bytes):
        return None
    code, text = value[:_CODE_BYTES].rstrip(b"\0 ").upper(), value[_CODE_BYTES:]
    if code == b"UNICODE":
        return _utf16(text, big_endian)
    if code == b"JIS":
        return _jis(text)
    if code in (b"ASCII", b""):
        return decoded(text.lstrip(b"\0"))
    return decoded(value)  # many programs omit the code


def _utf16(text: bytes, big_endian: bool) -> str | None:
    """The standard requires the byte order of the file. Many programs use the other one, and some write UTF-8."""
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return text.decode("utf-16", "ignore")
    if len(text) >= _MIN_UTF8_BYTES and b"\0" not in text.rstrip(b"\0"):
        try:
            if (plain := text.rstrip(b"\0").decode("utf-8")).isprintable():
                return plain
        except UnicodeDecodeError:
            pass
    orders = ("utf-16-be", "utf-16-le") if big_endian else ("utf-16-le", "utf-16-be")
    return min((text.decode(order, "ignore").split("\0")[0] for order in orders), key=_implausibility)


def _implausibility(text: str) -> tuple[bool, float, float]:
    """A sort key: the smaller, the more likely the byte order is right."""
    unknown = sum(unicodedata.category(letter) in ("Cc", "Cn", "Co", "Cs") for letter in text)
    plain = sum(letter.isascii() for letter in text)
    length = max(len(text), 1)
    return not text, unknown / length, -plain / length


def _jis(text: bytes) -> str | None:
    text = text.rstrip(b"\0 ")
    if b"\x1b" in text:
        return text.decode("iso2022_jp", "ignore")
    attempts = [(text, "euc_jp"), (text, "cp932")]
    if text.isascii():  # JIS X 0208 without escape sequences
        attempts.insert(0, (b"\x1b$B" + text + b"\x1b(B", "iso2022_jp"))
    for value, encoding in attempts:
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
