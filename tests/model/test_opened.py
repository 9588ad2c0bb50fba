"""One generation, one network: weights that become others after they were opened are never computed with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from model.bundle import TrainedModel
from model.opened import OpenedWeights, WeightsReplaced
from model.runtime.graphs import write_graphs
from model.runtime.onnx_runtime import OnnxRuntime
from model.runtime.torch_runtime import TorchRuntime
from model.weights import WeightsError, generation
from tests.model.runtime.test_onnx_runtime import pictures, tiny

SENTENCES = ["a red circle", "a blue square"]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with graphs. In float32, which no runtime needs to convert."""
    weights = tiny(tmp_path_factory.mktemp("originals"))
    write_graphs(weights)
    return weights


@pytest.fixture
def weights(originals: Path, tmp_path: Path) -> Path:
    """A copy, to do things to."""
    return shutil.copytree(originals, tmp_path / "weights")


@pytest.fixture
def others(originals: Path, tmp_path: Path) -> Path:
    """Other weights of the same layout and size, with the same graphs."""
    folder = shutil.copytree(originals, tmp_path / "others")
    tensors = load_file(folder / "model.safetensors")
    rolled = {name: np.roll(tensor, 1) for name, tensor in tensors.items()}
    save_file(rolled, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def overwrite(weights: Path, others: Path) -> None:
    shutil.copytree(others, weights, dirs_exist_ok=True)


def overwrite_keeping_times(weights: Path, others: Path) -> None:
    before = (weights / "model.safetensors").stat()
    shutil.copyfile(others / "model.safetensors", weights / "model.safetensors")
    os.utime(weights / "model.safetensors", ns=(before.st_atime_ns, before.st_mtime_ns))


def rename_a_file(weights: Path, others: Path) -> None:
    (others / "model.safetensors").replace(weights / "model.safetensors")


def rename_the_folder(weights: Path, others: Path) -> None:
    weights.rename(weights.with_name("away"))
    others.rename(weights)


def write_another_tokenizer(weights: Path, _others: Path) -> None:
    path = weights / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase": true', '"lowercase": false'))


def delete(weights: Path, _others: Path) -> None:
    shutil.rmtree(weights)


WAYS = [overwrite, overwrite_keeping_times, rename_a_file, rename_the_folder, write_another_tokenizer, delete]
Way = Callable[[Path, Path], None]


@pytest.mark.parametrize("replace", WAYS)
def test_a_network_is_not_loaded_after_its_weights_were_replaced(weights: Path, others: Path, replace: Way) -> None:
    model = TrainedModel(weights, device="cpu")
    replace(weights, others)
    with pytest.raises(WeightsReplaced, match=rf"{weights}.*[Pp]ut the old ones back, or start again"):
        _ = model.runtime
    with pytest.raises(WeightsReplaced):
        _ = model.processor


@pytest.mark.parametrize("replace", WAYS)
def test_nor_is_a_part_of_it(weights: Path, others: Path, replace: Way) -> None:
    runtime = OnnxRuntime.load(weights)
    runtime.prepare(rerank=False)
    replace(weights, others)
    with pytest.raises(WeightsReplaced, match=str(weights)):
        runtime.encode_image(pictures(others, [(100, 100)]) if others.exists() else [np.zeros((96, 96, 3), np.uint8)])


@pytest.mark.parametrize("replace", WAYS)
@pytest.mark.parametrize("kind", [OnnxRuntime, TorchRuntime])
def test_a_loaded_network_stays_the_same_or_says_that_it_cannot(
    weights: Path, others: Path, replace: Way, kind: type[OnnxRuntime | TorchRuntime]
) -> None:
    runtime = kind.load(weights)
    images, before = pictures(weights, [(100, 100)]), runtime.encode_text(SENTENCES).embeddings
    photo = runtime.encode_image(images).embeddings
    replace(weights, others)
    try:
        np.testing.assert_array_equal(runtime.encode_text(SENTENCES).embeddings, before)
        np.testing.assert_array_equal(runtime.encode_image(images).embeddings, photo)
    except WeightsReplaced:
        assert kind is OnnxRuntime
        assert replace in (overwrite, overwrite_keeping_times, write_another_tokenizer), "its file is still there"


def test_weights_that_are_put_back_serve_again(weights: Path, others: Path, originals: Path) -> None:
    runtime = OnnxRuntime.load(weights)
    before = runtime.encode_text(SENTENCES).embeddings
    overwrite(weights, others)
    with pytest.raises(WeightsReplaced):
        runtime.encode_image(pictures(weights, [(100, 100)]))
    overwrite(weights, originals)
    assert runtime.encode_image(pictures(weights, [(100, 100)])).embeddings.shape == (1, 16)
    np.testing.assert_array_equal(runtime.encode_text(SENTENCES).embeddings, before)


def test_the_same_weights_written_again_are_the_same(weights: Path, originals: Path) -> None:
    runtime = OnnxRuntime.load(weights)
    shutil.rmtree(weights)
    shutil.copytree(originals, weights)
    assert runtime.encode_text(SENTENCES).embeddings.shape == (2, 16)


def test_a_generation_is_that_of_the_folder(weights: Path, others: Path) -> None:
    assert OpenedWeights(weights).generation == generation(weights) != OpenedWeights(others).generation


def test_a_file_that_cannot_be_opened_is_named(weights: Path) -> None:
    (weights / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        OpenedWeights(weights)
