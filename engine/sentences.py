"""Which texts may be searched for or asked."""

from __future__ import annotations

from engine.errors import QueryError

MAX_CHARACTERS = 1000
"""A longer sentence is an error. The model reads its first `max_tokens` word pieces and ignores the rest."""


def checked_text(query: str) -> str:
    """The sentence without white space around it. Raises QueryError where it is too long or not valid Unicode."""
    query = query.strip()
    if len(query) > MAX_CHARACTERS:
        raise QueryError(
            f"the sentence has {len(query):,} characters, more than {MAX_CHARACTERS:,}: say it in a line or two."
        )
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryError("the sentence is not valid Unicode text.") from error
    return query
