"""What may be said to a photo or asked of it."""

from __future__ import annotations

from engine.errors import QueryError

MAX_CHARACTERS = 1000
"""A longer sentence is refused. Below it the model reads what it can (`max_tokens`) and drops the rest."""


def checked_text(query: str) -> str:
    """The sentence without white space around it. Raises QueryError when it is too long or not text."""
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
