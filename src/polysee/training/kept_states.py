"""What a text tower says of the made world's sentences, held fast while it learns other things.

scene-matcher reads the states of these sentences' tokens (`models.matcher`): were they others, it would have to learn
anew.
Li and Hoiem 2016 (Learning without Forgetting, https://arxiv.org/abs/1606.09282) hold a network's answers so; here it
is its hidden states.

Shapes: B batch, T tokens, D hidden size.
"""

from __future__ import annotations

import copy

import numpy as np
import torch

from polysee.datasets.scenes import scene_of
from polysee.datasets.scenes_words import LANGUAGES, describe
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.bert import Bert

SENTENCES = 20_000
DETAIL = (1.0, 0.6)  # the chance that a colour, or the ground, is said; of every second sentence
SPREAD = 10.0  # in tokens: sentences of a batch are of about one length


class KeptStates:
    """Sentences of made scenes, and how far a tower has left what it said of their tokens at first.

    Args:
        text: as it is now, copied.
    """

    def __init__(self, text: Bert, tokenizer: Tokenizer, seed: int, count: int = SENTENCES) -> None:
        self.before = copy.deepcopy(text).eval().requires_grad_(False)
        self.tokenizer, self.seed = tokenizer, seed
        scenes = [scene_of("training", f"kept-{seed}-{number}") for number in range(count)]
        self.texts = [
            describe(scene, LANGUAGES[number % 2], number, DETAIL[number // 2 % 2])
            for number, scene in enumerate(scenes)
        ]
        self.lengths = tokenizer(self.texts)[1].sum(1).numpy()

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Some sentences by lot, of like length. Shapes: returns tokens (B, T), mask (B, T)."""
        draw = np.random.default_rng([self.seed, step, size])
        order = np.argsort(self.lengths + draw.uniform(0, SPREAD, len(self.lengths)))
        start = draw.integers(len(order) - size + 1)
        return self.tokenizer([self.texts[row] for row in order[start : start + size]])

    def lost(self, text: Bert, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The squared distance of the tokens' states from the former ones, as a share of these' variance.

        Shapes:
            tokens, mask: (B, T)
            returns: ()
        """
        with torch.no_grad():
            before = self.before.to(tokens.device)(tokens, mask)[mask]  # (tokens, D)
        return (text(tokens, mask)[mask] - before).square().mean() / before.var()
