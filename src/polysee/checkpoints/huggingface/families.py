"""Which of our models a `config.json` of `transformers` describes, and the other way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polysee.checkpoints.huggingface import align, chinese_clip, clip, siglip
from polysee.checkpoints.huggingface.architecture import Architecture
from polysee.checkpoints.huggingface.bert import BERTS
from polysee.checkpoints.huggingface.gpt2 import GPT
from polysee.errors import CheckpointError, NotSupportedError

ARCHITECTURES = (
    align.ARCHITECTURE,
    chinese_clip.ARCHITECTURE,
    clip.ARCHITECTURE,
    GPT,
    siglip.ARCHITECTURE,
    *BERTS,
)


def architecture_of(values: Mapping[str, Any]) -> Architecture:
    """The architecture of a `config.json`.

    Raises:
        CheckpointError: it is none that is known here; what is known is said.
    """
    kind = values.get("model_type")
    known = [a for a in ARCHITECTURES if a.model_type == kind]
    if not known:
        types = ", ".join(sorted({a.model_type for a in ARCHITECTURES}))
        raise CheckpointError(f"unknown model family {kind!r}; of transformers' are known: {types}")
    names = values.get("architectures") or [known[0].names[0]]
    for architecture in known:
        if any(name in architecture.names for name in names):
            return architecture
    every = ", ".join(name for a in known for name in a.names)
    raise CheckpointError(f"unknown architecture {', '.join(names)}; of {kind} are known: {every}")


def architecture_for(config: Any) -> Architecture:
    """The architecture that one of our configs belongs to.

    Raises:
        NotSupportedError: `transformers` has none like it.
    """
    for architecture in ARCHITECTURES:
        if type(config) is architecture.config:
            return architecture
    raise NotSupportedError(f"transformers has no architecture for {type(config).__name__}")
