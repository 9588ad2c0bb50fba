"""Clients that close their connection before they are answered: nothing is computed for them."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

from model.errors import PixelseekError


class ClientDisconnected(PixelseekError):  # noqa: N818
    """The client closed its connection before its request was answered."""


def disconnection_check() -> Callable[[], bool]:
    """A function that says whether the client of this request has gone, where the server knows; for any thread."""
    is_disconnected: Callable[[], bool] = request.environ.get("waitress.client_disconnected", bool)
    return is_disconnected
