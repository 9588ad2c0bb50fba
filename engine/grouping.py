"""How many of the first hits are the best: where a search draws the line between "Best" and "More like this".

The line lies at a fall in match. Each search sets it by its own matches, and never between near-equals:

1. Hits that are near-equal to their neighbour form a group, which is above the line as a whole or not at all.
2. A group may be above the line if the median of its matches reaches the minimum, or if its first hit is likely: if it
   more likely fits than not. So hits below the minimum are below the line, but for some that are near-equal to others.
3. Of the groups that may be, the line lies behind the one with the largest fall after it, in log-odds. It does not lie
   above a likely hit. How far a hit lies below a fourth of the odds of the minimum makes no difference.
4. The first hit has no say in where the line lies, so that a better first hit never shows less. It is above the line if
   it reaches the minimum, unless it is near-equal to a second hit that is below.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

_MIN_DIFFERENCE, _MIN_ODDS_RATIO = 0.01, 1.15
"""Two matches are near-equal where they differ by less than the one or the other."""
_LIKELY = 0.5
_POOR = 0.25
"""Odds relative to the minimum, below which differences do not count."""
_MAX_ODDS = 1e6


def best_count(matches: Sequence[float], minimum: float) -> int:
    """How many of the first hits are the best, from their matches in descending order.

    0 where the match of the first one is below `minimum` (0 to 1): then nothing is good.
    """
    if not matches or matches[0] < minimum:
        return 0
    if following := _best_of_following(matches[1:], minimum):
        return 1 + following
    return int(len(matches) == 1 or is_fall(matches[0], matches[1]))


def is_fall(match: float, following: float) -> bool:
    """Whether `following` is clearly below `match`: the two are not near-equal."""
    return match - following >= _MIN_DIFFERENCE and _odds(match) >= _MIN_ODDS_RATIO * _odds(following)


def _best_of_following(matches: Sequence[float], minimum: float) -> int:
    """How many of the hits behind the first one are above the line."""
    likely, poor = max(_LIKELY, minimum), max(_POOR * _odds(minimum), 1 / _MAX_ODDS)
    falls = [place for place, pair in enumerate(pairwise(matches), start=1) if is_fall(*pair)]
    line, largest = 0, 1.0
    for start, end in pairwise([0, *falls, len(matches)]):
        group, after = matches[start:end], matches[end] if end < len(matches) else 0.0
        if not group or (median(group) < minimum and group[0] < likely):
            break
        fall = max(_odds(group[-1]), poor) / max(_odds(after), poor)
        if fall >= largest or after >= likely:
            line, largest = end, fall if after < likely else 1.0
    return line


def _odds(match: float) -> float:
    return min(match / (1 - match), _MAX_ODDS) if match < 1 else _MAX_ODDS
