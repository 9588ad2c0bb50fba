"""Which words a model has learned: whole words of its training captions, and other forms of them."""

from __future__ import annotations

import io

import pytest

from model.scoring.vocabulary import Vocabulary, content_words, singular, words_of

CAPTIONS = [
    ["A dog runs past two boxes.", "Dogs running!"],
    ["The dog's box", "a man baking a color cake in the center"],
    ["a man bakes colored cakes", "he stops at the berry bush", "a knife"],
    ["one word alone: zyzzyva", "men stop; berries; knife, center of a bush, the dog hops"],
    ["hop"],
]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.of(CAPTIONS)


def test_words_are_counted_by_photo_and_a_word_of_one_photo_is_left_out(vocabulary: Vocabulary) -> None:
    assert vocabulary.photos["dog"] == 2
    assert vocabulary.photos["man"] == 2
    assert "zyzzyva" not in vocabulary.photos
    assert list(vocabulary.photos) == sorted(vocabulary.photos)


@pytest.mark.parametrize(
    "word", ["dog", "dogs", "dog's", "man", "knives", "bush", "bushes", "bushed", "centre", "the", "with"]
)
def test_other_forms_of_a_learned_word_are_known(vocabulary: Vocabulary, word: str) -> None:
    assert vocabulary.knows(word)


@pytest.mark.parametrize(
    ("learned", "asked"),
    [
        ("run", "running"),
        ("running", "run"),
        ("bake", "baking"),
        ("baking", "bakes"),
        ("stop", "stopped"),
        ("berry", "berries"),
        ("harbor", "harbours"),
        ("color", "colour"),
        ("box", "boxes"),
        ("boxes", "box"),
    ],
)
def test_endings_and_british_spelling_are_folded(learned: str, asked: str) -> None:
    assert Vocabulary({learned: 5}).knows(asked)


@pytest.mark.parametrize("word", ["iguana", "xylophone", "zyzzyva", "asdkjh", "hund", "собака", "犬", "do\u0308g"])
def test_other_words_are_not_known(vocabulary: Vocabulary, word: str) -> None:
    assert not vocabulary.knows(word)


def test_a_word_is_known_whole_and_not_by_its_pieces() -> None:
    vocabulary = Vocabulary({"i": 9, "xy": 9, "phone": 9, "guan": 9})
    assert not vocabulary.knows("iguana")
    assert not vocabulary.knows("xylophone")


def test_the_words_of_a_text_are_what_is_between_marks_digits_and_symbols() -> None:
    assert words_of("A dog's 2 ball-games, Été! 🐶 犬") == ["a", "dog's", "ball", "games", "été", "犬"]
    assert content_words("the dog is on a beach with him") == ["dog", "beach"]


@pytest.mark.parametrize(
    ("word", "folded"),
    [("dogs", "dog"), ("boxes", "box"), ("berries", "berry"), ("glass", "glass"), ("bus", "bus"), ("girl's", "girl")],
)
def test_plurals_are_folded(word: str, folded: str) -> None:
    assert singular(word) == folded


def test_it_is_kept_as_sorted_lines_of_text(vocabulary: Vocabulary) -> None:
    file = io.BytesIO()
    vocabulary.write(file)
    assert b"dog\t2\n" in file.getvalue()
    file.seek(0)
    assert Vocabulary.read(file) == vocabulary


@pytest.mark.parametrize(
    "content", [b"dog", b"dog\tmany", b"dog\t0\n", b"a dog\t3\n", b"Dog\t3\n", b"\xff\xfe", b"\t3"]
)
def test_something_else_is_no_vocabulary(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Vocabulary.read(io.BytesIO(content))
