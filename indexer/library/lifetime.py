"""Keeps an object open while threads use it, and closes it once they are done."""

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
    """Counts the calls in progress. `close` refuses new ones and waits for those of other threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = Condition()
        self._calls = Counter[int]()  # by thread: one call may make another
        self._is_closing = self._is_closed = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the object open until the block ends. Raises LibraryClosed."""
        thread = get_ident()
        with self._changed:
            if self._is_closed or (self._is_closing and not self._calls[thread]):
                raise LibraryClosed(f"{self._name} has been closed. Open it again.")
            self._calls[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls[thread] -= 1
                if not self._calls[thread]:
                    del self._calls[thread]
                    self._changed.notify_all()

    def close(self) -> None:
        """Refuse new calls, and wait for the calls of all other threads."""
        with self._changed:
            self._is_closing = True
            self._changed.wait_for(lambda: not self._calls.keys() - {get_ident()})
            self._is_closed = True


class _HasLifetime(Protocol):
    @property
    def lifetime(self) -> Lifetime: ...


Owner = TypeVar("Owner", bound=_HasLifetime)


def while_open(
    method: Callable[Concatenate[Owner, Parameters], Result],
) -> Callable[Concatenate[Owner, Parameters], Result]:
    """Decorate a method: the object stays open while it runs. After closing it raises LibraryClosed."""

    @functools.wraps(method)
    def call(owner: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with owner.lifetime.in_use():
            return method(owner, *args, **kwargs)

    return call
