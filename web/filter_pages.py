"""The page of all filters, whose parts the results show in the popovers of their pills."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from engine.query import parse
from web.filtering import active, choices
from web.service import current_service

blueprint = Blueprint("filters", __name__)


@blueprint.get("/filters")
def page() -> str:
    """The filters that can be added to a search, with the numbers of its photos."""
    query = parse(request.args.get("q", ""))
    offered = choices(query, current_service().facets(query))
    sort = request.args.get("sort")
    return render_template("filters.html", query=query.text, sort=sort, filters=active(query), choices=offered)
