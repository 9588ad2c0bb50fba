"""The same network on ONNX Runtime: the same numbers as PyTorch's, and weights that lie in one file only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from model.bundle import TrainedModel
from model.image_processor import Aspect, PixelBertImageProcessor
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.runtime import loading as runtimes
from model.runtime.graphs import write_graphs
from model.runtime.loading import load_runtime
from model.runtime.onnx_runtime import OnnxRuntime
from model.runtime.protocol import Runtime
from model.runtime.torch_runtime import TorchRuntime
from model.weights import GRAPHS, WeightsError, find_weights, generation

SENTENCES = [
    "a red circle",
    "a red circle and a blue square on a wall",
    "a green triangle, and nothing else at all, really nothing",
]
TOLERANCE = 1e-3


def tiny(folder: Path, *, aspect: Aspect = "squash", half: bool = False, **changed: Any) -> Path:
    """A whole Pixel-BERT, small and untrained, without graphs; the same one every time."""
    tokenizer = wordpiece_tokenizer(learn_vocabulary(SENTENCES, 100))
    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.3,
        "backbone": "test_resnet",
        "fusion_layer": 1,
        "embedding_size": 16,
    }
    torch.manual_seed(0)
    model = PixelBertForImageTextRetrieval(PixelBertConfig(**shape | changed))
    (model.half() if half else model).save_pretrained(folder)
    image_processor = PixelBertImageProcessor(96, aspect, (120.0, 110.0, 100.0), (60.0, 58.0, 57.0))
    PixelBertProcessor(image_processor, tokenizer).save_pretrained(folder)
    return folder


def pictures(weights: Path, sizes: list[tuple[int, int]]) -> list[NDArray[np.uint8]]:
    """Noise of these widths and heights, as the processor would size it."""
    processor, random = PixelBertImageProcessor.from_pretrained(weights), np.random.default_rng(0)
    return [random.integers(0, 256, (*reversed(processor.target_size(*size)), 3)).astype(np.uint8) for size in sizes]


def everything(runtime: Runtime, images: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """All that a runtime says of some photos and sentences."""
    photos, text = runtime.encode_image(images), runtime.encode_text(SENTENCES)
    one = text.select([1])
    paired = photos.pixel_features[: len(SENTENCES)]
    return [
        photos.embeddings,
        *photos.pixel_features,
        photos.pooled_features,
        runtime.cells(images[0]),
        text.embeddings,
        *text.word_features,
        runtime.itm_logits(one, photos.pixel_features),
        runtime.itm_logits(text, paired),
        *runtime.attend(one, photos.pixel_features),
        *runtime.attend(text, paired),
    ]


def assert_alike(found: list[NDArray[np.float32]], expected: list[NDArray[np.float32]]) -> None:
    assert [one.shape for one in found] == [one.shape for one in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.fixture(scope="module")
def squashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights in fp16 with their graphs, like those we ship."""
    weights = tiny(tmp_path_factory.mktemp("squash"), half=True, match_stride=2, match_layers=[2])
    write_graphs(weights)
    return weights


def test_it_says_what_pytorch_says(squashing: Path) -> None:
    images = pictures(squashing, [(200, 100)] * 20)
    assert_alike(
        everything(OnnxRuntime.load(squashing), images), everything(TorchRuntime.load(squashing, device="cpu"), images)
    )


@pytest.mark.parametrize("aspect", ["squash", "keep"])
def test_so_it_does_where_photos_are_read_twice(tmp_path: Path, aspect: Aspect) -> None:
    weights = tiny(tmp_path, aspect=aspect, mirrored_view=1.25, embedding_stride=2)
    write_graphs(weights)
    images = pictures(weights, [(300, 200), (200, 300), (300, 200)])
    found = everything(OnnxRuntime.load(weights), images)
    assert_alike(found, everything(TorchRuntime.load(weights, device="cpu"), images))
    once = TorchRuntime.load(tiny(tmp_path / "once", aspect=aspect), device="cpu").encode_image(images)
    assert np.abs(found[0] - once.embeddings).max() > 0.01


def test_so_it_does_where_photos_keep_their_shape_and_the_network_is_the_papers(tmp_path: Path) -> None:
    weights = tiny(tmp_path, aspect="keep", fusion_layer=0, pixel_pool=2, spatial_positions="none")
    write_graphs(weights)
    images = pictures(weights, [(300, 200), (200, 300), (300, 200), (100, 900)])
    assert len({image.shape for image in images}) == 3
    assert_alike(
        everything(OnnxRuntime.load(weights), images), everything(TorchRuntime.load(weights, device="cpu"), images)
    )


def test_the_shipped_graphs_say_what_pytorch_says_of_the_shipped_weights() -> None:
    weights = find_weights()
    images = pictures(weights, [(640, 480)] * 3)
    assert_alike(
        everything(OnnxRuntime.load(weights), images), everything(TorchRuntime.load(weights, device="cpu"), images)
    )


def test_graphs_are_small_and_hold_nothing_of_the_machine_that_made_them(squashing: Path) -> None:
    stored = (squashing / "model.safetensors").stat().st_size
    for graph in [*(squashing / name for name in GRAPHS), *(find_weights() / name for name in GRAPHS)]:
        content = graph.read_bytes()
        assert len(content) < max(stored, 250_000)
        assert b".py" not in content


def test_graphs_hold_for_other_weights_of_the_same_layout(squashing: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    tensors = load_file(weights / "model.safetensors")
    changed = {name: -tensor if name.startswith("itm_head.2.") else tensor for name, tensor in tensors.items()}
    save_file(changed, weights / "model.safetensors", metadata={"format": "pt"})
    before, after = OnnxRuntime.load(squashing), OnnxRuntime.load(weights)
    photos, text = before.encode_image(pictures(squashing, [(200, 100)])), before.encode_text(SENTENCES[:1])
    np.testing.assert_allclose(
        after.itm_logits(text, photos.pixel_features), -before.itm_logits(text, photos.pixel_features), atol=TOLERANCE
    )


def test_graphs_of_another_layout_are_refused(squashing: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    path = weights / "processor_config.json"
    path.write_text(path.read_text().replace('"image_size": 96', '"image_size": 64'))
    with pytest.raises(WeightsError, match=r"words\.onnx was made for other weights .*pixelseek model export"):
        OnnxRuntime.load(weights).encode_text(["anything"])


@pytest.mark.parametrize("damage", ["graph", "weights"])
def test_what_is_damaged_is_an_error_that_names_the_file(squashing: Path, tmp_path: Path, damage: str) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    path = weights / ("words.onnx" if damage == "graph" else "model.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"words\.onnx cannot be loaded"):
        OnnxRuntime.load(weights).encode_text(["anything"])


def test_graphs_change_nothing_of_what_a_library_was_encoded_by(squashing: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    for name in GRAPHS:
        (weights / name).unlink()
    assert generation(weights) == generation(squashing)


def test_a_search_without_a_rerank_needs_no_graph_of_the_joint_pass(squashing: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    (weights / "match.onnx").write_bytes(b"never read")
    OnnxRuntime.load(weights).prepare(rerank=False)
    with pytest.raises(WeightsError, match=r"match\.onnx cannot be loaded"):
        OnnxRuntime.load(weights).prepare(rerank=True)


def test_a_search_that_others_rerank_needs_none_either(squashing: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(squashing, tmp_path / "weights")
    (weights / "match.onnx").write_bytes(b"never read")
    TrainedModel(weights, device="cpu", reranker="http://127.0.0.1:9/").prepare(rerank=True)
    with pytest.raises(WeightsError, match=r"match\.onnx cannot be loaded"):
        TrainedModel(weights, device="cpu").prepare(rerank=True)


def test_weights_that_are_links_into_another_folder_are_read(squashing: Path, tmp_path: Path) -> None:
    for path in squashing.iterdir():  # as the cache of the Hugging Face hub keeps them
        (tmp_path / path.name).symlink_to(path)
    assert OnnxRuntime.load(tmp_path).encode_text(SENTENCES).embeddings.shape == (len(SENTENCES), 16)


@pytest.mark.parametrize("runtime", [OnnxRuntime, TorchRuntime])
def test_pooled_features_are_the_mean_of_the_cells(squashing: Path, runtime: type[OnnxRuntime | TorchRuntime]) -> None:
    loaded, (image,) = runtime.load(squashing), pictures(squashing, [(200, 100)])
    cells = loaded.cells(image)
    np.testing.assert_allclose(cells.mean(axis=0), loaded.encode_image([image]).pooled_features[0], atol=1e-5)
    assert cells.std(axis=0).max() > 0.01


def test_a_graph_of_an_older_version_encodes_photos_but_has_no_cells(squashing: Path, tmp_path: Path) -> None:
    weights, (image,) = shutil.copytree(squashing, tmp_path / "weights"), pictures(squashing, [(200, 100)])
    graph = onnx.load(weights / "pixels.onnx", load_external_data=False)
    del graph.graph.output[-1]
    (weights / "pixels.onnx").write_bytes(graph.SerializeToString())
    runtime = OnnxRuntime.load(weights)
    assert len(runtime.encode_image([image]).embeddings) == 1
    with pytest.raises(WeightsError, match=r"older Pixelseek.*make them anew with `pixelseek model export`"):
        runtime.cells(image)


def test_a_cpu_takes_the_graphs_where_there_are_some(squashing: Path, tmp_path: Path) -> None:
    assert isinstance(load_runtime(squashing, device="cpu"), OnnxRuntime)
    assert isinstance(load_runtime(tiny(tmp_path), device="cpu"), TorchRuntime)


def test_without_pytorch_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny(tmp_path)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(WeightsError, match=r"has no graphs .*pixelseek model export.* pip install 'pixelseek\[gpu\]'"):
        load_runtime(weights, device="cpu")
    with pytest.raises(WeightsError, match=r"device cuda needs PyTorch: pip install 'pixelseek\[gpu\]'"):
        load_runtime(weights, device="cuda")
