"""One token through a stack of blocks: the numbers of the modules, with less of Python between the operations.

A small model writes a token in a few milliseconds, of which much goes into calling modules one by one. So their weights
are taken out once, query, key and value together, and only the operations are left.

What is left is reading the weights from memory. Where 16 bits hold every weight of a map, as in a model that was kept
as float16, a CPU with FBGEMM reads 16 bits; what is calculated stays float32: docs/decisions/0020-halves-by-fbgemm.md.
Elsewhere how the weights lie in memory counts: few rows are faster with (outputs, inputs) and the rows as columns, and
one row by itself would take longer than two, since a matrix times a vector is another routine: so it goes twice.

The weights are copied: what is changed in the modules later is not seen. Nothing here has gradients.

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


class Map:
    """A linear map of a few rows: of several layers with the same input, one after the other.

    Args:
        layers: of I inputs each, and O outputs together, in float32.
    Attributes:
        halves: whether the weights are read as 16 bits.
    """

    def __init__(self, *layers: nn.Linear) -> None:
        matrix = torch.cat([layer.weight for layer in layers]).detach()  # (O, I)
        bias = torch.cat([layer.bias for layer in layers]).detach()  # (O,)
        self.halves = _readable(matrix)
        if self.halves:
            self._packed = torch.ops.quantized.linear_prepack_fp16(matrix, bias)
        else:
            self._matrix, self._bias = matrix, bias[:, None]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x (B, I), returns (B, O)."""
        if self.halves:
            mapped: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._packed)
            return mapped
        columns = x.T if len(x) > 1 else x.repeat(2, 1).T
        return torch.addmm(self._bias, self._matrix, columns).T[: len(x)].contiguous()


class _Norm(NamedTuple):
    """A normalisation of each row."""

    shape: tuple[int, ...]
    weight: torch.Tensor
    bias: torch.Tensor
    epsilon: float

    @classmethod
    def of(cls, norm: nn.LayerNorm) -> _Norm:
        weight, bias = norm.weight.detach().clone(), norm.bias.detach().clone()
        return cls(norm.normalized_shape, weight, bias, norm.eps)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.layer_norm(x, *self)


class _Weights(NamedTuple):
    """What a block is made of; `joint` maps to query, key and value at once."""

    heads: int
    before: _Norm
    joint: Map
    output: Map
    between: _Norm
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
        self.norm = _Norm.of(norm)

    def __call__(
        self, x: torch.Tensor, caches: Sequence[Cache], masks: Sequence[torch.Tensor | None]
    ) -> torch.Tensor:
        """Read one token more; the caches go on by one."""
        rows, size = x.shape
        for part, cache, mask in zip(self.weights, caches, masks, strict=True):
            joint = part.joint(part.before(x)).view(
                rows, 3, part.heads, 1, size // part.heads
            )  # (B, 3, H, 1, K)
            key, value = cache.append(joint[:, 1], joint[:, 2])  # (B, H, S + 1, K)
            mixed = F.scaled_dot_product_attention(joint[:, 0], key, value, attn_mask=mask)
            x = x + part.output(mixed.view(rows, size))
            wide = part.activation(part.expand(part.between(x)))
            x = x + part.project(wide)
        return self.norm(x)


def _weights(block: nn.Module) -> _Weights:
    assert isinstance(block, Block)
    attention, mlp = block.attention, block.mlp
    return _Weights(
        attention.num_heads,
        _Norm.of(block.attention_norm),
        Map(attention.query, attention.key, attention.value),
        Map(attention.output),
        _Norm.of(block.mlp_norm),
        Map(mlp.expand),
        mlp.activation,
        Map(mlp.project),
    )


def _readable(matrix: torch.Tensor) -> bool:
    """Whether 16 bits hold every weight, and this machine can read them."""
    return (
        matrix.device.type == "cpu"
        and matrix.dtype == torch.float32
        and torch.backends.quantized.engine in ("x86", "fbgemm")
        and hasattr(torch.ops.quantized, "linear_prepack_fp16")
        and hasattr(torch.ops.quantized, "linear_dynamic_fp16")
        and torch.equal(matrix.half().float(), matrix)
    )
