"""Protection against cross-site request forgery: other sites cannot send requests that change something.

A browser sends the password with every request, also with a request that the page of another site starts. Each of our
forms therefore holds a token, which no other site can read, and only the token decides. Headers cannot: over plain
HTTP a browser sends `Origin: null` and no `Sec-Fetch-Site`, and behind a proxy `Origin` names another host. The API
needs no token, because a program has no page to read it from. It refuses requests that a browser marks as cross-site.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from flask import g, request
from itsdangerous import BadSignature, TimestampSigner
from markupsafe import Markup
from werkzeug.exceptions import Forbidden

from web.hosts import is_this_host

FIELD = "csrf_token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_MAX_AGE_S = 7 * 86400
_PAYLOAD = "form"
_KEY_FILE, _KEY_BYTES = "form-key", 32
_log = logging.getLogger("pixelseek.web")


class FormTokens:
    """Makes and checks the tokens of forms. Threads may share one.

    A token is a signed time and belongs to no client: there is one password, so every client that can read a token may
    send every form.
    """

    def __init__(self, library: Path, password_hash: str | None) -> None:
        """All servers of the library in that folder take each other's tokens, also after a restart: the key is the hash
        of the password, or without one a file in the folder."""
        self._signer = TimestampSigner(password_hash or _key_of(library), salt="pixelseek.forms")

    def token(self) -> str:
        """A token for a page; empty for a client without the password, which sees error pages only."""
        if not g.get("is_known"):
            return ""
        return self._signer.sign(_PAYLOAD).decode("ascii")

    def field(self) -> Markup:
        """The hidden field of a form, with a token."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, self.token())

    def check(self) -> None:
        """Raise Forbidden unless the request comes from one of our pages or from a program, or changes nothing."""
        if request.method in _SAFE_METHODS or request.endpoint is None:
            return
        refused = "a request from %s for %s is refused: %s"
        if "api" in request.blueprints:
            if _from_another_site():
                _log.warning(refused, request.remote_addr, request.endpoint, "another site sent it")
                raise Forbidden("another site sent this; only programs and Pixelseek's own pages may")
        elif not self._is_ours(request.form.get(FIELD, "")):
            _log.warning(refused, request.remote_addr, request.endpoint, "its form has no valid token")
            raise Forbidden("this form is not from a page of this server, or it is too old: load the page again first")

    def _is_ours(self, token: str) -> bool:
        try:
            return self._signer.unsign(token, max_age=_MAX_AGE_S) == _PAYLOAD.encode()
        except (BadSignature, UnicodeError):
            return False


def _key_of(library: Path) -> bytes:
    """The key that is kept in the library's folder; one for this server alone where none can be kept."""
    file = library / _KEY_FILE
    try:
        if not file.exists():
            _make_key(file)
        key = file.read_bytes()
    except OSError:  # there is no library yet, or nothing can be written there
        key = b""
    return key if len(key) == _KEY_BYTES else secrets.token_bytes(_KEY_BYTES)


def _make_key(file: Path) -> None:
    """Make the file, whole from the first moment on, unless another server makes it at the same time."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # for this user only
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(secrets.token_bytes(_KEY_BYTES))
            new.flush()
            os.fsync(handle)
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        Path(name).unlink()


def _from_another_site() -> bool:
    """Whether a browser marks the request as cross-site. Other programs send neither header."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and not is_this_host(origin)
