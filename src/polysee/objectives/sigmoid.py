"""The sigmoid loss: of every picture and text, do they belong together?

Shapes: B batch, E projection size.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from polysee.objectives.gather import gather, processes


def sigmoid_contrastive(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    bias: torch.Tensor | float,
) -> torch.Tensor:
    """The binary cross-entropy of every pair of a batch, summed over the texts and averaged over the pictures.

    Zhai et al. 2023, section 3.2, algorithm 1 (https://arxiv.org/abs/2303.15343). No pair needs to know of another,
    so there is no softmax. Over several processes the texts of all are gathered: the mean over the processes is the
    loss of the joined batch.

    Args:
        scale: multiplies the cosine.
        bias: is added to it; far below zero at the start, since nearly all pairs do not belong together.
    Shapes:
        image, text: (B, E), of any length; row i of one belongs to row i of the other
        returns: ()
    Example:
        >>> rows = torch.eye(4)
        >>> sigmoid_contrastive(rows, rows, 100.0, -50.0) < 1e-6
        tensor(True)
    """
    rank, _ = processes()
    texts = gather(F.normalize(text, dim=-1))  # (W B, E)
    logits = scale * F.normalize(image, dim=-1) @ texts.T + bias  # (B, W B)
    own = torch.arange(len(image), device=logits.device) + rank * len(image)
    signs = 2 * F.one_hot(own, len(texts)).to(logits.dtype) - 1
    return -F.logsigmoid(signs * logits).sum(1).mean()
