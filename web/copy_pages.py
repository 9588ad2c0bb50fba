"""The page of all photos that are nearly the same, and the same for programs. Nothing is ever deleted."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template, request

from web.openapi import operation
from web.responses import answer
from web.schema.copies import CopyGroupsAnswer, CopyGroupsRequest
from web.service import current_service

_GROUPS_A_PAGE = 20
_WAIT_S = 1.0  # a small library is compared meanwhile
_MAX_WAIT_S = 10.0

pages = Blueprint("copies", __name__)
api = Blueprint("copies", __name__)


@pages.get("/copies")
def all_copies() -> str:
    """The groups, from the number `start` on."""
    copies = current_service().copies
    comparison = copies.latest(_WAIT_S)
    start = min(max(0, request.args.get("start", 0, type=int)), max(0, len(comparison.groups) - 1))
    return render_template(
        "copies.html",
        comparison=comparison,
        groups=copies.page(start, _GROUPS_A_PAGE),
        start=start,
        before=max(0, start - _GROUPS_A_PAGE) if start else None,
        after=start + _GROUPS_A_PAGE if start + _GROUPS_A_PAGE < len(comparison.groups) else None,
    )


@api.get("/duplicates")
@operation(request_model=CopyGroupsRequest, response_model=CopyGroupsAnswer)
def all_duplicates(params: CopyGroupsRequest) -> Response:
    """All photos that are nearly the same, in groups

    The first request compares all photos, which takes a while in a large library: it waits for some seconds. While
    `ready` is false, ask again.
    """
    copies = current_service().copies
    comparison = copies.latest(_MAX_WAIT_S)
    return answer(CopyGroupsAnswer.of(comparison, copies.page(params.start, params.limit), params.start, params.limit))


@pages.app_template_filter()
def day(taken_at: str) -> str:
    """The day of a date in ISO 8601, as precisely as it is known."""
    try:
        return f"{datetime.fromisoformat(taken_at):%-d %B %Y}"
    except ValueError:
        return taken_at
