"""Losses of language models, each averaged over the true tokens that it is about, never over padding.

Where a batch is divided, among processes or one part after another, the parts rarely hold equally many tokens, and a
mean of means would weigh the tokens of short parts more. So every loss takes a `count`: the tokens of the whole batch
over the number of parts. The mean of the parts' losses then is the loss of the whole.

Shapes: B batch, T tokens, V vocabulary, N classes.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

_IGNORED = -100


def token_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    kept: torch.Tensor | None = None,
    *,
    count: float | torch.Tensor | None = None,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """The mean cross-entropy of the tokens that are kept, in nats.

    Args:
        kept: which targets count; all when absent.
        count: what the sum is divided by; the number of kept tokens when absent.
        smoothing: the share of the target that is spread over the vocabulary; 0.1 in the Transformer, section 5.4.
    Shapes:
        logits: (..., V), targets: (...) int64, kept: (...) bool
        returns: ()
    Example:
        >>> token_loss(torch.zeros(1, 2, 4), torch.tensor([[1, 3]])).exp().round().item()
        4.0
    """
    if kept is not None:
        targets = targets.masked_fill(~kept, _IGNORED)
    total = F.cross_entropy(
        logits.flatten(0, -2),
        targets.flatten(),
        reduction="sum",
        ignore_index=_IGNORED,
        label_smoothing=smoothing,
    )
    if count is None:
        count = targets.numel() if kept is None else kept.sum().clamp(min=1)
    return total / count


def causal_loss(
    logits: torch.Tensor,
    tokens: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    count: float | torch.Tensor | None = None,
) -> torch.Tensor:
    """Every token is guessed from those before it: GPT, section 3.1, equation 1.

    The target of each token is the next one; the last has none, nor has a token before padding.

    Shapes:
        logits: (B, T, V), tokens: (B, T), mask: (B, T) bool, True for a real token
        returns: ()
    """
    kept = None if mask is None else mask[:, :-1] & mask[:, 1:]
    return token_loss(logits[:, :-1], tokens[:, 1:], kept, count=count)


def hide_tokens(
    tokens: torch.Tensor,
    may_hide: torch.Tensor,
    hidden: int,
    vocab_size: int,
    generator: torch.Generator | None = None,
    *,
    share: float = 0.15,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make BERT's task of a text: section 3.1, task 1, and appendix A.1 (https://arxiv.org/abs/1810.04805).

    Of the tokens that are asked for, 80 % are hidden, 10 % are another token at random, and 10 % stay: so the model
    cannot know which to trust, and has to know every token from its surroundings.

    Args:
        may_hide: which tokens may be asked for: no padding, no tokens that begin or end a text.
        hidden: the token that stands for a hidden one.
        share: how many are asked for.
    Shapes:
        tokens: (B, T) int64, may_hide: (B, T) bool
        returns: what the model is shown, (B, T), and which tokens it is asked for, (B, T) bool
    """

    def draw() -> torch.Tensor:
        return torch.rand(tokens.shape, generator=generator)

    asked = (draw() < share) & may_hide
    fate = draw()
    other = torch.randint(vocab_size, tokens.shape, generator=generator)
    shown = tokens.masked_fill(asked & (fate < 0.8), hidden)
    return torch.where(asked & (fate >= 0.8) & (fate < 0.9), other, shown), asked


def class_loss(
    logits: torch.Tensor, labels: torch.Tensor, *, smoothing: float = 0.0
) -> torch.Tensor:
    """The mean cross-entropy over texts, of which every part of a batch holds equally many.

    Shapes:
        logits: (B, N), labels: (B,) int64
        returns: ()
    """
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)
