"""Contrastive losses: what belongs together is nearer than what does not.

Shapes: B batch, E projection size, N candidates.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from polysee.objectives.gather import gather, processes


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
    right = torch.arange(len(logits), device=logits.device)
    return (
        _cross_entropy(logits, right, kept, smoothing)
        + _cross_entropy(logits.T, right, kept.T, smoothing)
    ) / 2


def contrastive_many(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    right: torch.Tensor,
    kept: torch.Tensor | None = None,
) -> torch.Tensor:
    """Contrast where a picture has several right texts, and there are texts that belong to none.

    Supervised contrastive learning, "outside" form (Khosla et al. 2020, equation 2, https://arxiv.org/abs/2004.11362),
    except that right answers do not push each other: each is held against what is wrong alone.

    Args:
        right: which text belongs to which picture.
        kept: which pairs count at all; right ones always do.
    Shapes:
        image: (B, E), text: (M, E), of any length; right, kept: (B, M) bool
        returns: ()
    Example:
        >>> rows = torch.eye(4)
        >>> contrastive_many(rows, rows, 100.0, torch.eye(4) > 0) < 1e-6
        tensor(True)
    """
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T  # (B, M)
    wrong = ~right if kept is None else kept & ~right
    return (_many(logits, right, wrong) + _many(logits.T, right.T, wrong.T)) / 2


def _many(logits: torch.Tensor, right: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
    """The mean over the rows that have a right answer of the mean over these answers."""
    against = logits.masked_fill(~wrong, -1e4).logsumexp(1, keepdim=True)  # (B, 1)
    lost = F.softplus(against - logits).masked_fill(~right, 0.0)  # (B, M)
    answers = right.sum(1)
    return (lost.sum(1) / answers.clamp(min=1))[answers > 0].mean()


def contrastive_over_processes(
    image: torch.Tensor,
    text: torch.Tensor,
    scale: torch.Tensor | float,
    *,
    smoothing: float = 0.0,
    keys: torch.Tensor | None = None,
) -> torch.Tensor:
    """`contrastive` over the joined batch of all processes; each computes the loss of the rows that are its own.

    The mean over the processes is the joined batch's loss, and gradients that are averaged over them are its
    gradients (see `gather`). A process holds B rows of the matrix of similarities, never the whole.

    Args:
        keys: (B,) int64; rows with the same key, here or in another process, are equally right for each other.
    Shapes:
        image, text: (B, E), of any length, the same B in every process
        returns: ()
    Example:
        >>> image, text = torch.eye(3), torch.eye(3).flip(0)
        >>> bool(contrastive_over_processes(image, text, 2.0) == contrastive(image, text, 2.0))
        True
    """
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    right = processes()[0] * len(image) + torch.arange(len(image), device=image.device)
    to_text = scale * image @ gather(text).T  # (B, N)
    to_image = scale * text @ gather(image).T  # (B, N)
    kept = torch.ones_like(to_text, dtype=torch.bool)
    if keys is not None:
        kept = (keys[:, None] != gather(keys)).scatter(1, right[:, None], True)
    return (
        _cross_entropy(to_text, right, kept, smoothing)
        + _cross_entropy(to_image, right, kept, smoothing)
    ) / 2


def _cross_entropy(
    logits: torch.Tensor, right: torch.Tensor, kept: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Row i's answer is column `right[i]`; what is smoothed is spread over the columns that are kept.

    Shapes:
        logits, kept: (B, N)
        right: (B,)
    """
    said = logits.masked_fill(~kept, -torch.inf).log_softmax(1).masked_fill(~kept, 0.0)
    answer = said.gather(1, right[:, None]).mean()
    if not smoothing:
        return -answer
    return -((1 - smoothing) * answer + smoothing * (said.sum(1) / kept.sum(1)).mean())
