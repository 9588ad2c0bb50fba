"""The pages: a search box, and the photos it finds. They need no JavaScript."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, render_template, request

from engine.search import MAX_CHARACTERS
from web.engine import current_engine

PHOTOS_A_PAGE = 48
_EXAMPLES = ("a dog running on the beach", "children playing in the snow", "something to eat on a table")

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def search() -> str:
    """The search box; below it, where `q` is a sentence, the photos that fit it best."""
    query = request.args.get("q", "").strip()
    engine = current_engine()
    if not query:
        return render_template(
            "home.html", photos=engine.photo_count(), examples=_EXAMPLES, max_characters=MAX_CHARACTERS
        )
    result = engine.search(query, limit=PHOTOS_A_PAGE)
    return render_template("results.html", result=result, query=query, max_characters=MAX_CHARACTERS)


def readable(path: str) -> str:
    """The file name of `path`; bytes in it that are not text are escaped."""
    return Path(path).name.encode("utf-8", "backslashreplace").decode()
