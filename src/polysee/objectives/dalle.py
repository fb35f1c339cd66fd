"""The loss of DALL-E: guess the text a little, the picture above all.

Shapes: B batch, T text tokens given, L text places, P layout places, N codes of a picture, V text vocabulary, U layout
vocabulary, K codes.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from polysee.models.layout import END

TEXT_WEIGHT, PICTURE_WEIGHT = 1 / 8, 7 / 8
LAYOUT_WEIGHT = 1.0


def text_and_picture(
    text_logits: torch.Tensor,
    code_logits: torch.Tensor,
    tokens: torch.Tensor,
    mask: torch.Tensor,
    codes: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """The cross-entropies of text and picture, each weighted; their sum is the loss.

    Ramesh et al. 2021, section 2.2 (https://arxiv.org/abs/2102.12092). Differs from the paper: padding is not guessed.

    Shapes:
        text_logits: (B, L - 1, V), the first of them a guess at the second token
        code_logits: (B, N, K)
        tokens: (B, T) int64; mask: (B, T) bool, True for a real token
        codes: (B, N) int64
        weight: (B, N), how much each code counts; all the same without it
    """
    real = mask[:, 1:]
    wanted = tokens[:, 1:][real]
    guessed = text_logits[:, : tokens.shape[1] - 1][real]
    text = F.cross_entropy(guessed, wanted, reduction="sum") / real.sum().clamp(min=1)
    picture = F.cross_entropy(code_logits.flatten(0, 1), codes.flatten(), reduction="none")
    counts = torch.ones_like(picture) if weight is None else weight.flatten()
    picture = (picture * counts).sum() / counts.sum()
    return {"text": TEXT_WEIGHT * text, "picture": PICTURE_WEIGHT * picture}


def layout_tokens_loss(logits: torch.Tensor, layout: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of layout tokens, each layout's first end among them; those that say nothing do not count.

    Shapes:
        logits: (B, P, U)
        layout: (B, P) int64, see `models.layout`
        returns: ()
    """
    real = layout != END
    counts = real | real.roll(1, dims=1)  # what follows a real token is real, or the first end
    counts[:, 0] = real[:, 0]  # nothing goes before it
    loss = F.cross_entropy(logits.movedim(2, 1), layout, reduction="none")
    return (loss * counts).sum() / counts.sum().clamp(min=1)
