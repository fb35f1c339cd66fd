"""How well align-nano's parts find pictures while they are trained: the validation that their tasks share.

Shapes: P pictures, N texts, E projection size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from polysee.datasets.pictures import Captioned

LANGUAGES = ("english", "chinese")


def recall_at_10(
    images: torch.Tensor,
    pictures: Sequence[Captioned],
    encode: Callable[[list[str]], torch.Tensor],
) -> dict[str, float]:
    """Text-to-picture R@10 over pictures and all their sentences, by language.

    Args:
        images: (P, E), of unit length, of the pictures.
        encode: N texts to (N, E), of any length.
    """
    found = {}
    for language in LANGUAGES:
        said = [(i, text) for i, p in enumerate(pictures) for text in getattr(p, language)]
        said.sort(key=lambda pair: len(pair[1]))  # a batch is padded to its longest
        owners = torch.tensor([i for i, _ in said])
        texts = [text for _, text in said]
        vectors = torch.cat([encode(texts[at : at + 100]) for at in range(0, len(texts), 100)])
        best = (F.normalize(vectors, dim=1) @ images.T).topk(min(10, len(images))).indices
        right = (best == owners[:, None]).any(1).float().mean().item()
        found[f"validation_{language}_r10"] = right
    return found
