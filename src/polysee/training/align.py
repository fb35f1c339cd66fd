"""Train both towers into one space: align-nano's second and third recipe.

Shapes: B batch, T tokens, E projection size, D hidden size, N names.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.efficientnet import imagenet_lite2
from polysee.checkpoints.folder import TOKENIZER, load_folder, save_folder
from polysee.datasets.activations import Activations, class_prototypes, lower_activations
from polysee.datasets.pictures import captioned_pictures, validation_pictures
from polysee.datasets.tables import read_rows, runs_folder
from polysee.datasets.texts import bilingual_texts
from polysee.inputs.prompts import CHINESE, ENGLISH
from polysee.inputs.tokenizer import Tokenizer
from polysee.layers.pooling import mean_token
from polysee.models.align import Align
from polysee.objectives.contrastive import contrastive
from polysee.objectives.distillation import cosine_distillation, soft_label_distillation
from polysee.training.distil import TaughtTexts
from polysee.training.module import limited_scale
from polysee.training.recipe import Align as AlignRecipe
from polysee.training.recipe import Recipe

log = logging.getLogger(__name__)
TAUGHT_BATCH = 64


class AlignTask:
    """Captions, names and the teacher's texts, each step a few of each."""

    def __init__(self, recipe: Recipe, task: AlignRecipe) -> None:
        self.recipe, self.task = recipe, task
        self.start = start_folder(task.start)
        model, card = load_folder(self.start)
        assert isinstance(model, Align)
        self.model: Align = model
        self.card = replace(card, pixels=replace(card.pixels, image_size=task.image_size))
        self.tokenizer = Tokenizer.load(self.start / TOKENIZER, task.text_length)
        self.pictures = captioned_pictures(recipe.seed, task.tiny_pictures)
        self.activations = self._activations([p.image for p in self.pictures], task.versions)
        self.held_out = validation_pictures()
        self.held_out_activations = self._activations([p.image for p in self.held_out], 0)
        self.names = [
            (row["names_en"], row["names_zh"]) for row in read_rows("names/imagenet-1k.parquet")
        ]
        self.taught = None
        if task.teacher:
            texts = bilingual_texts(recipe.seed)[: task.texts]
            self.taught = TaughtTexts(texts, self.tokenizer, recipe.seed)
        _, self.weight, self.bias = imagenet_lite2()
        pooled = self.activations.pooled
        self.centre = torch.from_numpy(pooled.astype(np.float32).mean(0))
        self.prototypes = torch.from_numpy(class_prototypes(pooled, self.weight.numpy()))
        if task.fit_projection:
            self._fit_projection()
        self.model.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batch(self, step: int) -> dict[str, Any]:
        """Pictures of one epoch come in a random order, each in a random version, with a random sentence a language."""
        size = self.recipe.batch_size
        epoch, place = divmod(step, len(self.pictures) // size)
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.pictures))
        rows = order[place * size : (place + 1) * size]
        draw = np.random.default_rng([self.recipe.seed, epoch, place])
        versions = draw.integers(0, self.activations.maps.shape[1], size)
        maps = self.activations.maps[rows, versions]  # (B, Y, X, C)
        pictures = [self.pictures[row] for row in rows]
        groups = np.array([picture.group for picture in pictures])
        batch = {
            "maps": torch.from_numpy(maps).permute(0, 3, 1, 2).float(),  # (B, C, Y, X)
            "english": self.tokenizer([_one(p.english, "a photo", draw) for p in pictures]),
            "chinese": self.tokenizer([_one(p.chinese, "照片", draw) for p in pictures]),
            "same": torch.from_numpy(groups[:, None] == groups),
        }
        if self.task.names or self.task.prototypes:
            batch.update(self._names(rows, draw))
            batch["pooled"] = torch.from_numpy(self.activations.pooled[rows].astype(np.float32))
        if self.taught:
            batch["taught"] = self.taught.batch(step, TAUGHT_BATCH)
        return batch

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        model, task = self.model, self.task
        model.image.eval()  # BatchNorm keeps ImageNet's statistics: batches here are small and from the upper part only
        scale = limited_scale(model.log_scale)
        pooled = model.image.upper(batch["maps"], task.cut).pooled
        image = model.image_projection(pooled)  # (B, E)
        english, chinese = (model.encode_text(*batch[key]) for key in ("english", "chinese"))
        smooth = {"smoothing": task.smoothing, "same": batch["same"]}
        losses = {
            "english": contrastive(image, english, scale, **smooth) / 2,
            "chinese": contrastive(image, chinese, scale, **smooth) / 2,
        }
        if task.translation:
            losses["translation"] = task.translation * contrastive(
                english, chinese, scale, **smooth
            )
        if task.names or task.prototypes:
            names = model.encode_text(*batch["names"])  # (N, E)
            logits = scale * F.normalize(image, dim=1) @ F.normalize(names, dim=1).T  # (B, N)
            losses["names"] = task.names * soft_label_distillation(logits, batch["said"])
            prototypes = model.image_projection(self._prototype_features(batch))  # (N, E)
            losses["prototypes"] = task.prototypes * contrastive(prototypes, names, scale)
        if task.keep:
            said = (pooled @ self.weight.T + self.bias).log_softmax(1).gather(1, batch["classes"])
            losses["keep"] = -task.keep * (batch["probabilities"] * said).sum(1).mean()
        if self.taught:
            tokens, mask, target = batch["taught"]
            said = mean_token(model.text(tokens, mask), mask)  # (B, D)
            losses["teacher"] = task.teacher * cosine_distillation(said, target)
        return losses

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Text-to-picture R@10 over Flickr8k's validation pictures, in both languages."""
        self.model.eval()
        maps = torch.from_numpy(self.held_out_activations.maps[:, 0]).permute(0, 3, 1, 2)
        pooled = [
            self.model.image.upper(part.float(), self.task.cut).pooled for part in maps.split(50)
        ]
        image = F.normalize(self.model.image_projection(torch.cat(pooled)), dim=1)
        found = {}
        for language in ("english", "chinese"):
            texts = [(i, t) for i, p in enumerate(self.held_out) for t in getattr(p, language)]
            texts.sort(key=lambda pair: len(pair[1]))
            vectors = [
                self.model.encode_text(*self.tokenizer([t for _, t in texts[start : start + 100]]))
                for start in range(0, len(texts), 100)
            ]
            best = (F.normalize(torch.cat(vectors), dim=1) @ image.T).topk(10).indices
            owner = torch.tensor([i for i, _ in texts])
            found[f"validation_{language}_r10"] = (
                (best == owner[:, None]).any(1).float().mean().item()
            )
        return found

    def save(self, folder: Path) -> None:
        save_folder(folder, self.model, self.card, half=False)
        shutil.copy(self.start / TOKENIZER, folder / TOKENIZER)

    def _activations(self, images: list[bytes], versions: int) -> Activations:
        recipe = self.card.pixels
        return lower_activations(self.model.image, images, recipe, self.task.cut, versions)

    @torch.no_grad()
    def _fit_projection(self, ridge: float = 0.1) -> None:
        """Start the projections where least squares puts them.

        The text's is the identity, since its tower already points into a good space; the picture's predicts, from the
        tower's features, the mean vector of one English and one Chinese sentence.
        """
        model = self.model.eval()
        size = model.config.projection_size
        model.text_projection.weight.copy_(torch.eye(size))
        model.text_projection.bias.zero_()
        draw = np.random.default_rng(self.recipe.seed)
        target = torch.zeros(len(self.pictures), size)
        for language, otherwise in (("english", "a photo"), ("chinese", "照片")):
            texts = [_one(getattr(p, language), otherwise, draw) for p in self.pictures]
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                vectors = model.encode_text(*self.tokenizer([texts[i] for i in rows]))
                target[rows] += F.normalize(vectors, dim=1)
        target = F.normalize(target - target.mean(0), dim=1)
        features = torch.from_numpy(self.activations.pooled.astype(np.float32)) - self.centre
        gram = features.T @ features
        gram += ridge * gram.diagonal().mean() * torch.eye(len(gram))
        weight = torch.linalg.solve(gram, features.T @ target)  # (1280, E)
        projection = model.image_projection
        assert isinstance(projection, nn.Linear)
        projection.weight.copy_(weight.T)
        projection.bias.copy_(-self.centre @ weight)
        log.info("least squares: %s", self.validate())

    def _prototype_features(self, batch: dict[str, Any]) -> torch.Tensor:
        """A class's prototype, seen as often in a scene as alone: some of another picture's features are mixed in.

        Shapes:
            returns: (N, 1280)
        """
        prototypes = self.prototypes[batch["chosen"]]
        others = batch["pooled"][torch.randint(len(batch["pooled"]), (len(prototypes),))]
        share = torch.rand(len(prototypes), 1) * 0.7
        return (self.centre + prototypes + share * (others - self.centre)).clamp(min=0)

    def _names(
        self, rows: np.ndarray, draw: np.random.Generator, most: int = 128
    ) -> dict[str, Any]:
        """The ImageNet names that matter for these pictures and some others, and how likely the classifier finds each.

        Shapes:
            returns: names, (tokens, mask) of N texts; chosen (N,), their classes; said (B, N), their probabilities;
                classes and probabilities (B, 10), what the classifier said
        """
        classes, probabilities = (
            self.activations.classes[rows],
            self.activations.probabilities[rows],
        )
        weight: np.ndarray = np.bincount(
            classes.ravel(), probabilities.ravel().astype(np.float32), minlength=len(self.names)
        )
        weight = weight + draw.uniform(0, 0.05, len(weight))  # beyond those that matter, any
        chosen = np.argsort(-weight)[:most]
        texts = []
        for index in chosen:
            chinese = bool(draw.random() < 0.5)
            template = draw.choice(CHINESE if chinese else ENGLISH)
            texts.append(str(template).format(draw.choice(self.names[index][int(chinese)])))
        column = np.full(len(self.names), -1)
        column[chosen] = np.arange(len(chosen))
        said = np.zeros((len(rows), len(chosen)), np.float32)
        row, place = np.nonzero(column[classes] >= 0)
        said[row, column[classes[row, place]]] = probabilities[row, place]
        return {
            "names": self.tokenizer(texts),
            "chosen": torch.from_numpy(chosen),
            "said": torch.from_numpy(said),
            "classes": torch.from_numpy(classes.astype(np.int64)),
            "probabilities": torch.from_numpy(probabilities.astype(np.float32)),
        }


def start_folder(start: str) -> Path:
    """The model folder of an earlier run, or the folder that `start` is."""
    run = runs_folder() / start / "model"
    return run if run.is_dir() else Path(start)


def _one(sentences: tuple[str, ...], otherwise: str, draw: np.random.Generator) -> str:
    return str(draw.choice(sentences)) if sentences else otherwise
