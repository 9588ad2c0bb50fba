"""The rank of each query's right answer in every ranking, and the metrics computed from these ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.metrics import percent, recall, recall_gain
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists


@dataclass(frozen=True)
class Rankings:
    """The ranks of Q queries of one direction, by the name of the ranking.

    - `shortlist`: by the inner product that a search without a rerank ranks by;
    - `itm`, `words`, `rerank`: the shortlist's candidates by ITM logit, by word detectors if there are any, or by the
      score that a search ranks by;
    - `rerank@K`: the same for the first K of them.
    """

    photos: NDArray[np.int64]  # (Q,), the photo that the query is, or was written about
    ranks: dict[str, NDArray[np.int64]]  # each (Q,)
    depth: dict[str, int]
    """How many candidates of each query each ranking reads with the joint pass."""

    @classmethod
    def of(cls, lists: Shortlists, ranker: Ranker, depths: Sequence[int]) -> Rankings:
        """Those of `lists`, with a `rerank@K` for each K of `depths`."""
        scores = ranker.combine(lists.parts)
        deepest: int = scores.shape[1]
        ranks = {
            "shortlist": lists.shortlist_ranks,
            "itm": lists.ranks(lists.parts.itm_logits),
            **({"words": lists.ranks(lists.parts.log_odds)} if ranker.detects_words else {}),
            **{f"rerank@{depth}": lists.ranks(scores, depth) for depth in depths},
            "rerank": lists.ranks(scores),
        }
        depth_of = {"shortlist": 0, **{f"rerank@{depth}": min(depth, deepest) for depth in depths}}
        return cls(lists.photos, ranks, {name: depth_of.get(name, deepest) for name in ranks})

    @classmethod
    def joined(cls, parts: Sequence[Rankings]) -> Rankings:
        """Those of the queries of all `parts`, which have the same rankings."""
        first = parts[0]
        return cls(
            np.concatenate([part.photos for part in parts]),
            {name: np.concatenate([part.ranks[name] for part in parts]) for name in first.ranks},
            first.depth,
        )

    def figures(self) -> dict[str, Any]:
        """What docs/evaluation.md lists for a direction: recall, median rank and cost of each ranking.

        `in_shortlist` is the share of queries with a right answer among the candidates read: the ceiling of a rerank.
        """
        in_shortlist, queries = self.ranks["shortlist"], len(self.photos)
        figures: dict[str, Any] = {"queries": queries}
        for name, ranks in self.ranks.items():
            depth = self.depth[name]
            ceiling = {"in_shortlist": percent((in_shortlist < depth).mean())} if depth else {}
            figures[name] = {**recall(ranks), **ceiling, "pairs": queries * depth}
        return figures

    def gain(self) -> dict[str, float]:
        """What the rerank adds to the shortlist's recall@1: see `recall_gain`."""
        return recall_gain(self.ranks["shortlist"], self.ranks["rerank"], self.photos, 1)


def mean_figures(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of `Rankings.figures` over folds; queries and pairs are summed."""
    return {name: _mean(name, [fold[name] for fold in figures]) for name in figures[0]}


def _mean(name: str, values: Sequence[Any]) -> Any:
    if isinstance(values[0], dict):
        return mean_figures(values)
    return sum(values) if name in ("queries", "pairs") else round(float(np.mean(values)), 2)
