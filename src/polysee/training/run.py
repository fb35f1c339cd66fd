"""Run a recipe: train, validate, keep checkpoints, write a model folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger

from polysee.datasets.tables import runs_folder
from polysee.training.module import Task, TrainingModule
from polysee.training.recipe import Align, Distil, Recipe

log = logging.getLogger(__name__)


class Average(Callback):
    """An exponential moving average of the weights, kept beside them and in the checkpoint.

    Polyak and Juditsky 1992; early on the average is short, so that it does not remember the fresh weights.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        decay = min(self.decay, (1 + trainer.global_step) / (10 + trainer.global_step))
        for name, value in module.model.state_dict().items():
            if not value.is_floating_point():
                continue
            if name not in self.weights:
                self.weights[name] = value.clone()
            self.weights[name].lerp_(value, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = state["weights"]


class Validate(Callback):
    """Measure the task every so many steps, with the averaged weights where they are kept."""

    def __init__(self, every: int, average: Average | None) -> None:
        self.every, self.average = every, average

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        step = trainer.global_step
        if step % self.every and step != module.recipe.steps:
            return
        with averaged(module.model, self.average):
            found = module.task.validate()
        log.info("step %d: %s", step, {name: round(value, 4) for name, value in found.items()})
        module.log_dict(found)


class averaged:
    """Within: the model holds its averaged weights and is in eval mode; after: it is as it was."""

    def __init__(self, model: torch.nn.Module, average: Average | None) -> None:
        self.model, self.average = model, average

    def __enter__(self) -> None:
        self.training = self.model.training
        self.kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        if self.average and self.average.weights:
            self.model.load_state_dict(self.average.weights, strict=False)
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        self.model.load_state_dict(self.kept)
        self.model.train(self.training)


def train(recipe: Recipe, *, resume: bool = True, progress: bool = True) -> Path:
    """Train a recipe to its end; return the model folder.

    A run that was ended, by `kill -9` too, goes on from its last checkpoint and ends with the same weights. Each start
    logs into a folder of its own, `logs/version_0`, `version_1`, ...; Lightning would delete an earlier one's rows.

    Args:
        resume: go on from the run's last checkpoint where there is one; False begins anew.
    Raises:
        DataError, CheckpointError, ConfigError: what the recipe names is absent or does not fit.
    """
    folder = runs_folder() / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(recipe.seed, verbose=False)
    task = make_task(recipe)
    module = TrainingModule(task, recipe)
    average = Average(recipe.ema_decay) if recipe.ema_decay else None
    validate = Validate(recipe.validate_every, average)
    checkpoints = ModelCheckpoint(
        folder, filename="last", every_n_train_steps=recipe.checkpoint_every, save_top_k=1,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Callback] = [checkpoints, validate]
    if average:
        callbacks.insert(0, average)
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    trainer = lightning.Trainer(
        accelerator="auto", devices=1, max_steps=recipe.steps, max_epochs=-1, precision=recipe.precision,
        gradient_clip_val=recipe.optimiser.clip_norm, logger=CSVLogger(folder, name="logs"),
        callbacks=callbacks, enable_progress_bar=progress, enable_model_summary=False,
        log_every_n_steps=20, use_distributed_sampler=False,
    )  # fmt: skip
    last = folder / "last.ckpt"
    trainer.fit(module, ckpt_path=str(last) if resume and last.exists() else None)
    with averaged(module.model, average):
        task.save(folder / "model")
    return folder / "model"


def make_task(recipe: Recipe) -> Task:
    """Make what a recipe trains; the heavy data is read here."""
    if isinstance(recipe.task, Distil):
        from polysee.training.distil import DistilTask

        return DistilTask(recipe, recipe.task)
    if isinstance(recipe.task, Align):
        from polysee.training.align import AlignTask

        return AlignTask(recipe, recipe.task)
    from polysee.training.from_nothing import FromNothingTask

    return FromNothingTask(recipe, recipe.task)
