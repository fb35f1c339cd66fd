"""Fresh weights of the Transformers that read and write text."""

from __future__ import annotations

from torch import nn


def initialise(module: nn.Module, deviation: float = 0.02) -> None:
    """Matrices normal with a small deviation, biases zero: as in BERT's and GPT-2's code.

    Used as `model.apply(initialise)`.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=deviation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=deviation)
