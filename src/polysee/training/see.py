"""Teach the picture tower to point where a large reader of texts points: align-nano's second recipe.

Shapes: B batch, E projection size, D hidden size, M texts, N names.
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
from polysee.errors import ConfigError
from polysee.models.align import Align
from polysee.models.efficientnet import EfficientNet
from polysee.objectives.contrastive import contrastive, contrastive_many
from polysee.objectives.distillation import soft_label_distillation
from polysee.training.folders import start_folder
from polysee.training.module import limited_scale
from polysee.training.recall import LANGUAGES, recall_at_10
from polysee.training.recipe import Recipe, See
from polysee.training.see_data import (
    Names,
    SaidTexts,
    TeacherReader,
    name_texts,
    one_text_each,
    random_maps,
    text_batch,
)

log = logging.getLogger(__name__)


class SeeTask:
    """Captions and names, each step a few of each.

    The teacher's vectors stand in place of the text tower's mean token, which is not run: the picture tower learns
    from a better reader, several sentences a picture and thousands of others cost next to nothing, and all the time
    goes to the pictures (locked-text tuning, the mirror of Zhai et al. 2022, https://arxiv.org/abs/2111.07991).
    """

    def __init__(self, recipe: Recipe, task: See) -> None:
        self.recipe, self.task = recipe, task
        self.start = start_folder(task.start)
        model, card = load_folder(self.start)
        assert isinstance(model, Align)
        self.model: Align = model
        self.card = replace(card, pixels=replace(card.pixels, image_size=task.image_size))
        self.pictures = captioned_pictures(recipe.seed, task.tiny_pictures)
        self.held_out = validation_pictures()
        self.groups = np.unique([p.group for p in self.pictures], return_inverse=True)[1]
        self.activations = self._activations([p.image for p in self.pictures], task.versions)
        self.held_out_activations = self._activations([p.image for p in self.held_out], 0)
        self.said = {name: SaidTexts(self.pictures, name, self.groups) for name in LANGUAGES}
        self.names = Names(self.activations)
        all_pictures = (*self.pictures, *self.held_out)
        texts = [text for p in all_pictures for text in (*p.english, *p.chinese)]
        self.reader = TeacherReader(model, texts + name_texts())
        _, self.weight, self.bias = imagenet_lite2()
        pooled = self.activations.pooled
        self.centre = torch.from_numpy(pooled.astype(np.float32).mean(0))
        self.prototypes = torch.from_numpy(class_prototypes(pooled, self.weight.numpy()))
        captioned = np.flatnonzero([p.captioned for p in self.pictures])
        self.epoch = np.concatenate([np.arange(len(self.pictures)), *[captioned] * task.again])
        if task.fit:
            self._fit_projection()
        log.info("at the start: %s", self.validate())
        self.model.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batch(self, step: int) -> dict[str, Any]:
        """Pictures of one epoch come in a random order, in a random view, with random sentences."""
        size, task = self.recipe.batch_size, self.task
        epoch, place = divmod(step, len(self.epoch) // size)
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(self.epoch)
        rows = order[place * size : (place + 1) * size]
        draw = np.random.default_rng([self.recipe.seed, epoch, place])
        batch: dict[str, Any] = {"maps": random_maps(self.activations.maps, rows, draw)}
        for name in LANGUAGES:
            sizes = (task.sentences, task.other_sentences)
            batch[name] = text_batch(self.said[name], self.reader, rows, self.groups, sizes, draw)
        batch["names"] = self.names.batch(rows, self.reader, task.names_a_step, draw)
        batch["pooled"] = torch.from_numpy(self.activations.pooled[rows].astype(np.float32))
        return batch

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        model, task = self.model, self.task
        model.image.eval()  # BatchNorm keeps ImageNet's statistics: batches here are small and from the upper part only
        scale = limited_scale(model.log_scale)
        maps = batch["maps"].contiguous(memory_format=torch.channels_last)
        features = model.image.upper(maps, task.cut)
        pooled = features.pooled
        image = model.project_image(features)  # (B, E)
        losses = {}
        for name in LANGUAGES:
            said = batch[name]
            text = self.reader.encode(said["read"])  # (M, E)
            losses[name] = contrastive_many(image, text, scale, said["right"], said["kept"])
        names = batch["names"]
        text = self.reader.encode(names["read"])  # (N, E)
        logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T  # (B, N)
        losses["names"] = task.names * soft_label_distillation(logits, names["said"])
        prototypes = model.image_projection(self._prototype_features(batch))  # (N, E)
        losses["prototypes"] = task.prototypes * contrastive(prototypes, text, scale)
        found = (pooled @ self.weight.T + self.bias).log_softmax(1).gather(1, names["classes"])
        losses["keep"] = -task.keep * (names["probabilities"] * found).sum(1).mean()
        return losses

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Text-to-picture R@10 over Flickr8k's validation pictures, in both languages."""
        self.model.eval()
        maps = torch.from_numpy(self.held_out_activations.maps[:, 0]).permute(0, 3, 1, 2)
        vectors = [
            self.model.project_image(self.model.image.upper(part.float(), self.task.cut))
            for part in maps.split(50)
        ]
        image = F.normalize(torch.cat(vectors), dim=1)
        return recall_at_10(image, self.held_out, lambda t: self.reader.encode(self.reader.read(t)))

    def save(self, folder: Path) -> None:
        save_folder(folder, self.model, self.card, half=False)
        shutil.copy(self.start / TOKENIZER, folder / TOKENIZER)

    def _activations(self, images: list[bytes], versions: int) -> Activations:
        """As ImageNet left the tower, for what an earlier run made of its upper part is no news of the pictures.

        Raises:
            ConfigError: an earlier run trained blocks below `cut`.
        """
        tower = EfficientNet(self.model.config.image)
        tower.load_state_dict(imagenet_lite2()[0])
        cut = self.task.cut
        lower = [tower.stem, *tower.blocks[:cut]]
        for own, given in zip(
            [self.model.image.stem, *self.model.image.blocks[:cut]], lower, strict=True
        ):
            for name, value in given.state_dict().items():
                # A model that was saved in half precision is ImageNet's all the same.
                if not torch.allclose(own.state_dict()[name], value, rtol=1e-3, atol=1e-7):
                    raise ConfigError(f"{self.start}: blocks below {cut} are not ImageNet's")
        return lower_activations(tower, images, self.card.pixels, cut, versions)

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
        for said in self.said.values():
            pictures, vectors = one_text_each(said, self.reader, draw)
            target[pictures] += vectors
        target = F.normalize(target - target.mean(0), dim=1)
        features = torch.from_numpy(self.activations.pooled.astype(np.float32)) - self.centre
        gram = features.T @ features
        gram += ridge * gram.diagonal().mean() * torch.eye(len(gram))
        weight = torch.linalg.solve(gram, features.T @ target)  # (1280, E)
        projection = model.image_projection
        assert isinstance(projection, nn.Linear)
        projection.weight.copy_(weight.T)
        projection.bias.copy_(-self.centre @ weight)

    def _prototype_features(self, batch: dict[str, Any]) -> torch.Tensor:
        """A class's prototype, seen as often in a scene as alone: some of another picture's features are mixed in.

        Shapes:
            returns: (N, 1280)
        """
        prototypes = self.prototypes[batch["names"]["chosen"]]
        others = batch["pooled"][torch.randint(len(batch["pooled"]), (len(prototypes),))]
        share = torch.rand(len(prototypes), 1) * 0.7
        return (self.centre + prototypes + share * (others - self.centre)).clamp(min=0)
