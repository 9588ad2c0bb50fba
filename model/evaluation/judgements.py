"""How well a match tells what people say: does this sentence describe this photo?

The judgements are a file of JSON lines, one for each pair of a photo and a sentence:

    {"key": "KEY", "sentence": "A dog runs .", "fit": 0.33, "own": false}

`key` names a photo of a shard; `fit` (0 to 1) is the share of people who said that the sentence fits; `own` is true
where the sentence was written about that photo, false where about another one, and null or absent where neither is
known. Other fields are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, Shard, ShardError, read_shards
from model.errors import PixelseekError
from model.metrics import area_under_curve, equal_bins
from model.runtime.protocol import EncodedImages
from model.scoring.collection import EncodedCollection, encode_photos, encode_sentences
from model.scoring.parts import ScoreParts
from model.scoring.shortlists import score_pairs

_BINS = 10
_FITTING = 0.5  # a pair with a higher fit counts as fitting
MEASURES = ("match", "similarity", "detectors", "joint")
"""What the pairs are ordered by: the match, and the parts of the score alone."""


class JudgementError(PixelseekError):
    """A file of judgements that cannot be used; the message names the file and the line."""


@dataclass(frozen=True)
class Judgement:
    """What people say of one sentence and one photo."""

    key: str
    sentence: str
    fit: float
    """The share of people, 0 to 1, who say that the sentence fits the photo."""
    own: bool | None
    """Whether the sentence was written about this photo, or about another one; None where that is not known."""


def read_judgements(path: Path) -> list[Judgement]:
    """The judgements in a file. Raises JudgementError when a line of it is none."""
    judgements = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    judgements.append(_judgement(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError) as error:
        raise JudgementError(f"{path} cannot be read: {error}") from error
    return judgements


def evaluate_judgements(
    weights: str | Path,
    shards: Sequence[Shard],
    judgements: Path,
    *,
    split: str,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, Any]:
    """The report of `measure` on those pairs of file `judgements` whose photos are in `split` of the shards.

    Raises, before anything is computed, JudgementError, ShardError when a shard cannot be read or no pair is left, and
    WeightsError.
    """
    pairs = read_judgements(judgements)
    in_shards = {photo.key: photo for photo in read_shards(shards, split, captioned=False)}
    known = [pair for pair in pairs if pair.key in in_shards]
    if not known:
        raise ShardError(
            f"no photo that {judgements} judges is in split {split} of {', '.join(map(str, shards))}: "
            "name the shards that hold these photos, or another --split."
        )
    model = TrainedModel(weights, device=device)
    return {
        "weights": str(weights),
        "data": [Path(shard).name for shard in shards],
        "split": split,
        "device": model.runtime.device,
        "judgements": {
            "file": judgements.name,
            **measure(model, known, in_shards, progress=progress),
            "not_in_these_shards": len(pairs) - len(known),
        },
    }


def measure(
    model: TrainedModel, judgements: Sequence[Judgement], photos: Mapping[str, CaptionedPhoto], *, progress: bool
) -> dict[str, Any]:
    """Compare the match of every pair with what people say. A pair counts as fitting when its fit is above 0.5.

    - `pairs`; `auc`: how often a fitting pair scores above another (0.5 is chance); `auc_other`: the same among the
      pairs whose sentence was written about another photo;
    - `ece`: the mean difference of match and fit over ten bins of equally many pairs; `brier`: their mean squared
      difference; `brier_constant`: that of the best constant;
    - `mean_match_own` and `mean_fit_own`: of the pairs whose sentence was written about the photo;
    - `by`: for each of MEASURES `auc`, `auc_other` and `bins`, by ascending measure: `pairs`, and the mean `measure`,
      `match` and `fit` of each bin, the points of a reliability diagram.

    A figure that these pairs cannot give is None.
    """
    parts, match = _score(model, judgements, photos, progress)
    fit = np.array([pair.fit for pair in judgements])
    own = np.array([pair.own is True for pair in judgements])
    other = np.array([pair.own is False for pair in judgements])
    measures: tuple[NDArray[np.floating], ...] = (match, parts.similarity, parts.log_odds, parts.itm_logits)
    by = {}
    for name, values in zip(MEASURES, measures, strict=True):
        by[name] = {
            "auc": _auc(values, fit),
            "auc_other": _auc(values[other], fit[other]),
            "bins": [
                {
                    "pairs": len(rows),
                    "measure": round(float(values[rows].mean()), 4),
                    "match": round(float(match[rows].mean()), 4),
                    "fit": round(float(fit[rows].mean()), 4),
                }
                for rows in equal_bins(values, _BINS)
            ],
        }
    gaps = [(len(rows), abs(float(match[rows].mean() - fit[rows].mean()))) for rows in equal_bins(match, _BINS)]
    return {
        "pairs": len(judgements),
        "photos": len({pair.key for pair in judgements}),
        "auc": _auc(match, fit),
        "auc_other": _auc(match[other], fit[other]),
        "ece": round(sum(count * gap for count, gap in gaps) / len(fit), 4),
        "brier": round(float(np.mean((match - fit) ** 2)), 4),
        "brier_constant": round(float(fit.var()), 4),
        "mean_match_own": round(float(match[own].mean()), 4) if own.any() else None,
        "mean_fit_own": round(float(fit[own].mean()), 4) if own.any() else None,
        "by": by,
    }


def _judgement(line: str, place: str) -> Judgement:
    try:
        record = json.loads(line)
        key, sentence, fit, own = record["key"], record["sentence"], record["fit"], record.get("own")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise JudgementError(f"{place} is no judgement: it needs key, sentence and fit as JSON.") from error
    is_share = isinstance(fit, int | float) and not isinstance(fit, bool) and 0 <= fit <= 1
    if not (isinstance(key, str) and isinstance(sentence, str) and sentence.strip() and is_share):
        raise JudgementError(f"{place} is no judgement: key and sentence are text, fit is a number from 0 to 1.")
    if not (own is None or isinstance(own, bool)):
        raise JudgementError(f"{place} is no judgement: own is true, false or null.")
    return Judgement(key, sentence, float(fit), own)


def _score(
    model: TrainedModel, judgements: Sequence[Judgement], photos: Mapping[str, CaptionedPhoto], progress: bool
) -> tuple[ScoreParts, NDArray[np.float64]]:
    """The parts (N,) of the score of every pair, and its match (N,)."""
    keys = sorted({pair.key for pair in judgements})
    sentences = sorted({pair.sentence for pair in judgements})
    images = encode_photos(model.runtime, [photos[key] for key in keys], model.processor, progress=progress)
    row_of_key = {key: row for row, key in enumerate(keys)}
    row_of_sentence = {sentence: row for row, sentence in enumerate(sentences)}
    collection = EncodedCollection(
        model.ranker.prepare(EncodedImages.joined(list(images))),
        encode_sentences(model.runtime, sentences),
        np.zeros(len(sentences), dtype=np.int64),
    )
    sentence_rows = np.array([row_of_sentence[pair.sentence] for pair in judgements])
    photo_rows = np.array([row_of_key[pair.key] for pair in judgements])
    parts = score_pairs(model.ranker, collection, sentence_rows, photo_rows, progress=progress)
    return parts, model.ranker.match(model.ranker.combine(parts), parts.prior_log_odds).astype(np.float64)


def _auc(values: NDArray[np.floating], fit: NDArray[np.float64]) -> float | None:
    fitting = fit > _FITTING
    if fitting.all() or not fitting.any():
        return None
    return round(area_under_curve(values.astype(np.float64), fitting), 4)
