"""Do images that are no photos stand among the first hits? Drawn ones are mixed into a gallery of photos."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from model.evaluation.drawn import drawn_images
from model.image_processor import PixelBertImageProcessor
from model.metrics import best_candidates
from model.scoring.collection import EncodedCollection
from model.scoring.parts import PreparedPhotos
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank_photos

_PHOTOS, _QUERIES, _FIRST, _SHORTLIST = 400, 200, 10, 64


def hubs(ranker: Ranker, image_processor: PixelBertImageProcessor, collection: EncodedCollection) -> dict[str, Any]:
    """What searches for captions find of images drawn as `drawn_images` says, none of which any caption is about.

    - `photos`, `drawn`, `queries`: how many there are, of photos at most 400, of captions at most 200;
    - `searches`: how many searches have a drawn image among their first ten hits;
    - `hits`: how many such hits there are, and in `kinds` of which kind.
    """
    gallery = collection.part(0, min(_PHOTOS, len(collection.photos)))
    drawn = drawn_images()
    images = ranker.runtime.encode_image([image_processor.resize(item.image) for item in drawn])
    photos = len(gallery.photos)
    captions = np.sort(np.random.default_rng(0).permutation(len(gallery.caption_to_image))[:_QUERIES])
    mixed = EncodedCollection(
        PreparedPhotos.joined([gallery.photos, ranker.prepare(images)]),
        gallery.text.select(captions.tolist()),
        gallery.caption_to_image[captions],
    )
    lists = rerank_photos(ranker, mixed, _SHORTLIST)
    order = best_candidates(ranker.combine(lists.parts), lists.relevant, _FIRST)
    first = np.take_along_axis(lists.candidates, order, 1)
    return {
        "photos": photos,
        "drawn": len(drawn),
        "queries": len(captions),
        "searches": int((first >= photos).any(axis=1).sum()),
        "hits": int((first >= photos).sum()),
        "kinds": dict(sorted(Counter(drawn[row - photos].kind for row in first[first >= photos].tolist()).items())),
    }
