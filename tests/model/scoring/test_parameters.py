"""The parameters of a score belong to one network, and are one thing."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.scoring.absence import AbsenceRule
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_space import PhotoSpace
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.vocabulary import Vocabulary
from model.scoring.word_detectors import WordDetectors
from model.weights import DEFAULT, SHIPPED, WeightsError, generation

FILES = (
    *("calibration.json", "querybank.npy", "word_detectors.npz", "projection.npz"),
    *("photo_space.npz", "vocabulary.txt"),
)
ROOT = Path(__file__).parents[3]
REMEDY = r"`pixelseek model calibrate --weights .* --data SHARD`"


def parameters(seed: int) -> ScoringParameters:
    random = np.random.default_rng(seed)
    querybank = Querybank(random.normal(0, 1, (5, 4)).astype(np.float32))
    detectors = WordDetectors(
        np.arange(3), *(random.normal(0, 1, shape).astype(np.float32) for shape in ((3, 4), 3, 3))
    )
    projection = Projection.learn(detectors, random.normal(0, 1, (9, 4)).astype(np.float32))
    space = PhotoSpace(*(random.normal(0, 1, shape).astype(np.float32) for shape in (4, (4, 2), 2)))
    vocabulary, rule = Vocabulary({"dog": 3, "zoo": seed}), AbsenceRule(float(-seed))
    return ScoringParameters(Calibration(cutoff=seed / 10), querybank, detectors, projection, space, vocabulary, rule)


def test_they_are_kept_in_one_folder_beside_the_weights(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "these")
    kept = ScoringParameters.load(tmp_path, "these")
    assert kept.calibration == parameters(1).calibration
    assert kept.querybank.embeddings.shape == (5, 4)
    assert kept.detectors.ids.tolist() == [0, 1, 2]
    assert kept.photo_space.directions.shape == (4, 2)
    assert kept.vocabulary == parameters(1).vocabulary
    assert kept.absence == parameters(1).absence
    assert [path.name for path in tmp_path.iterdir()] == ["scoring"]
    assert sorted(path.name for path in (tmp_path / "scoring").iterdir()) == sorted(FILES)


def test_where_none_were_fitted_they_are_neutral(tmp_path: Path) -> None:
    kept = ScoringParameters.load(tmp_path, "these")
    assert (kept.calibration, len(kept.querybank.embeddings), len(kept.detectors.ids)) == (Calibration(), 0, 0)


def test_parts_that_were_not_fitted_have_no_file(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "these")
    ScoringParameters(Calibration(cutoff=0.5)).save(tmp_path, "these")
    assert [path.name for path in (tmp_path / "scoring").iterdir()] == ["calibration.json"]
    kept = ScoringParameters.load(tmp_path, "these")
    assert (kept.calibration.cutoff, len(kept.querybank.embeddings), len(kept.detectors.ids)) == (0.5, 0, 0)


@pytest.mark.parametrize("name", FILES)
def test_each_file_of_other_weights_is_refused(tmp_path: Path, name: str) -> None:
    for folder, seed in (("these", 1), ("others", 2)):
        (tmp_path / folder).mkdir()
        parameters(seed).save(tmp_path / folder, folder)
    shutil.copy(tmp_path / "others" / "scoring" / name, tmp_path / "these" / "scoring")
    with pytest.raises(WeightsError, match=rf"{tmp_path / 'these'}/.*{REMEDY}"):
        ScoringParameters.load(tmp_path / "these", "these")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_one_of_them_is_refused(tmp_path: Path, name: str) -> None:
    parameters(1).save(tmp_path, "these")
    (tmp_path / "scoring" / name).unlink()
    with pytest.raises(WeightsError, match=REMEDY):
        ScoringParameters.load(tmp_path, "these")


def test_all_of_other_weights_are_refused(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "others")
    with pytest.raises(WeightsError, match=rf"scoring was fitted for other weights.*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


@pytest.mark.parametrize("name", ["calibration.json", "querybank.npy", "word_evidence.npz"])
def test_files_of_an_older_pixelseek_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(WeightsError, match=rf"{name} was made by an older Pixelseek.*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")
    parameters(1).save(tmp_path, "these")
    assert ScoringParameters.load(tmp_path, "these").calibration == parameters(1).calibration


def archive(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def array(values: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


DETECTORS: dict[str, NDArray[Any]] = {
    "ids": np.arange(3),
    "weights": np.zeros((3, 4), np.float16),
    "bias": np.zeros(3, np.float32),
    "usual": np.zeros(3, np.float32),
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, content) for name in FILES for content in (b"", b"no archive", b"\x80\x04pickled", b"PK\x03\x04cut")),
        ("querybank.npy", array(np.zeros((3, 4)))),
        ("querybank.npy", array(np.zeros(3, dtype=np.float16))),
        ("querybank.npy", archive(**DETECTORS)),
        ("word_detectors.npz", array(np.zeros((3, 4), dtype=np.float16))),
        ("word_detectors.npz", archive(**{**DETECTORS, "bias": np.zeros(2, np.float32)})),
        ("word_detectors.npz", archive(**{**DETECTORS, "ids": np.arange(3)[::-1]})),
        ("word_detectors.npz", archive(**{**DETECTORS, "usual": np.full(3, np.nan, np.float32)})),
        ("word_detectors.npz", archive(**{name: DETECTORS[name] for name in ("ids", "weights", "bias")})),
    ],
)
def test_a_file_that_holds_something_else_is_refused_with_its_remedy(tmp_path: Path, name: str, content: bytes) -> None:
    parameters(1).save(tmp_path, "these")
    folder = tmp_path / "scoring"
    (folder / name).write_bytes(content)
    if name != "calibration.json":
        settings = json.loads((folder / "calibration.json").read_text())
        settings["stamp"][name] = hashlib.blake2b(content, digest_size=8).hexdigest()
        (folder / "calibration.json").write_text(json.dumps(settings))
    with pytest.raises(WeightsError, match=rf"{folder / name} cannot be read: .*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


@pytest.mark.parametrize(
    "text", ["[]", "7", '{"similarity_scale": 1.0}', '{"slope": 1, "stamp": {}}', '{"cutoff": NaN}', "[" * 100_000]
)
def test_a_calibration_of_something_else_is_refused_with_its_remedy(tmp_path: Path, text: str) -> None:
    parameters(1).save(tmp_path, "these")
    path = tmp_path / "scoring" / "calibration.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=rf"{path} cannot be read: .*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


@pytest.mark.parametrize("rule", ["[]", '{"min_evidence": NaN}', '{"min_evidence": "low"}', '{"limit": 1}'])
def test_a_rule_of_something_else_is_refused_with_its_remedy(tmp_path: Path, rule: str) -> None:
    parameters(1).save(tmp_path, "these")
    path = tmp_path / "scoring" / "calibration.json"
    settings = json.loads(path.read_text())
    settings["absence"] = json.loads(rule)
    path.write_text(json.dumps(settings))
    with pytest.raises(WeightsError, match=rf"{path} cannot be read: .*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    ScoringParameters(Calibration(match_scale=float("nan"))).save(tmp_path, "these")
    with pytest.raises(WeightsError, match=rf"calibration\.json cannot be read: .*not finite.*{REMEDY}"):
        ScoringParameters.load(tmp_path, "these")


def test_who_reads_while_they_are_replaced_gets_all_of_one_fit_or_an_error(tmp_path: Path) -> None:
    parameters(1).save(tmp_path, "these")
    written = threading.Event()

    def write() -> None:
        for seed in range(2, 30):
            parameters(1 + seed % 8).save(tmp_path, "these")
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not written.is_set():
        try:
            kept = ScoringParameters.load(tmp_path, "these")
        except WeightsError:  # this writer hardly ever rests
            continue
        assert kept.calibration.cutoff, "at no moment are there none"
        fit = parameters(round(10 * kept.calibration.cutoff))
        np.testing.assert_allclose(kept.querybank.embeddings, fit.querybank.embeddings, atol=1e-2)
        np.testing.assert_allclose(kept.detectors.bias, fit.detectors.bias, atol=1e-2)
    writer.join()


def test_files_of_two_fits_are_noticed_when_the_folder_is_replaced_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters(1).save(tmp_path, "these")
    parameters(2).save(tmp_path / "other", "these")
    read_bytes, other = Path.read_bytes, tmp_path / "other" / "scoring"

    def read_while_the_folder_is_replaced(path: Path) -> bytes:
        if path.name == "querybank.npy" and other.exists():
            shutil.rmtree(tmp_path / "scoring")
            other.rename(tmp_path / "scoring")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_while_the_folder_is_replaced)
    kept = ScoringParameters.load(tmp_path, "these")
    assert not other.exists()
    assert kept.calibration == parameters(2).calibration
    np.testing.assert_allclose(kept.querybank.embeddings, parameters(2).querybank.embeddings, atol=1e-2)


@pytest.mark.parametrize(("step", "seed"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_a_writer_killed_at_any_step_leaves_all_of_one_fit(tmp_path: Path, step: int, seed: int) -> None:
    parameters(1).save(tmp_path, "these")
    program = """
import os, sys
from pathlib import Path
from tests.model.scoring.test_parameters import parameters
weights, step = Path(sys.argv[1]), int(sys.argv[2])
def count(event, arguments):
    global step
    if event in ("os.rename", "shutil.rmtree"):
        if step == 0:
            os._exit(9)
        step -= 1
sys.addaudithook(count)
parameters(2).save(weights, "these")
"""
    run = subprocess.run([sys.executable, "-c", program, tmp_path, str(step)], cwd=ROOT, check=False)
    assert run.returncode == (0 if step == 3 else 9)
    assert ScoringParameters.load(tmp_path, "these").calibration == parameters(seed).calibration
    parameters(3).save(tmp_path, "these")
    assert ScoringParameters.load(tmp_path, "these").calibration == parameters(3).calibration
    assert [path.name for path in tmp_path.iterdir()] == ["scoring"], "nothing is left beside it"


def test_those_we_ship_belong_to_the_weights_we_ship() -> None:
    weights = SHIPPED / DEFAULT
    kept = ScoringParameters.load(weights, generation(weights))
    assert len(kept.querybank.embeddings) == 1000
    assert len(kept.detectors.ids) > 1000
