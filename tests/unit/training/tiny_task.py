"""A task that trains in a second: what `train` does is what is looked at. Run as a program, it is what gets killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from polysee.training import run
from polysee.training.recipe import Distil, Optimiser, Recipe


def tiny_recipe(**changes: object) -> Recipe:
    values = {
        "name": "tiny", "seed": 3, "steps": 40, "batch_size": 8, "validate_every": 15, "checkpoint_every": 10,
        "ema_decay": 0.9, "optimiser": Optimiser(rate=0.01, warmup_steps=5), "task": Distil(kind="distil"),
    }  # fmt: skip
    return Recipe(**{**values, **changes})


class TinyTask:
    """Everything that a resumed run could get wrong is in it: dropout, running statistics, the order of batches."""

    def __init__(self, recipe: Recipe, pause: float = 0.0) -> None:
        self.recipe, self.pause = recipe, pause
        self.model = nn.Sequential(
            nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2)
        )
        self.steps: list[int] = []
        self.validated: list[tuple[bool, torch.Tensor]] = []

    def batch(self, step: int) -> torch.Tensor:
        time.sleep(self.pause)
        self.steps.append(step)
        draw = torch.Generator().manual_seed(step)
        return torch.randn(self.recipe.batch_size, 4, generator=draw)

    def losses(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.pause:
            Path("step").write_text(str(self.steps[-1]), encoding="utf-8")
        out = self.model(batch)
        return {"fit": (out - batch[:, :2]).square().mean(), "small": 0.1 * out.square().mean()}

    def validate(self) -> dict[str, float]:
        self.validated.append((self.model.training, self.model[0].weight.clone()))
        return {"validation_weight": self.model[0].weight.sum().item()}

    def save(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        save_file(self.model.state_dict(), folder / "model.safetensors")


if __name__ == "__main__":
    run.make_task = lambda recipe: TinyTask(recipe, pause=float(sys.argv[1]))
    run.train(tiny_recipe(), progress=False)
