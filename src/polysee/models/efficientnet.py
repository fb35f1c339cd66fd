"""EfficientNet: one small network, scaled in width, depth and resolution together.

Tan and Le 2019 (https://arxiv.org/abs/1905.11946); the block is MobileNetV2's inverted residual with
squeeze-and-excitation. The Lite family drops squeeze-and-excitation, replaces SiLU by ReLU6, and keeps stem, head
and the first and last stage unscaled, so that it quantises well and runs fast on a CPU.
Differs from the paper: no stochastic depth (the bundled models are fine-tuned for few epochs only).

Shapes: B batch, C channels, Y rows, X columns, D the width of the last map (`hidden_size`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.convolutions import ConvNorm, SameConv2d
from polysee.layers.sizes import MOST_LAYERS, check_sizes

# Table 1 of the paper: repeats, kernel, stride, expansion, output channels.
STAGES: tuple[tuple[int, ...], ...] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


@dataclass(frozen=True)
class EfficientNetConfig:
    """What tells one EfficientNet from another.

    Args:
        width: multiplies every channel count, rounded to a multiple of 8.
        depth: multiplies the repeats of every stage, rounded up.
        image_size: pixels a side that the weights were trained at; any size goes in.
        lite: the Lite family.
        squeeze_ratio: channels of the squeeze over the block's input channels; unused when `lite`.
        head: widen the last stage's channels by a 1x1 convolution; the published ALIGN does not.
        stages: the unscaled network, a row of `STAGES`' five numbers for each stage.
        as_ported: the two ways in which the port in `transformers`, with which the published ALIGN is used, departs
            from the paper's code: convolutions of stride 2 are padded as for a map of even size even where it is
            odd, and the first block of a stage never adds its input.
    """

    width: float = 1.0
    depth: float = 1.0
    image_size: int = 224
    lite: bool = False
    squeeze_ratio: float = 0.25
    head: bool = True
    norm_epsilon: float = 1e-3
    norm_momentum: float = 0.01
    stages: tuple[tuple[int, ...], ...] = STAGES
    as_ported: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        for stage in self.stages:
            if len(stage) != 5 or not all(isinstance(n, int) and n > 0 for n in stage):
                raise ConfigError(f"a stage of stages must be five numbers from 1 up, not {stage}")
        if not self.stages:
            raise ConfigError("stages must not be empty")
        if self.width <= 0 or self.depth <= 0:
            raise ConfigError(
                f"width and depth must be positive, not {self.width} and {self.depth}"
            )
        blocks = sum(self.repeats(stage) for stage in range(len(self.stages)))
        if blocks > MOST_LAYERS:
            raise ConfigError(
                f"depth and stages must give at most {MOST_LAYERS} blocks, not {blocks}"
            )

    def channels(self, count: int) -> int:
        """Scale a channel count and round it to a multiple of 8, never down by more than 10 %."""
        scaled = count * self.width
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * scaled else rounded

    @property
    def stem_channels(self) -> int:
        return STEM_CHANNELS if self.lite else self.channels(STEM_CHANNELS)

    @property
    def hidden_size(self) -> int:
        if not self.head:
            return self.channels(self.stages[-1][-1])
        return HEAD_CHANNELS if self.lite else self.channels(HEAD_CHANNELS)

    def repeats(self, stage: int) -> int:
        count = self.stages[stage][0]
        if self.lite and stage in (0, len(self.stages) - 1):
            return count
        return math.ceil(count * self.depth)


PRESETS = {
    "b0": EfficientNetConfig(1.0, 1.0, 224),
    "b1": EfficientNetConfig(1.0, 1.1, 240),
    "b2": EfficientNetConfig(1.1, 1.2, 260),
    "b3": EfficientNetConfig(1.2, 1.4, 300),
    "b4": EfficientNetConfig(1.4, 1.8, 380),
    "b5": EfficientNetConfig(1.6, 2.2, 456),
    "b6": EfficientNetConfig(1.8, 2.6, 528),
    "b7": EfficientNetConfig(2.0, 3.1, 600),
    "lite0": EfficientNetConfig(1.0, 1.0, 224, lite=True),
    "lite1": EfficientNetConfig(1.0, 1.1, 240, lite=True),
    "lite2": EfficientNetConfig(1.1, 1.2, 260, lite=True),
    "lite3": EfficientNetConfig(1.2, 1.4, 280, lite=True),
    "lite4": EfficientNetConfig(1.4, 1.8, 300, lite=True),
}


class EfficientNetOutput(NamedTuple):
    """`map`: (B, D, Y / 32, X / 32), what each region shows; `pooled`: (B, D), its mean."""

    map: torch.Tensor
    pooled: torch.Tensor


class SqueezeExcite(nn.Module):
    """Weigh every channel by what the whole picture holds (Hu et al. 2018, https://arxiv.org/abs/1709.01507).

    Shapes:
        x: (B, channels, Y, X)
        returns: (B, channels, Y, X)
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summary = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        gate = self.expand(nn.functional.silu(self.reduce(summary))).sigmoid()
        return x * gate


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, weigh the channels, project back; add the input where shapes allow.

    Shapes:
        x: (B, in_channels, Y, X)
        returns: (B, out_channels, ceil(Y / stride), ceil(X / stride))
    """

    def __init__(
        self,
        config: EfficientNetConfig,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        pair = _pair(config)
        activation = _activation(config)
        self.expand = (
            pair(in_channels, inner, 1, activation=activation) if expansion > 1 else nn.Identity()
        )
        self.depthwise = pair(
            inner, inner, kernel_size, stride=stride, groups=inner, activation=activation
        )
        squeezed = max(1, int(in_channels * config.squeeze_ratio))
        self.squeeze = nn.Identity() if config.lite else SqueezeExcite(inner, squeezed)
        self.project = pair(inner, out_channels, 1, activation=None)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.squeeze(self.depthwise(self.expand(x))))
        return x + y if self.residual else y


class EfficientNet(nn.Module):
    """Pictures to a map of features and its mean.

    Shapes:
        pixels: (B, 3, Y, X), any size from 32 up
        returns: EfficientNetOutput, map (B, D, Y / 32, X / 32) and pooled (B, D)
    Example:
        >>> EfficientNet(PRESETS["lite0"]).eval()(torch.zeros(1, 3, 64, 96)).map.shape
        torch.Size([1, 1280, 2, 3])
    """

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.config = config
        pair, activation = _pair(config), _activation(config)
        self.stem = pair(3, config.stem_channels, 3, stride=2, activation=activation)
        self.blocks = nn.ModuleList()
        channels = config.stem_channels
        for stage, (_, kernel_size, stride, expansion, count) in enumerate(config.stages):
            for repeat in range(config.repeats(stage)):
                step = stride if repeat == 0 else 1
                out_channels = config.channels(count)
                block = InvertedResidual(
                    config, channels, out_channels, kernel_size, step, expansion
                )
                if config.as_ported and repeat == 0:
                    block.residual = False
                self.blocks.append(block)
                channels = out_channels
        head = pair(channels, config.hidden_size, 1, activation=activation) if config.head else None
        self.head = head or nn.Identity()

    def forward(self, pixels: torch.Tensor) -> EfficientNetOutput:
        return self.upper(self.lower(pixels, len(self.blocks)), len(self.blocks))

    def lower(self, pixels: torch.Tensor, cut: int) -> torch.Tensor:
        """The stem and the first `cut` blocks: what stays the same, and is kept, while the rest is trained."""
        x = self.stem(pixels)
        for block in self.blocks[:cut]:
            x = block(x)
        return x

    def upper(self, x: torch.Tensor, cut: int) -> EfficientNetOutput:
        """The blocks from `cut` on, and the head."""
        for block in self.blocks[cut:]:
            x = block(x)
        x = self.head(x)  # (B, D, Y / 32, X / 32)
        return EfficientNetOutput(map=x, pooled=x.mean((2, 3)))


def _activation(config: EfficientNetConfig) -> Callable[[], nn.Module]:
    """Not in place: a page that explains a picture reads what came before the activation."""
    return nn.ReLU6 if config.lite else nn.SiLU


class _EvenConv2d(SameConv2d):
    """Padded as for maps whose size the stride divides, whatever their size."""

    def fixed_padding(self) -> list[int]:
        rows, columns = (self._padding_of(0, axis) for axis in (0, 1))
        return [rows // 2, columns // 2, rows - rows // 2, columns - columns // 2]

    def _padding_of(self, size: int, axis: int) -> int:
        return self.kernel_size[axis] - self.stride[axis]


class _EvenConvNorm(ConvNorm):
    convolution = _EvenConv2d


def _pair(config: EfficientNetConfig) -> Callable[..., ConvNorm]:
    kind = _EvenConvNorm if config.as_ported else ConvNorm

    def make(*sizes: int, **options: object) -> ConvNorm:
        return kind(
            *sizes,
            norm_epsilon=config.norm_epsilon,
            norm_momentum=config.norm_momentum,
            **options,  # type: ignore[arg-type]
        )

    return make
