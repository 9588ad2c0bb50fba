"""Stacks of hits that are nearly the same photo: one tile in a grid stands for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.results import Hit


class Placed(NamedTuple):
    """A hit, and its place in the list."""

    place: int
    hit: Hit


def stacks(hits: Sequence[Hit]) -> list[list[Placed]]:
    """The hits in their order, each with its copies behind it as far as they are in the list."""
    stack_of: dict[int, list[Placed]] = {}
    found: list[list[Placed]] = []
    for place, hit in enumerate(hits):
        stack = next((stack_of[other] for other in hit.copies if other in stack_of), None)
        if stack is None:
            stack = []
            found.append(stack)
        stack.append(Placed(place, hit))
        stack_of[hit.photo_id] = stack
    return found
