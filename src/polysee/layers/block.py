"""The Transformer block: attention, then a multilayer perceptron, each added to its input.

Shapes: B batch, T query tokens, S key tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.attention import Attention, Cache


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """x * sigmoid(1.702 x): the approximation of GELU that OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)


def tanh_gelu(x: torch.Tensor) -> torch.Tensor:
    """GELU by its tanh approximation, as in GPT-2 and SigLIP."""
    return nn.functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": nn.functional.gelu,
    "quick_gelu": quick_gelu,
    "tanh_gelu": tanh_gelu,
    "relu": torch.relu,
}


class MLP(nn.Module):
    """Two linear maps with an activation between them, for every token alone.

    Args:
        activation: a key of `ACTIVATIONS`.
    Shapes:
        x: (B, T, D)
        returns: (B, T, D)
    Raises:
        ConfigError: the activation is unknown.
    """

    def __init__(self, hidden_size: int, mlp_size: int, activation: str = "gelu") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(f"unknown activation {activation!r}; one of {', '.join(ACTIVATIONS)}")
        self.expand = nn.Linear(hidden_size, mlp_size)
        self.activation = ACTIVATIONS[activation]
        self.project = nn.Linear(mlp_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(self.activation(self.expand(x)))


class Block(nn.Module):
    """The block with the normalisation before each part, as in GPT-2, ViT and CLIP.

    Xiong et al. 2020 (https://arxiv.org/abs/2002.04745) say why it trains more easily than the original order.

    Shapes:
        x: (B, T, D)
        mask: broadcastable to (B, H, T, S), bool; True means "may attend"
        returns: (B, T, D)
    Example:
        >>> Block(hidden_size=8, num_heads=2, mlp_size=32)(torch.zeros(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        mlp_size: int,
        *,
        activation: str = "gelu",
        norm_epsilon: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size, eps=norm_epsilon)
        self.attention = Attention(hidden_size, num_heads)
        self.mlp_norm = nn.LayerNorm(hidden_size, eps=norm_epsilon)
        self.mlp = MLP(hidden_size, mlp_size, activation)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        cache: Cache | None = None,
    ) -> torch.Tensor:
        attended = self.attention(self.attention_norm(x), mask, causal=causal, cache=cache)
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class PostNormBlock(Block):
    """The block in its first form, normalised after each sum, as in "Attention Is All You Need" and BERT."""

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        cache: Cache | None = None,
    ) -> torch.Tensor:
        attended = self.attention(x, mask, causal=causal, cache=cache)
        x = self.attention_norm(x + self.dropout(attended))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class DecoderBlock(PostNormBlock):
    """The decoder's block of "Attention Is All You Need": between the two parts, attention over what the encoder read.

    Vaswani et al. 2017, section 3.1 (https://arxiv.org/abs/1706.03762).

    Shapes:
        x: (B, T, D)
        memory: (B, S, D), the encoder's output
        mask: broadcastable to (B, H, T, T), over the decoder's own tokens; memory_mask: to (B, H, T, S)
        returns: (B, T, D)
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        mlp_size: int,
        *,
        activation: str = "relu",
        norm_epsilon: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            hidden_size,
            num_heads,
            mlp_size,
            activation=activation,
            norm_epsilon=norm_epsilon,
            dropout=dropout,
        )
        self.cross_attention = Attention(hidden_size, num_heads)
        self.cross_norm = nn.LayerNorm(hidden_size, eps=norm_epsilon)

    def forward(  # type: ignore[override]
        self,
        x: torch.Tensor,
        memory: torch.Tensor,
        mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        *,
        cache: Cache | None = None,
        memory_cache: Cache | None = None,
    ) -> torch.Tensor:
        attended = self.attention(x, mask, causal=True, cache=cache)
        x = self.attention_norm(x + self.dropout(attended))
        crossed = self.cross_attention(x, memory_mask, context=memory, cache=memory_cache)
        x = self.cross_norm(x + self.dropout(crossed))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))
