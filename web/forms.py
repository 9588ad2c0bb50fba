"""Requests that change something come from our own pages or from programs, never from another site.

A browser sends the password with every request, also with one that another site's page makes it send. Every form of
ours therefore holds a token, which no other site can read, and the token alone decides. The headers cannot: over plain
HTTP a browser sends `Origin: null` and no `Sec-Fetch-Site`, and behind a proxy `Origin` names another host. The API
takes no token, because a program has no page to take it from; it refuses what a browser says another site sent.
"""

from __future__ import annotations

import logging
import secrets

from flask import g, request
from itsdangerous import BadSignature, TimestampSigner
from markupsafe import Markup
from werkzeug.exceptions import Forbidden

from web.hosts import is_this_host

FIELD = "csrf_token"
_READING = ("GET", "HEAD", "OPTIONS")
_LASTS_S = 7 * 86400
_SIGNED = "form"
_log = logging.getLogger("pixelseek.web")


class FormTokens:
    """Makes the tokens of forms, and checks them. Threads may share one.

    A token is a signed time, the same for everybody: whoever can read one may send every form anyway, because there
    is one password for all.
    """

    def __init__(self, password_hash: str | None) -> None:
        """Tokens outlast a restart where there is a password: its hash is a secret that lasts."""
        self._signer = TimestampSigner(password_hash or secrets.token_bytes(32), salt="pixelseek.forms")

    def token(self) -> str:
        """A token for the page that is being written; none for a page that is shown to strangers (an error's)."""
        if not g.get("is_known"):
            return ""
        return self._signer.sign(_SIGNED).decode("ascii")

    def field(self) -> Markup:
        """The hidden field of a form, with a token."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, self.token())

    def check(self) -> None:
        """Raise Forbidden unless the request is from a page of ours, from a program, or changes nothing."""
        if request.method in _READING or request.endpoint is None:
            return
        refused = "a request from %s for %s is refused: %s"
        if request.blueprint == "api":
            if _from_another_site():
                _log.warning(refused, request.remote_addr, request.endpoint, "another site sent it")
                raise Forbidden("another site sent this; only programs and Pixelseek's own pages may")
        elif not self._is_ours(request.form.get(FIELD, "")):
            _log.warning(refused, request.remote_addr, request.endpoint, "its form has no valid token")
            raise Forbidden("this form is not from a page of this server, or older than it: load its page again first")

    def _is_ours(self, token: str) -> bool:
        try:
            return self._signer.unsign(token, max_age=_LASTS_S) == _SIGNED.encode()
        except (BadSignature, UnicodeError):
            return False


def _from_another_site() -> bool:
    """Whether a browser says so: it names the site that sends. A program that is no browser names none."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and not is_this_host(origin)
