"""Pixelseek under gunicorn, with the library of $PIXELSEEK_LIBRARY or your own.

pip install gunicorn
gunicorn --config docs/deploy/gunicorn_settings.py
"""

from __future__ import annotations

from typing import Any

from indexer.library.defaults import default_library
from web import close_app

bind = "127.0.0.1:8080"  # before you let other machines in, here or by a proxy: pixelseek library password
workers = 1  # each would load a model, and have a queue and remembered searches of its own
threads = 80  # most of them wait: 64 searches for the model, 8 for news of indexing
control_socket_disable = True  # nothing here asks for it
_settings = {"LIBRARY": str(default_library()), "HOSTS": ["127.0.0.1", "localhost"]}
wsgi_app = f"web:create_app({_settings})"


def worker_exit(_server: Any, worker: Any) -> None:
    """Cancel indexing and end the processes that make thumbnails."""
    close_app(worker.wsgi)
