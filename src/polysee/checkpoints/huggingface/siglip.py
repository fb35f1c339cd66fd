"""SigLIP and SigLIP 2 of a fixed resolution, both of which `transformers` keeps as `SiglipModel`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from polysee.checkpoints.huggingface import clip, pixels, tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Inputs
from polysee.checkpoints.keymap import Fix, Join, KeyMap, State, within
from polysee.errors import CheckpointError
from polysee.models.siglip import SIGLIP_VIT_B16, SiglipConfig, SiglipTextConfig

_HEAD = "vision_model.head"
_QUERY_KEY_VALUE = tuple(f"image_pool.attention.{part}" for part in ("query", "key", "value"))


def _number(value: torch.Tensor) -> torch.Tensor:
    if value.shape not in ((1,), ()):
        raise ValueError("one number is expected")
    return value.reshape(())


def _row(value: torch.Tensor) -> torch.Tensor:
    return value.reshape(1)


def _query(value: torch.Tensor) -> torch.Tensor:
    return value.reshape(1, 1, -1)


SIGLIP = KeyMap(
    (
        ("log_scale", "logit_scale"),
        ("bias", "logit_bias"),
        ("image.patch", "vision_model.embeddings.patch_embedding"),
        ("image.position", "vision_model.embeddings.position_embedding.weight"),
        ("image.norm", "vision_model.post_layernorm"),
        *within("image.blocks.{}", "vision_model.encoder.layers.{}", clip.BLOCK),
        ("image_pool.query", f"{_HEAD}.probe"),
        ("image_pool.attention.qkv.weight", f"{_HEAD}.attention.in_proj_weight"),
        ("image_pool.attention.qkv.bias", f"{_HEAD}.attention.in_proj_bias"),
        ("image_pool.attention.output", f"{_HEAD}.attention.out_proj"),
        ("image_pool.norm", f"{_HEAD}.layernorm"),
        ("image_pool.mlp.expand", f"{_HEAD}.mlp.fc1"),
        ("image_pool.mlp.project", f"{_HEAD}.mlp.fc2"),
        ("text_projection", "text_model.head"),
        *clip.TEXT,
    ),
    fixes=(
        Fix("log_scale", _number, _row),
        Fix("bias", _number, _row),
        Fix("image_pool.query", torch.flatten, _query),
    ),
    joins=(Join("image_pool.attention.qkv", _QUERY_KEY_VALUE),),
    unused=clip.POSITIONS,
)

_VOCAB_SIZE = 32000  # transformers' default; SigLIP 2 has more words than SigLIP


def _read(values: Mapping[str, Any], state: State) -> SiglipConfig:
    vision, text = clip.part(values, "vision_config"), clip.part(values, "text_config")
    image = replace(SIGLIP_VIT_B16, **clip.IMAGE_SETTINGS.read(vision))
    if not vision.get("vision_use_head", True):
        raise CheckpointError("vision_use_head is off: the pictures have no embedding")
    size = text.get("projection_size") or text.get("hidden_size", SiglipTextConfig.hidden_size)
    if size != image.hidden_size:
        raise CheckpointError(
            f"the text's projection_size {size} is not the pictures' hidden_size {image.hidden_size}"
        )
    sizes = {"vocab_size": _VOCAB_SIZE, **clip.TEXT_SETTINGS.read(text)}
    return SiglipConfig(image, SiglipTextConfig(**sizes))


def _write(config: SiglipConfig) -> dict[str, Any]:
    text = {**clip.TEXT_SETTINGS.write(config.text), "projection_size": config.projection_size}
    return {"vision_config": clip.IMAGE_SETTINGS.write(config.image), "text_config": text}


ARCHITECTURE = Architecture(
    ("SiglipModel",),
    "siglip",
    SiglipConfig,
    SIGLIP,
    _read,
    _write,
    inputs=Inputs(pixels.SIGLIP, "SiglipImageProcessor", tokenizer.GEMMA),
)
