"""Contrastive losses: what belongs together is nearer than what does not.

Shapes: B batch, E projection size.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def contrastive(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    *,
    smoothing: float = 0.0,
    same: torch.Tensor | None = None,
) -> torch.Tensor:
    """The mean of picture-to-text and text-to-picture cross-entropy over a batch.

    CLIP, figure 3 (https://arxiv.org/abs/2103.00020); ALIGN, equations 1 and 2
    (https://arxiv.org/abs/2102.05918), which calls it normalised softmax and smooths its labels.

    Args:
        scale: multiplies the cosine; one over the temperature.
        smoothing: the share of the label that is spread over the batch (ALIGN: 0.1).
        same: (B, B) bool, True where two different rows are equally right, such as two captions of one picture;
            these pairs are left out of the denominator. The diagonal always counts.
    Shapes:
        image, text: (B, E), of any length
        returns: ()
    Example:
        >>> rows = torch.eye(4)
        >>> contrastive(rows, rows, 100.0) < 1e-6
        tensor(True)
    """
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T  # (B, B)
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    kept = torch.ones_like(itself) if same is None else ~same | itself
    return (
        _cross_entropy(logits, kept, smoothing) + _cross_entropy(logits.T, kept.T, smoothing)
    ) / 2


def _cross_entropy(logits: torch.Tensor, kept: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Row i's right answer is column i; what is smoothed is spread over the columns that are kept."""
    said = logits.masked_fill(~kept, -torch.inf).log_softmax(1).masked_fill(~kept, 0.0)
    right = said.diagonal().mean()
    if not smoothing:
        return -right
    return -((1 - smoothing) * right + smoothing * (said.sum(1) / kept.sum(1)).mean())
