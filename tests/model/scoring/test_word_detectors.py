"""Word detectors: which words people use of a photo, and the log-odds of a sentence."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.bundle import TrainedModel
from model.data.shards import write_shard
from model.evaluation.report import evaluate_shards
from model.evaluation.tables import text
from model.metrics import best_candidates, ranks
from model.runtime.protocol import EncodedText
from model.scoring.calibration import Calibration
from model.scoring.collection import DIRECTIONS, Direction, encode_collection
from model.scoring.fitting import fit_parameters
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank, score_all_pairs
from model.scoring.word_detectors import WordDetectors
from model.scoring.word_learning import learn_detectors
from model.weights import WeightsError, generation
from tests.model.scenes import photos, scenes

CLS, SEP, CAT, DOG, RED, RARE = 101, 102, 5, 6, 7, 8


def sentence(*words: int) -> EncodedText:
    ids = np.array([CLS, *words, SEP])
    return EncodedText(np.zeros((1, 2), dtype=np.float32), [np.zeros((len(ids), 4), dtype=np.float32)], [ids])


def shown(animal: int, red: bool, seed: int) -> NDArray[np.float32]:
    """Pooled features (4,) of a photo of that animal, which may be red."""
    features = np.random.default_rng(seed).normal(0, 0.3, 4).astype(np.float32)
    features[0] += 1.0 if animal == CAT else -1.0
    features[1] += 2.0 if red else 0.0
    return features


def log_odds(detectors: WordDetectors, text: EncodedText, *photos: NDArray[np.float32]) -> NDArray[np.float32]:
    return detectors.detect(np.stack(photos)).sentence_log_odds(text, np.arange(len(photos)))


@pytest.fixture(scope="module")
def detectors() -> WordDetectors:
    """Learned from 6,000 photos of two captions, the first of which calls a red animal red."""
    rows = [(CAT if seed % 2 else DOG, seed % 3 == 0, seed) for seed in range(6000)]
    captions = [
        [np.array([CLS, *([RED] if red else []), animal, SEP]), np.array([CLS, animal, SEP])] for animal, red, _ in rows
    ]
    captions[0].append(np.array([CLS, RARE, SEP]))
    return learn_detectors(np.stack([shown(*row) for row in rows]), captions, progress=False)


@pytest.mark.parametrize("negative", [False, True])
def test_the_shares_of_the_cells_add_up_to_what_a_word_says(negative: bool) -> None:
    random = np.random.default_rng(0)
    cells = random.normal(0, 1, (12, 6)).astype(np.float32) if negative else random.random((12, 6), dtype=np.float32)
    cells[:, 2] = 0.0  # a channel that sees nothing
    weights = random.normal(0, 1, (3, 6)).astype(np.float32)
    detectors = WordDetectors(np.array([CAT, DOG, RED]), weights, *random.normal(0, 1, (2, 3)).astype(np.float32))
    ids = np.array([CLS, DOG, RARE, CAT, DOG, SEP])
    shares = detectors.shares(cells, ids)
    assert shares.shape == (6, 12)
    said = detectors.detect(cells.mean(axis=0, keepdims=True)).per_token(ids)[0]
    constant = detectors.bias - detectors.prior_logits
    assert shares[1].sum() == pytest.approx(said[1] - constant[1], abs=1e-5)
    assert shares[3].sum() == pytest.approx(said[3] - constant[0], abs=1e-5)
    assert not shares[[0, 2, 4, 5]].any(), "no detector, or the word came before"


def test_the_share_of_a_cell_is_what_it_has_of_the_channels_that_a_word_reads() -> None:
    cells = np.zeros((4, 2), dtype=np.float32)
    cells[:, 0] = 1.0, 0.0, 3.0, 0.0  # the mean is 1, and so is its root
    cells[1, 1] = 8.0  # not read by the word
    detectors = WordDetectors(np.array([CAT]), np.array([[2.0, 0.0]], np.float32), *np.zeros((2, 1), np.float32))
    assert detectors.shares(cells, np.array([CAT])).tolist() == [[0.5, 0.0, 1.5, 0.0]]


def test_words_are_learned_that_some_photos_have_and_others_have_not(detectors: WordDetectors) -> None:
    assert detectors.ids.tolist() == [CAT, DOG, RED], "not those of every caption, nor one that was used once"


def test_a_sentence_speaks_for_photos_that_show_its_words(detectors: WordDetectors) -> None:
    cat, dog, red_cat = shown(CAT, False, 1001), shown(DOG, False, 1002), shown(CAT, True, 1003)
    about_cat = log_odds(detectors, sentence(CAT), cat, dog, red_cat)
    assert about_cat[0] > 0 > about_cat[1]
    about_red_cat = log_odds(detectors, sentence(RED, CAT), cat, dog, red_cat)
    assert about_red_cat.argmax() == 2
    assert about_red_cat[2] > about_cat[2], "what a photo shows and a sentence leaves out speaks against it"


def test_several_sentences_go_with_photos_in_any_order(detectors: WordDetectors) -> None:
    texts = [sentence(CAT), sentence(RED, DOG), sentence(), sentence(CAT)]
    photos = [shown(CAT, False, 1), shown(DOG, True, 2), shown(CAT, True, 3)]
    rows = np.array([2, 1, 0, 2])
    together = EncodedText(
        np.zeros((4, 2), dtype=np.float32),
        [text.word_features[0] for text in texts],
        [text.word_ids[0] for text in texts],
    )
    one_by_one = [log_odds(detectors, text, photos[row])[0] for text, row in zip(texts, rows, strict=True)]
    detected = detectors.detect(np.stack(photos))
    assert detected.sentence_log_odds(together, rows) == pytest.approx(one_by_one, abs=1e-4)
    assert detected.sentence_log_odds(texts[0], rows)[[0, 3]] == pytest.approx([one_by_one[0]] * 2, abs=1e-4)
    assert detected.part(1, 3).sentence_log_odds(together.select([0, 1]), rows[:2] - 1) == pytest.approx(
        one_by_one[:2], abs=1e-4
    )


def test_words_that_were_not_learned_count_for_nothing(detectors: WordDetectors) -> None:
    photo = shown(CAT, False, 4)
    with_unknown, twice = sentence(CAT, RARE, 29_000), sentence(CAT, CAT, CAT)
    assert log_odds(detectors, with_unknown, photo) == log_odds(detectors, twice, photo)
    assert detectors.detect(np.empty((0, 4), dtype=np.float32)).sentence_log_odds(
        sentence(CAT), np.arange(0)
    ).shape == (0,)


def test_detectors_can_be_kept(detectors: WordDetectors) -> None:
    file = io.BytesIO()
    detectors.write(file)
    file.seek(0)
    again, photo = WordDetectors.read(file), shown(CAT, True, 5)
    assert log_odds(again, sentence(RED, CAT), photo) == pytest.approx(
        log_odds(detectors, sentence(RED, CAT), photo), abs=0.05
    )


def test_without_detectors_the_log_odds_are_zero() -> None:
    none = WordDetectors()
    assert log_odds(none, sentence(CAT), *[shown(CAT, False, 6)] * 2).tolist() == [0.0, 0.0]


def test_words_learned_with_another_network_are_refused(detectors: WordDetectors) -> None:
    with pytest.raises(WeightsError, match=r"learned from 4 features of a photo, these weights have 5: .* calibrate"):
        detectors.detect(np.zeros((1, 5), dtype=np.float32))


@pytest.fixture(scope="module")
def calibrated(trained_on_scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that have learned the words of 200 photos."""
    folder = tmp_path_factory.mktemp("calibrated")
    weights = shutil.copytree(trained_on_scenes, folder / "weights")
    write_shard(folder / "photos.tar", [*photos(len(scenes()), "dev", 11), *photos(200, "train", 12)])
    fit_parameters(weights, [folder / "photos.tar"], progress=False)
    return weights


def test_calibrating_with_train_photos_learns_their_words(calibrated: Path) -> None:
    model, shown = TrainedModel(calibrated, device="cpu"), photos(40, "dev", 13)
    assert len(model.ranker.parameters.detectors.ids) > 5
    encoded = model.runtime.encode_image([photo.decode(model.processor.image_processor) for photo in shown])
    text, rows = model.runtime.encode_text([photo.captions[0] for photo in shown]), np.arange(len(shown))
    detected = model.ranker.parameters.detectors.detect(encoded.pooled_features)
    own, other = detected.sentence_log_odds(text, rows), detected.sentence_log_odds(text, np.roll(rows, 1))
    assert (own > other).mean() > 0.75


@pytest.mark.parametrize("way", DIRECTIONS)
def test_a_shortlist_ranks_by_all_of_the_score_but_the_joint_pass(calibrated: Path, way: Direction) -> None:
    model = TrainedModel(calibrated, device="cpu")
    parameters = replace(model.scoring_parameters, calibration=Calibration(1.0, 0.5))
    assert parameters.projection.width > 5
    ranker = Ranker(model.runtime, parameters, joint=False)
    collection = encode_collection(ranker, [photo.with_captions(2) for photo in photos(40, "dev", 13)], model.processor)
    scores = ranker.combine(score_all_pairs(ranker, collection))  # (80, 40)
    relevant = collection.caption_to_image[:, None] == np.arange(40)
    if way == "image_to_text":
        scores, relevant = scores.T, relevant.T
    lists = rerank(Ranker(model.runtime, parameters), collection, way, 5)
    best = best_candidates(scores, relevant, 5)
    assert (lists.candidates == best).mean() > 0.9, "a projection and float16 change a few near-ties"
    assert (lists.shortlist_ranks == ranks(scores, relevant)).mean() > 0.9
    by_similarity = rerank(Ranker(model.runtime), collection, way, 5)
    assert (by_similarity.candidates == best).mean() < 0.8, "otherwise nothing is tested"
    assert (np.diff(lists.scores, axis=1) <= 0).all(), "best first"


def test_an_evaluation_tells_of_words_alone_and_of_their_part_in_the_rerank(calibrated: Path, tmp_path: Path) -> None:
    shard = tmp_path / "test.tar"
    write_shard(shard, photos(30, "test", 14))

    def report(weights: Path, **options: Any) -> dict[str, Any]:
        # All 30 photos: a shortlist is chosen by the detectors, and in another one ITM may have another first photo.
        return evaluate_shards(weights, [shard], split="test", shortlists=[30], progress=False, **options)

    without = shutil.copytree(calibrated, tmp_path / "without")
    fitted = ScoringParameters.load(without, generation(without))
    replace(fitted, detectors=WordDetectors()).save(without, generation(without))
    assert not (without / "scoring" / "word_detectors.npz").exists()
    assert "words" not in report(without, ranks=tmp_path / "ranks.npz")["text_to_image"]
    counting = shutil.copytree(calibrated, tmp_path / "counting")
    replace(fitted, calibration=Calibration(log_odds_scale=1e6)).save(counting, generation(counting))
    counted = report(counting, against=tmp_path / "ranks.npz")
    words = counted["text_to_image"]["words"]
    assert 10 < words["r@1"] < counted["text_to_image"]["itm"]["r@1"], "1 in 30 is chance"
    assert counted["text_to_image"]["rerank"] == words, "nothing else counts"
    assert counted["against"]["text_to_image"]["itm"]["r@1"]["gain"] == 0, "ITM does not read them"
    assert text(counted).count("words of 30") == 3, "both directions, and the six recalls"
