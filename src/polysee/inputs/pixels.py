"""Pictures to pixels: the recipe that a model's image tower was trained with.

Shapes: B pictures, Y rows, X columns, C = 3 channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image

from polysee.errors import ConfigError

RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class PixelRecipe:
    """How a picture of any size becomes a square of normalised numbers.

    Args:
        image_size: pixels a side.
        mean, std: per channel, of values in 0-1.
        resample: a key of `RESAMPLING`.
        fit: "squash" shows the whole picture, its sides brought to equal length; "crop" keeps the proportions and
            cuts the middle square out.
    """

    image_size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    fit: Literal["squash", "crop"] = "squash"

    def __post_init__(self) -> None:
        if not isinstance(self.image_size, int) or self.image_size < 1:
            raise ConfigError(f"image_size must be a whole number from 1 up, not {self.image_size}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(isinstance(value, int | float) for value in values):
                raise ConfigError(f"{name} must be three numbers, not {values}")
        if min(self.std) <= 0:
            raise ConfigError(f"std must be above 0, not {self.std}")
        if self.resample not in RESAMPLING:
            raise ConfigError(f"unknown resample {self.resample!r}; one of {', '.join(RESAMPLING)}")
        if self.fit not in ("squash", "crop"):
            raise ConfigError(f"unknown fit {self.fit!r}; squash or crop")

    def resize(self, image: Image.Image) -> np.ndarray:
        """Bring a picture to the recipe's size.

        Shapes:
            returns: (Y, X, C) uint8
        """
        image = image.convert("RGB")
        box = None if self.fit == "squash" else _middle(*image.size, self.image_size)
        # Pillow's reducing gap makes large pictures several times cheaper, at a level on average and five at most.
        image = image.resize(
            (self.image_size, self.image_size),
            RESAMPLING[self.resample],
            box=box,
            reducing_gap=2.0,
        )
        return np.asarray(image)

    def normalise(self, pictures: np.ndarray) -> torch.Tensor:
        """Turn bytes into the numbers that the model reads.

        Shapes:
            pictures: (B, Y, X, C) uint8
            returns: (B, C, Y, X) float32, channels last in memory
        """
        pixels = (
            torch.from_numpy(np.require(pictures, requirements=["C", "W"]))
            .permute(0, 3, 1, 2)
            .float()
        )
        mean = torch.tensor(self.mean).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std).view(1, 3, 1, 1) * 255
        return (pixels - mean) / std


def _middle(width: int, height: int, size: int) -> tuple[float, float, float, float]:
    """The part of a picture that resizing its short side to `size` and cutting the middle square out would show.

    Taken before the resizing: a strip of 1 x 20,000 pixels would grow to gigabytes on the way.
    """
    short = min(width, height)
    resized = (size * width // short, size * height // short)
    left, top = ((side - size) // 2 for side in resized)
    x, y = width / resized[0], height / resized[1]
    return left * x, top * y, min(width, (left + size) * x), min(height, (top + size) * y)
