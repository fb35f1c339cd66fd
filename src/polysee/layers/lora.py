"""Low-rank adaptation: train a small addition to each weight, and leave the weight as it is.

Hu et al. 2021 (https://arxiv.org/abs/2106.09685).

Shapes: r rank, I inputs, O outputs of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError


class Lora(nn.Module):
    """A linear map, or a convolution of 1 x 1, with a low-rank addition: W x + (alpha / r) up (down x).

    Section 4.1, equation 3. `up` starts at zero, so that at first nothing is changed.

    Args:
        base: the layer; its weights are frozen.
        rank: r.
        alpha: the addition is multiplied by alpha / r, so that a rate that suits one rank suits another.
    Shapes:
        x: as `base` reads it
        returns: as `base` gives it
    Example:
        >>> Lora(nn.Linear(8, 4), rank=2)(torch.zeros(3, 8)).shape
        torch.Size([3, 4])
    """

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int, alpha: float | None = None) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        outputs, inputs = base.weight.shape[:2]
        rank = min(rank, inputs, outputs)
        self.factor = 1.0 if alpha is None else alpha / rank
        self.down = nn.Parameter(base.weight.new_empty(rank, inputs))
        self.up = nn.Parameter(base.weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as nn.Linear starts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if isinstance(self.base, nn.Conv2d):
            small = F.conv2d(F.conv2d(x, self.down[..., None, None]), self.up[..., None, None])
        else:
            small = F.linear(F.linear(x, self.down), self.up)
        return self.base(x) + self.factor * small

    @property
    def weight(self) -> torch.Tensor:
        """The weight with its addition, (O, I) or (O, I, 1, 1), for code that reads it past `forward`."""
        return self.base.weight + self.factor * (self.up @ self.down).view_as(self.base.weight)

    @property
    def bias(self) -> torch.Tensor | None:
        return self.base.bias

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """As `SameConv2d.convolve`."""
        return self.base.convolve(x, weight, bias)  # type: ignore[operator]


def add_lora(
    model: nn.Module,
    rank: int,
    alpha: float | None = None,
    *,
    chosen: Callable[[str], bool] = lambda name: True,
) -> list[str]:
    """Freeze a model, and give its linear maps and 1 x 1 convolutions low-rank additions, in place.

    Args:
        chosen: which layers, by their names in the model; all by default.
    Returns:
        The names of the layers that were adapted.
    Raises:
        ConfigError: the rank is below 1, or no layer was chosen.
    Example:
        >>> model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> add_lora(model, rank=2, chosen=lambda name: name != "2")
        ['0']
        >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        ['0.down', '0.up']
    """
    if rank < 1:
        raise ConfigError(f"rank must be at least 1, not {rank}")
    model.requires_grad_(False)
    adapted: dict[nn.Module, Lora] = {}  # a layer may stand in several places
    names = []
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if _fits(layer) and chosen(name):
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            adapted.setdefault(layer, Lora(layer, rank, alpha))
            _replace(model, name, adapted[layer])
            names.append(name)
    if not names:
        raise ConfigError("no layer to adapt was chosen")
    return names


def merge_lora(model: nn.Module) -> nn.Module:
    """Add the additions to the weights for good, in place: the layers are again what they were before `add_lora`.

    Section 4.1, "no additional inference latency".

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 2))
        >>> _ = add_lora(model, rank=1)
        >>> merge_lora(model)
        Sequential(
          (0): Linear(in_features=8, out_features=2, bias=True)
        )
    """
    merged = set()
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if isinstance(layer, Lora):
            if layer not in merged:
                with torch.no_grad():
                    layer.base.weight.copy_(layer.weight)
            merged.add(layer)
            _replace(model, name, layer.base)
    return model


def _fits(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer)
