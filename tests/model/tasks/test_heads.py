"""Heads: the same answers with and without PyTorch, and none by a head that was made for other weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.heads import PHOTOS, TASKS, TRUTH, Head, Task, heads_in
from model.runtime.head_graphs import write_head_graph
from model.runtime.onnx_runtime import OnnxRuntime
from model.runtime.protocol import TaskRuntime
from model.runtime.torch_runtime import TorchRuntime
from model.weights import GRAPHS, WeightsError, find_weights, generation
from tests.model.heads import ANSWERS, add_head
from tests.model.runtime.test_onnx_runtime import SENTENCES, TOLERANCE, pictures, tiny


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with every head and every graph."""
    from model.runtime.graphs import write_graphs

    weights = tiny(tmp_path_factory.mktemp("answering"), aspect="keep", half=True)
    write_graphs(weights)
    for task in TASKS:
        add_head(weights, task)
        write_head_graph(weights, task)
    return weights


def load(weights: Path, task: Task) -> Head:
    return Head.load(weights, task, generation(weights))


def logits(runtime: TaskRuntime, weights: Path) -> list[NDArray[np.float32]]:
    images = pictures(weights, [(200, 100), (100, 200), (150, 150), (100, 100)])
    features, text = runtime.encode_image(images).pixel_features, runtime.encode_text(SENTENCES)
    return [
        runtime.classify(load(weights, "vqa"), text, features[:3]),
        runtime.classify(load(weights, "statements"), text, features[1:]),
        runtime.classify(load(weights, "pairs"), text, features[:3], features[1:]),
        runtime.classify(load(weights, "vqa"), text.select([0] * 40), [features[3]] * 40),
    ]


def test_a_head_says_the_same_without_pytorch(answering: Path) -> None:
    found = logits(OnnxRuntime.load(answering), answering)
    expected = logits(TorchRuntime.load(answering, device="cpu"), answering)
    assert [one.shape for one in found] == [(3, len(ANSWERS)), (3, 2), (3, 2), (40, len(ANSWERS))]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
        assert np.ptp(theirs) > 10 * TOLERANCE


def test_left_and_right_are_told_apart(answering: Path) -> None:
    runtime = OnnxRuntime.load(answering)
    one, other = runtime.encode_image(pictures(answering, [(200, 100), (100, 200)])).pixel_features
    text = runtime.encode_text(SENTENCES[:1])
    head = load(answering, "pairs")
    there, back = runtime.classify(head, text, [one], [other]), runtime.classify(head, text, [other], [one])
    assert np.abs(there - back).max() > 10 * TOLERANCE


def test_heads_leave_the_generation_and_so_every_library_as_they_are(answering: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(answering, tmp_path / "bare", ignore=shutil.ignore_patterns("vqa.*", "pairs.*", "state*"))
    assert generation(bare) == generation(answering)
    for name in GRAPHS:
        assert (bare / name).is_file()


def test_there_must_be_as_many_photos_as_sentences(answering: Path) -> None:
    runtime = OnnxRuntime.load(answering)
    features = runtime.encode_image(pictures(answering, [(100, 100)])).pixel_features
    with pytest.raises(ValueError, match="3 sentences"):
        runtime.classify(load(answering, "vqa"), runtime.encode_text(SENTENCES), features)


def test_a_head_made_for_other_weights_is_refused(answering: Path, tmp_path: Path) -> None:
    other = tiny(tmp_path / "other", aspect="keep", initializer_range=0.2)
    for name in ("vqa.json", "vqa.safetensors", "vqa.onnx"):
        shutil.copy(answering / name, other)
    Head.load(answering, "vqa", generation(answering))
    with pytest.raises(WeightsError, match=r"made for other weights .*pixelseek model heads"):
        Head.load(other, "vqa", generation(other))


def test_weights_without_a_head_say_how_to_make_one(tmp_path: Path) -> None:
    weights = tiny(tmp_path)
    with pytest.raises(WeightsError, match=r"no head for pairs: .*pixelseek model heads"):
        Head.load(weights, "pairs", generation(weights))


@pytest.mark.parametrize(
    "broken",
    [
        "nothing",
        "[]",
        json.dumps({"task": "vqa"}),
        json.dumps({"task": "vqa", "labels": 3, "trunk": "TRUNK"}),
        json.dumps({"task": "vqa", "labels": ["yes"], "trunk": "TRUNK"}),
        json.dumps({"task": "pairs", "labels": ["no", "yes"], "trunk": "TRUNK"}),
        json.dumps({"task": "vqa", "labels": ["no", "yes"], "trunk": "TRUNK", "scale": "much"}),
        json.dumps({"task": "vqa", "labels": ["no", "yes"], "trunk": "TRUNK", "colour": 1}),
    ],
)
def test_what_is_no_head_is_refused(tmp_path: Path, broken: str) -> None:
    weights = tiny(tmp_path)
    add_head(weights, "vqa")
    (weights / "vqa.json").write_text(broken.replace("TRUNK", generation(weights)))
    with pytest.raises(WeightsError, match=r"vqa\.json"):
        Head.load(weights, "vqa", generation(weights))


def test_tensors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    weights = tiny(tmp_path)
    add_head(weights, "pairs")
    (weights / "pairs.safetensors").rename(weights / "vqa.safetensors")
    head = Head("vqa", ANSWERS, generation(weights)).save(weights)
    runtime = TorchRuntime.load(weights, device="cpu")
    features = runtime.encode_image(pictures(weights, [(100, 100)])).pixel_features
    with pytest.raises(WeightsError, match=r"vqa\.safetensors does not hold a head"):
        runtime.classify(head, runtime.encode_text(SENTENCES[:1]), features)


@pytest.mark.parametrize("kind", [OnnxRuntime, TorchRuntime])
def test_what_is_known_of_one_head_is_not_believed_of_the_tensors_of_another(
    answering: Path, tmp_path: Path, kind: type[OnnxRuntime | TorchRuntime]
) -> None:
    weights = shutil.copytree(answering, tmp_path / "weights")
    head, content = load(weights, "vqa"), (weights / "vqa.safetensors").read_bytes()
    (weights / "vqa.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    runtime = kind.load(weights)
    features = runtime.encode_image(pictures(weights, [(100, 100)])).pixel_features
    with pytest.raises(WeightsError, match=r"vqa\.safetensors and vqa\.json in .* two heads: `pixelseek model heads"):
        runtime.classify(head, runtime.encode_text(SENTENCES[:1]), features)


def test_a_head_of_an_older_pixelseek_is_refused(answering: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(answering, tmp_path / "weights")
    settings = json.loads((weights / "vqa.json").read_text())
    (weights / "vqa.json").write_text(json.dumps({key: settings[key] for key in settings if key != "tensors"}))
    with pytest.raises(WeightsError, match=r"vqa\.json was made by an older Pixelseek: `pixelseek model heads"):
        load(weights, "vqa")


def test_probabilities_of_all_labels_are_one_and_the_scale_makes_them_more_or_less_sure() -> None:
    values = np.array([[2.0, 0.0, -2.0]], dtype=np.float32)
    assert Head("vqa", ("a", "b", "c"), "").probabilities(values).round(3).tolist() == [[0.867, 0.117, 0.016]]
    assert Head("vqa", ("a", "b", "c"), "", scale=0.5).probabilities(values).round(3).tolist() == [[0.665, 0.245, 0.09]]
    assert Head("pairs", TRUTH, "").probabilities(values[:, :2]).round(3).tolist() == [[0.881, 0.119]]


def test_every_shipped_head_fits_the_shipped_weights_and_its_graph_its_tensors() -> None:
    weights = find_weights()
    tasks = heads_in(weights)
    if not tasks:
        pytest.skip("no heads are shipped yet: pixelseek model heads --data SHARD makes them")
    onnx, torch = OnnxRuntime.load(weights), TorchRuntime.load(weights, device="cpu")
    one, other = onnx.encode_image(pictures(weights, [(640, 480), (480, 640)])).pixel_features
    text = onnx.encode_text(["the left photo shows a dog, the right one a cat."])
    for task in tasks:
        head = Head.load(weights, task, generation(weights))
        photos = [[one], [other]][: PHOTOS[task]]
        found = onnx.classify(head, text, *photos)
        assert found.shape == (1, len(head.labels))
        np.testing.assert_allclose(found, torch.classify(head, text, *photos), atol=TOLERANCE)
        assert (weights / f"{task}.safetensors").stat().st_size < 8_000_000
        if task == "vqa":
            assert 0.1 < head.cutoff < 0.9
            assert {"yes", "no", "2", "red"} <= {*head.labels}
