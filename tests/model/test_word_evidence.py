"""Which words people use of photos like one, and what that says of a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.processor import PixelBertProcessor
from model.recalibration import calibrate
from model.runtime import EncodedText, load_runtime
from model.shards import write_shard
from model.training.word_evidence import learn
from model.weights import WeightsError
from model.word_evidence import FILE, WordEvidence, pooled
from tests.model.scenes import photos, scenes

CLS, SEP, CAT, DOG, RED, RARE = 101, 102, 5, 6, 7, 8


def sentence(*words: int) -> EncodedText:
    ids = np.array([CLS, *words, SEP])
    return EncodedText(np.zeros((1, 2), dtype=np.float32), [np.zeros((len(ids), 4), dtype=np.float32)], [ids])


def shown(animal: int, red: bool, seed: int) -> NDArray[np.float32]:
    """Pixel features (6, 4) of a photo of that animal, which may be red."""
    features = np.random.default_rng(seed).normal(0, 0.3, (6, 4)).astype(np.float32)
    features[:, 0] += 1.0 if animal == CAT else -1.0
    features[2, 1] += 3.0 if red else 0.0  # one pixel alone: seen by the maximum
    return features


@pytest.fixture(scope="module")
def evidence() -> WordEvidence:
    """Learned from 600 photos of two captions, the first of which calls a red animal red."""
    rows = [(CAT if seed % 2 else DOG, seed % 3 == 0, seed) for seed in range(600)]
    captions = [
        [np.array([CLS, *([RED] if red else []), animal, SEP]), np.array([CLS, animal, SEP])] for animal, red, _ in rows
    ]
    captions[0].append(np.array([CLS, RARE, SEP]))
    return learn(np.stack([pooled(shown(*row)) for row in rows]), captions, progress=False)


def test_words_are_learned_that_some_photos_have_and_others_have_not(evidence: WordEvidence) -> None:
    assert evidence.ids.tolist() == [CAT, DOG, RED], "not those of every caption, nor one that was used once"


def test_a_sentence_speaks_for_photos_that_show_its_words(evidence: WordEvidence) -> None:
    cat, dog, red_cat = shown(CAT, False, 1001), shown(DOG, False, 1002), shown(CAT, True, 1003)
    about_cat = evidence.of(sentence(CAT), [cat, dog, red_cat])
    assert about_cat[0] > 0 > about_cat[1]
    about_red_cat = evidence.of(sentence(RED, CAT), [cat, dog, red_cat])
    assert about_red_cat.argmax() == 2
    assert about_red_cat[2] > about_cat[2], "what a photo shows and a sentence leaves out speaks against it"


def test_several_sentences_go_with_as_many_photos(evidence: WordEvidence) -> None:
    pairs = [
        (sentence(CAT), shown(CAT, False, 1)),
        (sentence(RED, DOG), shown(DOG, True, 2)),
        (sentence(), shown(CAT, True, 3)),
    ]
    together = EncodedText(
        np.zeros((3, 2), dtype=np.float32),
        [one.word_features[0] for one, _ in pairs],
        [one.word_ids[0] for one, _ in pairs],
    )
    one_by_one = [evidence.of(text, [photo])[0] for text, photo in pairs]
    assert evidence.of(together, [photo for _, photo in pairs]) == pytest.approx(one_by_one, abs=1e-4)
    assert evidence.of(together.select([0, 0]), [pairs[0][1]] * 2) == pytest.approx([one_by_one[0]] * 2, abs=1e-4)


def test_words_that_were_not_learned_count_for_nothing(evidence: WordEvidence) -> None:
    photo = [shown(CAT, False, 4)]
    assert evidence.of(sentence(CAT, RARE, 29_000), photo) == evidence.of(sentence(CAT), photo)
    assert evidence.of(sentence(CAT), []).shape == (0,)


def test_it_is_kept_beside_the_weights(evidence: WordEvidence, tmp_path: Path) -> None:
    evidence.save(tmp_path)
    again = WordEvidence.load(tmp_path)
    photo = [shown(CAT, True, 5)]
    assert again.of(sentence(RED, CAT), photo) == pytest.approx(evidence.of(sentence(RED, CAT), photo), abs=0.05)
    assert again.scale == evidence.scale


def test_without_classifiers_there_is_no_evidence(tmp_path: Path) -> None:
    assert WordEvidence.load(tmp_path).of(sentence(CAT), [shown(CAT, False, 6)] * 2).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x80\x04pickled", b"PK\x03\x04cut off"])
def test_what_is_no_evidence_is_refused_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(WeightsError, match=r"word_evidence\.npz cannot be read: .*`pixelseek calibrate`"):
        WordEvidence.load(tmp_path)


def test_arrays_that_do_not_fit_each_other_are_refused(evidence: WordEvidence, tmp_path: Path) -> None:
    evidence.save(tmp_path)
    with np.load(tmp_path / FILE) as file:
        arrays = dict(file)
    for name, wrong in (("bias", arrays["bias"][1:]), ("ids", arrays["ids"][::-1]), ("scale", np.float64("nan"))):
        np.savez(tmp_path / FILE, **{**arrays, name: wrong})
        with pytest.raises(WeightsError, match="does not hold word classifiers"):
            WordEvidence.load(tmp_path)


def test_calibrating_with_train_photos_learns_their_words(trained_on_scenes: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(trained_on_scenes, tmp_path / "weights")
    write_shard(tmp_path / "photos.tar", [*photos(len(scenes()), "dev", 11), *photos(200, "train", 12)])
    calibrate(weights, [tmp_path / "photos.tar"], progress=False)
    evidence, processor = WordEvidence.load(weights), PixelBertProcessor.from_pretrained(weights)
    assert len(evidence.ids) > 5
    with_words, without = (load_runtime(weights, device="cpu", word_evidence=wanted) for wanted in (True, False))
    text = without.encode_text(["a red circle"])
    features = without.encode_image([photo.decode(processor) for photo in photos(4, "dev", 13)]).pixel_features
    assert with_words.match(text, features) == pytest.approx(
        without.match(text, features) + evidence.scale * evidence.of(text, features), abs=1e-4
    )
