"""Chinese-CLIP, as `transformers.ChineseCLIPModel` keeps it: CLIP's picture tower beside a BERT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from polysee.checkpoints.huggingface import bert, clip, pixels, tokenizer
from polysee.checkpoints.huggingface.architecture import Architecture, Inputs
from polysee.checkpoints.keymap import KeyMap, State, within
from polysee.models.bert import BertConfig
from polysee.models.chinese_clip import ChineseClipConfig
from polysee.models.clip import CLIP_VIT_B32

CHINESE_CLIP = KeyMap(
    (*clip.IMAGE, *within("text", "text_model", bert.RULES)),
    unused=(*clip.POSITIONS, "text_model.pooler."),
)


def _read(values: Mapping[str, Any], state: State) -> ChineseClipConfig:
    return ChineseClipConfig(
        replace(CLIP_VIT_B32, **clip.IMAGE_SETTINGS.read(clip.part(values, "vision_config"))),
        BertConfig(**bert.SETTINGS.read(clip.part(values, "text_config"))),
        values.get("projection_dim", ChineseClipConfig.projection_size),
    )


def _write(config: ChineseClipConfig) -> dict[str, Any]:
    return {**clip.write_image(config), "text_config": bert.SETTINGS.write(config.text)}


ARCHITECTURE = Architecture(
    ("ChineseCLIPModel",),
    "chinese_clip",
    ChineseClipConfig,
    CHINESE_CLIP,
    _read,
    _write,
    inputs=Inputs(pixels.CHINESE_CLIP, "ChineseCLIPImageProcessor", tokenizer.BERT),
)
