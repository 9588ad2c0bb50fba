"""Search in a browser. `create_app` makes the Flask application; `pages` are for people, `api` for programs."""

from web.application import create_app

__all__ = ["create_app"]
