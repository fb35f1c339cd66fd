"""Train a small CLIP or ALIGN from fresh weights on a made world, to see it happen.

Shapes: B batch, T tokens, Y/X rows/columns, C channels, E projection size, N validation pictures.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.datasets.shapes import (
    FAMILY,
    IMAGE_SIZE,
    Scene,
    draw_scenes,
    training_scenes,
    validation_scenes,
)
from polysee.datasets.shapes_words import Language, describe
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import SPECIAL_TOKENS, Tokenizer, train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.models.vit import ViTConfig
from polysee.objectives.contrastive import contrastive_over_processes
from polysee.training.chunks import encode_in_chunks
from polysee.training.module import limited_scale
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import FromNothing, Recipe

LANGUAGES: tuple[Language, Language] = ("english", "chinese")
PIXELS = PixelRecipe(image_size=IMAGE_SIZE, resample="bilinear")
CONTEXT_LENGTH = 48
PROJECTION_SIZE = 128
END_TOKEN = SPECIAL_TOKENS.index("</s>")  # special tokens come first in the vocabulary
VALIDATION_SEED = 20_000  # the validation pictures are the same whatever a run's own seed is


class FromNothingTask:
    """Made pictures, each with a sentence in one of the two languages, drawn anew every time.

    A batch holds whole families of scenes: the same words, otherwise put together. So a model must learn which
    colour belongs to which shape, and which thing is on the left; in a batch of strangers, words alone would do.
    """

    def __init__(self, recipe: Recipe, task: FromNothing) -> None:
        self.recipe, self.task = recipe, task
        self.scenes = training_scenes(task.pictures, recipe.seed)
        self.pictures = draw_scenes(self.scenes, recipe.seed)  # (N, Y, X, C)
        # The scene that the captions of each picture tell of: its own, but for the shuffled share.
        self.told = [self.scenes[i] for i in shuffled(task.pictures, task.shuffled, recipe.seed)]
        keys = dict.fromkeys(scene.key for scene in self.scenes)
        self.kinds = {key: number for number, key in enumerate(keys)}
        self.held_out = validation_scenes(task.validation_pictures, VALIDATION_SEED)
        self.held_out_pictures = draw_scenes(self.held_out, VALIDATION_SEED)
        backend = train_bpe(_texts(self.scenes), task.vocab_size)
        self.tokenizer = Tokenizer(backend, CONTEXT_LENGTH)
        self.model: Clip | Align = fresh_model(task.model, self.tokenizer)

    def batch(self, step: int) -> dict[str, Any]:
        """Families in a random order each epoch, each picture with a new sentence about the scene told of it."""
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, Any]:
        """One process's part of `batch`."""
        families = max(1, self.recipe.batch_size // FAMILY)
        epoch, place = divmod(step, max(1, len(self.scenes) // FAMILY // families))
        draw = np.random.default_rng([self.recipe.seed, epoch])
        order = draw.permutation(len(self.scenes) // FAMILY)
        chosen = order[place * families : (place + 1) * families]
        rows = (chosen[:, None] * FAMILY + np.arange(FAMILY)).ravel()
        draw = np.random.default_rng([self.recipe.seed, epoch, place])
        languages = part.rows([LANGUAGES[i] for i in draw.integers(0, 2, len(rows))])
        rows = part.rows(rows)
        texts = [
            describe(self.told[row], language, f"{self.recipe.seed}-{step}-{row}")
            for row, language in zip(rows, languages, strict=True)
        ]
        return {
            "pixels": PIXELS.normalise(self.pictures[rows]),
            "text": self.tokenizer(texts),
            "keys": torch.tensor([self.kinds[self.told[row].key] for row in rows]),
        }

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        model, size = self.model, self.task.chunk_size
        image = encode_in_chunks(model, model.encode_image, batch["pixels"], size=size)  # (B, E)
        text = encode_in_chunks(model, model.encode_text, *batch["text"], size=size)  # (B, E)
        scale = limited_scale(model.log_scale)
        loss = contrastive_over_processes(
            image, text, scale, smoothing=self.task.smoothing, keys=batch["keys"]
        )
        return {"contrastive": loss}

    def validate(self) -> dict[str, float]:
        """R@1 over the pictures kept for validation; see `first_found`."""
        return first_found(self.model, self.tokenizer, self.held_out, self.held_out_pictures)

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        origin = f"{self.recipe.name}: from fresh weights on drawn shapes"
        save_folder(
            folder, self.model, Card(PIXELS, licence="Apache-2.0", origin=origin), half=False
        )
        self.tokenizer.backend.save(str(folder / TOKENIZER))


@torch.no_grad()
def first_found(
    model: Clip | Align, tokenizer: Tokenizer, scenes: list[Scene], pictures: np.ndarray
) -> dict[str, float]:
    """How often a sentence finds its own picture first, among all of `pictures`.

    Shapes:
        pictures: (N, Y, X, C) uint8
    Returns:
        R@1 for each language, and over only those scenes that show a shape in a colour in which training never shows
        it; beside them what guessing reaches (`chance_r1`) and what knowing the words without their order would
        (`words_r1`).
    """
    device = model.log_scale.device
    parts = np.array_split(pictures, math.ceil(len(pictures) / 64))
    image = torch.cat([model.encode_image(PIXELS.normalise(p).to(device)) for p in parts])
    image = F.normalize(image, dim=1)  # (N, E)
    new = torch.tensor([scene.new_pair for scene in scenes])
    found = {}
    for language in LANGUAGES:
        texts = [describe(s, language, f"held-out-{i}") for i, s in enumerate(scenes)]
        tokens, mask = (part.to(device) for part in tokenizer(texts))
        text = F.normalize(model.encode_text(tokens, mask), dim=1)  # (N, E)
        first = (text @ image.T).argmax(1).cpu()
        right = (first == torch.arange(len(first))).float()
        found[f"validation_{language}_r1"] = right.mean().item()
        if new.any():
            found[f"validation_{language}_new_pairs_r1"] = right[new].mean().item()
    return found | baselines(scenes)


def shuffled(count: int, share: float, seed: int) -> np.ndarray:
    """Whose captions each of `count` pictures has: its own, or for `share` of them another's.

    ALIGN, section 6 (https://arxiv.org/abs/2102.05918), asks what noise of captions costs. What is exchanged stays
    so for the whole training.

    Shapes:
        returns: (count,)
    Example:
        >>> int((shuffled(100, 0.4, seed=0) != np.arange(100)).sum())
        40
    """
    owners = np.arange(count)
    draw = np.random.default_rng([seed, 1])
    chosen = draw.permutation(count)[: round(share * count)]
    owners[chosen] = np.roll(chosen, 1)  # a circle in a random order: none keeps its own
    return owners


def baselines(scenes: list[Scene]) -> dict[str, float]:
    """The R@1 of guessing, and of knowing the words alone."""
    alike = Counter(scene.words for scene in scenes)
    words = sum(1 / alike[scene.words] for scene in scenes) / len(scenes)
    return {"chance_r1": 1 / len(scenes), "words_r1": words}


def fresh_model(kind: str, tokenizer: Tokenizer) -> Clip | Align:
    """Both families at a size that a laptop trains in minutes."""
    vocab_size = tokenizer.backend.get_vocab_size()
    if kind == "clip":
        image = ViTConfig(
            IMAGE_SIZE, 8, hidden_size=128, num_layers=4, num_heads=4, mlp_size=512,
            activation="quick_gelu", norm_epsilon=1e-5, patch_bias=False, input_norm=True,
        )  # fmt: skip
        text = ClipTextConfig(
            vocab_size, hidden_size=128, num_layers=3, num_heads=4, mlp_size=512,
            context_length=CONTEXT_LENGTH, end_token=END_TOKEN,
        )  # fmt: skip
        return Clip(ClipConfig(image, text, PROJECTION_SIZE))
    # Statistics move ten times as fast as in the paper, since training has a thousand steps, not hundreds of thousands.
    image_tower = EfficientNetConfig(0.5, 0.5, IMAGE_SIZE, norm_momentum=0.1)
    bert = BertConfig(
        vocab_size, hidden_size=128, num_layers=3, num_heads=4, mlp_size=512,
        context_length=CONTEXT_LENGTH, dropout=0.0,
    )  # fmt: skip
    return Align(AlignConfig(image_tower, bert, PROJECTION_SIZE, "mean", initial_temperature=0.07))


def _texts(scenes: list[Scene], most: int = 4000) -> list[str]:
    return [describe(s, language, i) for i, s in enumerate(scenes[:most]) for language in LANGUAGES]
