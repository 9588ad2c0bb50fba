"""One description of each operation of the API: it checks what is asked and writes the OpenAPI document."""

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

from web.schema import Problem

LARGEST_ID = 2**63 - 1
_JSON = "application/json"
_METHODS = ("get", "post", "delete")
_REFERENCE = "#/components/schemas/{model}"
_PHOTO_ID = {
    "name": "photo_id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_ID},
}

View = Callable[..., Response]


@dataclass(frozen=True)
class Operation:
    """What a view of the API takes and gives."""

    asks: type[BaseModel] | None
    """Read from the query string, and from a JSON body where the method is POST."""
    upload: str | None
    """Name of the form field that holds a file."""
    answers: type[BaseModel] | str
    """A model, or a media type."""
    status: HTTPStatus
    problems: tuple[HTTPStatus, ...]


def operation(
    *,
    asks: type[BaseModel] | None = None,
    upload: str | None = None,
    answers: type[BaseModel] | str,
    status: HTTPStatus = HTTPStatus.OK,
    problems: tuple[HTTPStatus, ...] = (),
) -> Callable[[View], View]:
    """Describe a view by its models. One that asks something gets it, checked, as its first argument.

    The view then raises `pydantic.ValidationError` for what is asked wrongly.
    """

    def describe(view: View) -> View:
        @wraps(view)
        def checked(**address: Any) -> Response:
            return view(**address) if asks is None else view(_asked(asks, upload), **address)

        checked.operation = Operation(asks, upload, answers, status, problems)  # type: ignore[attr-defined]
        return checked

    return describe


def _asked(model: type[BaseModel], upload: str | None) -> BaseModel:
    if request.method != "POST" or upload is not None:
        return model.model_validate(request.args.to_dict())
    if request.content_length and request.mimetype != _JSON:
        raise UnsupportedMediaType(f"send {_JSON}")
    return model.model_validate_json(request.get_data() or b"{}", strict=True)


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all described views of `app`."""
    described = list(_described(app))
    models: set[type[BaseModel]] = {Problem}
    for _, _, described_operation in described:
        models |= {
            model for model in (described_operation.asks, described_operation.answers) if isinstance(model, type)
        }
    in_order = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in in_order], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for rule, text, described_operation in described:
        path = rule.rule
        for argument in rule.arguments:
            path = f"{path[: path.index('<')]}{{{argument}}}{path[path.index('>') + 1 :]}"
        for method in _METHODS:
            if method.upper() in (rule.methods or ()):
                paths.setdefault(path, {})[method] = _operation(rule, method, text, described_operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pixelseek",
            "version": version("pixelseek"),
            "summary": "Find photos of a library with a sentence.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
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


def _described(app: Flask) -> Iterator[tuple[Rule, str, Operation]]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if isinstance(found := getattr(view, "operation", None), Operation):
            yield rule, inspect.cleandoc(view.__doc__ or ""), found


def _operation(rule: Rule, method: str, text: str, described: Operation) -> dict[str, Any]:
    summary, _, description = text.partition("\n")
    name = rule.endpoint.removeprefix("api.")
    as_body = method == "post" and described.upload is None
    parameters: list[Mapping[str, Any]] = [_PHOTO_ID] if "photo_id" in rule.arguments else []
    if described.asks is not None and not as_body:
        parameters = [*parameters, *_query(described.asks)]
    answer = described.answers
    problems = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    problems |= {HTTPStatus.SERVICE_UNAVAILABLE, *described.problems}
    if described.asks is not None:
        problems.add(HTTPStatus.BAD_REQUEST)
    if as_body and described.asks is not None:
        problems |= {HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if method != "get":
        problems.add(HTTPStatus.FORBIDDEN)
    told: dict[str, Any] = {
        "operationId": name if method == "get" or "GET" not in (rule.methods or ()) else f"{name}_by_post",
        "summary": summary,
        "parameters": parameters,
        "responses": {
            str(described.status.value): {
                "description": described.status.phrase,
                "content": {answer: {}} if isinstance(answer, str) else {_JSON: {"schema": _reference(answer)}},
            },
            **{
                str(status.value): {
                    "description": status.phrase,
                    "content": {"application/problem+json": {"schema": _reference(Problem)}},
                }
                for status in sorted(problems)
            },
        },
    }
    if description.strip():
        told["description"] = description.strip()
    if described.upload is not None:
        form = {"type": "object", "required": [described.upload], "properties": {described.upload: _FILE}}
        told["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    elif as_body and described.asks is not None:
        needed = any(field.is_required() for field in described.asks.model_fields.values())
        told["requestBody"] = {"required": needed, "content": {_JSON: {"schema": _reference(described.asks)}}}
    return told


_FILE = {"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}


def _query(model: type[BaseModel]) -> list[Mapping[str, Any]]:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    parameters: list[Mapping[str, Any]] = []
    for name, field in schema["properties"].items():
        types = [one for one in field.pop("anyOf", [field]) if one.get("type") != "null"]
        kind = {**field, **types[0]}  # a query string holds no null: what may be null is left out
        kind.pop("title", None)
        if kind.get("default", ...) is None:
            del kind["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": kind.pop("description", ""),
                "schema": kind,
            }
        )
    return parameters


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
