"""Hints about the sentence of a search: words that the model has not learned, another language, nothing like that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.annotation_match import has_all_words, word_logits
from engine.language import is_foreign
from engine.phrases import Phrase
from engine.pipeline import Candidate
from engine.query import Query
from engine.results import NOTHING_LIKE_THAT, Hint
from indexer.library.text_analysis import without_accents
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.scoring.absence import content_ids, evidence, weakest_word
from model.scoring.vocabulary import FUNCTION_WORDS, words_of

_ABSENT = Hint("absent", NOTHING_LIKE_THAT)
_NOT_ENGLISH = Hint("not_english", "The search understands English only: say it in English words.")
_MAX_NAMED = 5


@dataclass(frozen=True)
class WordHints:
    """What there is to say about the words of a sentence."""

    hints: list[Hint]
    understood: bool
    """Whether a hit can be called good: the search understands a word that says what a photo shows."""


def word_hints(library: LibraryView, model: TrainedModel, sentence: str) -> WordHints:
    """Which words of a sentence the model has not learned, or that it is not English.

    Words that people have written about photos of the library, or that can be read in one, are understood. Where it is
    not known what the weights have learned, there is nothing to say.
    """
    vocabulary = model.scoring_parameters.vocabulary
    if not vocabulary.photos:
        return WordHints([], True)
    words = words_of(sentence)
    unknown = [
        word
        for word in dict.fromkeys(words)
        if not (vocabulary.knows(without_accents(word)) or word_logits(library, word))
    ]
    wordless = not words and not word_logits(library, sentence)  # emoji, numbers
    if wordless or is_foreign(words, unknown):
        return WordHints([_NOT_ENGLISH], False)
    understood = not unknown or any(word not in unknown and word not in FUNCTION_WORDS for word in words)
    return WordHints([_unknown(unknown)] if unknown else [], understood)


def absence_hint(
    library: LibraryView, model: TrainedModel, sentence: Phrase, ranked: Sequence[Candidate]
) -> Hint | None:
    """The hint that nothing is like the sentence, where the candidates `ranked` give no evidence for a word of it.

    There is none where all its words are written about a photo, or can be read in one. Of taught words there are
    photos.
    """
    if has_all_words(library, sentence.text):
        return None
    parameters = model.scoring_parameters
    if parameters.absence.min_evidence is None or not ranked or ranked[0].match is None:
        return None
    pooled = list(library.pooled_features([candidate.photo_id for candidate in ranked]).values())
    if not pooled:
        return None
    ids = content_ids(model.processor, parameters.vocabulary, sentence.others)
    weakest = weakest_word(parameters.detectors, np.stack(pooled), ids)
    return _ABSENT if parameters.absence.is_absent(evidence(ranked[0].match, weakest)) else None


def hint_about_depth(query: Query, reranked: int) -> Hint:
    """The hint that only so many photos were reranked."""
    text = f"Many people are searching now: only {reranked} photos were compared closely. Search again later for more."
    return Hint("busy", text, query.text)


def hint_about_reranker(query: Query, reason: str) -> Hint:
    """The hint that no photo was reranked, and why."""
    text = f"These are the nearest photos, and none was compared closely: {reason}. Search again later."
    return Hint("not_reranked", text, query.text)


def _unknown(words: Sequence[str]) -> Hint:
    named = " or ".join(f'"{word}"' for word in words[:_MAX_NAMED])
    text = f"The search has not learned {named}: it knows the English words that people use of photos."
    return Hint("unknown_words", text)
