"""One of several processes that share a batch; what the tests start. Writes its loss and gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import distributed

from polysee.objectives.contrastive import contrastive_over_processes
from polysee.objectives.gather import gather


def towers() -> tuple[torch.nn.Module, torch.nn.Module, torch.nn.Parameter]:
    torch.manual_seed(7)
    image, text = torch.nn.Linear(5, 4), torch.nn.Linear(6, 4)
    return image, text, torch.nn.Parameter(torch.tensor(1.5))


def joined_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    pictures, texts = torch.randn(12, 5, generator=draw), torch.randn(12, 6, generator=draw)
    return pictures, texts, torch.tensor([0, 1, 2, 0, 4, 5, 6, 7, 8, 1, 10, 11])


def parameters() -> list[torch.nn.Parameter]:
    image, text, log_scale = towers()
    return [*image.parameters(), *text.parameters(), log_scale]


def main(rank: int, count: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=(folder / "meet").as_uri(), rank=rank, world_size=count
    )
    found = {}
    for smoothing in (0.0, 0.1):
        for grouped in (False, True):
            image, text, log_scale = towers()
            pictures, texts, keys = (part[rank::count] for part in joined_batch())
            loss = contrastive_over_processes(
                image(pictures), text(texts), log_scale.exp(),
                smoothing=smoothing, keys=keys if grouped else None,
            )  # fmt: skip
            loss.backward()
            gradients = [p.grad for p in (*image.parameters(), *text.parameters(), log_scale)]
            for value in (loss.data, *gradients):  # as DDP does
                distributed.all_reduce(value)
                value /= count
            found[smoothing, grouped] = (loss.detach(), gradients)
    rows = torch.full((2, 3), float(rank), requires_grad=True)
    gathered = gather(rows)
    (gathered * (rank + 1)).sum().backward()
    torch.save((found, gathered.detach(), rows.grad), folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
