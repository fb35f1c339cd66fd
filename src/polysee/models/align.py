"""ALIGN: an EfficientNet for pictures and a BERT for text, trained to put a picture and its caption in one place.

Jia et al. 2021 (https://arxiv.org/abs/2102.05918).
Differs from the paper: `pooling="mean"` takes the mean of the text's tokens in place of the first, and a picture
projection is there when the shared space is not as wide as the image tower; both serve the small bundled model.

Shapes: B batch, C channels, Y/X rows/columns, T tokens, D hidden size, E projection size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.pooling import POOLINGS
from polysee.layers.sizes import check_sizes
from polysee.models.bert import Bert, BertConfig
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig


@dataclass(frozen=True)
class AlignConfig:
    """The two towers and the space between them.

    Args:
        projection_size: E; the text is always projected to it, the picture only if its tower is not that wide.
        initial_temperature: what similarities are divided by at the start of training; learnt from there.
    """

    image: EfficientNetConfig = field(default_factory=EfficientNetConfig)
    text: BertConfig = field(default_factory=BertConfig)
    projection_size: int = 640
    pooling: Literal["first", "mean"] = "first"
    initial_temperature: float = 1.0

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.initial_temperature:
            raise ConfigError("initial_temperature must be above 0")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"unknown pooling {self.pooling!r}; one of {', '.join(POOLINGS)}")


class Align(nn.Module):
    """Two towers into one space.

    Example:
        >>> text = BertConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> model = Align(AlignConfig(EfficientNetConfig(0.25, 0.25), text, projection_size=16)).eval()
        >>> model.encode_image(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 16])
        >>> model.encode_text(torch.zeros(3, 5, dtype=torch.long)).shape
        torch.Size([3, 16])
    """

    def __init__(self, config: AlignConfig) -> None:
        super().__init__()
        self.config = config
        self.image = EfficientNet(config.image)
        self.text = Bert(config.text)
        size = config.projection_size
        same = size == config.image.hidden_size
        self.image_projection = nn.Identity() if same else nn.Linear(config.image.hidden_size, size)
        self.text_projection = nn.Linear(config.text.hidden_size, size)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.initial_temperature)))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pictures.

        Shapes:
            pixels: (B, 3, Y, X), normalised
            returns: (B, E), not of unit length
        """
        return self.image_projection(self.image(pixels).pooled)

    def encode_text(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed texts.

        Shapes:
            tokens: (B, T) int64
            mask: (B, T) bool, True for a real token
            returns: (B, E), not of unit length
        """
        hidden = self.text(tokens, mask)  # (B, T, D)
        return self.text_projection(POOLINGS[self.config.pooling](hidden, mask))
