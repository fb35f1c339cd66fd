"""Attention: every token takes a weighted mixture of the tokens it may attend to.

Shapes: B batch, T query tokens, S key tokens, D hidden size, H heads, K head size.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """softmax(Q K^T / sqrt(K)) V.

    Vaswani et al. 2017, section 3.2.1, equation 1 (https://arxiv.org/abs/1706.03762).

    Args:
        causal: query t may attend to key s only if s <= t + (S - T), so that the last query sees every key:
            right for a full sequence (T = S) and for new tokens after a cache (T < S).
    Shapes:
        query: (B, H, T, K)
        key, value: (B, H, S, K)
        mask: broadcastable to (B, H, T, S), bool; True means "may attend"
        returns: (B, H, T, K); zeros for a query that may attend to nothing
    Example:
        >>> q = torch.eye(2).view(1, 1, 2, 2)
        >>> attention(q, q, q).shape
        torch.Size([1, 1, 2, 2])
    """
    new_tokens, tokens = query.shape[-2], key.shape[-2]
    if causal and new_tokens == 1:
        causal = False  # one query, the last: it sees every key
    if causal and mask is None and new_tokens == tokens:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    if causal:
        order = torch.ones(new_tokens, tokens, dtype=torch.bool, device=query.device)
        order = order.tril(tokens - new_tokens)
        mask = order if mask is None else mask & order
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    if mask is None:
        return mixed
    # A row with nothing to attend to is 0 / 0 in the formula, and kernels disagree on it.
    return mixed.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def attention_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """softmax(Q K^T / sqrt(K)): how much each query takes of each key's value; what `attention` does not hand out.

    Args and shapes as in `attention`.

    Shapes:
        returns: (B, H, T, S), rows that sum to 1, or to 0 for a query that may attend to nothing
    Example:
        >>> attention_weights(torch.eye(2), torch.eye(2)).sum(-1).tolist()
        [1.0, 1.0]
    """
    # The mixture of one-hot values is the weights.
    one_hot = torch.eye(key.shape[-2], dtype=query.dtype, device=query.device)
    value = one_hot.expand(*key.shape[:-2], -1, -1)
    return attention(query, key, value, mask, causal=causal)


class Cache:
    """The keys and values of one attention layer for the tokens read so far, (B, H, S, K) each.

    Room is made ahead and doubled when it is full, so that a new token costs a copy of itself alone, not of all that
    came before it.
    """

    def __init__(self) -> None:
        self._kept: torch.Tensor | None = None  # (2, B, H, room, K)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Add new tokens (B, H, T, K) and return all of them (B, H, S + T, K)."""
        start, end = self._length, self._length + key.shape[2]
        kept = self._kept
        if kept is None or end > kept.shape[3]:
            kept = key.new_empty(2, *key.shape[:2], max(end, 2 * start, _LEAST_ROOM), key.shape[3])
            if self._kept is not None:
                kept[:, :, :, :start] = self._kept[:, :, :, :start]
            self._kept = kept
        kept[0, :, :, start:end] = key
        kept[1, :, :, start:end] = value
        self._length = end
        return kept[0, :, :, :end], kept[1, :, :, :end]

    def read(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values kept so far, (B, H, S, K) each."""
        if self._kept is None:
            raise ValueError("nothing was read into this cache yet")
        return self._kept[0, :, :, : self._length], self._kept[1, :, :, : self._length]

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows (B,) of the batch, in this order: what beam search does with its beams."""
        if self._kept is not None:
            self._kept = self._kept[:, rows]


_LEAST_ROOM = 64


class Attention(nn.Module):
    """Multi-head attention with a bias on every projection.

    Vaswani et al. 2017, section 3.2.2 (https://arxiv.org/abs/1706.03762).
    Differs from the paper: biases, as in BERT, GPT-2, ViT and CLIP.

    Args:
        hidden_size: D, a multiple of `num_heads`.
        num_heads: H.
    Shapes:
        x: (B, T, D)
        context: (B, S, D), what keys and values are made of; `x` itself when absent. With a cache it is read once,
            at the first call
        mask: broadcastable to (B, H, T, S), bool; True means "may attend"
        returns: (B, T, D)
    Raises:
        ConfigError: `hidden_size` is not a multiple of `num_heads`.
    Example:
        >>> Attention(hidden_size=8, num_heads=2)(torch.zeros(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or hidden_size % num_heads:
            raise ConfigError(
                f"hidden_size {hidden_size} is not a multiple of num_heads {num_heads}"
            )
        self.num_heads = num_heads
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def forward(
        self,
        x: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
        context: torch.Tensor | None = None,
        cache: Cache | None = None,
    ) -> torch.Tensor:
        query = self._split(self.query(x))  # (B, H, T, K)
        if context is not None and cache:
            key, value = cache.read()
        else:
            source = x if context is None else context
            key, value = self._split(self.key(source)), self._split(self.value(source))
            if cache is not None:
                key, value = cache.append(key, value)
        mixed = attention(query, key, value, mask, causal=causal)  # key, value: (B, H, S, K)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (B, T, D)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, T, K)


def padding_mask(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Turn a mask over tokens, (B, S) with True for a real token, into one over attention, (B, 1, 1, S)."""
    return None if mask is None else mask[:, None, None, :]


def positions_of(mask: torch.Tensor) -> torch.Tensor:
    """Where in its text each token stands, for texts that are padded on the left.

    Shapes:
        mask: (B, S) bool, True for a real token
        returns: (B, S) int64, 0 at the first real token of each row; 0 under padding on the left
    Example:
        >>> positions_of(torch.tensor([[False, True, True]])).tolist()
        [[0, 0, 1]]
    """
    return (mask.long().cumsum(1) - 1).clamp(min=0)
