"""Saved searches: a page of their names, and the API."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from engine.query import parse
from engine.validation import check_query
from web.openapi import operation
from web.responses import answer
from web.schema.saved_searches import DeleteSearchRequest, RenameSearchRequest, SavedSearchesAnswer, SaveSearchRequest
from web.service import current_service

pages = Blueprint("saved", __name__, url_prefix="/searches")
api = Blueprint("saved", __name__, url_prefix="/searches")


@pages.get("")
def page() -> str:
    """The saved searches, a form to save the query `q`, and the searches made on this machine."""
    saved = current_service().view().saved_searches()
    name, query = request.args.get("deleted", ""), request.args.get("query", "")
    deleted = (name, query) if name and query and name not in saved else None
    return render_template("searches.html", saved=saved, query=request.args.get("q", ""), deleted=deleted)


@pages.post("")
def save() -> AnyResponse:
    """Save the query `q` of a form under its name; without a name, under itself."""
    query = request.form.get("q", "").strip()
    check_query(parse(query))
    current_service().view().save_search(request.form.get("name", "").strip() or query[:100], query)
    return redirect(url_for("saved.page"))


@pages.post("/rename")
def rename() -> AnyResponse:
    """Rename a saved search."""
    current_service().view().rename_search(request.form.get("name", ""), request.form.get("new_name", ""))
    return redirect(url_for("saved.page"))


@pages.post("/delete")
def delete() -> AnyResponse:
    """Delete a saved search; the page offers to save it again."""
    view, name = current_service().view(), request.form.get("name", "")
    query = view.saved_searches().get(name)
    view.delete_search(name)
    return redirect(url_for("saved.page", deleted=name, query=query))


@api.get("")
@operation(response_model=SavedSearchesAnswer)
def searches() -> Response:
    """The saved searches, in the order of their names"""
    return _answer()


@api.post("")
@operation(request_model=SaveSearchRequest, response_model=SavedSearchesAnswer)
def save_search(params: SaveSearchRequest) -> Response:
    """Save a search under a name

    It takes the place of an older one of that name.
    """
    check_query(parse(params.q))
    current_service().view().save_search(params.name, params.q)
    return _answer()


@api.patch("")
@operation(request_model=RenameSearchRequest, response_model=SavedSearchesAnswer, errors=(HTTPStatus.NOT_FOUND,))
def rename_search(params: RenameSearchRequest) -> Response:
    """Rename a saved search

    A name that is taken is refused (400).
    """
    current_service().view().rename_search(params.name, params.new_name)
    return _answer()


@api.delete("")
@operation(request_model=DeleteSearchRequest, response_model=SavedSearchesAnswer, errors=(HTTPStatus.NOT_FOUND,))
def delete_search(params: DeleteSearchRequest) -> Response:
    """Delete a saved search"""
    current_service().view().delete_search(params.name)
    return _answer()


def _answer() -> Response:
    return answer(SavedSearchesAnswer.of(current_service().view().saved_searches()))
