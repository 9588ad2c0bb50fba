"""Access: where a password is set, every request must come with it."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from pathlib import Path
from threading import Lock

from flask import g, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests, Unauthorized
from werkzeug.security import check_password_hash, generate_password_hash

from model.atomic import replacing
from model.errors import PixelseekError

MIN_PASSWORD_LENGTH = 8
_PUBLIC_ENDPOINTS = ("static", "monitoring.health", "pages.shapes")
_WRONG_PASSWORDS = RateLimitItemPerMinute(10)
_WAIT_S = 60
_HASH = re.compile(rb"[a-z][a-z0-9:]*\$[^\s$]+\$[0-9a-f]+\s*", re.ASCII)
"""Method, salt and hash, as Werkzeug writes them."""
_log = logging.getLogger("pixelseek.web")


class PasswordUnreadable(PixelseekError):  # noqa: N818
    """The file of the password is not one that `set_password` has written."""


class PasswordTooShort(PixelseekError):  # noqa: N818
    """A password that is too short to be safe."""


def set_password(library: Path, password: str) -> None:
    """Require `password` from the next start on. Only its hash is stored, in the folder of the library.

    Raises PasswordTooShort.
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise PasswordTooShort(f"the password must have {MIN_PASSWORD_LENGTH} characters or more.")
    library.mkdir(parents=True, exist_ok=True)
    with replacing(_file(library), private=True) as new:
        new.write_text(generate_password_hash(password), encoding="ascii")


def remove_password(library: Path) -> None:
    """Require no password from the next start on."""
    _file(library).unlink(missing_ok=True)


def password_hash(library: Path) -> str | None:
    """The hash of the password; None where none is set. Raises PasswordUnreadable."""
    file = _file(library)
    try:
        stored = file.read_bytes()
    except FileNotFoundError:
        return None
    if not _HASH.fullmatch(stored):
        raise PasswordUnreadable(f"{file} is no hash of a password. Set it anew: pixelseek library password")
    return stored.decode("ascii").strip()


def _file(library: Path) -> Path:
    return library / "password"


class Guard:
    """Checks the password of every request. Threads may share one.

    `g.is_known` is set for a client that may see all pages: it knows the password, or none is set.
    """

    def __init__(self, password_hash: str | None) -> None:
        self._hash = password_hash
        self._hashing = Lock()  # hashing is slow and takes memory by design: one at a time
        self._key = secrets.token_bytes(32)
        self._known = b""
        """Digest of the right password under a key of this process, so that it is hashed only once."""
        self._wrong = MovingWindowRateLimiter(MemoryStorage())

    def check(self) -> None:
        """Raise Unauthorized where the password is wrong, and TooManyRequests after too many wrong ones."""
        if request.endpoint in _PUBLIC_ENDPOINTS:
            return
        if self._hash is not None:
            self._check_password(self._hash)
        g.is_known = True

    def _check_password(self, right_hash: str) -> None:
        password = _password()
        digest = hashlib.blake2b(password.encode("utf-8", "replace"), key=self._key).digest()
        if password and self._is_known(digest):
            return
        address = request.remote_addr or ""
        self._refuse_guessing(address)
        if password:
            with self._hashing:
                if self._is_known(digest):  # another request has brought it meanwhile
                    return
                self._refuse_guessing(address)  # those count too that were before this one in the queue
                if check_password_hash(right_hash, password):
                    self._known = digest
                    return
                self._wrong.hit(_WRONG_PASSWORDS, address)
            _log.warning("a wrong password from %s", address)
        realm = WWWAuthenticate("basic", {"realm": "Pixelseek", "charset": "UTF-8"})
        raise Unauthorized("the password is needed; any user name will do", www_authenticate=realm)

    def _is_known(self, digest: bytes) -> bool:
        return hmac.compare_digest(digest, self._known)

    def _refuse_guessing(self, address: str) -> None:
        """Raise TooManyRequests where too many wrong passwords came from that address."""
        if not self._wrong.test(_WRONG_PASSWORDS, address):
            raise TooManyRequests("too many wrong passwords. Try again in a minute.", retry_after=_WAIT_S)


def _password() -> str:
    given = request.authorization
    if given is None:
        return ""
    if given.type != "bearer":
        return given.password or ""
    password = request.headers["Authorization"].partition(" ")[2].strip()  # the token is None where it has a `=`
    try:
        return password.encode("latin-1").decode()  # as a header comes, and as clients write it
    except UnicodeError:
        return password
