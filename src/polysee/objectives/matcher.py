"""The losses of a matcher: which sentence is a picture's own among twins, and what each of its cells shows.

Shapes: P pictures in groups of K; each is asked about the K sentences of its group, the i-th of which is the i-th
picture's own. T tokens, G cells, A answers.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def own_among_twins(scores: torch.Tensor, alike: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each picture's sentence among those of its group, and of each sentence's picture.

    Both ways: then a sentence that is odd by itself is a wrong answer as often as a right one, and only the picture
    can tell.

    Shapes:
        scores: (P, K)
        alike: (P, K) bool, sentences that are no other than the picture's own; they are left out, but for that one
        returns: ()
    Example:
        >>> scores = torch.tensor([[0.0, -9.0], [-9.0, 0.0]])
        >>> own_among_twins(scores, torch.eye(2, dtype=torch.bool)).item() < 1e-3
        True
    """
    count = scores.shape[1]
    square, same = scores.unflatten(0, (-1, count)), alike.unflatten(0, (-1, count))
    own = torch.eye(count, dtype=torch.bool, device=scores.device)
    left = square.masked_fill(same & ~own, -torch.inf)  # (groups, K pictures, K sentences)
    target = torch.arange(count, device=scores.device).expand(len(square), -1)
    by_picture = F.cross_entropy(left.mT, target)  # over sentences
    by_sentence = F.cross_entropy(left, target)  # over pictures
    return (by_picture + by_sentence) / 2


def cells_answer(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of answers about cells; 0 where none is asked.

    Shapes:
        logits: (P, G, A); answers: (P, G) int64, below 0 where there is nothing to answer
        returns: ()
    """
    asked = answers >= 0
    if not asked.any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits[asked], answers[asked])


def tokens_agree(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of "this token agrees", yes and no counting alike.

    Shapes:
        logits: (P, K, T); wanted: (P, K, T), 1 for yes, 0 for no, below 0 where nobody knows
        returns: ()
    """
    losses = F.binary_cross_entropy_with_logits(
        logits, wanted.float().clamp(min=0), reduction="none"
    )
    parts = [
        losses[wanted == answer].sum() / (wanted == answer).sum().clamp(min=1) for answer in (0, 1)
    ]
    return (parts[0] + parts[1]) / 2


def tokens_point(places: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of the cells that tokens point at, each cell of its thing counting alike.

    Shapes:
        places: (P, T, G) logits; wanted: (P, T, G) bool, nowhere True for a token that is about no thing
        returns: ()
    """
    count = wanted.sum(2)  # (P, T)
    losses = -(places.log_softmax(2) * wanted).sum(2) / count.clamp(min=1)
    return losses.sum() / (count > 0).sum().clamp(min=1)


def tokens_expect(expected: torch.Tensor, where: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
    """How far off it is where words let one expect their thing, in the mean over tokens that are about one.

    Shapes:
        expected, where: (P, T, 4), see `models.matcher.middle_and_reach`; about: (P, T) bool
        returns: ()
    """
    losses = F.smooth_l1_loss(expected, where, beta=0.2, reduction="none").mean(2)
    return (losses * about).sum() / about.sum().clamp(min=1)
