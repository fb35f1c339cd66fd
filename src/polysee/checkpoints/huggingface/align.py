"""ALIGN as `transformers.AlignModel` keeps it: it divides by a temperature where ours multiplies by a scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from polysee.checkpoints.huggingface import bert, efficientnet, pixels, tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Inputs, Settings
from polysee.checkpoints.huggingface.clip import part
from polysee.checkpoints.keymap import Fix, KeyMap, State, within
from polysee.errors import CheckpointError, NotSupportedError
from polysee.models.align import AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import STEM_CHANNELS, EfficientNetConfig


def _temperature_to_log_scale(temperature: torch.Tensor) -> torch.Tensor:
    return -temperature.double().log().to(temperature.dtype)


def _log_scale_to_temperature(log_scale: torch.Tensor) -> torch.Tensor:
    """The temperature that is read back as this very scale: the exponential, or one of its neighbours."""
    nearest = (-log_scale.double()).exp().to(log_scale.dtype)
    above = below = nearest
    for _ in range(_NEIGHBOURS):
        for candidate in (above, below):
            if torch.equal(_temperature_to_log_scale(candidate), log_scale):
                return candidate
        above = torch.nextafter(above, torch.full_like(above, torch.inf))
        below = torch.nextafter(below, torch.zeros_like(below))
    return nearest


_NEIGHBOURS = 8

ALIGN = KeyMap(
    (
        ("log_scale", "temperature"),
        ("text_projection", "text_projection"),
        *within("image", "vision_model", efficientnet.RULES),
        *within("text", "text_model", (*bert.RULES, ("pooler", "pooler.dense"))),
    ),
    fixes=(Fix("log_scale", _temperature_to_log_scale, _log_scale_to_temperature),),
    unused=("text_model.embeddings.position_ids",),
)

_SETTINGS = Settings(
    (
        ("width", "width_coefficient"),
        ("depth", "depth_coefficient"),
        ("image_size", "image_size"),
        ("squeeze_ratio", "squeeze_expansion_ratio"),
        ("norm_epsilon", "batch_norm_eps"),
    ),
    expected={
        "num_channels": 3,
        "depth_divisor": 8,
        "depthwise_padding": [],
        "hidden_act": "swish",
        "pooling_type": "mean",
    },
)
# In the order of our stages: repeats, kernel, stride, expansion, output channels.
_STAGES = ("num_block_repeats", "kernel_sizes", "strides", "expand_ratios", "out_channels")
_DEFAULTS = {"width": 2.0, "depth": 3.1, "image_size": 600}


def _read(values: Mapping[str, Any], state: State) -> AlignConfig:
    tower = _read_tower(part(values, "vision_config"))
    pooler = "text_model.pooler.dense.weight" in state
    text = BertConfig(**bert.SETTINGS.read(part(values, "text_config")), pooler=pooler)
    size = values.get("projection_dim", AlignConfig.projection_size)
    if size != tower.hidden_size:
        raise CheckpointError(f"projection_dim {size} is not the pictures' {tower.hidden_size}")
    return AlignConfig(tower, text, size, "first")


def _read_tower(values: Mapping[str, Any]) -> EfficientNetConfig:
    settings = {**_DEFAULTS, **_SETTINGS.read(values)}
    columns = [
        values.get(name, [stage[i] for stage in EfficientNetConfig.stages])
        for i, name in enumerate(_STAGES)
    ]
    stages = tuple(zip(*columns, strict=True))
    inputs = [STEM_CHANNELS, *(stage[-1] for stage in stages[:-1])]
    if list(values.get("in_channels", inputs)) != inputs:
        raise CheckpointError(f"in_channels {values['in_channels']} do not follow out_channels")
    return EfficientNetConfig(**settings, head=False, stages=stages, as_ported=True)


def _write(config: AlignConfig) -> dict[str, Any]:
    image = config.image
    if reason := _foreign(config):
        raise NotSupportedError(f"transformers' ALIGN has no such form: {reason}")
    columns = [list(column) for column in zip(*image.stages, strict=True)]
    vision = {
        **_SETTINGS.write(image),
        **dict(zip(_STAGES, columns, strict=True)),
        "in_channels": [STEM_CHANNELS, *columns[-1][:-1]],
        "hidden_dim": image.hidden_size,
    }
    return {
        "projection_dim": config.projection_size,
        "temperature_init_value": config.initial_temperature,
        "vision_config": vision,
        "text_config": bert.SETTINGS.write(config.text),
    }


def _foreign(config: AlignConfig) -> str:
    """What of a model transformers' ALIGN cannot be told; empty if nothing."""
    image = config.image
    if image.lite:
        return "the pictures' tower is an EfficientNet-Lite"
    if image.head or config.projection_size != image.hidden_size:
        return "the pictures have a head or a projection"
    if config.classes:
        return "a classifier's opinion is part of the pictures' vectors"
    if config.pooling != "first":
        return f"the text's pooling is {config.pooling!r}"
    if not image.as_ported and not _same_when_ported(image):
        return f"at {image.image_size} pixels it pads its convolutions in another way"
    return ""


def _same_when_ported(image: EfficientNetConfig) -> bool:
    """Whether the two rules of `EfficientNetConfig.as_ported` make no difference to this network."""
    size, channels = image.image_size, image.stem_channels
    steps = [(2, 0), *((stage[2], image.channels(stage[-1])) for stage in image.stages)]
    for stride, made in steps:
        if (stride == 2 and size % 2) or (stride == 1 and made == channels):
            return False
        size, channels = math.ceil(size / stride), made or channels
    return True


ARCHITECTURE = Architecture(
    ("AlignModel",),
    "align",
    AlignConfig,
    ALIGN,
    _read,
    _write,
    inputs=Inputs(pixels.ALIGN, "EfficientNetImageProcessor", tokenizer.BERT),
)
