"""The Transformer: an encoder reads one text, a decoder writes another, for example its translation.

Vaswani et al. 2017, "Attention Is All You Need" (https://arxiv.org/abs/1706.03762).
Differs from the paper: biases on the projections of attention, of which it says nothing.

Shapes: B batch, S tokens that are read, T tokens that are written, D hidden size, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.attention import Cache, padding_mask
from polysee.layers.block import DecoderBlock, PostNormBlock
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes; the defaults are the paper's base model, table 3.

    Args:
        vocab_size: V, of both languages together.
        num_layers: N, of the encoder, and as many of the decoder.
        context_length: the most tokens of either text. Positions are computed, not learnt, so it costs nothing.
    """

    vocab_size: int = 37000
    hidden_size: int = 512
    num_layers: int = 6
    num_heads: int = 8
    mlp_size: int = 2048
    context_length: int = 1024
    activation: str = "relu"
    norm_epsilon: float = 1e-5
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size % self.num_heads or self.hidden_size % 2:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not even, or not a multiple of num_heads {self.num_heads}"
            )


PRESETS = {
    "base": TransformerConfig(),
    "big": TransformerConfig(hidden_size=1024, num_heads=16, mlp_size=4096, dropout=0.3),
}


def sinusoids(positions: torch.Tensor, hidden_size: int) -> torch.Tensor:
    """Where a token stands, as sines and cosines of many wavelengths: section 3.5.

        PE(p, 2i) = sin(p / 10000^(2i / D)),  PE(p, 2i + 1) = cos(p / 10000^(2i / D))

    Shapes:
        positions: (...)
        returns: (..., D), float32
    Example:
        >>> sinusoids(torch.tensor([0]), 4).tolist()
        [[0.0, 1.0, 0.0, 1.0]]
    """
    even = torch.arange(0, hidden_size, 2, device=positions.device, dtype=torch.float32)
    frequency = torch.exp(even * (-math.log(10000.0) / hidden_size))  # (D / 2,)
    angle = positions[..., None].float() * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)  # (..., D)


class Transformer(nn.Module):
    """Encoder and decoder, which share one table of token vectors with the output: section 3.4.

    Shapes:
        source: (B, S) int64, the text that is read
        target: (B, T) int64, the text so far that is written
        source_mask, target_mask: (B, S), (B, T) bool, True for a real token; all are real when absent
        returns: logits (B, T, V), for each token of `target` a guess at the one after it
    Raises:
        ConfigError: a text is longer than `context_length`.
    Example:
        >>> small = TransformerConfig(vocab_size=10, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> Transformer(small)(torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 3, dtype=torch.long)).shape
        torch.Size([2, 3, 10])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(self._blocks(PostNormBlock))
        self.decoder = nn.ModuleList(self._blocks(DecoderBlock))
        self.apply(_initialise)

    def forward(
        self,
        source: torch.Tensor,
        target: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        memory = self.encode(source, source_mask)
        return self.logits(self.decode(target, memory, target_mask, source_mask))

    def encode(self, source: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Read a text, (B, S), in both directions: the memory, (B, S, D)."""
        x, attend = self._embed(source, None, 0), padding_mask(mask)
        for block in self.encoder:
            x = block(x, attend)
        return x

    def decode(
        self,
        target: torch.Tensor,
        memory: torch.Tensor,
        target_mask: torch.Tensor | None = None,
        source_mask: torch.Tensor | None = None,
        *,
        positions: torch.Tensor | None = None,
        caches: Sequence[tuple[Cache, Cache]] | None = None,
    ) -> torch.Tensor:
        """What the last block gives for the tokens that are written, (B, T, D).

        Args:
            target_mask: over the tokens in the caches and the new ones.
            positions: (B, T), where each token stands; the columns' numbers when absent.
            caches: for every block one for its own tokens and one for the memory.
        """
        x = self._embed(target, positions, len(caches[0][0]) if caches else 0)
        attend, attend_memory = padding_mask(target_mask), padding_mask(source_mask)
        for i, block in enumerate(self.decoder):
            own, other = caches[i] if caches else (None, None)
            x = block(x, memory, attend, attend_memory, cache=own, memory_cache=other)
        return x

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Compare with the vector of every token: (..., D) to (..., V)."""
        return F.linear(hidden, self.token.weight)

    def _embed(
        self, tokens: torch.Tensor, positions: torch.Tensor | None, start: int
    ) -> torch.Tensor:
        """Token vectors, multiplied by sqrt(D) (section 3.4), and positions: (B, T, D)."""
        end, size = start + tokens.shape[1], self.config.hidden_size
        if end > self.config.context_length:
            raise ConfigError(f"{end} tokens; the model reads {self.config.context_length}")
        if positions is None:
            positions = torch.arange(start, end, device=tokens.device)
        x = self.token(tokens) * math.sqrt(size)
        return self.dropout(x + sinusoids(positions, size).to(x.dtype))

    def _blocks(self, kind: type[PostNormBlock]) -> list[PostNormBlock]:
        config = self.config
        return [
            kind(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
                dropout=config.dropout,
            )
            for _ in range(config.num_layers)
        ]


def _initialise(module: nn.Module) -> None:
    """Glorot and Bengio's for the maps; token vectors of length about 1, which sqrt(D) brings to order 1 a number."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
