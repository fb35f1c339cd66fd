"""Our models against `transformers` on random weights, at `assert_close`'s own tolerances in float32.

The weights go through the files that the reference writes and reads, so that the key maps are tested too.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import transformers
from torch.nn import functional as F
from torch.testing import assert_close

from polysee.checkpoints.huggingface.align import ALIGN
from polysee.checkpoints.huggingface.bert import BERT
from polysee.checkpoints.huggingface.clip import CLIP
from polysee.checkpoints.huggingface.efficientnet import EFFICIENTNET
from polysee.checkpoints.huggingface.vit import VIT
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import Bert, BertConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.efficientnet import PRESETS, EfficientNet, EfficientNetConfig
from polysee.models.vit import ViT, ViTConfig

TEXT = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 20,
}  # fmt: skip
OUR_TEXT = {
    "vocab_size": 50, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "mlp_size": 48, "context_length": 20,
}  # fmt: skip
IMAGE = {
    "image_size": 24, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48,
}  # fmt: skip
OUR_IMAGE = {
    "image_size": 24, "patch_size": 8, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "mlp_size": 48,
}  # fmt: skip
# Narrower, the reference would leave out a sum where a stage keeps its width; no published network has such a stage.
TINY = EfficientNetConfig(width=0.5, depth=0.5)
TINY_TOWER = replace(TINY, head=False)


def their_efficientnet(config: EfficientNetConfig) -> dict[str, float]:
    return {
        "width_coefficient": config.width, "depth_coefficient": config.depth,
        "hidden_dim": config.hidden_size,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def order_one():
    """Outputs are neither tiny nor huge, and differ from input to input: else the comparison says nothing."""

    def check(output: torch.Tensor) -> None:
        assert 0.1 < output.std().item() < 10
        assert 0.1 < (output[0] - output[1]).std().item() < 10

    return check


def test_bert(convert, texts, order_one):
    theirs, ours = (
        transformers.BertModel(transformers.BertConfig(**TEXT)),
        Bert(BertConfig(**OUR_TEXT)),
    )
    convert(theirs, ours, BERT)
    tokens, mask = texts(50, 20)
    segments = (torch.arange(20) > 8).long().expand(3, -1)
    for kinds in (None, segments):
        wanted = theirs(tokens, mask.long(), kinds).last_hidden_state
        order_one(wanted)
        assert_close(ours(tokens, mask, kinds)[mask], wanted[mask])


def test_vit(convert, pixels, order_one):
    config = transformers.ViTConfig(**IMAGE, layer_norm_eps=1e-6)
    theirs, ours = transformers.ViTModel(config), ViT(ViTConfig(**OUR_IMAGE))
    convert(theirs, ours, VIT)
    wanted = theirs(pixels(24)).last_hidden_state
    order_one(wanted)
    assert_close(ours(pixels(24)), wanted)


@pytest.fixture
def clips(convert):
    theirs = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config={**TEXT, "eos_token_id": 49, "bos_token_id": 48, "pad_token_id": 0},
            vision_config=IMAGE,
            projection_dim=16,
        )
    )
    quick = {"activation": "quick_gelu", "norm_epsilon": 1e-5}
    image = ViTConfig(**OUR_IMAGE, **quick, patch_bias=False, input_norm=True)
    text = ClipTextConfig(**OUR_TEXT, end_token=49)
    ours = Clip(ClipConfig(image, text, projection_size=16))
    convert(theirs, ours, CLIP)
    return theirs, ours


def outputs(model: Clip | Align, pixels, tokens, mask):
    image, text = model.encode_image(pixels), model.encode_text(tokens, mask)
    logits = model.log_scale.exp() * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    return image, text, logits


def test_clip(clips, pixels, texts, order_one):
    theirs, ours = clips
    tokens, mask = texts(50, 20, end=49)
    wanted = theirs(tokens, pixels(24), mask.long())
    order_one(wanted.logits_per_image)
    image, text, logits = outputs(ours, pixels(24), tokens, mask)
    assert_close(ours.text(tokens, mask)[mask], wanted.text_model_output.last_hidden_state[mask])
    assert_close(F.normalize(image, dim=-1), wanted.image_embeds)
    assert_close(F.normalize(text, dim=-1), wanted.text_embeds)
    assert_close(logits, wanted.logits_per_image)
    assert_close(logits.T, wanted.logits_per_text)
    assert_close(logits.softmax(-1), wanted.logits_per_image.softmax(-1))


# Sizes of which every stride halves an even number: there the reference, which pads by constants, follows
# TensorFlow's rule, as ours does at every size.
@pytest.mark.parametrize(("config", "size"), [(PRESETS["b0"], 64), (TINY, 96)], ids=["b0", "tiny"])
def test_efficientnet(convert, pixels, order_one, config, size):
    reference = transformers.EfficientNetConfig(**their_efficientnet(config))
    theirs, ours = transformers.EfficientNetModel(reference), EfficientNet(config)
    convert(theirs, ours, EFFICIENTNET)
    wanted, got = theirs(pixels(size, 2)), ours(pixels(size, 2))
    order_one(wanted.last_hidden_state)
    assert_close(got.map, wanted.last_hidden_state)
    assert_close(got.pooled, wanted.pooler_output)


@pytest.fixture
def aligns(convert):
    theirs = transformers.AlignModel(
        transformers.AlignConfig(
            text_config=TEXT,
            vision_config=their_efficientnet(TINY_TOWER),
            projection_dim=TINY_TOWER.hidden_size,
        )
    )
    text = BertConfig(**OUR_TEXT, pooler=True)
    ours = Align(AlignConfig(TINY_TOWER, text, TINY_TOWER.hidden_size, "first"))
    assert isinstance(ours.image_projection, torch.nn.Identity)
    convert(theirs, ours, ALIGN)
    return theirs, ours


def test_align(aligns, pixels, texts, order_one):
    theirs, ours = aligns
    tokens, mask = texts(50, 20)
    wanted = theirs(tokens, pixels(64), mask.long())
    order_one(wanted.image_embeds * TINY_TOWER.hidden_size**0.5)
    order_one(wanted.text_embeds * TINY_TOWER.hidden_size**0.5)
    image, text, logits = outputs(ours, pixels(64), tokens, mask)
    assert_close(F.normalize(image, dim=-1), wanted.image_embeds)
    assert_close(F.normalize(text, dim=-1), wanted.text_embeds)
    assert_close(logits, wanted.logits_per_image)


def another_activation(model: Clip) -> None:
    for block in model.image.blocks:
        block.mlp.activation = F.gelu


def another_epsilon(model: Clip) -> None:
    for block in model.image.blocks:
        block.mlp_norm.eps = 1e-3


def heads_exchanged(model: Clip) -> None:
    """Values of the first head go to the second, of one layer."""
    value = model.image.blocks[0].attention.value
    size = 32 // 4
    order = [*range(size, 2 * size), *range(size), *range(2 * size, 32)]
    value.weight.copy_(value.weight[order])
    value.bias.copy_(value.bias[order])


def without_causality(model: Clip) -> None:
    for block in model.text.blocks:
        block.forward = lambda x, mask, causal, self=block: type(self).forward(self, x, mask)


def positions_shifted(model: Clip) -> None:
    model.image.position.copy_(model.image.position.roll(1, 0))


@pytest.mark.parametrize(
    "harm", [another_activation, another_epsilon, heads_exchanged, without_causality, positions_shifted],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_parity_sees_one_broken_part_of_clip(clips, pixels, texts, harm):
    theirs, ours = clips
    tokens, mask = texts(50, 20, end=49)
    wanted = theirs(tokens, pixels(24), mask.long()).logits_per_image
    assert_close(outputs(ours, pixels(24), tokens, mask)[2], wanted)
    harmed = copy.deepcopy(ours)
    harm(harmed)
    with pytest.raises(AssertionError, match="not close"):
        assert_close(outputs(harmed, pixels(24), tokens, mask)[2], wanted)


def squeeze_left_out(model: Align) -> None:
    model.image.blocks[2].squeeze = torch.nn.Identity()


def symmetric_padding(model: Align) -> None:
    conv = model.image.stem.conv
    conv.forward = lambda x: F.conv2d(x, conv.weight, None, 2, 1)


def statistics_of_the_batch(model: Align) -> None:
    model.image.blocks[3].project.norm.train()


def mean_of_the_tokens(model: Align) -> None:
    object.__setattr__(model.config, "pooling", "mean")


@pytest.mark.parametrize(
    "harm", [squeeze_left_out, symmetric_padding, statistics_of_the_batch, mean_of_the_tokens],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_parity_sees_one_broken_part_of_align(aligns, pixels, texts, harm):
    theirs, ours = aligns
    tokens, mask = texts(50, 20)
    wanted = theirs(tokens, pixels(64), mask.long()).logits_per_image
    assert_close(outputs(ours, pixels(64), tokens, mask)[2], wanted)
    harmed = copy.deepcopy(ours)
    harm(harmed)
    with pytest.raises(AssertionError, match="not close"):
        assert_close(outputs(harmed, pixels(64), tokens, mask)[2], wanted)
