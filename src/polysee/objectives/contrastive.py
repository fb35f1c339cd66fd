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
    if same is not None:
        off_diagonal = ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        # Finite, not -inf: label smoothing multiplies it.
        logits = logits.masked_fill(same & off_diagonal, logits.detach().min() - 10.0)
    labels = torch.arange(len(logits), device=logits.device)
    to_text = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    to_image = F.cross_entropy(logits.T, labels, label_smoothing=smoothing)
    return (to_text + to_image) / 2
