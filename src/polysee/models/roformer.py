"""RoFormer: BERT whose attention turns queries and keys by an angle that says where they stand.

Su et al. 2021 (https://arxiv.org/abs/2104.09864). Differs from BERT in that alone: there is no table of positions, so
what attention sees of two tokens is how far apart they are. Here it serves as a teacher
(`checkpoints.roformer_sim`): it reads, and no folder of it is written.

Shapes: B batch, T tokens, H heads, K head size, D hidden size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from polysee.errors import ConfigError, NotSupportedError
from polysee.layers.attention import Attention, Cache, attention, padding_mask
from polysee.layers.block import PostNormBlock
from polysee.layers.initialise import initialise
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class RoformerConfig:
    """The sizes of a RoFormer; the defaults are those of the published base model.

    Args:
        vocab_size: V.
        token_types: kinds of segment.
    """

    vocab_size: int = 50000
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    token_types: int = 2
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % (2 * self.num_heads):
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of twice num_heads {self.num_heads}"
            )


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Turn each two neighbouring numbers of a token by its position times an angle of their own.

    Section 3.4.2, equation 34: the product of two such vectors depends on how far apart the two tokens are.

    Shapes:
        x: (..., T, K), K even
        returns: the same
    Example:
        >>> rotate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))[1].round(decimals=2)
        tensor([0.5400, 0.8400])
    """
    tokens, size = x.shape[-2:]
    powers = torch.arange(0, size, 2, dtype=torch.float32, device=x.device) / size
    place = torch.arange(tokens, dtype=torch.float32, device=x.device)
    angle = torch.outer(place, 10000.0**-powers)  # (T, K / 2)
    cosine, sine = angle.cos(), angle.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], dim=-1)
    return turned.flatten(-2).to(x.dtype)


class RotaryAttention(Attention):
    """Multi-head attention of a whole text to itself, by distance.

    Shapes:
        x: (B, T, D); mask: broadcastable to (B, H, T, T), bool
        returns: (B, T, D)
    Raises:
        NotSupportedError: a context or a cache is given.
    """

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        context: torch.Tensor | None = None,
        cache: Cache | None = None,
    ) -> torch.Tensor:
        if context is not None or cache is not None:
            raise NotSupportedError("rotary attention reads whole texts: no context, no cache")
        query, key, value = (self._split(of(x)) for of in (self.query, self.key, self.value))
        query, key = rotate(torch.stack([query, key]))  # (B, H, T, K) each
        mixed = attention(query, key, value, mask, causal=causal)
        return self.output(mixed.transpose(1, 2).flatten(2))


class Roformer(nn.Module):
    """The encoder: a vector for every token that knows of every other.

    Shapes:
        tokens: (B, T) int64
        mask: (B, T) bool, True for a real token; all are real when absent
        returns: (B, T, D)
    Example:
        >>> small = RoformerConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> Roformer(small)(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: RoformerConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.token_type = nn.Embedding(config.token_types, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            PostNormBlock(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
                dropout=config.dropout,
                attention=RotaryAttention,
            )
            for _ in range(config.num_layers)
        )
        self.apply(initialise)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x = self.dropout(self.norm(self.token(tokens) + self.token_type.weight[0]))
        attend = padding_mask(mask)
        for block in self.blocks:
            x = block(x, attend)
        return x
