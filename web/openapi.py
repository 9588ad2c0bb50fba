"""Describes each operation of the API once: to validate its requests, and to write the OpenAPI document."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Flask, Response, request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.routing import Rule

from web.schema.base import MAX_PHOTO_ID, Problem

PHOTO = f"/photos/<int(max={MAX_PHOTO_ID}):photo_id>"
"""The address of a photo, as a rule of a blueprint."""
WORD = "/taught-words/<int:word_id>"
"""The address of a taught word, likewise. With a limit, a larger number would be answered with 405 instead of 404."""
_JSON = "application/json"
_METHODS = ("get", "post", "patch", "delete")
_METHODS_WITH_BODY = ("post", "patch")
_REFERENCE = "#/components/schemas/{model}"
_PATH_PARAMETERS = {
    name: {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": MAX_PHOTO_ID, "examples": [7]},
    }
    for name in ("photo_id", "word_id")
}

_THEMES = {"search": ("search", "similar", "facets"), "photos": ("photos",), "teaching": ("taught-words",)}
"""The tags of operations, by the first part of their addresses; the others are of the library."""

View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """The request and the responses of a view."""

    request_model: type[BaseModel] | None
    """Read from the query string, or from a JSON body where the method is POST or PATCH."""
    upload: str | None
    """The form field that holds a file."""
    response_model: type[BaseModel] | str
    """A model, or a media type."""
    status: HTTPStatus
    errors: tuple[HTTPStatus, ...]


def operation(
    *,
    request_model: type[BaseModel] | None = None,
    upload: str | None = None,
    response_model: type[BaseModel] | str,
    status: HTTPStatus = HTTPStatus.OK,
    errors: tuple[HTTPStatus, ...] = (),
) -> Callable[[View], View]:
    """Describe a view by its models. The view gets a validated `request_model` as its first argument, if there is one.

    It raises `pydantic.ValidationError` for an invalid request.
    """

    def describe(view: View) -> View:
        @wraps(view)
        def validated(**path: Any) -> Response:
            return view(**path) if request_model is None else view(_request(request_model, upload), **path)

        validated.operation = Operation(request_model, upload, response_model, status, errors)  # type: ignore[attr-defined]
        return validated

    return describe


def _request(model: type[BaseModel], upload: str | None) -> BaseModel:
    if request.method.lower() not in _METHODS_WITH_BODY or upload is not None:
        return model.model_validate(request.args.to_dict())
    if request.content_length and request.mimetype != _JSON:
        raise UnsupportedMediaType(f"send {_JSON}")
    return model.model_validate_json(request.get_data() or b"{}", strict=True)


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all described views of `app`."""
    operations = list(_operations(app))
    models: set[type[BaseModel]] = {Problem}
    for _, _, described in operations:
        models |= {model for model in (described.request_model, described.response_model) if isinstance(model, type)}
    by_name = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in by_name], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for rule, docstring, described in operations:
        path = rule.rule
        for argument in rule.arguments:
            path = f"{path[: path.index('<')]}{{{argument}}}{path[path.index('>') + 1 :]}"
        for method in _METHODS:
            if method.upper() in (rule.methods or ()):
                paths.setdefault(path, {})[method] = _operation(rule, method, docstring, described)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pixelseek",
            "version": version("pixelseek"),
            "summary": "Find photos of a library with a sentence.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name} for name in (*_THEMES, "library")],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic", "description": "Any user name."},
                "token": {"type": "http", "scheme": "bearer", "description": "The password."},
            },
        },
        "security": [{}, {"password": []}, {"token": []}],
    }


def _operations(app: Flask) -> Iterator[tuple[Rule, str, Operation]]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if isinstance(described := getattr(view, "operation", None), Operation):
            yield rule, inspect.cleandoc(view.__doc__ or ""), described


def _theme(path: str) -> str:
    """The tag under which an operation stands."""
    first = path.removeprefix("/api/v1/").partition("/")[0]
    return next((theme for theme, names in _THEMES.items() if first in names), "library")


def _operation(rule: Rule, method: str, docstring: str, described: Operation) -> dict[str, Any]:
    summary, _, description = docstring.partition("\n")
    name = rule.endpoint.rpartition(".")[2]
    as_body = method in _METHODS_WITH_BODY and described.upload is None
    parameters: list[Mapping[str, Any]] = [
        described for name, described in _PATH_PARAMETERS.items() if name in rule.arguments
    ]
    if described.request_model is not None and not as_body:
        parameters = [*parameters, *_query_parameters(described.request_model)]
    response_model = described.response_model
    errors = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    errors |= {HTTPStatus.SERVICE_UNAVAILABLE, *described.errors}
    if described.request_model is not None:
        errors.add(HTTPStatus.BAD_REQUEST)
    if as_body and described.request_model is not None:
        errors |= {HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if method != "get":
        errors.add(HTTPStatus.FORBIDDEN)
    operation: dict[str, Any] = {
        "operationId": name if method == "get" or "GET" not in (rule.methods or ()) else f"{name}_by_post",
        "tags": [_theme(rule.rule)],
        "summary": summary,
        "parameters": parameters,
        "responses": {
            str(described.status.value): {
                "description": described.status.phrase,
                "content": {response_model: {}}
                if isinstance(response_model, str)
                else {_JSON: {"schema": _reference(response_model)}},
            },
            **{
                str(status.value): {
                    "description": status.phrase,
                    "content": {"application/problem+json": {"schema": _reference(Problem)}},
                }
                for status in sorted(errors)
            },
        },
    }
    if description.strip():
        operation["description"] = description.strip()
    if described.upload is not None:
        form = {"type": "object", "required": [described.upload], "properties": {described.upload: _FILE}}
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    elif as_body and described.request_model is not None:
        needed = any(field.is_required() for field in described.request_model.model_fields.values())
        operation["requestBody"] = {
            "required": needed,
            "content": {_JSON: {"schema": _reference(described.request_model)}},
        }
    return operation


_FILE = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}


def _query_parameters(model: type[BaseModel]) -> list[Mapping[str, Any]]:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    parameters: list[Mapping[str, Any]] = []
    for name, field in schema["properties"].items():
        types = [schema for schema in field.pop("anyOf", [field]) if schema.get("type") != "null"]
        field_schema = {**field, **types[0]}  # a query string has no null: such a parameter is left out
        field_schema.pop("title", None)
        if field_schema.get("default", ...) is None:
            del field_schema["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": field_schema.pop("description", ""),
                "schema": field_schema,
            }
        )
    return parameters


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
