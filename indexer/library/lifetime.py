"""How long an open library may be used, by threads that share it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, get_ident
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from indexer.library.errors import LibraryClosed

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Lifetime:
    """Lets calls in until `close`, which waits for those that are inside."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = Condition()
        self._inside = Counter[int]()  # how many calls of each thread: one may call another
        self._is_closing = self._is_closed = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Keep open what this is about until the block ends. Raises LibraryClosed."""
        thread = get_ident()
        with self._changed:
            if self._is_closed or (self._is_closing and not self._inside[thread]):
                raise LibraryClosed(f"{self._name} has been closed. Open it again.")
            self._inside[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[thread] -= 1
                if not self._inside[thread]:
                    del self._inside[thread]
                    self._changed.notify_all()

    def close(self) -> None:
        """Let nothing in any more, and wait until all other threads are outside."""
        with self._changed:
            self._is_closing = True
            self._changed.wait_for(lambda: not self._inside.keys() - {get_ident()})
            self._is_closed = True


class _HasLifetime(Protocol):
    @property
    def lifetime(self) -> Lifetime: ...


Owner = TypeVar("Owner", bound=_HasLifetime)


def while_open(
    method: Callable[Concatenate[Owner, Parameters], Result],
) -> Callable[Concatenate[Owner, Parameters], Result]:
    """A method that keeps what it belongs to open while it runs, and raises LibraryClosed afterwards."""

    @functools.wraps(method)
    def call(owner: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with owner.lifetime.inside():
            return method(owner, *args, **kwargs)

    return call
