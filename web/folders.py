"""The pages and the API by which a person at this machine chooses a folder of photos."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, render_template, request

from web.folder_choice import Chooser, listing, may_list_folders
from web.openapi import operation
from web.responses import answer
from web.schema.folders import FoldersAnswer, FoldersRequest
from web.service import current_service

pages = Blueprint("folders", __name__)
api = Blueprint("folders", __name__)


def welcome(reason: str, query: str) -> str:
    """The page of a library that has nothing to search yet, for the `reason`."""
    job = current_service().indexing
    return render_template(
        "welcome.html",
        reason=reason,
        query=query,
        job=job,
        outcome=job.outcome(),
        chooser=Chooser.of(listing(None)) if may_list_folders() and job.progress.state != "running" else None,
    )


@pages.get("/library/folders")
def choose() -> str:
    """The folders in the one of the key `at`, to open or to index."""
    return render_template("folders.html", chooser=Chooser.of(listing(request.args.get("at"))))


@api.get("/folders")
@operation(request_model=FoldersRequest, response_model=FoldersAnswer, errors=(HTTPStatus.FORBIDDEN,))
def folders(params: FoldersRequest) -> Response:
    """Folders of this machine that may be indexed, with how many photos are in them

    Only for a program on this machine, where the server listens on this machine alone, and neither a root nor a
    password is set. Hidden folders are left out, and so is everything but the home folder and mounted disks.
    """
    return answer(FoldersAnswer.of(listing(params.at)))
