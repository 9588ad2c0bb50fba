"""ECCV Caption and CxC: recall on COCO's test photos with more positives than COCO's own pairs.

A COCO caption often fits more photos than its own. ECCV Caption (arXiv 2204.03359) and CxC (arXiv 2004.15020) list
them. Labels and metrics come from the package `eccv_caption`. It names Karpathy's test photos and captions by their
COCO ids, and is defined on all of them.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.shards import CaptionedPhoto
from model.errors import PixelseekError
from model.metrics import RECALL_AT, percent
from model.scoring.collection import DIRECTIONS, Direction, EncodedCollection
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, first_ranked

# The package computes the second and third only together with the first, and CxC's recalls as `cxc_recalls`.
_ECCV = ("eccv_map_at_r", "eccv_rprecision", "eccv_r1")
_FIGURES = (*_ECCV, *(f"cxc_r{k}" for k in RECALL_AT))
_MODALITY: dict[Direction, str] = {"text_to_image": "t2i", "image_to_text": "i2t"}


class GroundTruthError(PixelseekError):
    """ECCV Caption and CxC cannot be measured; the message says why and what to do."""


class GroundTruth:
    """The labels of ECCV Caption and CxC, for photos that are Karpathy's COCO test split."""

    def __init__(self, photos: Sequence[CaptionedPhoto]) -> None:
        """Raises GroundTruthError when the package is missing, or `photos` are not all of those 5,000."""
        self._metrics = _package()
        self._caption_to_photo: dict[int, int] = {
            caption: photo for caption, (photo,) in self._metrics.coco_gts["t2i"].items()
        }
        _check(photos, self._caption_to_photo)
        self._photos = np.array([photo.coco_id for photo in photos])
        self._captions = np.array([number for photo in photos for number in photo.caption_ids])
        labels = [self._metrics.eccv_gts, self._metrics.cxc_gts]
        max_positives = max(
            len(positives) for label in labels for direction in label.values() for positives in direction.values()
        )
        # No metric looks further. Captions without labels, the sixth of some photos, are removed before the metrics.
        self._length = max(max_positives, *RECALL_AT) + len(self._captions) - len(self._caption_to_photo)

    def measure(
        self, collection: EncodedCollection, lists: Mapping[Direction, Shortlists], ranker: Ranker
    ) -> dict[str, Any]:
        """ECCV mAP@R, R-Precision and R@1, and CxC R@1, @5 and @10, in percent, for each direction and ranking.

        `collection` holds the photos that this was made with, `lists` are its shortlists. A caption without labels is
        neither a query nor a candidate.
        """
        rankings = {}
        for way in DIRECTIONS:
            shortlists = lists[way]
            scores = {
                "shortlist": shortlists.scores,
                "itm": shortlists.parts.itm_logits,
                "rerank": ranker.combine(shortlists.parts),
            }
            rankings[way] = first_ranked(ranker, collection, way, shortlists, scores, self._length)
        results: dict[str, Any] = {
            way: {
                "eccv_queries": len(self._metrics.eccv_gts[_MODALITY[way]]),
                "cxc_queries": len(self._metrics.cxc_gts[_MODALITY[way]]),
            }
            for way in DIRECTIONS
        }
        for name in rankings["text_to_image"]:
            figures = self._figures(rankings["text_to_image"][name], rankings["image_to_text"][name])
            for way in DIRECTIONS:
                results[way][name] = {figure: percent(figures[figure][_MODALITY[way]]) for figure in _FIGURES}
        return results

    def _figures(self, photos: NDArray[np.int64], captions: NDArray[np.int64]) -> dict[str, dict[str, float]]:
        """The metrics of the photos ranked for each caption (M, L) and the captions ranked for each photo (N, L)."""
        by_caption = dict(zip(self._captions.tolist(), self._photos[photos].tolist(), strict=True))
        by_photo = {
            photo: [number for number in numbers if number in self._caption_to_photo]
            for photo, numbers in zip(self._photos.tolist(), self._captions[captions].tolist(), strict=True)
        }
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bars cannot be turned off
            figures: dict[str, dict[str, float]] = self._metrics.compute_all_metrics(
                by_photo, by_caption, target_metrics=(*_ECCV, "cxc_recalls"), Ks=RECALL_AT
            )
        return figures


def _package() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recommends ujson
            from eccv_caption import Metrics
    except ImportError as error:
        raise GroundTruthError("ECCV Caption and CxC need a package: pip install eccv_caption") from error
    return Metrics()


def _check(photos: Sequence[CaptionedPhoto], caption_to_photo: Mapping[int, int]) -> None:
    """Raise GroundTruthError unless `photos` and their captions are all those of `caption_to_photo`, by COCO id."""
    without_ids = sum(photo.coco_id is None or not photo.caption_ids for photo in photos)
    if without_ids:
        raise GroundTruthError(
            f"ECCV Caption and CxC need the COCO ids of photos and captions, which {without_ids:,} of {len(photos):,} "
            "photos lack: import them anew with pixelseek model data import coco --karpathy dataset_coco.json"
        )
    ours = {number: photo.coco_id for photo in photos for number in photo.caption_ids}
    missing = sum(ours.get(caption) != photo for caption, photo in caption_to_photo.items())
    wanted = len(set(caption_to_photo.values()))
    if missing or len(photos) != wanted:
        raise GroundTruthError(
            f"ECCV Caption and CxC are defined on Karpathy's COCO test split, all {wanted:,} photos with "
            f"{len(caption_to_photo):,} captions: here are {len(photos):,} photos, and {missing:,} of those captions "
            "are missing"
        )
