"""Weights in few bits."""

from __future__ import annotations

import torch


def quantise(weight: torch.Tensor, *, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix in so many bits, each row with a scale of its own: w = scale * whole.

    Shapes:
        weight: (rows, columns)
        returns: (rows, columns) int8, (rows, 1) float32
    Example:
        >>> whole, scale = quantise(torch.tensor([[1.27, -0.5], [0.0, 0.0]]), bits=8)
        >>> whole.tolist()
        [[127, -50], [0, 0]]
    """
    weight = weight.detach().float().cpu()
    scale = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / scale).round().to(torch.int8), scale
