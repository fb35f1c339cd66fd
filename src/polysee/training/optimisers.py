"""Muon: the update of a matrix is turned into the nearest orthogonal one, so that no direction is favoured.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/). A convolution's kernel is the matrix that takes what
stands under it to one place of its output.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.adamw import adamw

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Bring all singular values near 1 by a quintic iteration of Newton and Schulz, section "Muon design".

    The coefficients are the paper's: they grow small values fast and leave each between about 0.7 and 1.2.

    Shapes:
        matrices: (N, rows, columns)
        returns: (N, rows, columns)
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    # Squares of squares are as good as none in half the precision: what is rounded turns negative, and grows.
    precise = x.dtype != torch.bfloat16 and x.shape[2] >= 2 * x.shape[1]
    x = _by_square(x, steps) if precise else _directly(x, steps)
    return x.mT if tall else x


def _directly(x: torch.Tensor, steps: int) -> torch.Tensor:
    a, b, c = _COEFFICIENTS
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x


def _by_square(x: torch.Tensor, steps: int) -> torch.Tensor:
    """The same, where rows are few: each step multiplies from the left by a polynomial of x x^T, so the small squares
    say all that x is to be multiplied by, and it is read twice in place of twice a step."""
    a, b, c = _COEFFICIENTS
    square = x @ x.mT
    unit = torch.eye(square.shape[1], device=x.device, dtype=x.dtype)
    product = unit.expand_as(square)
    for _ in range(steps):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c) + a * unit
        product = factor @ product
        square = factor @ square @ factor
    return product @ x


class Muon(torch.optim.Optimizer):
    """Muon for the groups of parameters that say so (`matrix`), AdamW for the others, as one optimiser.

    Args:
        groups: each with `params`, `lr`, `weight_decay`, `matrix`; matrices have two dimensions or more, rows first.
        momentum: of the matrices.
        betas: of AdamW.
        dtype: in which matrices are made orthogonal; half the precision is enough for it, as the paper found.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        epsilon: float = 1e-8,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dtype = dtype
        super().__init__(groups, {"momentum": momentum, "betas": betas, "eps": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learnt = [p for p in group["params"] if p.grad is not None]
            if learnt and group["matrix"]:
                self._move_matrices(learnt, group)
            elif learnt:
                self._move_others(learnt, group)
        return loss

    def _move_matrices(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
        for parameter in parameters:
            alike[parameter.shape].append(parameter)
        for shape, some in alike.items():  # few large products in place of many small ones
            gradients = [p.grad for p in some if p.grad is not None]
            averages = [self._momentum_of(p) for p in some]
            torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
            ahead = torch._foreach_lerp(gradients, averages, group["momentum"])  # Nesterov's
            matrices = torch.stack(ahead).flatten(2)  # (N, rows, columns)
            turned = orthogonalise(matrices.to(self.dtype)).to(matrices.dtype)
            moves = [move.view(shape) for move in turned]
            factor = max(1.0, matrices.shape[1] / matrices.shape[2]) ** 0.5
            torch._foreach_mul_(some, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(some, moves, alpha=-group["lr"] * factor)

    def _momentum_of(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if "average" not in state:
            state["average"] = torch.zeros_like(parameter)
        return state["average"]

    def _move_others(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "average": torch.zeros_like(parameter),
                    "square": torch.zeros_like(parameter),
                }
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["average"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
