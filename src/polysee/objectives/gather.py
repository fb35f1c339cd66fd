"""One batch over several processes: each encodes its part, and the loss is that of the whole.

Shapes: B rows of this process, W processes, E projection size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


def processes() -> tuple[int, int]:
    """The number of this process, and how many there are.

    Example:
        >>> processes()
        (0, 1)
    """
    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def gather(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all processes, this one's among them, with gradients to where each came from.

    A row's gradient is the sum over what every process makes of it. So if process w computes a loss L_w, and
    gradients of parameters are averaged over the processes, as DDP and FSDP do, they are those of the mean of all L_w.

    Shapes:
        rows: (B, ...), the same B in every process
        returns: (W B, ...), in the order of the processes
    Example:
        >>> gather(torch.ones(2, 3)).shape    # one process: its own rows
        torch.Size([2, 3])
    """
    if processes()[1] == 1:
        return rows
    gathered: torch.Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(processes()[1])]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        rank, count = processes()
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(count)[rank]
