"""What fine-tuning of pictures and of language have in common: a recipe of few epochs, and a run beside the model."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import torch

from polysee.checkpoints.folder import CONFIG
from polysee.errors import ConfigError
from polysee.objectives.gather import processes
from polysee.training.recipe import Finetune, FinetuneLanguage, Optimiser, Recipe
from polysee.training.run import HISTORY

RUN = ".run"  # beside the model to be, until it is whole


def refuse_model_at(out: Path) -> None:
    """Raises: ConfigError: there is a model already."""
    if (out / CONFIG).exists():
        raise ConfigError(f"{out}: there is a model already; give another --out")


def short_recipe(
    name: str,
    task: Finetune | FinetuneLanguage,
    *,
    rows: int,
    batch_size: int,
    epochs: int,
    rate: float,
    seed: int,
) -> Recipe:
    """A recipe that validates and saves after every epoch.

    Args:
        rows: of an epoch.
    """
    steps_per_epoch = math.ceil(rows / batch_size)
    steps = epochs * steps_per_epoch
    optimiser = Optimiser(rate=rate, weight_decay=0.01, warmup_steps=steps // 20, clip_norm=1.0)
    return Recipe(
        name=name, seed=seed, steps=steps, batch_size=batch_size,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        accumulate=1, ema_decay=0.0, validate_every=steps_per_epoch,
        checkpoint_every=steps_per_epoch, optimiser=optimiser, task=task,
    )  # fmt: skip


def resumes(run: Path, recipe: Recipe) -> bool:
    """Whether a run of the very same recipe lies there; the recipe is written for the next time."""
    file = run / "recipe.json"
    asked = recipe.model_dump_json(indent=2)
    same = file.exists() and file.read_text(encoding="utf-8") == asked
    if not same and processes()[0] == 0:
        run.mkdir(parents=True, exist_ok=True)
        file.write_text(asked, encoding="utf-8")
    return same


def end_run(run: Path, made: Path, out: Path) -> list[tuple[int, float]]:
    """Put the model in its place and remove the run.

    Returns:
        The run's history: (step, score).
    """
    history: list[tuple[int, float]] = json.loads((run / HISTORY).read_text(encoding="utf-8"))
    for file in made.iterdir():
        shutil.move(file, out / file.name)
    shutil.rmtree(run)
    return history
