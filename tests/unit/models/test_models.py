"""What the architectures are, beside what the contract and parity tests say of them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from polysee.errors import ConfigError
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import Bert, BertConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.efficientnet import (
    PRESETS,
    EfficientNet,
    EfficientNetConfig,
    EfficientNetOutput,
)
from polysee.models.vit import ViT, ViTConfig

CLASSIFIER = 1000  # classes of the published networks, whose last layer is no part of ours


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("preset", "published"),
    [
        ("b0", 5_288_548), ("b1", 7_794_184), ("b2", 9_109_994), ("b3", 12_233_232),
        ("b4", 19_341_616), ("b5", 30_389_784), ("b6", 43_040_704), ("b7", 66_347_960),
        ("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072), ("lite3", 8_197_096),
        ("lite4", 13_006_568),
    ],
)  # fmt: skip
def test_efficientnets_are_as_large_as_the_published_ones(preset, published):
    config = PRESETS[preset]
    with torch.device("meta"):
        assert count(EfficientNet(config)) == published - CLASSIFIER * (config.hidden_size + 1)


def test_the_other_defaults_are_as_large_as_the_published_ones():
    with torch.device("meta"):
        assert count(Bert(BertConfig())) == 109_482_240 - 768 * 769  # BERT-base less its pooler
        assert count(Clip(ClipConfig())) == 151_277_313  # CLIP ViT-B/32
        assert count(ViT(ViTConfig())) == 88_224_232 - CLASSIFIER * 769  # ViT-B/32


def test_a_cut_efficientnet_is_the_same_network():
    torch.manual_seed(0)
    net = EfficientNet(EfficientNetConfig(0.25, 0.5)).eval()
    pixels = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        whole = net(pixels)
        for cut in (0, 3, len(net.blocks)):
            parts = net.upper(net.lower(pixels, cut), cut)
            assert torch.equal(parts.map, whole.map)
            assert torch.equal(parts.pooled, whole.pooled)
    assert_close(whole.pooled, whole.map.mean((2, 3)))


@pytest.mark.parametrize(
    ("size", "wanted"), [((32, 32), (1, 1)), ((65, 96), (3, 3)), ((260, 33), (9, 2))]
)
def test_an_efficientnet_reads_any_size(size, wanted):
    net = EfficientNet(EfficientNetConfig(0.25, 0.25, lite=True)).eval()
    assert net(torch.zeros(1, 3, *size)).map.shape[2:] == wanted


def test_lite_has_neither_squeeze_nor_silu_and_keeps_stem_and_head():
    lite, full = (EfficientNet(EfficientNetConfig(2.0, 2.0, lite=kind)) for kind in (True, False))
    kinds = [{type(module).__name__ for module in net.modules()} for net in (lite, full)]
    assert "SqueezeExcite" not in kinds[0]
    assert "SiLU" not in kinds[0]
    assert {"SqueezeExcite", "SiLU"} <= kinds[1]
    assert (lite.stem.conv.out_channels, lite.config.hidden_size) == (32, 1280)
    assert (full.stem.conv.out_channels, full.config.hidden_size) == (64, 2560)
    assert lite.config.repeats(0) == lite.config.repeats(6) == 1
    assert full.config.repeats(0) == full.config.repeats(6) == 2


def test_clip_sums_a_text_up_at_its_first_end_token():
    torch.manual_seed(0)
    image = ViTConfig(8, 4, 8, 1, 2, 16, patch_bias=False, input_norm=True)
    model = Clip(ClipConfig(image, ClipTextConfig(9, 8, 1, 2, 16, 6, end_token=8), 4)).eval()
    alone = model.encode_text(torch.tensor([[1, 2, 8]]))
    followed = model.encode_text(torch.tensor([[1, 2, 8, 8, 5, 8]]))  # nothing that follows is seen
    assert_close(alone, followed)
    with pytest.raises(ConfigError, match="end_token 9"):
        ClipTextConfig(vocab_size=9, end_token=9)


def test_pictures_are_projected_only_where_the_widths_differ():
    text = BertConfig(9, 8, 1, 2, 16, 6)
    net = EfficientNetConfig(0.25, 0.25, head=False)
    same = Align(AlignConfig(net, text, net.hidden_size))
    other = Align(AlignConfig(net, text, net.hidden_size + 1))
    assert isinstance(same.image_projection, torch.nn.Identity)
    assert isinstance(other.image_projection, torch.nn.Linear)


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_the_scale_begins_at_one_over_the_temperature(temperature):
    text = BertConfig(9, 8, 1, 2, 16, 6)
    config = AlignConfig(EfficientNetConfig(0.25, 0.25), text, 8, initial_temperature=temperature)
    assert Align(config).log_scale.exp().item() == pytest.approx(1 / temperature)


def test_dropout_is_for_training_alone():
    bert = Bert(BertConfig(9, 8, 2, 2, 16, 6, dropout=0.5))
    tokens = torch.arange(6)[None]
    assert not torch.equal(bert.train()(tokens), bert(tokens))
    assert torch.equal(bert.eval()(tokens), bert(tokens))


@pytest.mark.parametrize("window", [0, 2, 9])
def test_align_adds_where_a_classifier_finds_the_picture(window):
    torch.manual_seed(0)
    text = BertConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
    model = Align(AlignConfig(EfficientNetConfig(0.25, 0.25), text, 16)).eval()
    seen = torch.randn(3, model.config.image.hidden_size, 3, 3)
    features = EfficientNetOutput(seen, seen.mean((2, 3)))
    reduce, classify = torch.randn(4, seen.shape[1]), torch.randn(5, 4)
    bias, places = torch.randn(5), torch.randn(5, 16)
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    parts = [seen[:, :, y : y + 2, x : x + 2] for y, x in corners] if window == 2 else [seen]
    with torch.no_grad():
        plain = model.project_image(features)
        model.add_classes(reduce, classify, bias, places, window)
        opinions = [(p.mean((2, 3)) @ reduce.T @ classify.T + bias).softmax(1) for p in parts]
        mixed = torch.stack(opinions).mean(0) @ places
        wanted = torch.nn.functional.normalize(plain, dim=1) + mixed
        torch.testing.assert_close(model.project_image(features), wanted)
    assert model.config.classes == 5
    assert Align(model.config).load_state_dict(model.state_dict())
    with pytest.raises(ConfigError, match="class_rank"):
        AlignConfig(classes=5)
