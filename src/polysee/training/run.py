"""Run a recipe: train, validate, keep checkpoints, write a model folder."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import ModelParallelStrategy

from polysee.datasets.tables import runs_folder
from polysee.errors import ConfigError
from polysee.training.callbacks import Average, Validate, Weights, holding, put
from polysee.training.module import Task, TrainingModule
from polysee.training.parts import DividedTask, Part
from polysee.training.recipe import (
    Distil,
    Finetune,
    FinetuneLanguage,
    FromNothing,
    Language,
    Read,
    Recipe,
    See,
    Sentiment,
)
from polysee.training.recipe_drawing import TrainDalle, TrainDvae, TrainJudge
from polysee.training.recipe_matcher import TrainMatcher
from polysee.training.sharding import is_sharded, make_whole


@dataclass(frozen=True)
class Machines:
    """What a recipe is trained on; every field is Lightning's, and no recipe changes for it.

    Several processes share every batch, each `batch_size` / processes of its rows, and end with the weights that one
    process would end with. With batch normalisation that holds on GPUs, where its statistics are taken over the joined
    batch; on CPUs each process takes its own.

    Args:
        strategy: "ddp" keeps the whole model in every process, "fsdp" a part of it; "auto" is one process, or ddp.
        devices: processes on each machine.
        nodes: machines.
        accelerator: "cpu", "gpu", "mps", or the best there is.
        workers: processes that prepare the batches of each that trains; worth it where the training is on a GPU.
    """

    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    devices: int = 1
    nodes: int = 1
    accelerator: str = "auto"
    workers: int = 0

    @property
    def processes(self) -> int:
        return self.devices * self.nodes

    def check(self, task: Task, recipe: Recipe) -> None:
        """Refuse what the processes could not share, before they are started.

        Raises:
            ConfigError: the task is for one process, or the batch cannot be divided.
        """
        parts = self.processes * recipe.accumulate
        if parts > 1 and not isinstance(task, DividedTask):
            raise ConfigError(
                f"a recipe of kind {recipe.task.kind} is trained by one process, batch by batch:"
                " devices and accumulate must be 1"
            )
        Part(of=parts).rows(range(recipe.batch_size))

    def trainer_options(self) -> dict[str, Any]:
        """As `lightning.Trainer` takes them."""
        count = self.processes
        strategy: Any = "auto" if count == 1 else "ddp"
        if self.strategy == "fsdp" and count > 1:
            strategy = ModelParallelStrategy(count, 1, save_distributed_checkpoint=False)
        return {
            "strategy": strategy,
            "devices": self.devices,
            "num_nodes": self.nodes,
            "accelerator": self.accelerator,
            "sync_batchnorm": strategy == "ddp" and self._has_gpu(),
        }

    def _has_gpu(self) -> bool:
        return self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Lightning says of absent GPUs, of other products, and of a folder that a run goes on in."""
    told = logging.getLogger("lightning.pytorch")
    level = told.level
    told.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists")
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")
            yield
    finally:
        told.setLevel(level)


ONE_PROCESS = Machines()
HISTORY = "history.json"
"""Beside the model, of a run that stops early: its figure at every validation."""


def train(
    recipe: Recipe,
    *,
    task: Task | None = None,
    machines: Machines = ONE_PROCESS,
    folder: Path | None = None,
    resume: bool = True,
    progress: bool = True,
) -> Path:
    """Train a recipe to its end; return the model folder.

    A run that was ended, by `kill -9` too, goes on from its last checkpoint and ends with the same weights. Each start
    logs into a folder of its own, `logs/version_0`, `version_1`, ...; Lightning would delete an earlier one's rows.

    Args:
        task: what the recipe trains, if it has been made already.
        folder: where the run is kept; below `runs_folder()` by default.
        resume: go on from the run's last checkpoint where there is one; False begins anew.
    Raises:
        DataError, CheckpointError, ConfigError: what the recipe names is absent or does not fit.
    """
    folder = folder or runs_folder() / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(recipe.seed, verbose=False)
    task = task or make_task(recipe)
    machines.check(task, recipe)
    module = TrainingModule(task, recipe, machines.workers)
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
    with _quiet():
        trainer = lightning.Trainer(
            max_steps=recipe.steps, max_epochs=-1, precision=recipe.precision,
            gradient_clip_val=recipe.optimiser.clip_norm, logger=CSVLogger(folder, name="logs"),
            callbacks=callbacks, enable_progress_bar=progress, enable_model_summary=False,
            accumulate_grad_batches=recipe.accumulate,
            log_every_n_steps=20, use_distributed_sampler=False, **machines.trainer_options(),
        )  # fmt: skip
        last = folder / "last.ckpt"
        trainer.fit(module, ckpt_path=str(last) if resume and last.exists() else None)
    _save(trainer, task, validate.chosen, folder / "model")
    if validate.history:
        (folder / HISTORY).write_text(json.dumps(validate.history), encoding="utf-8")
    return folder / "model"


def _save(trainer: Any, task: Task, weights: Weights, folder: Path) -> None:
    """Let the first process write the model folder, with these weights, while the others wait."""
    sharded = is_sharded(task.model)
    if sharded:
        put(weights, task.model)
        make_whole(task.model)
    if trainer.is_global_zero:
        with nullcontext() if sharded else holding(task.model, weights):
            task.save(folder)
    trainer.strategy.barrier()


_TASKS: dict[type, tuple[str, str]] = {
    Distil: ("distil", "DistilTask"),
    See: ("see", "SeeTask"),
    Read: ("read", "ReadTask"),
    FromNothing: ("from_nothing", "FromNothingTask"),
    Language: ("language", "LanguageTask"),
    Sentiment: ("sentiment", "SentimentTask"),
    Finetune: ("finetune", "FinetuneTask"),
    FinetuneLanguage: ("finetune_language", "make_task"),
    TrainDvae: ("dvae", "DvaeTask"),
    TrainDalle: ("dalle", "DalleTask"),
    TrainJudge: ("judge", "JudgeTask"),
    TrainMatcher: ("matcher", "MatcherTask"),
}
"""Of each kind of recipe what is trained, in a module of `polysee.training` that is imported when it is wanted."""


def make_task(recipe: Recipe) -> Task:
    """Make what a recipe trains; the heavy data is read here."""
    module, name = _TASKS[type(recipe.task)]
    made: Task = getattr(import_module(f"polysee.training.{module}"), name)(recipe, recipe.task)
    return made
