"""The losses of a judge of scenes: what each cell shows, and the answers to questions.

Shapes: B batch, G cells, N concepts, Q questions, M of them about things that are there, K answers.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def cells_shown(
    log_chances: torch.Tensor, concepts: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """The cross-entropy of what cells show, which may be several things, each a share of the cell.

    Shapes:
        log_chances: (B, G, N + 1), the last of nothing
        concepts: (B, M) int64, below 0 for none
        shares: (B, G, M), what of a cell each thing covers; the rest shows nothing
        returns: ()
    """
    index = concepts.clamp(min=0)[:, None].expand(-1, log_chances.shape[1], -1)
    things = (shares * log_chances.gather(2, index)).sum(2)
    rest = (1 - shares.sum(2)) * log_chances[..., -1]
    return -(things + rest).mean()


def hardest_absent(log_chances: torch.Tensor, concepts: torch.Tensor, count: int) -> torch.Tensor:
    """The concepts that are not there though some cell most likes to show them.

    Shapes:
        log_chances: (B, G, N + 1); concepts: (B, M) int64, those that are there, below 0 for none
        returns: (B, count) int64
    """
    likeliest = log_chances.detach().amax(1)  # (B, N + 1)
    likeliest[:, -1] = -torch.inf
    none = torch.full_like(concepts, log_chances.shape[2] - 1)
    likeliest.scatter_(1, torch.where(concepts < 0, none, concepts), -torch.inf)
    return likeliest.topk(count, dim=1).indices


def present(logits: torch.Tensor, there: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of "is it there?", yes and no counting alike.

    Shapes:
        logits: (B, Q); there, asked: (B, Q) bool
        returns: ()
    """
    losses = F.binary_cross_entropy_with_logits(logits, there.float(), reduction="none")
    yes, no = asked & there, asked & ~there
    return (losses[yes].mean() + losses[no].mean()) / 2


def answer(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of one kind of answer, over the questions that are asked; 0 where none is.

    Shapes:
        logits: (..., K); wanted: (...) int64, -100 where nothing is asked
        returns: ()
    """
    asked = wanted >= 0
    total = F.cross_entropy(logits.flatten(0, -2), wanted.flatten(), reduction="sum")
    return total / asked.sum().clamp(min=1)
