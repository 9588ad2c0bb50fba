"""What each part of the score is worth: recall while the parts are added one after the other."""

from __future__ import annotations

from typing import Any

from model.metrics import RECALL_AT, recall, recall_gain
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists


def worth_of_parts(ranker: Ranker, lists: Shortlists) -> dict[str, Any]:
    """Recall@1, @5 and @10 in percent of `lists`, ranked by similarity alone, then with one part more each time.

    The rows are `similarity`, `hubness`, `detectors` and `joint` (the full score); parts that the weights do not have
    are left out. `gain` is what a row adds to the row before, at each k: see `recall_gain`.
    """
    parameters = ranker.parameters
    included = {"hubness": False, "detectors": False, "joint": False}
    ranks = {"similarity": lists.ranks(Ranker(ranker.runtime, parameters, **included).combine(lists.parts))}
    for part, available in (
        ("hubness", len(parameters.querybank.embeddings) > 0),
        ("detectors", len(parameters.detectors.ids) > 0),
        ("joint", True),
    ):
        if available:
            included[part] = True
            ranks[part] = lists.ranks(Ranker(ranker.runtime, parameters, **included).combine(lists.parts))
    rows: dict[str, Any] = {}
    previous = None
    for part, after in ranks.items():
        rows[part] = {f"r@{k}": recall(after)[f"r@{k}"] for k in RECALL_AT}
        if previous is not None:
            rows[part]["gain"] = {f"r@{k}": recall_gain(previous, after, lists.photos, k) for k in RECALL_AT}
        previous = after
    return rows
