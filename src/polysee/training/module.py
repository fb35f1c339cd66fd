"""The one LightningModule: a task gives batches, losses and metrics; this gives it an optimiser and a schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any, Protocol

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from polysee.errors import ConfigError
from polysee.training.optimisers import Muon
from polysee.training.parts import WHOLE, DividedTask, Part
from polysee.training.recipe import Optimiser, Recipe
from polysee.training.sharding import clip_norm, is_sharded, shard


class Task(Protocol):
    """What is trained.

    `batch(step)` depends on the step alone, so that a run that goes on from a checkpoint sees what it would have
    seen.
    """

    @property
    def model(self) -> nn.Module: ...

    def batch(self, step: int) -> Any: ...

    def losses(self, batch: Any) -> dict[str, torch.Tensor]: ...

    def validate(self) -> dict[str, float]: ...

    def save(self, folder: Path) -> None: ...


class Steps(IterableDataset[Any]):
    """The batches of a task from a step on, or this process's parts of each, one after the other.

    Where several workers prepare them, each takes every so many-th; the loader asks them in turn, so that the order
    is the same.
    """

    def __init__(self, task: Task, first: int, last: int, parts: Sequence[Part] = (WHOLE,)) -> None:
        self.task, self.first, self.last, self.parts = task, first, last, parts

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        """Give each batch with its step and the number of its part."""
        worker = get_worker_info()
        first, every = (0, 1) if worker is None else (worker.id, worker.num_workers)
        steps = range(self.first, self.last)
        for step, part in islice(product(steps, self.parts), first, None, every):
            if isinstance(self.task, DividedTask):
                yield step, part.number, self.task.batch_part(step, part)
            else:
                yield step, part.number, self.task.batch(step)


class TrainingModule(lightning.LightningModule):
    """A task under Lightning. The losses of a step are summed; each is logged by its name.

    Args:
        workers: processes that prepare batches ahead; 0 for none beside this one.
    """

    def __init__(self, task: Task, recipe: Recipe, workers: int = 0) -> None:
        super().__init__()
        self.task, self.recipe, self.workers = task, recipe, workers
        self.model = task.model
        # Which parameters learn, and which are matrices, is settled before DDP or FSDP takes them over.
        freeze(self.model, recipe.optimiser)

    def configure_model(self) -> None:
        if self.device_mesh is not None and not is_sharded(self.model):
            shard(self.model, self.device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        self.model.train()

    def train_dataloader(self) -> DataLoader[Any]:
        rank, processes, turns = self.global_rank, self.trainer.world_size, self.recipe.accumulate
        parts = [Part(rank * turns + turn, of=processes * turns) for turn in range(turns)]
        steps = Steps(self.task, self.global_step, self.recipe.steps, parts)
        return DataLoader(steps, batch_size=None, num_workers=self.workers)

    def training_step(self, numbered: tuple[int, int, Any], _: int) -> torch.Tensor:
        step, part, batch = numbered
        hold_frozen_statistics(self.model)
        # Dropout, too, depends on the step alone; in another part of the batch it is another.
        torch.manual_seed(self.recipe.seed * 1_000_003 + step + part * 2**40)
        losses = self.task.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        named = {name: loss.detach() for name, loss in losses.items()}
        self.log_dict(named, sync_dist=True)  # of the joined batch: the mean over processes
        self.log("loss", total.detach(), prog_bar=True, sync_dist=True)
        return total

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if is_sharded(self.model):
            clip_norm(self.model, self.recipe.optimiser.clip_norm)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        optimiser = self.recipe.optimiser
        mixed = self.recipe.precision == "bf16-mixed"
        made = make_optimiser(self.model, optimiser, torch.bfloat16 if mixed else torch.float32)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            made, lambda step: rate_factor(step, optimiser, self.recipe.steps)
        )
        return {
            "optimizer": made,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def limited_scale(log_scale: nn.Parameter, largest: float = 100.0) -> torch.Tensor:
    """The scale of a contrastive loss, held to at most `largest`; beyond it training is unstable.

    CLIP, section 2.5 (https://arxiv.org/abs/2103.00020). The parameter itself is held, not only what it gives, since a
    clamp in the graph would give it no gradient to come back by.

    Example:
        >>> round(limited_scale(nn.Parameter(torch.tensor(9.0))).item(), 3)
        100.0
    """
    with torch.no_grad():
        log_scale.clamp_(max=math.log(largest))
    return log_scale.exp()


def rate_factor(step: int, optimiser: Optimiser, steps: int) -> float:
    """What the rate is multiplied by: a linear warm-up to 1, then down to 0 as the optimiser's `decay_share` says.

    Example:
        >>> cosine = Optimiser(rate=1, warmup_steps=2)
        >>> [round(rate_factor(step, cosine, 10), 2) for step in (0, 1, 2, 6, 10)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
        >>> late = Optimiser(rate=1, warmup_steps=2, decay_share=0.4)
        >>> [round(rate_factor(step, late, 10), 2) for step in (0, 1, 2, 6, 8, 10)]
        [0.5, 1.0, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = optimiser.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    if optimiser.decay_share is not None:
        return max(0.0, min(1.0, (steps - step) / (optimiser.decay_share * steps)))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def hold_frozen_statistics(model: nn.Module) -> None:
    """Batch normalisation whose parameters are frozen reads its running statistics and moves them no more."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()


def freeze(model: nn.Module, optimiser: Optimiser) -> None:
    """Let no gradient be computed for parameters whose rate is 0."""
    for name, parameter in model.named_parameters():
        if not optimiser.factor(name):
            parameter.requires_grad_(False)


def make_optimiser(
    model: nn.Module, optimiser: Optimiser, dtype: torch.dtype = torch.float32
) -> torch.optim.Optimizer:
    """The optimiser that a recipe asks for.

    Args:
        dtype: in which Muon makes updates orthogonal.
    Raises:
        ConfigError: Muon over a model of which every process holds a part.
    """
    groups = parameter_groups(model, optimiser)
    sharded = is_sharded(model)
    if optimiser.kind == "adamw":
        # PyTorch's batched update cannot mix sharded parameters with whole ones.
        foreach = False if sharded else None
        return torch.optim.AdamW(groups, betas=optimiser.betas, foreach=foreach)
    if sharded:
        raise ConfigError("Muon needs whole matrices: use ddp, or the optimiser adamw")
    return Muon(groups, momentum=optimiser.momentum, betas=optimiser.betas, dtype=dtype)


def parameter_groups(model: nn.Module, optimiser: Optimiser) -> list[dict[str, Any]]:
    """Split the parameters that learn by their rate, by whether they are decayed, and by which Muon moves."""
    maps = (nn.Linear, nn.Conv2d)
    linear = {id(module.weight) for module in model.modules() if isinstance(module, maps)}
    groups: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            matrix = optimiser.kind == "muon" and id(parameter) in linear
            rate = optimiser.rate if matrix else optimiser.other_rate or optimiser.rate
            key = (rate * optimiser.factor(name), parameter.ndim >= 2, matrix)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": rate,
            "weight_decay": optimiser.weight_decay if decayed else 0.0,
            **({"matrix": matrix} if optimiser.kind == "muon" else {}),
        }
        for (rate, decayed, matrix), parameters in groups.items()
    ]
