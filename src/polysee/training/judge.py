"""Train a judge of scenes on made scenes.

Shapes: B batch, C channels, Y/X rows/columns, G cells, M things of a scene, Q questions.
"""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.folder import Card, load_folder, save_folder, shown_name
from polysee.datasets.scenes import KINDS, Scene, scene_of, scenes_of
from polysee.datasets.scenes_drawing import draw_scene, draw_scenes
from polysee.datasets.scenes_truth import (
    COLOUR_NAMES,
    CONCEPTS,
    FEELINGS,
    rearranged,
    recoloured,
    renumbered,
    truth_of,
)
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.judge import Judge, JudgeConfig
from polysee.objectives.judge import answer, cells_shown, hardest_absent, present
from polysee.training.folders import start_folder
from polysee.training.judging import ATTRIBUTES, accuracy, all_pairs
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import Recipe
from polysee.training.recipe_drawing import TrainJudge
from polysee.training.through_codes import load_through_codes

FIRST_SEED = 500 * 10**9  # others begin at their own seed, times 10^9
VALIDATION_SEED = 2_000_000  # the validation pictures are the same whatever a run's own seed is
_NODES = 7  # a side, between which a picture is pulled


class JudgeTask:
    """Every picture is drawn for its step, and never seen again."""

    def __init__(self, recipe: Recipe, task: TrainJudge) -> None:
        self.recipe, self.task = recipe, task
        self.codes = (
            load_through_codes(task.blurred_by) if task.blurred_by and task.blurred else None
        )
        model, self.licence = (
            (_fresh(task), "Apache-2.0") if task.start is None else _earlier(task.start)
        )
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.image_size = model.config.image_size
        self.pixels = PixelRecipe(self.image_size)
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + task.validation_pictures)
        self.held_out = scenes_of("validation", seeds)
        pictures = draw_scenes(self.held_out, seeds, self.image_size)
        self.held_out_pictures = {"validation": pictures}
        if self.codes is not None:
            parts = np.array_split(pictures, -(-len(pictures) // 32))
            through = np.concatenate([self.codes(some) for some in parts])
            self.held_out_pictures["validation_codes"] = through

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Scenes of training; their seeds are the numbers of the pictures."""
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, torch.Tensor]:
        """One process's part of `batch`."""
        first = FIRST_SEED + self.recipe.seed * 10**9 + step * self.recipe.batch_size
        seeds = part.rows(range(first, first + self.recipe.batch_size))
        scenes = [self._scene(seed) for seed in seeds]
        size = self.image_size
        drawn = [draw_scene(s, seed, size) for s, seed in zip(scenes, seeds, strict=True)]
        pictures = np.stack([d.image for d in drawn])
        draw = np.random.default_rng([self.recipe.seed, seeds[0]])
        if self.task.pulled:
            pictures = pulled(pictures, self.task.pulled, draw)
        if self.codes is not None:
            blurred = np.flatnonzero(draw.random(len(pictures)) < self.task.blurred)
            if len(blurred):
                pictures[blurred] = self.codes(pictures[blurred])
        pixels = self.pixels.normalise(pictures)
        truth = {k: torch.from_numpy(v) for k, v in asdict(truth_of(scenes)).items()}
        absent = draw.integers(len(CONCEPTS), size=(len(scenes), self.task.absent))
        return {
            "pixels": spoiled(pixels, self.task.spoiled, draw),
            "shares": shares_of(
                np.stack([d.owners for d in drawn]),
                truth["concept"].shape[1],
                self.model.config.grid_size,
            ),
            "absent": torch.from_numpy(absent),
            **truth,
        }

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen = self.model.look(batch["pixels"])
        concept = batch["concept"]  # (B, M)
        real = concept >= 0
        hard = hardest_absent(seen.log_chances, concept, self.task.absent // 2)
        rest = batch["absent"][:, self.task.absent // 2 :]
        asked = torch.cat([concept.clamp(min=0), hard, rest], dim=1)  # (B, Q)
        answers = self.model.ask(seen, asked)
        there = (asked[..., None] == concept[:, None]).any(2)
        things = concept.shape[1]
        wanted = F.pad(real, (0, self.task.absent), value=True)
        relation = self.model.relate(answers, all_pairs(concept))
        return {
            "cells": cells_shown(seen.log_chances, concept, batch["shares"]),
            "present": 0.5 * present(answers.present, there, wanted),
            **{
                name: 0.25 * answer(getattr(answers, name)[:, :things], batch[name])
                for name in ATTRIBUTES
            },
            "relation": 0.25 * answer(relation, batch["relation"].flatten(1)),
        }

    def validate(self) -> dict[str, float]:
        """The share of right answers about scenes of new combinations; see `training.judging.accuracy`.

        About true pictures, and where some are seen through codes, about all of them so.
        """
        return {
            f"{kind}_{name}": value
            for kind, pictures in self.held_out_pictures.items()
            for name, value in accuracy(self.model, self.pixels, self.held_out, pictures).items()
        }

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        start = shown_name(self.task.start) if self.task.start else "fresh weights"
        origin = f"{self.recipe.name}: from {start} on made scenes"
        if self.codes is not None:
            assert self.task.blurred_by is not None
            origin += f", some of them through the codes of {shown_name(self.task.blurred_by)}"
        card = Card(self.pixels, licence=self.licence, origin=origin)
        save_folder(folder, self.model, card, half=False)

    def _scene(self, seed: int) -> Scene:
        scene, draw = scene_of("training", seed), random.Random(f"judge-{seed}")
        if draw.random() < self.task.rearranged:
            other = rearranged(scene, draw)
            scene = other if other.split == "training" else scene
        if draw.random() < self.task.recoloured:
            scene = recoloured(scene, draw)
        if draw.random() < self.task.renumbered:
            scene = renumbered(scene, draw)
        return scene


def _fresh(task: TrainJudge) -> Judge:
    config = JudgeConfig(
        CONCEPTS, COLOUR_NAMES, FEELINGS, KINDS, task.image_size, task.patch_size,
        task.hidden_size, task.num_layers,
    )  # fmt: skip
    return Judge(config)


def _earlier(start: str) -> tuple[Judge, str]:
    """Beside it the licence of its weights."""
    folder = start_folder(start)
    model, card = load_folder(folder)
    if not isinstance(model, Judge):
        raise ConfigError(f"{folder}: no judge of scenes")
    known = (
        model.config.concepts,
        model.config.colours,
        model.config.feelings,
        model.config.relations,
    )
    if known != (CONCEPTS, COLOUR_NAMES, FEELINGS, KINDS):
        raise ConfigError(f"{folder}: it judges other things than the scenes of this version show")
    return model, card.licence


def shares_of(owners: np.ndarray, things: int, grid_size: int) -> torch.Tensor:
    """What of each cell every thing covers.

    Shapes:
        owners: (B, Y, X) uint8, from 1 on; 0 for none
        returns: (B, G, M)
    """
    whose = torch.from_numpy(owners)[:, None] == torch.arange(1, things + 1).view(1, -1, 1, 1)
    shares = F.avg_pool2d(whose.float(), owners.shape[1] // grid_size)  # (B, M, rows, columns)
    return shares.flatten(2).mT


def pulled(pictures: np.ndarray, most: float, draw: np.random.Generator) -> np.ndarray:
    """Pictures whose parts are pulled out of place, smoothly, each by lot. Elastic distortion as in Simard et al. 2003
    (Best practices for convolutional neural networks), over a coarse net of nodes in place of smoothed noise.

    What is true of the picture stays: at most half a cell of the judge's moves.

    Args:
        most: about how many pixels a part moves along either axis, at most.
    Shapes:
        pictures: (B, Y, X, C) uint8
        returns: (B, Y, X, C) uint8
    """
    count, rows, columns, channels = pictures.shape
    reach = draw.uniform(0, most, (count, 1, 1, 1)) * (draw.random((count, 1, 1, 1)) < 0.7)
    nodes = torch.from_numpy(reach * draw.uniform(-1, 1, (count, 2, _NODES, _NODES))).float()
    size = (rows, columns)
    moves = F.interpolate(nodes, size=size, mode="bicubic", align_corners=True).movedim(1, 3)
    still = F.affine_grid(
        torch.eye(2, 3).expand(count, -1, -1), [count, channels, *size], align_corners=False
    )
    grid = still + moves * 2 / torch.tensor([columns, rows])  # (B, Y, X, 2), the column first
    seen = torch.from_numpy(pictures).movedim(3, 1).float()
    found = F.grid_sample(seen, grid, padding_mode="border", align_corners=False)
    return found.round().byte().movedim(1, 3).numpy()


def spoiled(pixels: torch.Tensor, most: float, draw: np.random.Generator) -> torch.Tensor:
    """Pictures less sharp and less clean, each by lot: so that made ones are judged by what they show.

    Shapes:
        pixels: (B, C, Y, X)
        returns: (B, C, Y, X)
    """
    blurred = F.avg_pool2d(pixels, 5, 1, 2, count_include_pad=False)
    wanted = draw.random((2, len(pixels), 1, 1, 1)) < 0.7
    share, noise = torch.from_numpy(draw.uniform(0, most, wanted.shape) * wanted).float()
    grain = torch.from_numpy(draw.standard_normal(pixels.shape, np.float32))
    return torch.lerp(pixels, blurred, share) + 0.1 * noise * grain
