"""Search in a browser. `create_app` makes the Flask application: pages for people, and an API for programs."""

import model.blas  # noqa: F401  (before NumPy)
from web.application import close_app, create_app

__all__ = ["close_app", "create_app"]
