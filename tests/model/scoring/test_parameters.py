"""How scores are read belongs to one network, and is one thing."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.querybank import Querybank
from model.scoring.word_detectors import WordDetectors
from model.weights import DEFAULT, SHIPPED, WeightsError, generation

FILES = ("calibration.json", "querybank.npy", "word_evidence.npz")
REMEDY = r"`pixelseek model calibrate --weights .* --data SHARD`"


def parameters(seed: int) -> ScoringParameters:
    random = np.random.default_rng(seed)
    querybank = Querybank(random.normal(0, 1, (5, 4)).astype(np.float32))
    detectors = WordDetectors(
        np.arange(3), *(random.normal(0, 1, shape).astype(np.float32) for shape in ((3, 4), 3, 3))
    )
    return ScoringParameters(Calibration(cutoff=seed / 10), querybank, detectors)


def test_it_is_kept_beside_the_weights(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "these")
    kept = ScoringParameters.load(tmp_path, "these")
    assert kept.calibration == parameters(1).calibration
    assert kept.querybank.embeddings.shape == (5, 4)
    assert kept.detectors.ids.tolist() == [0, 1, 2]


def test_where_none_was_fitted_it_is_neutral(tmp_path: Path) -> None:
    kept = ScoringParameters.load(tmp_path, "these")
    assert (kept.calibration, len(kept.querybank.embeddings), len(kept.detectors.ids)) == (Calibration(), 0, 0)


@pytest.mark.parametrize("name", FILES)
def test_each_file_of_other_weights_is_refused(tmp_path: Path, name: str) -> None:
    for folder, seed in (("these", 1), ("others", 2)):
        (tmp_path / folder).mkdir()
        parameters(seed).save(tmp_path / folder, folder)
    shutil.copy(tmp_path / "others" / name, tmp_path / "these")
    with pytest.raises(WeightsError, match=rf"{tmp_path / 'these'}/.*{REMEDY}"):
        ScoringParameters.load(tmp_path / "these", "these")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_one_of_them_is_refused(tmp_path: Path, name: str) -> None:
    parameters(1).save(tmp_path, "these")
    (tmp_path / name).unlink()
    with pytest.raises(WeightsError, match=REMEDY):
        ScoringParameters.load(tmp_path, "these")


def test_all_of_other_weights_are_refused(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "others")
    with pytest.raises(WeightsError, match=rf"calibration\.json was fitted for other weights.*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


def test_those_of_an_older_pixelseek_are_refused(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(json.dumps({"similarity_scale": 1.0}))
    with pytest.raises(WeightsError, match=rf"calibration\.json was made by an older Pixelseek.*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


def test_who_reads_while_they_are_written_gets_all_of_one_fit_or_an_error(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "these")
    written = threading.Event()

    def write() -> None:
        for seed in range(2, 30):
            parameters(seed % 9).save(tmp_path, "these")
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not written.is_set():
        try:
            kept = ScoringParameters.load(tmp_path, "these")
        except WeightsError:  # this writer hardly ever rests
            continue
        fit = parameters(round(10 * kept.calibration.cutoff))
        np.testing.assert_allclose(kept.querybank.embeddings, fit.querybank.embeddings, atol=1e-2)
        np.testing.assert_allclose(kept.detectors.bias, fit.detectors.bias, atol=1e-2)
    writer.join()


def test_those_we_ship_belong_to_the_weights_we_ship() -> None:
    weights = SHIPPED / DEFAULT
    kept = ScoringParameters.load(weights, generation(weights))
    assert len(kept.querybank.embeddings) == 1000
    assert len(kept.detectors.ids) > 1000
