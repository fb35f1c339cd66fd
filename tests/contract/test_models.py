"""What every registered model promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close

from polysee.checkpoints.folder import CONFIG, WEIGHTS, Card, load_folder, save_folder
from polysee.checkpoints.registry import FAMILIES, FAMILY, build, config_to_dict
from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.align import AlignConfig
from polysee.models.bert import BertClassifierConfig, BertConfig, BertMaskedLMConfig
from polysee.models.chinese_clip import ChineseClipConfig
from polysee.models.clip import ClipConfig, ClipTextConfig
from polysee.models.dalle import DalleConfig
from polysee.models.dvae import DvaeConfig, GumbelDvaeConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.models.gpt import GptConfig
from polysee.models.judge import JudgeConfig
from polysee.models.matcher import MatcherConfig
from polysee.models.siglip import SiglipConfig, SiglipTextConfig
from polysee.models.transformer import TransformerConfig
from polysee.models.vit import ViTConfig

CONTEXT, VOCABULARY, END = 9, 30, 29
BERT = BertConfig(VOCABULARY, 16, 2, 2, 24, CONTEXT)
NET = EfficientNetConfig(0.25, 0.25)
VIT = ViTConfig(16, 8, 16, 2, 2, 24)
DALLE = DalleConfig(
    DvaeConfig(16, 2, 16, 1, (4, 3)),
    VOCABULARY,
    CONTEXT,
    16,
    3,
    2,
    24,
    ("row", "column"),
    "neighbourhood",
    1,
)
CLIP_TEXT = ClipTextConfig(VOCABULARY, 16, 2, 2, 24, CONTEXT, END)


@dataclass(frozen=True)
class Case:
    """A small config of a family, how its module reads, and changes of the config that no network can have."""

    config: Any
    pictures: Callable[[Any, torch.Tensor], torch.Tensor] | None
    picture_size: tuple[int, int] = (16, 16)
    texts: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    wrong: tuple[dict[str, Any], ...] = ()


def towers(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return model.encode_image(pixels)


def sentences(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.encode_text(tokens, mask)


def token_by_token(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Padding's own vectors are nobody's business."""
    return (model(tokens, mask) * mask[..., None]).flatten(1)


def continued(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The same text is read and written."""
    return (model(tokens, tokens, mask, mask) * mask[..., None]).flatten(1)


def filled_up(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Texts as SigLIP's tokenizer fills them up: the filling is read, so it has to be the right one."""
    tokens = nn.functional.pad(tokens * mask, (0, max(0, CONTEXT - tokens.shape[1])))
    return model.encode_text(tokens)


def drawn(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The guesses at a picture; they depend on the whole text."""
    codes = torch.arange(16).expand(len(tokens), -1) % 12
    return model(tokens, mask, codes).codes.flatten(1)


def matched(model: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The states of tokens are no part of the model: here they follow from their numbers."""
    states = torch.sin(tokens[..., None] * torch.arange(1, 7))  # (B, T, S)
    maps = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(2))
    return model(maps.expand(len(tokens), -1, -1, -1), states[:, None], mask[:, None])


TEXT_SIZES = (VOCABULARY, 16, 2, 2, 24, CONTEXT)
SCALES = ({"initial_temperature": 0.0}, {"initial_temperature": float("nan")})
CASES = {
    "align": Case(
        AlignConfig(NET, BERT, 24, "mean"), towers, (32, 48), sentences,
        ({"projection_size": 0}, {"pooling": "max"}, *SCALES),
    ),
    "align by its first token": Case(AlignConfig(NET, BERT, 24, "first"), towers, (32, 32), sentences),
    "bert": Case(
        BERT, None, texts=token_by_token,
        wrong=({"num_heads": 3}, {"num_heads": 0}, {"vocab_size": 0}, {"hidden_size": -16}, {"mlp_size": 2.5},
               {"activation": "none"}, {"norm_epsilon": float("inf")}),
    ),
    "bert with a pooler": Case(replace(BERT, pooler=True), None, texts=token_by_token),
    "bert-classifier": Case(
        BertClassifierConfig(*TEXT_SIZES, labels=("a", "b", "c")), None,
        texts=lambda model, tokens, mask: model(tokens, mask),
        wrong=({"labels": ("a",)}, {"labels": ("a", "a")}, {"pooler": False}),
    ),
    "bert-masked-lm": Case(BertMaskedLMConfig(*TEXT_SIZES), None, texts=token_by_token),
    "gpt": Case(GptConfig(*TEXT_SIZES), None, texts=token_by_token, wrong=({"num_heads": 3}, {"vocab_size": 0})),
    "transformer": Case(
        TransformerConfig(*TEXT_SIZES), None, texts=continued, wrong=({"num_heads": 3}, {"hidden_size": 15}),
    ),
    "clip": Case(
        ClipConfig(replace(VIT, input_norm=True, patch_bias=False), CLIP_TEXT, 12), towers, texts=sentences,
        wrong=({"projection_size": -1}, {"image": replace(VIT, class_token=False)}, *SCALES),
    ),
    "chinese-clip": Case(
        ChineseClipConfig(replace(VIT, input_norm=True, patch_bias=False), BERT, 12), towers, texts=sentences,
        wrong=({"projection_size": 0}, {"image": replace(VIT, class_token=False)}, *SCALES),
    ),
    "siglip": Case(
        SiglipConfig(replace(VIT, class_token=False), SiglipTextConfig(*TEXT_SIZES)), towers, texts=filled_up,
        wrong=({"image": VIT}, *SCALES),
    ),
    "dalle": Case(
        DALLE, None, texts=drawn,
        wrong=({"num_heads": 3}, {"patterns": ()}, {"patterns": ("rows",)}, {"last_pattern": "diagonal"}),
    ),
    "dvae": Case(
        DvaeConfig(16, 2, 16, 1, (5, 4, 3)), lambda model, pixels: model(pixels).pixels.flatten(1),
        wrong=({"image_size": 18}, {"hidden_size": 15}, {"levels": ()}, {"levels": (5, 1)}, {"num_layers": 0}),
    ),
    "dvae-gumbel": Case(
        GumbelDvaeConfig(16, 2, 16, 1, 20, 8), lambda model, pixels: model(pixels).pixels.flatten(1),
        wrong=({"image_size": 18}, {"hidden_size": 15}, {"num_codes": 0}),
    ),
    "judge": Case(
        JudgeConfig(("dog", "cat", "hat"), ("red", "blue"), ("sad",), ("on", "under"), 64, 8, 16, 1),
        lambda model, pixels: model(pixels), (64, 64),
        wrong=({"image_size": 72}, {"hidden_size": 15}, {"concepts": ()}, {"colours": ("red", "red")}),
    ),
    "matcher": Case(
        MatcherConfig("0123", (1, 2), 5, 4, 64, 6, CONTEXT, 16, 1, 1, 2, 2, 24), None, texts=matched,
        wrong=({"num_heads": 3}, {"grid_size": 3}, {"cuts": (20, 15)}, {"channels": 0}),
    ),
    "efficientnet": Case(
        NET, lambda model, pixels: model(pixels).pooled, (40, 33),
        wrong=({"width": 0.0}, {"depth": -1.0}, {"depth": 1e9}, {"width": float("nan")}),
    ),
    "efficientnet, lite and headless": Case(
        replace(NET, lite=True, head=False), lambda model, pixels: model(pixels).map.flatten(1), (32, 64)
    ),
    "efficientnet, as ported and of few stages": Case(
        replace(NET, as_ported=True, head=False, stages=((1, 3, 1, 1, 16), (2, 5, 2, 6, 24))),
        lambda model, pixels: model(pixels).pooled, (41, 33),
        wrong=({"stages": ()}, {"stages": ((1, 3, 1, 1),)}, {"stages": ((1, 3, 0, 1, 16),)},
               {"stages": ((10**9, 3, 1, 1, 16),)}),
    ),
    "vit": Case(
        VIT, lambda model, pixels: model(pixels).flatten(1),
        wrong=({"patch_size": 5}, {"patch_size": 0}, {"num_layers": 0}, {"num_layers": 10**9}, {"num_heads": 5}),
    ),
    "vit without a class token": Case(
        replace(VIT, class_token=False), lambda model, pixels: model(pixels).flatten(1)
    ),
}  # fmt: skip
READS_TEXT = [name for name, case in CASES.items() if case.texts]
READS_PICTURES = [name for name, case in CASES.items() if case.pictures]


def module_of(config: Any) -> nn.Module:
    return build(config_to_dict(config))


def made(name: str) -> tuple[Case, Any]:
    """A case and its module, every number of it drawn, in eval mode."""
    case = CASES[name]
    torch.manual_seed(0)
    model = module_of(case.config).eval()  # nothing is dropped out
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if value.is_floating_point() and value.ndim:
                noise = torch.randn_like(value) * (
                    0.3 if value.ndim == 1 else value[0].numel() ** -0.5
                )
                positive = key.endswith(("norm.weight", "running_var"))
                value.copy_(1 + noise.abs() if positive else noise)
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in (
            norms
        ):  # statistics of random pictures: with drawn ones, every picture would give the same
            norm.train().momentum = 1.0
        if norms and case.pictures:
            case.pictures(model, torch.randn(6, 3, 64, 64))
        for norm in norms:
            norm.num_batches_tracked.zero_()  # a counter that no model reads, and no folder keeps
    return case, model.eval()


def a_text(length: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, END, (length,), generator=draw)
    tokens[-1] = END
    return tokens


def batch_of(*texts: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded on the right, not with zeros alone: what stands under the padding may not matter."""
    tokens = torch.full((len(texts), length), 7)
    mask = torch.zeros(len(texts), length, dtype=torch.bool)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
        mask[row, : len(text)] = True
    return tokens, mask


def pictures_of(case: Case, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, *case.picture_size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_every_family_has_a_case():
    assert {config_to_dict(case.config)[FAMILY] for case in CASES.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", CASES)
def test_a_config_is_the_same_after_json(name):
    config = CASES[name].config
    values = json.loads(json.dumps(config_to_dict(config)))
    assert build(values).config == config


@pytest.mark.parametrize(
    ("name", "wrong"),
    [(name, wrong) for name, case in CASES.items() for wrong in case.wrong],
    ids=str,
)
def test_sizes_that_no_network_can_have_are_refused(name, wrong):
    (key, value), config = next(iter(wrong.items())), CASES[name].config
    module = FAMILIES[config_to_dict(config)[FAMILY]].module
    with pytest.raises(
        ConfigError, match=key.removeprefix("initial_") if key != "image" else "class token"
    ):
        module(replace(config, **wrong))
    values = config_to_dict(config)
    if key != "image":
        with pytest.raises(CheckpointError, match=values[FAMILY]):
            build({**values, key: value})


@pytest.mark.parametrize("name", CASES)
def test_values_of_the_wrong_kind_are_named(name):
    values = config_to_dict(CASES[name].config)
    for key, value in values.items():
        if key != FAMILY:
            wrong = "many" if not isinstance(value, str) else 3
            with pytest.raises(CheckpointError, match=key):
                build({**values, key: wrong})
    with pytest.raises(CheckpointError, match="unknown key colour"):
        build({**values, "colour": 1})


@pytest.mark.parametrize("name", CASES)
def test_a_folder_gives_back_every_bit(name, tmp_path):
    case, model = made(name)
    card = Card(
        PixelRecipe(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", "crop"),
        ("a {}", "一张{}"),
        "MIT",
    )
    save_folder(tmp_path / "full", model, card, half=False)
    loaded, loaded_card = load_folder(tmp_path / "full")
    assert (loaded.config, loaded_card) == (case.config, card)
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    if case.texts:
        text = batch_of(a_text(5), length=5)
        assert torch.equal(case.texts(loaded, *text), case.texts(model, *text))
    if case.pictures:
        assert torch.equal(
            case.pictures(loaded, pictures_of(case)), case.pictures(model, pictures_of(case))
        )


@pytest.mark.parametrize("name", CASES)
def test_half_precision_costs_no_more_than_rounding(name, tmp_path):
    _, model = made(name)
    save_folder(tmp_path, model, Card())
    state = load_file(tmp_path / WEIGHTS)
    assert {value.dtype for value in state.values()} == {torch.float16}
    loaded, _ = load_folder(tmp_path)
    for key, value in loaded.state_dict().items():
        assert value.dtype == model.state_dict()[key].dtype, key
        assert_close(value, model.state_dict()[key], rtol=2**-11, atol=2**-24)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("harm", ["missing", "left over", "misshapen"])
def test_tensors_that_do_not_fit_are_named(name, harm, tmp_path):
    _, model = made(name)
    save_folder(tmp_path, model, Card())
    state = load_file(tmp_path / WEIGHTS)
    key = max(state, key=lambda key: state[key].ndim)
    if harm == "missing":
        del state[key]
    elif harm == "left over":
        key = "lora.weight"
        state[key] = torch.zeros(2)
    else:
        state[key] = torch.zeros(1, 1)
    save_file(state, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=harm) as raised:
        load_folder(tmp_path)
    assert key in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("name", READS_PICTURES)
def test_pictures_are_read_one_by_one(name):
    case, model = made(name)
    pixels = pictures_of(case)
    together = case.pictures(model, pixels)
    assert torch.equal(together, case.pictures(model, pixels))  # the same every time
    assert together.isfinite().all()
    assert (together[0] - together[1]).abs().max() > 1e-2
    assert_close(torch.cat([case.pictures(model, one[None]) for one in pixels]), together)


@pytest.mark.parametrize("name", READS_TEXT)
def test_texts_are_read_one_by_one_at_any_length_and_padding(name):
    case, model = made(name)
    texts = [a_text(1), a_text(2, 1), a_text(5, 2), a_text(CONTEXT, 3)]
    tokens, mask = batch_of(*texts, length=CONTEXT)
    together = case.texts(model, tokens, mask)
    assert torch.equal(together, case.texts(model, tokens, mask))
    for row, text in enumerate(texts):
        alone = case.texts(model, *batch_of(text, length=len(text)))[0]
        assert_close(together[row, : len(alone)], alone)
        assert not together[row, len(alone) :].any()
    other = tokens.masked_fill(~mask, 3)
    assert_close(case.texts(model, other, mask), together)
    assert (together[2] - together[3]).abs().max() > 1e-2


@pytest.mark.parametrize("name", READS_TEXT)
def test_a_text_that_is_too_long_is_refused(name):
    case, model = made(name)
    with pytest.raises(ConfigError, match=f"{CONTEXT + 1} tokens; the model reads {CONTEXT}"):
        case.texts(model, *batch_of(a_text(CONTEXT + 1), length=CONTEXT + 1))


@pytest.mark.parametrize("name", ["vit", "clip", "dvae"])
def test_pictures_of_another_size_are_refused(name):
    case, model = made(name)
    with pytest.raises(ConfigError, match="reads 16x16 pixels, not 16x24"):
        case.pictures(model, torch.zeros(1, 3, 16, 24))


def test_a_config_that_asks_for_the_moon_allocates_nothing(tmp_path: Path):
    _, model = made("bert")
    save_folder(tmp_path, model, Card())
    config = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    config["vocab_size"] = 10**13
    (tmp_path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"embeddings\.token\.weight is misshapen"):
        load_folder(tmp_path)
