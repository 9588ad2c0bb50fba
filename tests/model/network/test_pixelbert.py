"""The network: shapes, the three passes, and scores that do not depend on the company they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.network.pixelbert import PixelBertForImageTextRetrieval, PixelBertForPreTraining, PixelBertModel
from model.network.pixels import Tokens, resize_by_area
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.torch_runtime import TorchRuntime
from tests.model.networks import tiny_network


def words(*lengths: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(5, 100, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return input_ids * mask, mask


def photos(count: int, size: int = 96) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("fusion_layer", [0, 1, 2])
def test_one_trunk_runs_on_words_on_pixels_and_on_both(fusion_layer: int) -> None:
    model: PixelBertModel = tiny_network(fusion_layer=fusion_layer).pixelbert
    input_ids, mask = words(7, 4)
    assert model(input_ids, mask).words.shape == (2, 7, 64)
    assert model(pixel_values=photos(2)).pixels.shape == (2, 9, 64)
    both = model(input_ids, mask, photos(2))
    assert both.words.shape == (2, 7, 64)
    assert both.pixels.shape == (2, 9, 64)


def test_neither_words_nor_pixels_is_an_error() -> None:
    with pytest.raises(ValueError, match="input_ids, pixel_values or both"):
        tiny_network().pixelbert()


def test_the_heads_have_the_shapes_their_names_promise() -> None:
    output = tiny_network()(words(7, 4)[0], photos(2))
    assert output.itm_logits.shape == (2,)
    assert output.text_embeds.shape == output.image_embeds.shape == (2, 32)
    assert output.mlm_logits.shape == (2, 7, 100)
    assert torch.allclose(output.text_embeds.norm(dim=1), torch.ones(2), atol=1e-5)


def test_the_2x2_pool_quarters_the_tokens() -> None:
    model = tiny_network(pixel_pool=2)
    assert model.pixelbert(pixel_values=photos(1, 128)).pixels.shape == (1, 4, 64)
    assert tiny_network().pixelbert(pixel_values=photos(1, 128)).pixels.shape == (1, 16, 64)


def test_the_semantic_vector_is_shared_by_all_pixels() -> None:
    model = tiny_network().pixelbert.pixel_tokens
    assert model.semantic.shape == (64,)


def test_without_spatial_positions_pixels_are_a_bag() -> None:
    features = torch.randn(1, 96, 3, 3, generator=torch.Generator().manual_seed(0))
    turned = features.flip(-1)
    for positions, equal in (("none", True), ("learned_2d", False)):
        model = tiny_network(spatial_positions=positions)
        one, other = (
            model.embed_image(model.pixelbert.lower_layers(model.pixelbert.pixel_tokens(grid)))
            for grid in (features, turned)
        )
        assert torch.allclose(one, other, atol=1e-5) is equal


def test_a_photo_wider_than_the_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="max_grid is 2"):
        tiny_network(max_grid=2).pixelbert(pixel_values=photos(1))


def test_working_out_only_the_first_tokens_gives_what_working_out_all_gives() -> None:
    model = tiny_network().pixelbert
    left, right = model.encode_words(*words(6, 3)), model.encode_pixels(photos(2))
    whole, first = model.fuse(left, right).states, model.fuse(left, right, num_queries=1).states
    assert torch.allclose(whole[:, :1], first, atol=1e-6)


def test_outside_training_a_match_reads_every_so_many_th_pixel() -> None:
    whole = tiny_network()
    sparse = tiny_network(match_stride=2)
    sparse.load_state_dict(whole.state_dict())
    left, right = whole.pixelbert.encode_words(*words(6, 3)), whole.pixelbert.encode_pixels(photos(2))
    second = Tokens(right.states[:, ::2], None)
    assert torch.equal(sparse.itm_logits(left, right), whole.itm_logits(left, second))
    assert not torch.allclose(sparse.itm_logits(left, right), whole.itm_logits(left, right))
    assert torch.equal(sparse.embed_image(right), whole.embed_image(right))
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    learning = tiny_network(match_stride=2, **dropout).train()
    learning.load_state_dict(whole.state_dict())
    assert torch.allclose(learning.itm_logits(left, right), whole.itm_logits(left, right), atol=1e-6)


def test_outside_training_a_match_passes_only_through_the_layers_that_are_named() -> None:
    layers = {
        "num_hidden_layers": 4,
        "fusion_layer": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    whole = tiny_network(**layers)

    def same_network(**changes: Any) -> PixelBertForPreTraining:
        network = tiny_network(**layers, **changes)
        network.load_state_dict(whole.state_dict())
        return network

    left, right = whole.pixelbert.encode_words(*words(6, 3)), whole.pixelbert.encode_pixels(photos(2))
    expected, short = whole.itm_logits(left, right), same_network(match_layers=[1, 3])
    passed: list[int] = []
    for number, layer in enumerate(short.pixelbert.layers):
        layer.register_forward_hook(lambda *_, number=number: passed.append(number))
    assert not torch.allclose(short.itm_logits(left, right), expected)
    assert passed == [1, 3]
    assert torch.equal(short.embed_image(right), whole.embed_image(right))
    assert torch.equal(same_network(match_layers=[1, 2, 3]).itm_logits(left, right), expected)
    assert torch.allclose(short.train().itm_logits(left, right), expected, atol=1e-6)


def test_a_second_view_changes_embedding_and_cells_but_not_the_pixel_features() -> None:
    one, two = tiny_network(), tiny_network(mirrored_view=1.5)
    two.load_state_dict(one.state_dict())
    whole, enlarged = photos(2), torch.nn.functional.interpolate(photos(2), size=(144, 144), mode="bilinear")
    plain, mirrored, both = one.encode_image(whole), one.encode_image(enlarged.flip(-1)), two.encode_image(whole)
    assert mirrored.pixel_features.shape[1] > plain.pixel_features.shape[1]
    assert torch.equal(both.pixel_features, plain.pixel_features)
    mean = torch.nn.functional.normalize(plain.image_embeds + mirrored.image_embeds, dim=-1)
    assert torch.allclose(both.image_embeds, mean, atol=1e-5)
    assert torch.allclose(both.pooled_features, (plain.pooled_features + mirrored.pooled_features) / 2, atol=1e-5)
    assert both.cells.shape == plain.cells.shape
    assert torch.allclose(both.cells.mean(1), both.pooled_features, atol=1e-5)
    assert not torch.allclose(both.cells, plain.cells, atol=1e-3)


def test_an_embedding_reads_every_so_many_th_token_of_both_views() -> None:
    one, sparse = tiny_network(), tiny_network(mirrored_view=1.5, embedding_stride=2)
    sparse.load_state_dict(one.state_dict())
    enlarged = torch.nn.functional.interpolate(photos(2), size=(144, 144), mode="bilinear").flip(-1)
    network, output = one.pixelbert, sparse.encode_image(photos(2))
    every = network.encode_pixels(photos(2))
    tokens = network.pixel_tokens(network.pixel_tokens.cnn(enlarged)).states
    views = Tokens(every.states[:, ::2], None), network.lower_layers(Tokens(tokens[:, ::2], None))
    mean = torch.nn.functional.normalize(one.embed_image(views[0]) + one.embed_image(views[1]), dim=-1)
    assert torch.allclose(output.image_embeds, mean, atol=1e-5)
    assert torch.equal(output.pixel_features, every.states)


def test_with_a_second_view_a_photo_and_its_mirror_image_are_the_same_and_the_cells_change_sides() -> None:
    model = tiny_network(mirrored_view=1.0)
    photo, turned = model.encode_image(photos(1)), model.encode_image(photos(1).flip(-1))
    assert torch.allclose(photo.image_embeds, turned.image_embeds, atol=1e-5)
    assert torch.allclose(photo.pooled_features, turned.pooled_features, atol=1e-5)
    grid, mirrored = (output.cells.unflatten(1, (3, 3)) for output in (photo, turned))
    assert torch.allclose(grid, mirrored.flip(2), atol=1e-5)
    assert not torch.allclose(grid, mirrored, atol=1e-3)


@pytest.mark.parametrize("old", [(3, 5), (4, 4), (10, 10), (7, 2), (1, 1)])
def test_a_feature_map_of_another_size_has_the_same_mean(old: tuple[int, int]) -> None:
    features = torch.randn(2, 6, *old, generator=torch.Generator().manual_seed(0))
    resized = resize_by_area(features, 4, 4)
    assert resized.shape == (2, 6, 4, 4)
    assert torch.allclose(resized.mean((2, 3)), features.mean((2, 3)), atol=1e-5)
    if old == (4, 4):
        assert torch.allclose(resized, features)


def test_a_cell_of_a_resized_map_is_the_mean_of_what_it_covers() -> None:
    row = torch.tensor([[[[1.0, 2.0, 6.0]]]])
    assert torch.allclose(resize_by_area(row, 1, 2), torch.tensor([[[[4.0 / 3.0, 14.0 / 3.0]]]]))


def test_masked_tokens_change_nothing() -> None:
    model = tiny_network()
    left, right = model.pixelbert.encode_words(*words(5)), model.pixelbert.encode_pixels(photos(1))
    noise = torch.full((1, 4, 64), 7.0)
    padded_left = Tokens(torch.cat([left.states, noise], 1), torch.tensor([[True] * 5 + [False] * 4]))
    padded_right = Tokens(torch.cat([right.states, noise], 1), torch.tensor([[True] * 9 + [False] * 4]))
    assert torch.allclose(model.itm_logits(left, right), model.itm_logits(padded_left, padded_right), atol=1e-5)
    assert torch.allclose(model.embed_text(left), model.embed_text(padded_left), atol=1e-5)
    assert torch.allclose(model.embed_image(right), model.embed_image(padded_right), atol=1e-5)


@pytest.fixture
def runtime(processor: PixelBertProcessor) -> TorchRuntime:
    return TorchRuntime(tiny_network(), processor)


SENTENCES = [
    "a red circle",
    "a blue triangle and a yellow square",
    "circle",
    "a green square and a red triangle and so on",
]


def arrays(*sizes: tuple[int, int]) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]


def test_a_score_does_not_depend_on_the_batch(runtime: TorchRuntime) -> None:
    images = arrays((96, 96), (96, 128), (96, 96), (160, 96))
    together, text = runtime.encode_image(images), runtime.encode_text(SENTENCES)
    logits = runtime.itm_logits(text, together.pixel_features)
    for row, image in enumerate(images):
        alone, sentence = runtime.encode_image([image]), runtime.encode_text([SENTENCES[row]])
        assert np.abs(alone.embeddings[0] - together.embeddings[row]).max() < 1e-4
        assert np.abs(alone.pixel_features[0] - together.pixel_features[row]).max() < 1e-4
        assert np.abs(sentence.embeddings[0] - text.embeddings[row]).max() < 1e-4
        assert abs(runtime.itm_logits(sentence, alone.pixel_features)[0] - logits[row]) < 1e-4


def test_one_sentence_is_matched_with_every_photo(runtime: TorchRuntime) -> None:
    features = runtime.encode_image(arrays((96, 96), (96, 96), (96, 96))).pixel_features
    text = runtime.encode_text(SENTENCES[:1])
    one_by_one = runtime.itm_logits(text.select([0, 0, 0]), features)
    assert np.allclose(runtime.itm_logits(text, features), one_by_one, atol=1e-5)


def test_sentences_and_photos_must_pair_up(runtime: TorchRuntime) -> None:
    features = runtime.encode_image(arrays((96, 96), (96, 96), (96, 96))).pixel_features
    with pytest.raises(ValueError, match="2 sentences cannot be matched with 3 photos"):
        runtime.itm_logits(runtime.encode_text(SENTENCES[:2]), features)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, processor: PixelBertProcessor) -> None:
    model = tiny_network()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = PixelBertForPreTraining.from_pretrained(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    retrieval = PixelBertForImageTextRetrieval.from_pretrained(tmp_path)
    input_ids, _ = words(5, 5)
    expected = model(input_ids, photos(2)).itm_logits
    assert torch.allclose(retrieval(input_ids, photos(2)).itm_logits, expected, atol=1e-6)
    runtime = load_runtime(tmp_path, device="cpu")
    image = arrays((96, 96))
    direct = TorchRuntime(model, processor).encode_image(image)
    assert np.allclose(runtime.encode_image(image).embeddings, direct.embeddings, atol=1e-6)


def test_words_predict_words_through_their_own_embeddings() -> None:
    model = tiny_network()
    assert model.mlm_head.decoder.weight is model.pixelbert.word_tokens.words.weight


@pytest.mark.parametrize(
    "wrong",
    [
        {"fusion_layer": 3},
        {"hidden_size": 66},
        {"spatial_positions": "sine"},
        {"pixel_pool": 3},
        {"pixel_sampling": 0},
        {"match_stride": 0},
        {"embedding_stride": 0},
        {"match_layers": []},
        {"match_layers": [0, 2]},
        {"match_layers": [2, 1]},
        {"match_layers": [1, 1]},
        {"mirrored_view": 0.5},
        {"mirrored_view": 5.0},
        {"mirrored_view": float("nan")},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=next(iter(wrong))):
        tiny_network(**{"num_hidden_layers": 3, "num_attention_heads": 4, "fusion_layer": 1, **wrong})


def test_a_photo_passes_the_cnn_once() -> None:
    model, passes = tiny_network(), []
    backbone = model.pixelbert.pixel_tokens.backbone
    first = next(module for module in backbone.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_hook(lambda *_: passes.append(1))
    input_ids, mask = words(7, 4)
    output = model(input_ids, photos(2), mask)
    assert output.mlm_logits.shape == (2, 7, 100)
    assert output.itm_logits.shape == (2,)
    assert len(passes) == 1
