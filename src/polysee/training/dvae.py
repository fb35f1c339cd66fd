"""Train a discrete VAE on made scenes.

Shapes: B batch, C channels, Y/X rows/columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polysee.checkpoints.folder import Card, load_folder, save_folder
from polysee.datasets.scenes import Split, scene_of
from polysee.datasets.scenes_drawing import draw_scene
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.align import Align
from polysee.models.dalle import Dalle
from polysee.models.dvae import Dvae, DvaeConfig, GumbelDvae, GumbelDvaeConfig, GumbelQuantizer
from polysee.objectives.dvae import (
    code_usage,
    feature_distance,
    signal_to_noise,
    uniform_divergence,
)
from polysee.training.folders import start_folder
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import Recipe
from polysee.training.recipe_drawing import TrainDvae

# Blocks of EfficientNet-Lite2 that end at a half, a quarter and an eighth of the size.
_LOOKS = (1, 4, 7)
VALIDATION_SEED = 1_000_000  # the validation pictures are the same whatever a run's own seed is


class DvaeTask:
    """Every picture is drawn for its step, and never seen again."""

    def __init__(self, recipe: Recipe, task: TrainDvae) -> None:
        self.recipe, self.task = recipe, task
        self.pixels = PixelRecipe(task.image_size)
        model = fresh_dvae(task) if task.start is None else _earlier(task)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.look = _Look(task.seen_by, self.pixels) if task.perceptual else None
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + task.validation_pictures)
        self.held_out = draw_pictures("validation", seeds, task.image_size)

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Scenes of training; their seeds are the numbers of the pictures."""
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, torch.Tensor]:
        """One process's part of `batch`."""
        first = self.recipe.seed * 10**9 + step * self.recipe.batch_size
        seeds = part.rows(range(first, first + self.recipe.batch_size))
        pictures, seen = draw_pictures("training", seeds, self.task.image_size)
        return {
            "pixels": self.pixels.normalise(pictures),
            "seen": torch.from_numpy(seen),
            "progress": torch.tensor(step / self.recipe.steps),
        }

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        quantizer = self.model.quantizer
        if isinstance(quantizer, GumbelQuantizer):
            quantizer.temperature = temperature_at(batch["progress"].item(), self.task.temperatures)
        made = self.model(batch["pixels"])
        error = (made.pixels - batch["pixels"]).square().mean(1)  # (B, Y, X)
        weight = 1 + (self.task.things - 1) * batch["seen"]
        losses = {"squared_error": (error * weight).mean()}
        if self.look is not None:
            with torch.no_grad():
                wanted = self.look(batch["pixels"])
            distances = map(feature_distance, self.look(made.pixels), wanted)
            losses["perceptual"] = self.task.perceptual * torch.stack([*distances]).mean()
        if made.quantized.log_chances is not None:
            divergence = uniform_divergence(made.quantized.log_chances)
            losses["divergence"] = self.task.divergence * divergence
        return losses

    def validate(self) -> dict[str, float]:
        """How well pictures of new combinations come back, and how many of the codes they take."""
        return measure(self.model, self.pixels, *self.held_out)

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        begun = "from fresh weights" if self.task.start is None else "from an earlier run"
        origin = f"{self.recipe.name}: {begun} on made scenes"
        card = Card(self.pixels, licence="Apache-2.0", origin=origin)
        save_folder(folder, self.model, card, half=False)


class _Look:
    """What the first blocks of an ALIGN's image tower see in pictures; it learns nothing.

    Shapes:
        pixels: (B, C, Y, X), normalised as the VAE's are
        returns: a map of features for each of `_LOOKS`
    """

    def __init__(self, start: str, own: PixelRecipe) -> None:
        model, card = load_folder(start_folder(start))
        if not isinstance(model, Align):
            raise ConfigError(f"{start}: not an ALIGN")
        tower = model.image.requires_grad_(False).eval()
        self.tower = tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std = (torch.tensor(x).view(-1, 1, 1) for x in (own.mean, own.std))
        its_mean, its_std = (
            torch.tensor(x).view(-1, 1, 1) for x in (card.pixels.mean, card.pixels.std)
        )
        self.scale, self.shift = std / its_std, (mean - its_mean) / its_std

    def __call__(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        if self.scale.device != pixels.device:
            self.tower.to(pixels.device)
            self.scale, self.shift = self.scale.to(pixels.device), self.shift.to(pixels.device)
        x, seen = self.tower.stem(pixels * self.scale + self.shift), []
        for number, block in enumerate(self.tower.blocks[: max(_LOOKS)], 1):
            x = block(x)
            if number in _LOOKS:
                seen.append(x)
        return seen


def fresh_dvae(task: TrainDvae) -> Dvae:
    sizes: dict[str, Any] = {
        "image_size": task.image_size, "patch_size": task.patch_size, "hidden_size": task.hidden_size,
        "num_layers": task.num_layers, "more_layers": task.more_layers,
    }  # fmt: skip
    if task.quantizer == "gumbel":
        return GumbelDvae(GumbelDvaeConfig(**sizes, num_codes=task.num_codes))
    return Dvae(DvaeConfig(**sizes, levels=task.levels))


def _earlier(task: TrainDvae) -> Dvae:
    assert task.start is not None
    folder = start_folder(task.start)
    model, card = load_folder(folder)
    if isinstance(model, Dalle):
        model = model.dvae
    if not isinstance(model, Dvae) or card.pixels.image_size != task.image_size:
        raise ConfigError(f"{folder}: not a discrete VAE of pictures of {task.image_size} pixels")
    if model.config.more_layers >= task.more_layers:
        return model
    config = replace(model.config, more_layers=task.more_layers)
    grown = GumbelDvae(config) if isinstance(config, GumbelDvaeConfig) else Dvae(config)
    # Blocks that are new stand last at each scale, and add nothing yet.
    grown.load_state_dict(grown.state_dict() | model.state_dict())
    return grown


def draw_pictures(split: Split, seeds: Sequence[int], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the scenes of some seeds.

    Shapes:
        returns: (B, Y, X, C) uint8, and where things are seen, (B, Y, X) bool
    """
    drawn = [draw_scene(scene_of(split, seed), seed, size) for seed in seeds]
    return np.stack([d.image for d in drawn]), np.stack([d.seen for d in drawn])


def temperature_at(progress: float, temperatures: tuple[float, float]) -> float:
    """From the first to the last by the middle of training, each step by the same factor.

    Example:
        >>> [round(temperature_at(progress, (1.0, 0.25)), 3) for progress in (0, 0.25, 0.5, 1)]
        [1.0, 0.5, 0.25, 0.25]
    """
    first, last = temperatures
    return float(first * (last / first) ** min(1.0, 2 * progress))


@torch.no_grad()
def measure(
    model: Dvae, pixels: PixelRecipe, pictures: np.ndarray, seen: np.ndarray
) -> dict[str, float]:
    """The mean signal-to-noise ratio in decibels, over whole pictures and over the things alone; use of the codes.

    Shapes:
        pictures: (N, Y, X, C) uint8
        seen: (N, Y, X) bool
    """
    device = next(model.parameters()).device
    whole, things, codes = [], [], []
    for rows in np.array_split(np.arange(len(pictures)), -(-len(pictures) // 32)):
        made = model(pixels.normalise(pictures[rows]).to(device))
        # As it would be written to a file: in steps of a 255th.
        guess = ((made.pixels / 2 + 0.5).clamp(0, 1) * 255).round().cpu() / 255
        image = torch.from_numpy(pictures[rows]).permute(0, 3, 1, 2) / 255
        whole.append(signal_to_noise(guess, image))
        things.append(signal_to_noise(guess, image, torch.from_numpy(seen[rows])))
        codes.append(made.quantized.codes.cpu())
    usage, perplexity = code_usage(torch.cat(codes), model.quantizer.num_codes)
    return {
        "validation_psnr": torch.cat(whole).mean().item(),
        "validation_psnr_things": torch.cat(things).nanmean().item(),
        "code_usage": usage,
        "code_perplexity": perplexity,
    }
