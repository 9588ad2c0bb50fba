"""The API keeps to its OpenAPI document, whatever it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.web.applications import opened

QUESTIONS = 20
"""Of each kind, for each operation."""
NOTHING_TO_ASK = (
    ("/api/v1/status", "GET"),
    ("/api/v1/overview", "GET"),
    ("/api/v1/examples", "GET"),
    ("/api/v1/index", "GET"),
    ("/api/v1/index/events", "GET"),
)
OPERATIONS = (
    # POST and DELETE of /index are left out: they would index. tests/web/test_indexing.py does. So are /show, which
    # would open a file manager, and /original, whose file schemathesis leaves open: tests/web/test_originals.py does.
    ("/api/v1/search", "GET"),
    ("/api/v1/search", "POST"),
    ("/api/v1/photos/{photo_id}", "GET"),
    ("/api/v1/photos/{photo_id}/thumbnail", "GET"),
    ("/api/v1/photos/{photo_id}/image", "GET"),
    ("/api/v1/photos/{photo_id}/similar", "GET"),
    ("/api/v1/photos/{photo_id}/duplicates", "GET"),
    ("/api/v1/photos/{photo_id}/explain", "GET"),
    ("/api/v1/photos/{photo_id}/heat", "GET"),
    ("/api/v1/photos/{photo_id}/ask", "GET"),
    ("/api/v1/photos/zip", "POST"),
    ("/api/v1/facets", "GET"),
    ("/api/v1/folders", "GET"),
    ("/api/v1/duplicates", "GET"),
    ("/api/v1/similar", "POST"),
    *NOTHING_TO_ASK,
)


@pytest.fixture(scope="module")
def document(app: Flask) -> BaseSchema:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_documented(document: BaseSchema, path: str, method: str) -> None:
    ask(document[path][method], GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), [named for named in OPERATIONS if named not in NOTHING_TO_ASK])
def test_what_the_document_forbids_is_refused(document: BaseSchema, path: str, method: str) -> None:
    ask(document[path][method], GenerationMode.NEGATIVE)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_written_about_a_photo_is_answered_as_documented(
    library: Path, weights: Path, mode: GenerationMode
) -> None:
    with opened(library, weights) as app:
        document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
        ask(document["/api/v1/photos/{photo_id}/annotation"]["PATCH"], mode)


def ask(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    """Ask many things, and check each answer against the document."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=QUESTIONS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Case[Any]) -> None:
        # A cursor long forgotten, a filter without sense, bytes that are no photo: what no schema can tell.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()
