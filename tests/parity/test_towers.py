"""Folders of `transformers` with two towers: read, run, written back, at tiny and at published shapes.

The weights go through the files that the reference writes, and every number of them is drawn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tests.parity.conftest import draw_weights, random_pictures
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from polysee.checkpoints.folder import export_folder, load_folder
from polysee.checkpoints.huggingface.families import architecture_of
from polysee.checkpoints.registry import build, config_to_dict
from polysee.errors import NotSupportedError
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig

TEXT = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 20,
}  # fmt: skip
IMAGE = {
    "image_size": 24, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48,
}  # fmt: skip
LARGE_IMAGE = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "patch_size": 14,
}
LARGE_TEXT = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
ENDS = {"eos_token_id": 49, "bos_token_id": 48, "pad_token_id": 0}
OLD_END = {"eos_token_id": 2, "bos_token_id": 0}  # as files from before transformers 4.31 have it
ALIGN_BASE = {"image_size": 289, "hidden_dim": 640}


@dataclass(frozen=True)
class Case:
    """One configuration of the reference.

    Args:
        end: the token that ends every text, where the family needs one.
        masked: whether the reference is told which tokens are padding.
        seen: the size of the pictures.
    """

    family: str
    text: dict[str, Any]
    image: dict[str, Any]
    size: int = 0
    end: int | None = None
    masked: bool = True
    seen: int = 224

    def make(self) -> nn.Module:
        kind = {
            "clip": (transformers.CLIPConfig, transformers.CLIPModel),
            "chinese_clip": (transformers.ChineseCLIPConfig, transformers.ChineseCLIPModel),
            "siglip": (transformers.SiglipConfig, transformers.SiglipModel),
            "align": (transformers.AlignConfig, transformers.AlignModel),
        }
        config, model = kind[self.family]
        projection = {"projection_dim": self.size} if self.size else {}
        return model(config(text_config=self.text, vision_config=self.image, **projection))


TINY = {
    "clip": Case("clip", {**TEXT, **ENDS}, IMAGE, 16, end=49, seen=24),
    "clip, an old file": Case("clip", {**TEXT, **OLD_END}, IMAGE, 16, end=49, seen=24),
    "clip, LAION": Case(
        "clip", {**TEXT, **OLD_END, "hidden_act": "gelu"}, {**IMAGE, "hidden_act": "gelu"}, 24, end=49, seen=24
    ),
    "chinese_clip": Case("chinese_clip", TEXT, IMAGE, 16, seen=24),
    "siglip": Case("siglip", TEXT, IMAGE, masked=False, seen=24),
    "align": Case("align", TEXT, {"width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 160}, 160, seen=96),
    # Odd everywhere, and so narrow that the first stage keeps its width: where the port departs from the paper's code.
    "align, odd and narrow": Case(
        "align", TEXT, {"width_coefficient": 0.25, "depth_coefficient": 0.5, "hidden_dim": 80}, 80, seen=79
    ),
    "align, of three stages": Case(
        "align", TEXT,
        {"in_channels": [32, 16, 24], "out_channels": [16, 24, 40], "kernel_sizes": [3, 3, 5], "strides": [1, 1, 2],
         "num_block_repeats": [1, 1, 2], "expand_ratios": [1, 6, 6], "width_coefficient": 1.0,
         "depth_coefficient": 1.0, "hidden_dim": 40},
        40, seen=48,
    ),
}  # fmt: skip

PUBLISHED = {
    "openai/clip-vit-base-patch32": Case("clip", OLD_END, {}, 512, end=49407),
    "openai/clip-vit-base-patch16": Case("clip", OLD_END, {"patch_size": 16}, 512, end=49407),
    # As published but for the number of layers, 24 and 12: they would be two gigabytes.
    "openai/clip-vit-large-patch14, 3 layers": Case(
        "clip", {**LARGE_TEXT, **OLD_END, "num_hidden_layers": 3}, {**LARGE_IMAGE, "num_hidden_layers": 3}, 768,
        end=49407,
    ),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": Case(
        "clip", {**OLD_END, "hidden_act": "gelu"}, {"hidden_act": "gelu"}, 512, end=49407
    ),
    "OFA-Sys/chinese-clip-vit-base-patch16": Case("chinese_clip", {"vocab_size": 21128}, {"patch_size": 16}, 512),
    "google/siglip2-base-patch16-224": Case("siglip", {"vocab_size": 256000}, {}, masked=False),
    "kakaobrain/align-base": Case("align", {}, ALIGN_BASE, 640, seen=289),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(params=TINY)
def case(request) -> Case:
    return TINY[request.param]


@pytest.fixture
def theirs(case) -> nn.Module:
    model = case.make()
    draw_weights(model)
    return model.eval()


@pytest.fixture
def folder(theirs, tmp_path) -> Path:
    theirs.save_pretrained(tmp_path / "theirs")
    return tmp_path / "theirs"


def order_one(output: torch.Tensor) -> None:
    """Outputs are neither tiny nor huge, and differ from input to input: else the comparison says nothing."""
    assert 0.1 < output.std().item() < 10
    assert 0.05 < (output[0] - output[1]).std().item() < 10


def batch(case: Case, count: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures, and texts of different lengths up to a full one, with noise under the padding."""
    length, vocab_size = (20, 50) if case.seen < 224 else (64, 21000)
    draw = torch.Generator().manual_seed(3)
    tokens = torch.randint(1, vocab_size - 3, (count, length), generator=draw)
    lengths = torch.tensor([length, length // 2, 2])[:count]
    if case.end is not None:
        tokens[torch.arange(count), lengths - 1] = case.end
    mask = torch.arange(length) < lengths[:, None]
    return random_pictures(count, case.seen, draw), tokens, mask


def compare(case: Case, theirs: nn.Module, ours: Any, count: int = 3) -> None:
    pixels, tokens, mask = batch(case, count)
    attend = mask if case.masked else None
    wanted = theirs(tokens, pixels, None if attend is None else attend.long())
    image, text = ours.encode_image(pixels), ours.encode_text(tokens, attend)
    order_one(text)
    if case.family == "align":
        # The mean over a map of random features differs less from picture to picture than the map does.
        order_one(wanted.vision_model_output.last_hidden_state)
    else:
        order_one(image)
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    logits = ours.log_scale.exp() * image @ text.T + getattr(ours, "bias", 0.0)
    assert_close(image, wanted.image_embeds)
    assert_close(text, wanted.text_embeds)
    assert_close(logits, wanted.logits_per_image)
    assert_close(logits.T, wanted.logits_per_text)
    assert_close(logits.softmax(-1), wanted.logits_per_image.softmax(-1))


def test_a_folder_gives_the_reference_its_own_answers(case, theirs, folder):
    ours, _ = load_folder(folder)
    assert not ours.training
    compare(case, theirs, ours)
    pixels, tokens, mask = batch(case)
    attend = mask if case.masked else None
    wanted = theirs.get_text_features(tokens, None if attend is None else attend.long())
    assert_close(ours.encode_text(tokens, attend), wanted.pooler_output)
    shape = (len(pixels), -1)
    assert_close(
        ours.encode_image(pixels), theirs.get_image_features(pixels).pooler_output.reshape(shape)
    )


def test_export_and_import_lose_no_bit(case, theirs, folder, tmp_path):
    ours, card = load_folder(folder)
    export_folder(tmp_path / "exported", ours, card=card)
    published = load_file(folder / "model.safetensors")
    exported = load_file(tmp_path / "exported" / "model.safetensors")
    assert exported.keys() == published.keys()
    for name, tensor in published.items():
        if (
            name == "temperature"
        ):  # many temperatures have one logarithm in float32, which is what ours keeps
            assert_close(exported[name], tensor, rtol=5e-7, atol=0)
        elif "num_batches_tracked" not in name:
            assert torch.equal(exported[name], tensor), name
    again, _ = load_folder(tmp_path / "exported")
    assert again.config == ours.config
    assert again.state_dict().keys() == ours.state_dict().keys()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    loaded, report = type(theirs).from_pretrained(tmp_path / "exported", output_loading_info=True)
    assert not any(report.values())
    compare(case, loaded.eval(), ours)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(name):
    """In memory and without a copy: some of these are more than a gigabyte."""
    case = PUBLISHED[name]
    theirs = case.make()
    draw_weights(theirs, size=case.seen)
    theirs.eval()
    values = theirs.config.to_dict()
    architecture = architecture_of(values)
    state = theirs.state_dict()
    config = architecture.to_config(values, state)
    with torch.device("meta"):
        ours = build(config_to_dict(config)).eval()
    counters = {k: v for k, v in ours.state_dict().items() if "num_batches_tracked" in k}
    converted = architecture.keys.to_ours(state)
    zeros = {k: torch.zeros((), dtype=torch.long) for k in counters}
    ours.load_state_dict({**converted, **zeros}, assign=True)
    compare(case, theirs, ours, count=2)


def values_and_keys_exchanged(model: Any) -> None:
    attention = model.image_pool.attention
    attention.key, attention.value = attention.value, attention.key


def heads_of_the_pool(model: Any) -> None:
    model.image_pool.attention.num_heads = 2


def another_query(model: Any) -> None:
    model.image_pool.query.copy_(model.image_pool.query.roll(1, 0))


def a_causal_text(model: Any) -> None:
    for block in model.text.blocks:
        block.forward = lambda x, mask, self=block: type(self).forward(self, x, mask, causal=True)


def the_first_token_for_the_last(model: Any) -> None:
    forward = model.text.forward
    model.text.forward = lambda tokens, mask: forward(tokens, mask).flip(1)


def an_exact_gelu(model: Any) -> None:
    for block in model.image.blocks:
        block.mlp.activation = F.gelu


def no_bias(model: Any) -> None:
    model.bias.zero_()


def an_epsilon(model: Any) -> None:
    for block in model.text.blocks:
        block.mlp_norm.eps = 1e-3


def the_mean_of_the_text(model: Any) -> None:
    forward = model.text.forward
    model.text.forward = lambda *given: forward(*given).mean(1, keepdim=True)


def the_mask_forgotten(model: Any) -> None:
    encode = model.encode_text
    model.encode_text = lambda tokens, mask: encode(tokens)


def no_input_norm(model: Any) -> None:
    model.image.input_norm = nn.Identity()


def as_the_paper_pads(model: Any) -> None:
    conv = model.image.stem.conv
    conv._padding_of = lambda size, axis: max((-(-size // 2) - 1) * 2 + 3 - size, 0)


def a_sum_in_the_first_block(model: Any) -> None:
    model.image.blocks[0].residual = True


HARMS = [
    *(("siglip", harm) for harm in (
        values_and_keys_exchanged, heads_of_the_pool, another_query, a_causal_text, the_first_token_for_the_last,
        an_exact_gelu, no_bias,
    )),
    *(("chinese_clip", harm) for harm in (an_epsilon, the_mean_of_the_text, the_mask_forgotten, no_input_norm)),
    *(("align, odd and narrow", harm) for harm in (as_the_paper_pads, a_sum_in_the_first_block, the_mask_forgotten)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "harm"),
    [(TINY[name], harm) for name, harm in HARMS],
    ids=[f"{name}-{harm.__name__}" for name, harm in HARMS],
)
def test_parity_sees_one_broken_part(
    case: Case, harm: Callable[[Any], None], theirs: nn.Module, folder: Path
):
    ours, _ = load_folder(folder)
    compare(case, theirs, ours)
    harmed = copy.deepcopy(ours)
    harm(harmed)
    with pytest.raises(AssertionError, match="not close"):
        compare(case, theirs, harmed)


def test_an_align_of_the_paper_is_exported_where_the_port_does_the_same(tmp_path):
    """At 64 pixels every map is even; at 79 the two pad in different ways, and an export would be another model."""
    text = BertConfig(50, 32, 2, 4, 48, 20)
    tower = EfficientNetConfig(0.5, 0.5, 64, head=False)
    ours = Align(AlignConfig(tower, text, tower.hidden_size)).eval()
    export_folder(tmp_path, ours)
    theirs = transformers.AlignModel.from_pretrained(tmp_path)
    draw_weights(theirs)
    theirs.eval()
    ours.load_state_dict(
        {
            k: v
            for k, v in architecture_of({"model_type": "align"})
            .keys.to_ours(theirs.state_dict())
            .items()
            if "pooler" not in k
        },
        strict=False,
    )
    compare(Case("align", TEXT, {}, seen=64), theirs, ours)
    odd = Align(AlignConfig(EfficientNetConfig(0.5, 0.5, 79, head=False), text, tower.hidden_size))
    with pytest.raises(NotSupportedError, match="79 pixels"):
        export_folder(tmp_path / "odd", odd)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (AlignConfig(EfficientNetConfig(lite=True, head=False), BertConfig(), 320), "Lite"),
        (AlignConfig(EfficientNetConfig(), BertConfig(), 640), "head or a projection"),
        (AlignConfig(EfficientNetConfig(head=False), BertConfig(), 320, "mean"), "pooling"),
    ],
    ids=["lite", "projection", "pooling"],
)
def test_what_transformers_has_no_form_for_is_said(config, said, tmp_path):
    with torch.device("meta"):
        model = Align(config)
    with pytest.raises(NotSupportedError, match=said):
        export_folder(tmp_path / "exported", model)
    assert not (tmp_path / "exported").exists()
