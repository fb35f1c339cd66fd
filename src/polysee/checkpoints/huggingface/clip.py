"""CLIP, as `transformers.CLIPModel` keeps it: OpenAI's, LAION's and those of many others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from polysee.checkpoints.huggingface import pixels, tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Inputs, Settings
from polysee.checkpoints.keymap import KeyMap, Rules, State, within
from polysee.errors import NotSupportedError
from polysee.models.clip import CLIP_VIT_B32, ClipConfig, ClipTextConfig

BLOCK: Rules = (
    ("attention.query", "self_attn.q_proj"),
    ("attention.key", "self_attn.k_proj"),
    ("attention.value", "self_attn.v_proj"),
    ("attention.output", "self_attn.out_proj"),
    ("attention_norm", "layer_norm1"),
    ("mlp.expand", "mlp.fc1"),
    ("mlp.project", "mlp.fc2"),
    ("mlp_norm", "layer_norm2"),
)

# The picture tower, which Chinese-CLIP shares, and what stands beside both towers.
IMAGE: Rules = (
    ("log_scale", "logit_scale"),
    ("image.class_token", "vision_model.embeddings.class_embedding"),
    ("image.patch", "vision_model.embeddings.patch_embedding"),
    ("image.position", "vision_model.embeddings.position_embedding.weight"),
    ("image.input_norm", "vision_model.pre_layrnorm"),  # so spelt there
    ("image.norm", "vision_model.post_layernorm"),
    *within("image.blocks.{}", "vision_model.encoder.layers.{}", BLOCK),
    ("image_projection", "visual_projection"),
    ("text_projection", "text_projection"),
)

TEXT: Rules = (
    ("text.token", "text_model.embeddings.token_embedding"),
    ("text.position", "text_model.embeddings.position_embedding.weight"),
    ("text.norm", "text_model.final_layer_norm"),
    *within("text.blocks.{}", "text_model.encoder.layers.{}", BLOCK),
)

POSITIONS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")

CLIP = KeyMap((*IMAGE, *TEXT), unused=POSITIONS)

_TRANSFORMER: Rules = (
    ("hidden_size", "hidden_size"),
    ("num_layers", "num_hidden_layers"),
    ("num_heads", "num_attention_heads"),
    ("mlp_size", "intermediate_size"),
    ("activation", "hidden_act"),
    ("norm_epsilon", "layer_norm_eps"),
)
IMAGE_SETTINGS = Settings(
    (("image_size", "image_size"), ("patch_size", "patch_size"), *_TRANSFORMER),
    expected={"num_channels": 3},
)
TEXT_SETTINGS = Settings(
    (("vocab_size", "vocab_size"), ("context_length", "max_position_embeddings"), *_TRANSFORMER)
)

# What files from before transformers 4.31 say in place of the end token: take the highest number, as CLIP's code does.
_OLD_END = 2


def part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The settings of one tower; where a file has them twice, transformers takes those in `NAME_dict`."""
    return values.get(f"{name}_dict") or values.get(name) or {}


def _read(values: Mapping[str, Any], state: State) -> ClipConfig:
    text = part(values, "text_config")
    end = text.get("eos_token_id", ClipTextConfig.end_token)
    return ClipConfig(
        replace(CLIP_VIT_B32, **IMAGE_SETTINGS.read(part(values, "vision_config"))),
        ClipTextConfig(**TEXT_SETTINGS.read(text), end_token=None if end == _OLD_END else end),
        values.get("projection_dim", ClipConfig.projection_size),
    )


def _write(config: ClipConfig) -> dict[str, Any]:
    end = config.text.end_token
    if end == _OLD_END:
        raise NotSupportedError(
            f"the texts end in token {end}, by which transformers knows files that say nothing of it"
        )
    text = {**TEXT_SETTINGS.write(config.text), "eos_token_id": _OLD_END if end is None else end}
    return {**write_image(config), "text_config": text}


def write_image(config: Any) -> dict[str, Any]:
    """The settings of the picture tower, and what stands beside both towers."""
    return {
        "projection_dim": config.projection_size,
        "logit_scale_init_value": -math.log(config.initial_temperature),
        "vision_config": IMAGE_SETTINGS.write(config.image),
    }


ARCHITECTURE = Architecture(
    ("CLIPModel",),
    "clip",
    ClipConfig,
    CLIP,
    _read,
    _write,
    inputs=Inputs(pixels.CLIP, "CLIPImageProcessor", tokenizer.CLIP),
)
