"""What each part of the score is worth: recall while the parts are added one after the other."""

from __future__ import annotations

from typing import Any

from model.metrics import RECALL_AT, recall, recall_gain
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists


def worth_of_parts(ranker: Ranker, lists: Shortlists) -> dict[str, Any]:
    """Recall@1, @5 and @10 in percent, ranked by similarity alone, then with one part more each time.

    The rows are `similarity`, `hubness`, `detectors` and `joint` (the full score); parts that the weights do not have
    are left out. The first two rank all candidates; the others the candidates of `lists`, with those beyond in the
    order of the shortlist. `gain` is what a row adds to the row before, at each k: see `recall_gain`.
    """
    parameters = ranker.parameters
    ranks = {"similarity": lists.similarity_ranks}
    if len(parameters.querybank.embeddings):
        ranks["hubness"] = lists.hubness_ranks
    if len(parameters.detectors.ids):
        ranks["detectors"] = lists.ranks(Ranker(ranker.runtime, parameters, joint=False).combine(lists.parts))
    ranks["joint"] = lists.ranks(ranker.combine(lists.parts))
    rows: dict[str, Any] = {}
    previous = None
    for part, after in ranks.items():
        rows[part] = {f"r@{k}": recall(after)[f"r@{k}"] for k in RECALL_AT}
        if previous is not None:
            rows[part]["gain"] = {f"r@{k}": recall_gain(previous, after, lists.photos, k) for k in RECALL_AT}
        previous = after
    return rows
