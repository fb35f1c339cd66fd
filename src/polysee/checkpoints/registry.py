"""From a `config.json` to a module, and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from polysee.errors import CheckpointError, ConfigError
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import (
    Bert,
    BertClassifier,
    BertClassifierConfig,
    BertConfig,
    BertMaskedLM,
    BertMaskedLMConfig,
)
from polysee.models.chinese_clip import ChineseClip, ChineseClipConfig
from polysee.models.clip import Clip, ClipConfig
from polysee.models.dalle import Dalle, DalleConfig
from polysee.models.dvae import Dvae, DvaeConfig, GumbelDvae, GumbelDvaeConfig
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.judge import Judge, JudgeConfig
from polysee.models.matcher import Matcher, MatcherConfig
from polysee.models.siglip import Siglip, SiglipConfig
from polysee.models.transformer import Transformer, TransformerConfig
from polysee.models.vit import ViT, ViTConfig

FAMILY = "polysee_family"


@dataclass(frozen=True)
class Family:
    """One architecture: its config class and its module."""

    config: type
    module: Callable[[Any], nn.Module]


FAMILIES = {
    "align": Family(AlignConfig, Align),
    "bert": Family(BertConfig, Bert),
    "bert-classifier": Family(BertClassifierConfig, BertClassifier),
    "bert-masked-lm": Family(BertMaskedLMConfig, BertMaskedLM),
    "chinese-clip": Family(ChineseClipConfig, ChineseClip),
    "clip": Family(ClipConfig, Clip),
    "dalle": Family(DalleConfig, Dalle),
    "dvae": Family(DvaeConfig, Dvae),
    "dvae-gumbel": Family(GumbelDvaeConfig, GumbelDvae),
    "efficientnet": Family(EfficientNetConfig, EfficientNet),
    "gpt": Family(GptConfig, Gpt),
    "judge": Family(JudgeConfig, Judge),
    "matcher": Family(MatcherConfig, Matcher),
    "siglip": Family(SiglipConfig, Siglip),
    "transformer": Family(TransformerConfig, Transformer),
    "vit": Family(ViTConfig, ViT),
}


def build(values: dict[str, Any]) -> nn.Module:
    """Make the module that a `config.json` describes, with fresh weights.

    Raises:
        CheckpointError: the family is unknown, or a value is unknown or of the wrong kind.
    """
    values = dict(values)
    name = values.pop(FAMILY, None)
    if not isinstance(name, str) or name not in FAMILIES:
        kind = name or values.get("model_type")
        raise CheckpointError(f"unknown model family {kind!r}; one of {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    try:
        return family.module(_make(family.config, values))
    except (TypeError, ConfigError) as error:
        raise CheckpointError(f"config of family {name}: {error}") from error


def config_to_dict(config: Any) -> dict[str, Any]:
    """A config as the JSON object that `build` reads."""
    for name, family in FAMILIES.items():
        if type(config) is family.config:
            return {FAMILY: name, **dataclasses.asdict(typing.cast(Any, config))}
    raise CheckpointError(f"not a registered config: {type(config).__name__}")


def _make(cls: type, values: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    known = {f.name for f in dataclasses.fields(cls)}
    if unknown := values.keys() - known:
        raise TypeError(f"unknown key {', '.join(sorted(unknown))}")
    made: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        others = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        if isinstance(hint, types.UnionType) and len(others) == 1:  # of a part that may be absent
            if value is None:
                made[name] = None
                continue
            hint = others[0]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise TypeError(f"{name} must be an object, not {value!r}")
            value = _make(typing.cast(type, hint), value)
        elif typing.get_origin(hint) is tuple:
            if not isinstance(value, list | tuple):
                raise TypeError(f"{name} must be a list, not {value!r}")
            value = _tuple(value)
        elif hint in (int, float, bool, str) and not _is_a(value, hint):
            raise TypeError(f"{name} must be {hint.__name__}, not {value!r}")
        made[name] = value
    return cls(**made)


def _tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    """JSON knows lists alone; what a config holds is fixed."""
    return tuple(_tuple(value) if isinstance(value, list | tuple) else value for value in values)


def _is_a(value: Any, kind: type) -> bool:
    """Whether a JSON value is of a kind; every whole number is a float, and no bool is a number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (kind is float and isinstance(value, int))
