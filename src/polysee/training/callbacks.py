"""What a run does beside its steps: average the weights, measure, stop when nothing is gained any more."""

from __future__ import annotations

import logging
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from polysee.training.sharding import sharded_as, whole

log = logging.getLogger(__name__)

Weights = dict[str, torch.Tensor]


@runtime_checkable
class StoppingTask(Protocol):
    """A task that is to stop once a figure has not grown for some validations; its best weights are what it gives.

    Args:
        monitor: the name of the figure, of those that `validate` returns; more is better.
        patience: how many validations without a gain it waits.
    """

    monitor: str
    patience: int


class EveryStep(Callback):
    """A callback after every step of the optimiser, which a batch may be computed for in several parts."""

    _last = 0

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        self._last = trainer.global_step

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if trainer.global_step != self._last:
            self._last = trainer.global_step
            self.after_step(trainer, module)

    def after_step(self, trainer: Any, module: Any) -> None: ...


class Average(EveryStep):
    """An exponential moving average of the weights, kept beside them and in the checkpoint.

    Polyak and Juditsky 1992; early on the average is short, so that it does not remember the fresh weights.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.weights: Weights = {}

    @torch.no_grad()
    def after_step(self, trainer: Any, module: Any) -> None:
        decay = min(self.decay, (1 + trainer.global_step) / (10 + trainer.global_step))
        for name, value in module.model.state_dict().items():
            if not value.is_floating_point():
                continue
            if name not in self.weights:
                self.weights[name] = value.clone()
            self.weights[name] = sharded_as(self.weights[name], value).to(value.device)
            self.weights[name].lerp_(value, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": {name: whole(value) for name, value in self.weights.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = state["weights"]


class Validate(EveryStep):
    """Measure the task every so many steps, with the averaged weights where they are kept.

    Attributes:
        best: the weights that measured best, for a task that stops early; `history`: its figure at every step.
    """

    def __init__(self, every: int, average: Average | None) -> None:
        self.every, self.average = every, average
        self.highest, self.waited, self.best = float("-inf"), 0, Weights()
        self.history: list[tuple[int, float]] = []

    @property
    def chosen(self) -> Weights:
        """The weights that the run gives: the best, else the averaged, else (none) the last."""
        return self.best or (self.average.weights if self.average else {})

    def after_step(self, trainer: Any, module: Any) -> None:
        step = trainer.global_step
        if step % self.every and step != module.recipe.steps:
            return
        with holding(module.model, self.average.weights if self.average else {}):
            found = module.task.validate()
            if isinstance(module.task, StoppingTask):
                self.history.append((step, found[module.task.monitor]))
                stop = self._look(module.task, found)
                # One process's rounding must not let it stop alone.
                trainer.should_stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        log.info("step %d: %s", step, {name: round(value, 4) for name, value in found.items()})
        module.log_dict(found)

    def _look(self, task: Any, found: dict[str, float]) -> bool:
        """Keep the weights if they are the best so far; say whether it is time to stop."""
        self.waited += 1
        if found[task.monitor] > self.highest:
            self.highest, self.waited = found[task.monitor], 0
            self.best = {name: value.clone() for name, value in moving(task.model).items()}
        return self.waited >= task.patience

    def state_dict(self) -> dict[str, Any]:
        if not self.best:
            return {}
        best = {name: whole(value) for name, value in self.best.items()}
        return {
            "highest": self.highest,
            "waited": self.waited,
            "best": best,
            "history": self.history,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.highest, self.waited, self.best = state["highest"], state["waited"], state["best"]
        self.history = list(state["history"])


def moving(model: nn.Module) -> Weights:
    """What training changes of a model: the weights that learn, and running statistics."""
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    buffers = {name for name, _ in model.named_buffers()}
    return {n: v for n, v in model.state_dict().items() if n in learning or n in buffers}


def put(weights: Weights, model: nn.Module) -> None:
    """Give a model these of its weights."""
    if weights:
        own = model.state_dict()
        given = {name: sharded_as(value, own[name]) for name, value in weights.items()}
        model.load_state_dict(given, strict=False)


class holding:
    """Within: the model holds these weights, where any are given, and is in eval mode; after: it is as it was."""

    def __init__(self, model: nn.Module, weights: Weights) -> None:
        self.model, self.weights = model, weights

    def __enter__(self) -> None:
        self.training = self.model.training
        self.kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        put(self.weights, self.model)
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        self.model.load_state_dict(self.kept)
        self.model.train(self.training)
