"""ALIGN: an EfficientNet for pictures and a BERT for text, trained to put a picture and its caption in one place.

Jia et al. 2021 (https://arxiv.org/abs/2102.05918).
Differs from the paper: `pooling="mean"` takes the mean of the text's tokens in place of the first; a picture
projection is there when the shared space is not as wide as the image tower; `classes` adds where the classes of an
earlier training lie. All three serve the small bundled model.

Shapes: B batch, C channels, Y/X rows/columns, T tokens, D hidden size, E projection size, N classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.pooling import POOLINGS
from polysee.layers.sizes import check_sizes
from polysee.models.bert import Bert, BertConfig
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig, EfficientNetOutput


@dataclass(frozen=True)
class AlignConfig:
    """The two towers and the space between them.

    Args:
        projection_size: E; the text is always projected to it, the picture only if its tower is not that wide.
        initial_temperature: what similarities are divided by at the start of training; learnt from there.
        classes: N, of a classifier whose opinion is part of a picture's vector; 0 for none.
        class_rank: of that classifier's weight.
        class_window: regions a side that it looks at together, in every place of the map; 0 for the whole map at once.
    """

    image: EfficientNetConfig = field(default_factory=EfficientNetConfig)
    text: BertConfig = field(default_factory=BertConfig)
    projection_size: int = 640
    pooling: Literal["first", "mean"] = "first"
    initial_temperature: float = 1.0
    classes: int = 0
    class_rank: int = 0
    class_window: int = 0

    def __post_init__(self) -> None:
        check_sizes(self, may_be_zero=("classes", "class_rank", "class_window"))
        if bool(self.classes) != bool(self.class_rank):
            raise ConfigError("classes and class_rank go together")
        if not self.initial_temperature:
            raise ConfigError("initial_temperature must be above 0")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"unknown pooling {self.pooling!r}; one of {', '.join(POOLINGS)}")


class ClassMixture(nn.Module):
    """A classifier's opinion of a picture, as the mean of the classes' places weighed by their probabilities.

    ConSE (Norouzi et al. 2014, https://arxiv.org/abs/1312.5650): a picture of something that no class is lies between
    the classes it resembles. With a window, it is the mean opinion of the map's parts: a softmax over all of a picture
    decides for one thing, where parts may each show another.

    Shapes:
        map: (B, D, Y, X)
        returns: (B, E)
    """

    def __init__(self, hidden_size: int, rank: int, classes: int, size: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.reduce = nn.Linear(hidden_size, rank, bias=False)
        self.classify = nn.Linear(rank, classes)
        self.places = nn.Linear(classes, size, bias=False)

    def forward(self, map: torch.Tensor) -> torch.Tensor:
        opinions = self.classify(self.reduce(windows(map, self.window)))  # (B, W, N)
        return self.places(opinions.softmax(-1).mean(1))


def windows(map: torch.Tensor, side: int) -> torch.Tensor:
    """Means over all squares of `side` regions, W of them; over the whole map if `side` is 0.

    Shapes:
        map: (B, D, Y, X)
        returns: (B, W, D)
    """
    rows, columns = map.shape[2:]
    size = (min(side or rows, rows), min(side or columns, columns))
    return nn.functional.avg_pool2d(map, size, stride=1).flatten(2).transpose(1, 2)


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
        self.class_mixture = (
            ClassMixture(
                config.image.hidden_size,
                config.class_rank,
                config.classes,
                size,
                config.class_window,
            )
            if config.classes
            else None
        )
        self.text_projection = nn.Linear(config.text.hidden_size, size)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.initial_temperature)))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pictures.

        Shapes:
            pixels: (B, 3, Y, X), normalised
            returns: (B, E), not of unit length
        """
        return self.project_image(self.image(pixels))

    def project_image(self, features: EfficientNetOutput) -> torch.Tensor:
        """From the tower's features into the shared space.

        Shapes:
            features: map (B, D, Y, X), pooled (B, D)
            returns: (B, E), not of unit length
        """
        projected = self.image_projection(features.pooled)
        if self.class_mixture is None:
            return projected
        return nn.functional.normalize(projected, dim=-1) + self.class_mixture(features.map)

    def encode_text(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed texts.

        Shapes:
            tokens: (B, T) int64
            mask: (B, T) bool, True for a real token
            returns: (B, E), not of unit length
        """
        hidden = self.text(tokens, mask)  # (B, T, D)
        return self.text_projection(POOLINGS[self.config.pooling](hidden, mask))

    @torch.no_grad()
    def add_classes(
        self,
        reduce: torch.Tensor,
        classify: torch.Tensor,
        bias: torch.Tensor,
        places: torch.Tensor,
        window: int = 0,
    ) -> None:
        """Make a classifier's opinion part of every picture's vector from here on.

        Args:
            window: see `AlignConfig.class_window`.
        Shapes:
            reduce: (rank, D), classify: (N, rank), bias: (N,), the classifier; places: (N, E), of its classes
        """
        (rank, hidden_size), (classes, size) = reduce.shape, places.shape
        self.config = replace(self.config, classes=classes, class_rank=rank, class_window=window)
        self.class_mixture = ClassMixture(hidden_size, rank, classes, size, window)
        self.class_mixture.reduce.weight.copy_(reduce)
        self.class_mixture.classify.weight.copy_(classify)
        self.class_mixture.classify.bias.copy_(bias)
        self.class_mixture.places.weight.copy_(places.T)
