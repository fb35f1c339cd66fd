"""ViT, as the files of `transformers.ViTModel` keep it. The pooler, a layer for fine-tuning, is unused."""

from __future__ import annotations

import torch

from polysee.checkpoints.keymap import Fix, KeyMap, Rules

RULES: Rules = (
    ("class_token", "embeddings.cls_token"),
    ("position", "embeddings.position_embeddings"),
    ("patch", "embeddings.patch_embeddings.projection"),
    ("blocks.{}.attention.query", "encoder.layer.{}.attention.attention.query"),
    ("blocks.{}.attention.key", "encoder.layer.{}.attention.attention.key"),
    ("blocks.{}.attention.value", "encoder.layer.{}.attention.attention.value"),
    ("blocks.{}.attention.output", "encoder.layer.{}.attention.output.dense"),
    ("blocks.{}.attention_norm", "encoder.layer.{}.layernorm_before"),
    ("blocks.{}.mlp.expand", "encoder.layer.{}.intermediate.dense"),
    ("blocks.{}.mlp.project", "encoder.layer.{}.output.dense"),
    ("blocks.{}.mlp_norm", "encoder.layer.{}.layernorm_after"),
    ("norm", "layernorm"),
)


def _one_row(value: torch.Tensor) -> torch.Tensor:
    return value.view(1, -1, value.shape[-1])


VIT = KeyMap(
    RULES,
    fixes=(
        Fix("class_token", torch.flatten, _one_row),
        Fix("position", lambda value: value[0], _one_row),
    ),
    unused=("pooler.",),
)
