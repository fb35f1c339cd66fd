"""Fine-tune a two-tower model on a person's own pictures, by their classes or by captions.

Shapes: B batch, N classes, E projection size.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.folder import (
    TOKENIZER,
    Card,
    load_folder,
    load_folder_tokenizer,
    save_folder,
)
from polysee.checkpoints.labels import Labels, save_labels
from polysee.datasets.labelled import Example, Examples, read_examples
from polysee.datasets.varied import PictureReader
from polysee.errors import NotSupportedError
from polysee.inputs.tokenizer import Tokenizer
from polysee.layers.lora import add_lora, merge_lora
from polysee.training.chunks import encode_in_chunks
from polysee.training.finetune_objectives import Captions, Classes, Probe, device_of, embed_classes
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import Finetune, Recipe

MOST_HELD_OUT = 1000
"""Of those held out, so many say when to stop: they are looked at often."""


class Objective(Protocol):
    """What is asked of the pictures' vectors."""

    def batch(self, rows: np.ndarray, step: int, part: Part) -> dict[str, Any]: ...

    def losses(self, image: torch.Tensor, batch: dict[str, Any]) -> dict[str, torch.Tensor]: ...

    def measure(self, image: torch.Tensor) -> dict[str, float]: ...


class FinetuneTask:
    """Pictures in a random order, each varied anew, with names or captions.

    Args:
        found: the data, if it has been read already.
        device: where a locked tower looks at the pictures before training begins.
    Attributes:
        learnt, held_out: the examples of either part.
        classes: the names of each class; none where there are captions.
    """

    monitor = "held_out_score"

    def __init__(
        self,
        recipe: Recipe,
        task: Finetune,
        found: Examples | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.recipe, self.task, self.patience = recipe, task, task.patience
        found = found or read_examples(task.data, task.labels, task.captions)
        self.classes = found.classes
        self.learnt, self.held_out = found.split(task.held_out, recipe.seed)
        self.towers, self.card, self.tokenizer = _read_model(Path(task.start))
        self.towers.to(device or torch.device("cpu"))
        self.locked = task.locked_image or task.method == "probe"
        mirrored = not task.captions
        self.read = PictureReader(
            self.learnt, self.card.pixels, mirrored=mirrored, seed=recipe.seed
        )
        self.judged = judged(self.held_out, recipe.seed)
        self.read_judged = PictureReader(self.judged, self.card.pixels, mirrored=False, seed=0)
        self._choose_weights()
        self.objective = self._make_objective()
        # Of a probe only the classifier is trained; it stands by itself.
        self.model: nn.Module = self.objective if isinstance(self.objective, Probe) else self.towers
        self.kept = self._embed_all() if self.locked else None  # (versions, pictures, E)
        self.kept_judged = self._embed(self.read_judged, len(self.judged)) if self.locked else None

    def batch(self, step: int) -> dict[str, Any]:
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, Any]:
        """One process's part of a step's batch."""
        rows = rows_of_step(step, self.recipe.batch_size, len(self.learnt), self.recipe.seed)
        own = part.rows(rows)
        if self.kept is not None:
            draw = np.random.default_rng([self.recipe.seed, step, 1])
            versions = part.rows(draw.integers(0, len(self.kept), len(rows)))
            image = self.kept[versions, own]
        else:
            image = self.read(own.tolist(), step if self.task.varied else None)
        return {"image": image, **self.objective.batch(rows, step, part)}

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        if self.task.hold_statistics:
            hold_image_statistics(self.towers)
        image = batch["image"]
        if self.kept is None:
            size = self.task.chunk_size
            image = encode_in_chunks(self.towers, self.towers.encode_image, image, size=size)  # type: ignore[arg-type]
        return self.objective.losses(image, batch)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """What the objective measures on the pictures held out."""
        image = self.kept_judged
        if image is None:
            image = self._embed(self.read_judged, len(self.judged))
        return self.objective.measure(image.to(device_of(self.model)))

    def save(self, folder: Path) -> None:
        """Write a model folder that is read as any other, without a trace of how it was trained."""
        model = self.towers
        if self.task.method == "lora":
            model = merge_lora(copy.deepcopy(model))
        origin = (
            f"{self.card.origin}; fine-tuned ({self.task.method}) on {Path(self.task.data).name}"
        )
        save_folder(folder, model, replace(self.card, origin=origin, revision=""), half=False)
        self.tokenizer.save(folder / TOKENIZER)
        if self.classes:
            save_labels(folder, self._labels())

    def _labels(self) -> Labels:
        names = tuple(self.classes)
        if not isinstance(self.objective, Probe):
            return Labels(names)
        head = self.objective.classify
        return Labels(names, head.weight.detach().cpu(), head.bias.detach().cpu())

    def _choose_weights(self) -> None:
        """Freeze what is not trained."""
        towers, method = self.towers, self.task.method
        if method == "probe":
            towers.requires_grad_(False)
            return
        if method == "lora":
            add_lora(towers, self.task.rank, chosen=lambda name: is_text(name) or not self.locked)
        for name, parameter in towers.named_parameters():
            # A sigmoid model's bias is the same for all classes: a softmax does not see it.
            if name == "bias" or (self.locked and not is_text(name) and name != "log_scale"):
                parameter.requires_grad_(False)

    def _make_objective(self) -> Any:
        task, towers, tokenizer = self.task, self.towers, self.tokenizer
        judged_labels = torch.tensor([example.label for example in self.judged])
        if task.captions:
            return Captions(
                towers, tokenizer, self.learnt, self.judged, self.recipe.seed, task.chunk_size
            )
        labels = torch.tensor([example.label for example in self.learnt])
        templates = self.card.templates
        if task.method == "probe":
            start = embed_classes(
                towers, tokenizer, [names[0] for names in self.classes], templates
            )
            return Probe(start, float(towers.log_scale.exp()), labels, judged_labels)  # type: ignore[operator]
        return Classes(
            towers, tokenizer, self.classes, templates, labels, judged_labels, self.recipe.seed
        )

    def _embed_all(self) -> torch.Tensor:
        """What a locked tower says of every picture, as it is and, where that is allowed, varied three times.

        Shapes:
            returns: (versions, pictures, E)
        """
        steps = [None, *range(3)] if self.task.varied else [None]
        count = len(self.learnt)
        return torch.stack([self._embed(self.read, count, step) for step in steps])

    @torch.no_grad()
    def _embed(self, read: PictureReader, count: int, step: int | None = None) -> torch.Tensor:
        device = device_of(self.towers)
        training = self.towers.training
        self.towers.eval()
        parts = [
            self.towers.encode_image(read(range(start, min(start + 32, count)), step).to(device))  # type: ignore[operator]
            for start in range(0, count, 32)
        ]
        self.towers.train(training)
        return F.normalize(torch.cat(parts).float(), dim=1).cpu()


def _read_model(folder: Path) -> tuple[nn.Module, Card, Tokenizer]:
    towers, card = load_folder(folder)
    if not hasattr(towers, "encode_image"):
        raise NotSupportedError(f"{folder}: not a model of pictures and text")
    tokenizer = load_folder_tokenizer(folder, towers.config.text.context_length)  # type: ignore[union-attr, arg-type]
    if tokenizer is None:
        raise NotSupportedError(f"{folder} has no tokenizer.json: it cannot read text")
    return towers, card, tokenizer


def judged(held_out: list[Example], seed: int) -> list[Example]:
    """At most `MOST_HELD_OUT` of the examples held out, at random."""
    if len(held_out) <= MOST_HELD_OUT:
        return held_out
    draw = np.random.default_rng([seed, 21])
    return [held_out[i] for i in sorted(draw.permutation(len(held_out))[:MOST_HELD_OUT])]


def rows_of_step(step: int, size: int, count: int, seed: int) -> np.ndarray:
    """Which of `count` examples a step shows: each epoch all of them in a new order, one epoch running into the next.

    Shapes:
        returns: (size,)
    Example:
        >>> seen = [row for step in range(3) for row in rows_of_step(step, 2, 3, seed=0).tolist()]
        >>> sorted(seen[:3]), sorted(seen[3:])
        ([0, 1, 2], [0, 1, 2])
    """
    places = np.arange(step * size, (step + 1) * size)
    orders = {
        epoch: np.random.default_rng([seed, 22, epoch]).permutation(count)
        for epoch in range(places[0] // count, places[-1] // count + 1)
    }
    return np.array([orders[place // count][place % count] for place in places.tolist()])


def is_text(name: str) -> bool:
    """Whether a parameter or layer, by its name, belongs to the text's side of a two-tower model."""
    return name.startswith("text")


def hold_image_statistics(towers: nn.Module) -> None:
    """The image tower's batch normalisation keeps the statistics of millions of pictures; a few would mislead it."""
    for name, part in towers.named_children():
        if not is_text(name):
            part.eval()
