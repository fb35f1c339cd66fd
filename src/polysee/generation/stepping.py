"""One token through a stack of blocks: the numbers of the modules, with less of Python between the operations.

A small model writes a token in a few milliseconds, of which most goes into calling modules one by one. So their weights
are taken out once, query, key and value together, and only the operations are left.

Shapes: B batch, S tokens so far, D hidden size, H heads, K head size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.layers.attention import Cache
from polysee.layers.block import Block


class _Weights(NamedTuple):
    """What a block is made of; `joint` maps to query, key and value at once."""

    heads: int
    before: nn.LayerNorm
    joint: torch.Tensor  # (3 D, D)
    joint_bias: torch.Tensor
    output: nn.Linear
    between: nn.LayerNorm
    block: Block


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
            joint = F.linear(_normalised(x, part.before), part.joint, part.joint_bias)
            joint = joint.view(rows, 3, part.heads, 1, size // part.heads)  # (B, 3, H, 1, K)
            key, value = cache.append(joint[:, 1], joint[:, 2])  # (B, H, S + 1, K)
            mixed = F.scaled_dot_product_attention(joint[:, 0], key, value, attn_mask=mask)
            x = x + F.linear(mixed.view(rows, size), part.output.weight, part.output.bias)
            mlp = part.block.mlp
            wide = F.linear(_normalised(x, part.between), mlp.expand.weight, mlp.expand.bias)
            x = x + F.linear(mlp.activation(wide), mlp.project.weight, mlp.project.bias)
        return _normalised(x, self.norm)


def _weights(block: nn.Module) -> _Weights:
    assert isinstance(block, Block)
    maps = (block.attention.query, block.attention.key, block.attention.value)
    return _Weights(
        block.attention.num_heads,
        block.attention_norm,
        torch.cat([part.weight for part in maps]),
        torch.cat([part.bias for part in maps]),
        block.attention.output,
        block.mlp_norm,
        block,
    )


def _normalised(x: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
    return torch.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
