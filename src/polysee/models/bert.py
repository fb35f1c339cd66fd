"""BERT: a stack of blocks that reads the whole text in both directions.

Devlin et al. 2019 (https://arxiv.org/abs/1810.04805).

Shapes: B batch, T tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.attention import padding_mask
from polysee.layers.block import PostNormBlock
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT; the defaults are BERT-base's.

    Args:
        vocab_size: V.
        context_length: the most tokens that it reads.
        token_types: kinds of segment ("sentence A", "sentence B").
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    context_length: int = 512
    token_types: int = 2
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )


class BertEmbeddings(nn.Module):
    """Token, position and segment vectors, summed and normalised.

    Shapes:
        tokens, token_types: (B, T)
        returns: (B, T, D)
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Embedding(config.context_length, config.hidden_size)
        self.token_type = nn.Embedding(config.token_types, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor | None = None
    ) -> torch.Tensor:
        position = self.position.weight[: tokens.shape[1]]  # (T, D)
        kind = self.token_type.weight[0] if token_types is None else self.token_type(token_types)
        return self.dropout(self.norm(self.token(tokens) + position + kind))


class Bert(nn.Module):
    """The encoder: a vector for every token that knows of every other.

    Shapes:
        tokens: (B, T) int64, T <= `context_length`
        mask: (B, T) bool, True for a real token; all are real when absent
        token_types: (B, T) int64, segment 0 when absent
        returns: (B, T, D)
    Raises:
        ConfigError: the text is longer than `context_length`.
    Example:
        >>> small = BertConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> Bert(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.blocks = nn.ModuleList(
            PostNormBlock(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
                dropout=config.dropout,
            )
            for _ in range(config.num_layers)
        )
        self.apply(_initialise)

    def forward(
        self,
        tokens: torch.Tensor,
        mask: torch.Tensor | None = None,
        token_types: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if tokens.shape[1] > self.config.context_length:
            raise ConfigError(
                f"{tokens.shape[1]} tokens; the model reads {self.config.context_length}"
            )
        x = self.embeddings(tokens, token_types)
        attend = padding_mask(mask)
        for block in self.blocks:
            x = block(x, attend)
        return x


def _initialise(module: nn.Module) -> None:
    """Normal with deviation 0.02, biases zero: section A.2 of the paper's code."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
