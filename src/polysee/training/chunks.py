"""Batches larger than memory: encode a few rows at a time, and take the loss over all.

Shapes: B batch, E projection size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def encode_in_chunks(
    model: nn.Module, encode: Callable[..., torch.Tensor], *rows: torch.Tensor, size: int
) -> torch.Tensor:
    """`encode(*rows)`, of which at most `size` rows' activations are held at any time.

    Gradient caching, Gao et al. 2021 (https://arxiv.org/abs/2101.06983): embed every chunk without keeping its
    activations; compute the loss over all embeddings; then run each chunk again, with the gradients of its embeddings.
    That is activation checkpointing with a chunk of the batch as its unit, so PyTorch's own does it here, and a
    training step looks as ever. It costs one forward pass more. Gradients equal those of the whole batch, dropout
    included, unless rows know of each other: batch normalisation in training sees the statistics of a chunk.

    Args:
        model: what `encode` runs; its batch statistics are moved once, not twice.
        rows: tensors of B rows each.
        size: rows a chunk; 0 for the whole batch at once.
    Shapes:
        returns: (B, E)
    Example:
        >>> model = nn.Linear(3, 2)
        >>> encode_in_chunks(model, model, torch.ones(5, 3), size=2).shape
        torch.Size([5, 2])
    """
    if not size or len(rows[0]) <= size or not torch.is_grad_enabled():
        return encode(*rows)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), still_statistics(model)

    chunks = zip(*(part.split(size) for part in rows), strict=True)
    return torch.cat(
        [checkpoint(encode, *chunk, use_reentrant=False, context_fn=contexts) for chunk in chunks]
    )


@contextmanager
def still_statistics(model: nn.Module) -> Iterator[None]:
    """Within: batch normalisation normalises as it would, but moves its running statistics no more."""
    moving = [
        (module, module.momentum, module.num_batches_tracked)
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.training
        and module.track_running_stats
    ]
    for module, _, count in moving:
        module.momentum = 0.0
        module.num_batches_tracked = None if count is None else count.clone()
    try:
        yield
    finally:
        for module, momentum, count in moving:
            module.momentum, module.num_batches_tracked = momentum, count
