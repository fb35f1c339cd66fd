"""One token through a stack of blocks: the numbers of the modules, with less of Python between the operations.

A small model writes a token in a few milliseconds, of which much goes into calling modules one by one. So their weights
are taken out once, query, key and value together, and only the operations are left.

What is left is reading the weights from memory, and how they lie there counts: for two to sixteen rows a CPU is up to
three times as fast with (outputs, inputs) and the rows as columns. One row by itself would take twice as long as two,
since a matrix times a vector is another routine: so it goes twice.

Shapes: B batch, S tokens so far, D hidden size, H heads, K head size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.layers.attention import Cache
from polysee.layers.block import Block


class Map(NamedTuple):
    """A linear map of a few rows.

    Shapes:
        matrix: (outputs, inputs)
        bias: (outputs,)
    """

    matrix: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, *layers: nn.Linear) -> Map:
        """Of several layers with the same input, one after the other."""
        return cls(
            torch.cat([layer.weight for layer in layers]),
            torch.cat([layer.bias for layer in layers]),
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x (B, inputs), returns (B, outputs)."""
        columns = x.T if len(x) > 1 else x.repeat(2, 1).T
        return torch.addmm(self.bias[:, None], self.matrix, columns).T[: len(x)].contiguous()


class _Weights(NamedTuple):
    """What a block is made of; `joint` maps to query, key and value at once."""

    heads: int
    before: nn.LayerNorm
    joint: Map
    output: Map
    between: nn.LayerNorm
    expand: Map
    activation: Callable[[torch.Tensor], torch.Tensor]
    project: Map


class Stepper:
    """Blocks of one model, in eval mode, that read one token after the other.

    Args:
        blocks: with the normalisation before each part.
        norm: what follows the last.
    Shapes:
        x: (B, D), one token of each row
        masks: for each block (1, S + 1) bool, True for a token that may be attended to; None for all
        returns: (B, D)
    """

    def __init__(self, blocks: Iterable[nn.Module], norm: nn.LayerNorm) -> None:
        self.weights = [_weights(block) for block in blocks]
        self.norm = norm

    def __call__(
        self, x: torch.Tensor, caches: Sequence[Cache], masks: Sequence[torch.Tensor | None]
    ) -> torch.Tensor:
        """Read one token more; the caches go on by one."""
        rows, size = x.shape
        for part, cache, mask in zip(self.weights, caches, masks, strict=True):
            joint = part.joint(_normalised(x, part.before)).view(
                rows, 3, part.heads, 1, size // part.heads
            )  # (B, 3, H, 1, K)
            key, value = cache.append(joint[:, 1], joint[:, 2])  # (B, H, S + 1, K)
            mixed = F.scaled_dot_product_attention(joint[:, 0], key, value, attn_mask=mask)
            x = x + part.output(mixed.view(rows, size))
            wide = part.activation(part.expand(_normalised(x, part.between)))
            x = x + part.project(wide)
        return _normalised(x, self.norm)


def _weights(block: nn.Module) -> _Weights:
    assert isinstance(block, Block)
    attention, mlp = block.attention, block.mlp
    return _Weights(
        attention.num_heads,
        block.attention_norm,
        Map.of(attention.query, attention.key, attention.value),
        Map.of(attention.output),
        block.mlp_norm,
        Map.of(mlp.expand),
        mlp.activation,
        Map.of(mlp.project),
    )


def _normalised(x: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    return torch.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
