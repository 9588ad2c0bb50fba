"""How well a library finds a word that it was taught by a few photos, beside a search for the word as a sentence.

    python -m benchmarks.teaching --data SHARD [--data SHARD] [--split test] [--cache FOLDER]

The photos were not trained on. A photo shows a word if two of its captions use it or its plural; where one caption
alone does, the photo is left out. The captions answer what a person is asked. Word detectors of the word and of its
other forms are left out of every sentence. The photos are encoded once, and kept in the folder --cache.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.growing import grown
from benchmarks.machine import machine
from engine.phrases import SHARE_IF_READ
from engine.teaching import SUGGESTED, Teaching
from indexer.library.faiss_index import SearchableIndex, coarse_index_for, new_index
from indexer.library.taught_words import TaughtWord
from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, read_shards
from model.runtime.protocol import EncodedImages
from model.scoring.collection import encode_photos
from model.scoring.taught_detector import Background, TaughtDetector
from model.scoring.vocabulary import FUNCTION_WORDS, Vocabulary, content_words, singular
from model.weights import DEFAULT

EXAMPLES = (1, 3, 5, 10, 20)
DRAWS = 5
MIN_PHOTOS, MAX_SHARE = 10, 0.05
"""Of a gallery, the photos that show a word that is asked for."""
MIN_LEFT = 5
"""So many photos that show it must be left to be found."""
INVENTED = "Momo"
"""A name that the network has never read."""
START, ANSWERS = 3, 20
MANY = 100_000
_RESAMPLES = 2000


class Gallery:
    """The photos of a split, in memory, and what their captions say they show."""

    def __init__(self, model: TrainedModel, shards: Sequence[Path], split: str, cache: Path) -> None:
        self.photos = read_shards(shards, split)
        self._embeddings, pooled = _encoded(model, self.photos, cache / f"{split}-{model.generation}.npz")
        self.vectors = model.photo_vectors.of_photos(self._embeddings, pooled)
        self.floats = self.vectors.astype(np.float32)
        self.embedding_size = self._embeddings.shape[1]
        counts = defaultdict[str, Counter[int]](Counter)
        for row, photo in enumerate(self.photos):
            for caption in photo.captions:
                for word in {singular(word) for word in content_words(caption)}:
                    counts[word][row] += 1
        self._counts = counts

    def words(self) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
        """Each word that some photos show: which do (N,), and of which one knows (N,)."""
        for word, counts in sorted(self._counts.items()):
            uses = np.zeros(len(self.photos), dtype=np.int64)
            uses[list(counts)] = list(counts.values())
            if len(word) > 2 and MIN_PHOTOS <= int((uses >= 2).sum()) <= MAX_SHARE * len(uses):
                yield word, uses >= 2, uses != 1


class Part:
    """Some photos of a gallery, as `Teaching` asks for them; their ids are their rows in the gallery."""

    def __init__(self, vectors: NDArray[np.float16], rows: NDArray[np.int64], embedding_size: int) -> None:
        self._vectors, self._rows, self._size = vectors, rows, embedding_size
        self._floats = vectors[rows].astype(np.float32)

    def photo_count(self) -> int:
        """How many there are."""
        return len(self._rows)

    def photo_ids(self) -> NDArray[np.int64]:
        """(N,) Their ids."""
        return self._rows

    def embeddings(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Their embeddings."""
        return {photo_id: self._vectors[photo_id, : self._size].astype(np.float32) for photo_id in photo_ids}

    def photo_vectors(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Their vectors."""
        ids = np.sort(photo_ids)
        return ids, self._vectors[ids]

    def shortlist(self, query: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Those with the largest inner products."""
        products = self._floats @ query
        best = np.argsort(-products, kind="stable")[:count]
        return self._rows[best], products[best]


class Indexed(Part):
    """A large library: the vectors are in a FAISS index."""

    def __init__(self, vectors: NDArray[np.float16], embedding_size: int) -> None:
        super().__init__(vectors, np.arange(len(vectors)), embedding_size)
        index, training = new_index(vectors.shape[1], coarse_index_for(len(vectors)), len(vectors))
        if training:
            index.train(self._floats[np.random.default_rng(0).choice(len(vectors), training, replace=False)])
        index.add_with_ids(self._floats, self._rows)
        self._index = SearchableIndex(index)

    def shortlist(self, query: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Those with the largest inner products."""
        rows, products = self._index.nearest(query, count)
        return self._index.ids[rows], products


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append", metavar="SHARD")
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    parser.add_argument("--cache", type=Path, default=Path("runs/teaching"))
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    faiss.omp_set_num_threads(1)
    model = TrainedModel(arguments.weights)
    gallery = Gallery(model, arguments.data, arguments.split, arguments.cache)
    words = list(gallery.words())
    print(
        f"{len(gallery.photos)} photos of {arguments.split}, {len(words)} words: {', '.join(w for w, _, _ in words)}\n"
    )
    print_examples(by_examples(model, gallery))
    print_answers(by_answers(model, gallery))
    print_times(model, gallery)
    print(f"\n{machine()}")


def by_examples(model: TrainedModel, gallery: Gallery) -> dict[int, dict[str, list[float]]]:
    """By number of examples and way of searching, the mean average precision of each word over the draws."""
    background = Background.of(gallery.floats, model.photo_vectors.blocks(gallery.embedding_size))
    results: dict[int, dict[str, list[float]]] = {count: defaultdict(list) for count in EXAMPLES}
    invented = gallery.floats @ _sentence(model, INVENTED, leave_out=INVENTED)[0]
    for word, shows, is_known in gallery.words():
        text = {name: _sentence(model, word, leave_out=out) for name, out in (("whole", ""), ("without", word))}
        whole, without = (gallery.floats @ vector for vector, _ in text.values())
        scale = model.photo_vectors.taught_scale(text["without"][1])
        for count in EXAMPLES:
            if shows.sum() < count + MIN_LEFT:
                continue
            draws = defaultdict[str, list[float]](list)
            for draw in range(DRAWS):
                examples = _draw(word, draw).permutation(np.flatnonzero(shows))[:count]
                left = is_known.copy()
                left[examples] = False
                detector = TaughtDetector.learn(background, gallery.floats[examples], gallery.floats[:0])
                taught = gallery.floats @ detector.weights
                embeddings = gallery.floats[:, : gallery.embedding_size]
                for name, scores in (
                    ("sentence, an invented name", invented),
                    ("sentence, without a detector of the word", without),
                    ("nearest neighbours of the mean embedding", embeddings @ embeddings[examples].mean(axis=0)),
                    ("taught detector", taught),
                    ("sentence without a detector + taught detector", without + SHARE_IF_READ * scale * taught),
                    ("for comparison: sentence with the detector of the word", whole),
                ):
                    draws[name].append(average_precision(scores[left], shows[left]))
            for name, precisions in draws.items():
                results[count][name].append(float(np.mean(precisions)))
    return results


def by_answers(model: TrainedModel, gallery: Gallery) -> dict[str, list[float]]:
    """The same after some answers, which the captions give. The precision is that over photos that are never asked."""
    results = defaultdict[str, list[float]](list)
    photo_vectors = model.photo_vectors
    for word, shows, is_known in gallery.words():
        draws = defaultdict[str, list[float]](list)
        for draw in range(DRAWS):
            random = _draw(word, draw)
            asked = np.zeros(len(shows), dtype=bool)
            for rows in (np.flatnonzero(shows), np.flatnonzero(is_known & ~shows)):
                asked[random.permutation(rows)[: len(rows) // 2]] = True
            test, pool = is_known & ~asked, np.flatnonzero(asked)
            start = random.permutation(np.flatnonzero(shows & asked))[:START].tolist()
            teaching = Teaching(Part(gallery.vectors, pool, gallery.embedding_size), photo_vectors)
            others = random.permutation(np.setdiff1d(pool, start))

            def chosen(
                answered: list[int],
                count: int,
                start: list[int] = start,
                teaching: Teaching = teaching,
                shows: NDArray[np.bool_] = shows,
            ) -> list[int]:
                return teaching.suggestions(_word([*start, *answered], shows), count)

            def drawn(answered: list[int], count: int, others: NDArray[np.int64] = others) -> list[int]:
                return [int(row) for row in others[len(answered) : len(answered) + count]]

            for name, choose in (("none", None), ("drawn at random", drawn), ("chosen", chosen)):
                answered = [] if choose is None else _answers(choose)
                examples = [*start, *answered]
                detector = teaching.detector(_word(examples, shows))
                if detector is None:
                    raise AssertionError("three photos teach a word")
                draws[name].append(average_precision((gallery.floats @ detector.weights)[test], shows[test]))
                draws[f"{name}: yes"].append(float(shows[answered].sum()))
        for name, values in draws.items():
            results[name].append(float(np.mean(values)))
    return results


def _answers(choose: Callable[[list[int], int], list[int]]) -> list[int]:
    """The photos that are asked about, as many at once as the page shows."""
    answered: list[int] = []
    while len(answered) < ANSWERS:
        answered += choose(answered, min(SUGGESTED, ANSWERS - len(answered)))
    return answered


def _word(examples: Sequence[int], shows: NDArray[np.bool_]) -> TaughtWord:
    shown, not_shown = (sorted(row for row in examples if shows[row] == said) for said in (True, False))
    return TaughtWord(1, "word", "word", 0, shown, not_shown)


def average_precision(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> float:
    """The mean precision at the ranks of the relevant photos."""
    ranked = relevant[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean())


def print_examples(results: dict[int, dict[str, list[float]]]) -> None:
    """The first table, and whether the targets are met."""
    counts = [count for count in EXAMPLES if results[count]]
    print(f"| AP in % | {' | '.join(f'{count} photos' for count in counts)} |\n|{'---|' * (1 + len(counts))}")
    for name in results[counts[0]]:
        print(f"| {name} | {' | '.join(interval(results[count][name]) for count in counts)} |")
    print(f"| words | {' | '.join(str(len(results[count]['taught detector'])) for count in counts)} |\n")
    five = {name: np.array(precisions) for name, precisions in results[5].items()}
    taught = five["taught detector"]
    for name in list(five)[:3]:
        more, more_than_double = interval(taught - five[name]), interval(taught - 2 * five[name])
        print(f"With 5 photos, taught less {name}: {more}; less twice that: {more_than_double}")


def print_answers(results: dict[str, list[float]]) -> None:
    """The second table."""
    print(f"\n| from {START} photos, {ANSWERS} answers | AP in % | yes among them |\n|---|---|---|")
    for name in ("none", "drawn at random", "chosen"):
        print(f"| {name} | {interval(results[name])} | {np.mean(results[f'{name}: yes']):.1f} |")
    gain = np.array(results["chosen"]) - np.array(results["drawn at random"])
    print(f"\nChosen less drawn at random: {interval(gain)}")


def print_times(model: TrainedModel, gallery: Gallery) -> None:
    """How long it takes after an answer in a large library of made-up photos."""
    vectors, _ = grown(gallery.floats, MANY)
    teaching = Teaching(Indexed(vectors, gallery.embedding_size), model.photo_vectors)
    started = time.process_time()
    teaching.detector(_word(range(START), np.ones(MANY, dtype=bool)))
    first = time.process_time() - started
    seconds = defaultdict[str, list[float]](list)
    shows = np.arange(MANY) % 2 == 0
    for answers in range(1, ANSWERS + 1):
        word = _word(range(START + answers), shows)
        for name, call in (
            ("detector", teaching.detector),
            ("quality", teaching.quality),
            ("suggestions", teaching.suggestions),
        ):
            started = time.process_time()
            call(word)
            seconds[name].append(time.process_time() - started)
    parts = ", ".join(f"{name} {1000 * np.median(values):.0f} ms" for name, values in seconds.items())
    print(f"\n{MANY:,} photos, CPU time: the first detector {1000 * first:.0f} ms; after an answer {parts}")


def interval(values: Sequence[float] | NDArray[np.float64]) -> str:
    """The mean in per cent, and its 95 % interval by bootstrap over words."""
    array = np.asarray(values)
    draws = np.random.default_rng(0).integers(len(array), size=(_RESAMPLES, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), [2.5, 97.5])
    return f"{100 * array.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _sentence(model: TrainedModel, word: str, *, leave_out: str) -> tuple[NDArray[np.float32], float]:
    """The vector (D,) of a word as a sentence, without the detectors of `leave_out` and its other forms, and how many
    pieces it has."""
    text = model.runtime.encode_text([word])
    pieces = model.scoring_parameters.detectors.ids.tolist()
    names = [model.processor.tokenizer.id_to_token(piece) or "" for piece in pieces]
    forms = Vocabulary({leave_out: 1})
    same = [
        piece
        for piece, name in zip(pieces, names, strict=True)
        if leave_out and name.isalpha() and name not in FUNCTION_WORDS and forms.knows(name)
    ]
    ids = [np.where(np.isin(of_text, same), -1, of_text) for of_text in text.word_ids]
    return model.photo_vectors.of_sentences(replace(text, word_ids=ids)).vectors[0], float(text.lengths()[0])


def _draw(word: str, draw: int) -> np.random.Generator:
    return np.random.default_rng([draw, *word.encode()])


def _encoded(
    model: TrainedModel, photos: Sequence[CaptionedPhoto], path: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The embeddings (N, E) and pooled features (N, C) of photos, kept in the file `path`."""
    if not path.exists():
        batches = encode_photos(model.runtime, photos, model.processor, progress=True)
        images = EncodedImages.joined([replace(batch, pixel_features=[]) for batch in batches])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, embeddings=images.embeddings, pooled_features=images.pooled_features)
    with np.load(path) as archive:
        embeddings, pooled_features = archive["embeddings"], archive["pooled_features"]
    if len(embeddings) != len(photos):
        raise SystemExit(f"{path} holds other photos than the shards: delete it.")
    return embeddings, pooled_features


if __name__ == "__main__":
    main()
