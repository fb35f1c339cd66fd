"""A tiny contrastive task that several processes can train. Run as a program, it is what Lightning starts anew."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from polysee.objectives.contrastive import contrastive_over_processes
from polysee.training import run
from polysee.training.chunks import encode_in_chunks
from polysee.training.module import limited_scale
from polysee.training.parts import WHOLE, Part
from polysee.training.recipe import FromNothing, Optimiser, Recipe

BATCH = 12


def shared_recipe() -> Recipe:
    return Recipe(
        name="shared", seed=3, steps=20, batch_size=BATCH, validate_every=10, checkpoint_every=10, ema_decay=0.5,
        optimiser=Optimiser(rate=0.01, warmup_steps=5, rates={"frozen": 0}, clip_norm=0.3),
        task=FromNothing(kind="from-nothing", model="clip"),
    )  # fmt: skip


class TwoTowers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(6, 6)
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.image = nn.Linear(6, 4)
        self.text = nn.Linear(5, 4)
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def encode_image(self, x: torch.Tensor) -> torch.Tensor:
        x = self.frozen(x)
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.image(x)

    def encode_text(self, x: torch.Tensor) -> torch.Tensor:
        return self.text(x)


class SharedTask:
    """Pictures are sums of what their texts say, with noise; some rows of a batch are equally right."""

    def __init__(self, recipe: Recipe, broken_at: int = -1) -> None:
        self.recipe, self.broken_at = recipe, broken_at
        torch.manual_seed(recipe.seed)
        self.model = TwoTowers()
        self.mixture = torch.randn(5, 6)

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        return self.batch_part(step, WHOLE)

    def batch_part(self, step: int, part: Part) -> dict[str, torch.Tensor]:
        if step == self.broken_at:
            raise InterruptedError
        draw = torch.Generator().manual_seed(step)
        keys = torch.randint(9, (BATCH,), generator=draw)
        text = torch.randn(9, 5, generator=draw)[keys]
        image = text @ self.mixture + torch.randn(BATCH, 6, generator=draw)
        rows = torch.tensor(part.rows(list(range(BATCH))))
        return {"image": image[rows], "text": text[rows], "keys": keys[rows]}

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        model = self.model
        image = encode_in_chunks(model, model.encode_image, batch["image"], size=4)
        text = encode_in_chunks(model, model.encode_text, batch["text"], size=4)
        scale = limited_scale(model.log_scale)
        return {"contrastive": contrastive_over_processes(image, text, scale, keys=batch["keys"])}

    def validate(self) -> dict[str, float]:
        with torch.no_grad():
            found = self.model.encode_image(self.batch(10_000)["image"])
        return {"validation_sum": found.sum().item()}

    def save(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        save_file(self.model.state_dict(), folder / "model.safetensors")


if __name__ == "__main__":
    run.make_task = SharedTask
    run.train(shared_recipe(), machines=run.Machines(sys.argv[1], devices=2), progress=False)
