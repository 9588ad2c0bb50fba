"""Dev photos as galleries that are searched by captions and by short queries, with what a person says of each hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.data.shards import CaptionedPhoto
from model.processor import PixelBertProcessor
from model.runtime.protocol import EncodedText, Runtime
from model.scoring.calibration_fitting import Gallery
from model.scoring.collection import EncodedCollection, encode_collection, encode_sentences
from model.scoring.judge import OWN_FIT, Judge, SentenceEncoder
from model.scoring.parts import ScoreParts
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, rerank_photos
from model.scoring.vocabulary import content_words, singular

_SMALL_GALLERY = 100  # photos
_SHORT_QUERIES = 300
_MIN_PHOTOS = 3  # whose captions have a word, for it to be a query


@dataclass(frozen=True)
class _Queries:
    """Queries to a gallery of N photos."""

    encoded: EncodedText  # Q
    fit: NDArray[np.float32]  # (Q, N)


def keyword_queries(captions: Sequence[Sequence[str]], count: int, *, seed: int = 0) -> list[str]:
    """Up to `count` queries such as people type, from the captions of each photo of a gallery.

    In turn a word, alone or with an article, and two words of one caption; function words are none. A word is drawn as
    often as the root of how many photos have it: people ask for what they have, and for rare things too.
    """
    random = np.random.default_rng(seed)
    in_photos = Counter(word for of_photo in captions for word in {w for c in of_photo for w in content_words(c)})
    usual = sorted(word for word, photos in in_photos.items() if photos >= _MIN_PHOTOS)
    several = [
        words for of_photo in captions for c in of_photo if len(words := list(dict.fromkeys(content_words(c)))) > 1
    ]
    if not usual or not several:
        return []
    weights = np.sqrt([in_photos[word] for word in usual])
    queries = []
    for place in range(count):
        if place % 2:
            words = several[int(random.integers(len(several)))]
            first, second = sorted(random.choice(len(words), 2, replace=False).tolist())
            queries.append(f"{words[first]} {words[second]}")
        else:
            word = usual[int(random.choice(len(usual), p=weights / weights.sum()))]
            queries.append(f"a {word}" if random.random() < 0.5 else word)
    return queries


class JudgedGallery:
    """Dev photos of one dataset: encoded, searched, and judged by `judge`."""

    def __init__(
        self,
        ranker: Ranker,
        processor: PixelBertProcessor,
        photos: Sequence[CaptionedPhoto],
        encoder: SentenceEncoder,
        *,
        captions: int | None = 1,
        progress: bool = False,
    ) -> None:
        """The first `captions` captions of each photo are queries, all of them are what it is judged by."""
        self.captions = [photo.captions for photo in photos]
        queries = [photo.with_captions(captions) for photo in photos]
        self.collection = encode_collection(ranker, queries, processor, progress=progress)
        judge = Judge(photos, encoder)
        sentences = [caption for photo in queries for caption in photo.captions]
        self._caption_fit = judge.fit(sentences, self.collection.caption_to_image)
        short = keyword_queries(self.captions, _SHORT_QUERIES)
        self._short = (
            _Queries(encode_sentences(ranker.runtime, short), self._short_fit(short, judge)) if short else None
        )

    def with_all_captions(self, runtime: Runtime) -> EncodedCollection:
        """Its photos with all their captions, whatever the queries are."""
        text = encode_sentences(runtime, [caption for of_photo in self.captions for caption in of_photo])
        photo_of_caption = np.repeat(np.arange(len(self.captions)), [len(of_photo) for of_photo in self.captions])
        return EncodedCollection(self.collection.photos, text, photo_of_caption)

    def searched(self, ranker: Ranker, shortlist: int, *, progress: bool = False) -> Iterator[Gallery]:
        """What searches find in the gallery as a whole and in blocks of 100 photos, by captions and short queries."""
        count = len(self.captions)
        blocks = [(first, first + _SMALL_GALLERY) for first in range(0, count - _SMALL_GALLERY + 1, _SMALL_GALLERY)]
        for parts in ([(0, count)], blocks):
            searched = [
                self._search(ranker, shortlist, *part, place, len(parts), progress) for place, part in enumerate(parts)
            ]
            for galleries in zip(*searched, strict=True):
                yield _joined(galleries)

    def _search(
        self, ranker: Ranker, shortlist: int, first: int, end: int, place: int, of: int, progress: bool
    ) -> list[Gallery]:
        """The photos from `first` to before `end` searched by their captions, and by every `of`-th short query."""
        collection = self.collection.part(first, end)
        lists = rerank_photos(ranker, collection, shortlist, progress=progress)
        rows = (self.collection.caption_to_image >= first) & (self.collection.caption_to_image < end)
        galleries = [_judged(lists, self._caption_fit[rows, first:end], lists.relevant)]
        if self._short is not None:
            chosen = np.arange(place, len(self._short.fit), of)
            text = self._short.encoded.select(chosen.tolist())
            nowhere = np.full(len(chosen), -1, dtype=np.int64)
            lists = rerank_photos(ranker, EncodedCollection(collection.photos, text, nowhere), shortlist)
            galleries.append(_judged(lists, self._short.fit[chosen, first:end], None))
        return galleries

    def _short_fit(self, queries: Sequence[str], judge: Judge) -> NDArray[np.float32]:
        """(Q, N) A photo whose captions have all words of a short query fits it as well as a caption fits its photo."""
        fit = judge.fit(queries, np.full(len(queries), -1))
        for row, query in enumerate(queries):
            words = {singular(word) for word in content_words(query)}
            fit[row, [words <= known for known in self._words]] = OWN_FIT
        return fit

    @cached_property
    def _words(self) -> list[set[str]]:
        return [
            {singular(word) for caption in of_photo for word in content_words(caption)} for of_photo in self.captions
        ]


def _judged(lists: Shortlists, fit: NDArray[np.float32], relevant: NDArray[np.bool_] | None) -> Gallery:
    return Gallery(lists.parts, np.take_along_axis(fit, lists.candidates, 1), relevant)


def _joined(galleries: Sequence[Gallery]) -> Gallery:
    relevant = [gallery.relevant for gallery in galleries if gallery.relevant is not None]
    return Gallery(
        ScoreParts.joined([gallery.parts for gallery in galleries]),
        np.concatenate([gallery.fit for gallery in galleries]),
        np.concatenate(relevant) if relevant else None,
    )
