"""GPT-2: a stack of causal blocks that guesses the next token.

Radford et al. 2019 (https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf),
after Radford et al. 2018, section 3.1. Each token sees itself and what came before it; the vector that the last block
gives it is compared with the vector of every token in the vocabulary, and the likest are the guesses.

Shapes: B batch, T new tokens, S all tokens so far, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.attention import Cache, padding_mask
from polysee.layers.block import Block
from polysee.layers.initialise import initialise
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class GptConfig:
    """The sizes of a GPT; the defaults are those of GPT-2's smallest, with 124 million parameters.

    Args:
        vocab_size: V.
        context_length: the most tokens that it reads, prompt and answer together.
    """

    vocab_size: int = 50257
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    context_length: int = 1024
    activation: str = "tanh_gelu"
    norm_epsilon: float = 1e-5
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )


PRESETS = {
    "gpt2": GptConfig(),
    "gpt2-medium": GptConfig(hidden_size=1024, num_layers=24, num_heads=16, mlp_size=4096),
    "gpt2-large": GptConfig(hidden_size=1280, num_layers=36, num_heads=20, mlp_size=5120),
    "gpt2-xl": GptConfig(hidden_size=1600, num_layers=48, num_heads=25, mlp_size=6400),
}


class Gpt(nn.Module):
    """The language model.

    Shapes:
        tokens: (B, T) int64
        mask: (B, S) bool, True for a real token, over the tokens in the caches and the new ones; all are real when
            absent
        positions: (B, T) int64, where in its text each token stands. By default the columns' numbers, as in the
            reference; a text padded on the left starts at 0 where its `mask` does, see `positions_of`
        caches: one for every block; the new tokens go on from what is in them
        returns: logits (B, T, V), for each token a guess at the one after it
    Raises:
        ConfigError: the text is longer than `context_length`.
    Example:
        >>> small = GptConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> Gpt(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 10])
    """

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.context_length, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
                dropout=config.dropout,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.apply(initialise)
        self._initialise_residuals()

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        positions: torch.Tensor | None = None,
        caches: Sequence[Cache] | None = None,
    ) -> torch.Tensor:
        return self.logits(self.hidden(tokens, mask, positions=positions, caches=caches))

    def hidden(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        positions: torch.Tensor | None = None,
        caches: Sequence[Cache] | None = None,
    ) -> torch.Tensor:
        """What the last block gives, normalised, (B, T, D); the rest as in the class."""
        start = len(caches[0]) if caches else 0
        end = start + tokens.shape[1]
        if end > self.config.context_length:
            raise ConfigError(f"{end} tokens; the model reads {self.config.context_length}")
        place = self.position.weight[start:end] if positions is None else self.position(positions)
        x = self.dropout(self.token(tokens) + place)  # (B, T, D)
        attend = padding_mask(mask)
        for i, block in enumerate(self.blocks):
            x = block(x, attend, causal=True, cache=caches[i] if caches else None)
        return self.norm(x)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Compare with the vector of every token: (..., D) to (..., V)."""
        return F.linear(hidden, self.token.weight)

    def _initialise_residuals(self) -> None:
        """What is added to the stream starts smaller the more is added: GPT-2, section 2.3."""
        deviation = 0.02 / (2 * self.config.num_layers) ** 0.5
        for name, weight in self.named_parameters():
            if name.endswith(("attention.output.weight", "mlp.project.weight")):
                nn.init.normal_(weight, std=deviation)
