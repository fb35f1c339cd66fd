"""Convolutions padded as TensorFlow pads them, and the convolution + normalisation pair of the EfficientNets.

Shapes: B batch, C channels, Y rows, X columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A convolution whose output has ceil(input / stride) rows and columns.

    TensorFlow's "SAME" rule: where the padding is odd, the extra row and column go below and to the right.
    PyTorch's symmetric padding differs from it at stride 2, and weights trained under one rule lose accuracy
    under the other.

    Shapes:
        x: (B, C, Y, X)
        returns: (B, out_channels, ceil(Y / stride), ceil(X / stride))
    Example:
        >>> SameConv2d(3, 8, 3, stride=2)(torch.zeros(1, 3, 7, 10)).shape
        torch.Size([1, 8, 4, 5])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolve(x, self.weight, self.bias)

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """The same convolution with other weights."""
        rows = self._padding_of(x.shape[2], 0)
        columns = self._padding_of(x.shape[3], 1)
        if rows % 2 == 0 and columns % 2 == 0:  # symmetric: the convolution pads without a copy
            symmetric = (rows // 2, columns // 2)
            return F.conv2d(x, weight, bias, self.stride, symmetric, self.dilation, self.groups)
        left, top = columns // 2, rows // 2
        x = F.pad(x, (left, columns - left, top, rows - top))
        return F.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)

    def fixed_padding(self) -> list[int] | None:
        """Above, left, below and right, where that is the same for maps of every size; here it is not."""
        return None

    def _padding_of(self, size: int, axis: int) -> int:
        kernel, stride = self.kernel_size[axis], self.stride[axis]
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, activation.

    Where gradients are wanted but the statistics are fixed (eval mode), the normalisation is folded into the
    convolution at every call. Result and gradients are the same but for rounding, one pass over the map is saved, and
    on a CPU that is half of the time.

    Args:
        activation: makes the activation module; None ends the pair after the normalisation.
        norm_epsilon, norm_momentum: as in `torch.nn.BatchNorm2d`.
    Shapes:
        x: (B, in_channels, Y, X)
        returns: (B, out_channels, ceil(Y / stride), ceil(X / stride))
    """

    convolution: type[SameConv2d] = SameConv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None,
        norm_epsilon: float = 1e-3,
        norm_momentum: float = 0.01,
    ) -> None:
        super().__init__()
        self.conv = self.convolution(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=norm_epsilon, momentum=norm_momentum)
        self.activation = activation() if activation else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training or not torch.is_grad_enabled():
            return self.activation(self.norm(self.conv(x)))
        return self.activation(self.conv.convolve(x, *self.folded()))

    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of the convolution that does the work of both, with the statistics as they are."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factor = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (out_channels,)
        weight = self.conv.weight * factor[:, None, None, None]
        return weight, norm.bias - norm.running_mean * factor


class ResidualConv(nn.Module):
    """Two convolutions of 3 x 3 whose result is added, as in ResNet (He et al. 2015, arXiv:1512.03385).

    Shapes:
        x: (B, D, Y, X)
        returns: the same
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.first = ConvNorm(size, size, 3, activation=nn.SiLU, norm_momentum=0.1)
        self.second = ConvNorm(size, size, 3, activation=None, norm_momentum=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(x + self.second(self.first(x)))


class FoldedConvNorm(nn.Module):
    """A `ConvNorm` for use alone, its normalisation folded into the convolution once and for all.

    Shapes:
        x: (B, in_channels, Y, X)
        returns: (B, out_channels, ceil(Y / stride), ceil(X / stride))
    """

    def __init__(self, pair: ConvNorm) -> None:
        super().__init__()
        self.conv, self.activation = copy.deepcopy(pair.conv), pair.activation
        weight, bias = (tensor.detach() for tensor in pair.folded())
        self.conv.weight, self.conv.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.conv(x))


def fold_norms(module: nn.Module) -> nn.Module:
    """A copy in eval mode in which every `ConvNorm` is folded; its results differ by rounding alone.

    Example:
        >>> fold_norms(nn.Sequential(ConvNorm(3, 8, 1, activation=None)))[0]
        FoldedConvNorm(...)
    """
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ConvNorm):
                setattr(parent, name, FoldedConvNorm(child))
    return folded.requires_grad_(False)
