"""ALIGN as `transformers.AlignModel` keeps it: it divides by a temperature where ours multiplies by a scale."""

from __future__ import annotations

import torch

from polysee.checkpoints.huggingface import bert, efficientnet
from polysee.checkpoints.keymap import Fix, KeyMap, within


def _temperature_to_log_scale(temperature: torch.Tensor) -> torch.Tensor:
    return -temperature.log()


def _log_scale_to_temperature(log_scale: torch.Tensor) -> torch.Tensor:
    return (-log_scale).exp()


ALIGN = KeyMap(
    (
        ("log_scale", "temperature"),
        ("text_projection", "text_projection"),
        *within("image", "vision_model", efficientnet.RULES),
        *within("text", "text_model", bert.RULES),
    ),
    fixes=(Fix("log_scale", _temperature_to_log_scale, _log_scale_to_temperature),),
    unused=("text_model.pooler.", "text_model.embeddings.position_ids"),
)
