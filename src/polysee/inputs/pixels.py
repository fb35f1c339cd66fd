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
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError("mean and std hold three numbers each, and std is above 0")
        if self.resample not in RESAMPLING:
            raise ConfigError(f"unknown resample {self.resample!r}; one of {', '.join(RESAMPLING)}")
        if self.fit not in ("squash", "crop"):
            raise ConfigError(f"unknown fit {self.fit!r}; squash or crop")

    def resize(self, image: Image.Image) -> np.ndarray:
        """Bring a picture to the recipe's size.

        Shapes:
            returns: (Y, X, C) uint8
        """
        size = self.image_size
        image = image.convert("RGB")
        if self.fit == "squash":
            shape = (size, size)
        else:
            factor = size / min(image.size)
            shape = (max(size, int(image.width * factor)), max(size, int(image.height * factor)))
        # Pillow's reducing gap makes large pictures several times cheaper; 2.0 keeps the result within a level or two.
        image = image.resize(shape, RESAMPLING[self.resample], reducing_gap=2.0)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        return np.asarray(image.crop((left, top, left + size, top + size)))

    def normalise(self, pictures: np.ndarray) -> torch.Tensor:
        """Turn bytes into the numbers that the model reads.

        Shapes:
            pictures: (B, Y, X, C) uint8
            returns: (B, C, Y, X) float32, channels last in memory
        """
        pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
        mean = torch.tensor(self.mean).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std).view(1, 3, 1, 1) * 255
        return (pixels - mean) / std
