"""Pictures to pixels: the recipe that a model's image tower was trained with.

Shapes: B pictures, Y rows, X columns, C = 3 channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from polysee.errors import ConfigError, MediaError
from polysee.media.image import ImageSource, read_image

if TYPE_CHECKING:  # decoding processes need pictures, and not the second that torch takes to load
    import torch

RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


# A strip of 1 x 20,000 pixels, its short side brought to 224, would take gigabytes.
_LONGEST = 16_384


@dataclass(frozen=True)
class PixelRecipe:
    """How a picture of any size becomes a square of normalised numbers.

    Args:
        image_size: pixels a side.
        mean, std: per channel, of values in 0-1.
        resample: a key of `RESAMPLING`.
        fit: "squash" shows the whole picture, its sides brought to equal length; "crop" keeps the proportions and
            cuts the middle square out.
        side: what the picture's short side ("crop") or both sides ("squash") are brought to before the middle is cut
            out; `image_size` when None.
        exact: whether every pixel has to be as the resampling filter alone would make it; else large pictures are
            read and resized by cheaper ways that differ by a level on average.
    """

    image_size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    fit: Literal["squash", "crop"] = "squash"
    side: int | None = None
    exact: bool = False

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
        if self.side is not None and not (
            isinstance(self.side, int) and self.side >= self.image_size
        ):
            raise ConfigError(
                f"side must be a whole number from image_size {self.image_size} up, not {self.side}"
            )

    @property
    def draft_size(self) -> int | None:
        """The side in pixels at which a picture may be read, if that is smaller than its own; None: as it is."""
        return None if self.exact else 2 * (self.side or self.image_size)

    def resize(self, image: Image.Image) -> np.ndarray:
        """Bring a picture to the recipe's size.

        Shapes:
            returns: (Y, X, C) uint8
        """
        image, size = image.convert("RGB"), self.image_size
        width, height = self._before_the_cut(*image.size)
        left, top = (width - size) // 2, (height - size) // 2
        if self.exact and max(width, height) <= _LONGEST:
            image = image.resize((width, height), RESAMPLING[self.resample])
            return np.asarray(image.crop((left, top, left + size, top + size)))
        # The middle is taken before the resizing, since a strip would grow to gigabytes on the way. Pillow's reducing
        # gap makes large pictures several times cheaper, at a level on average and five at most.
        x, y = image.width / width, image.height / height
        right, bottom = min(image.width, (left + size) * x), min(image.height, (top + size) * y)
        image = image.resize(
            (size, size),
            RESAMPLING[self.resample],
            box=(left * x, top * y, right, bottom),
            reducing_gap=None if self.exact else 2.0,
        )
        return np.asarray(image)

    def _before_the_cut(self, width: int, height: int) -> tuple[int, int]:
        """The size that the whole picture is brought to."""
        side = self.side or self.image_size
        if self.fit == "squash":
            return side, side
        short = min(width, height)
        return side * width // short, side * height // short

    def read(self, source: ImageSource) -> np.ndarray:
        """Read a file, by its name or its bytes, and bring the picture to the recipe's size.

        Shapes:
            returns: (Y, X, C) uint8
        Raises:
            MediaError: it is no picture that can be read.
        """
        image = read_image(source, draft_size=self.draft_size)
        try:
            return self.resize(image)
        except (MemoryError, ValueError, OSError) as error:
            name = "picture" if isinstance(source, bytes) else source
            raise MediaError(name, f"cannot be resized ({error})") from error

    def normalise(self, pictures: np.ndarray) -> torch.Tensor:
        """Turn bytes into the numbers that the model reads.

        Shapes:
            pictures: (B, Y, X, C) uint8
            returns: (B, C, Y, X) float32, channels last in memory
        """
        import torch

        pixels = (
            torch.from_numpy(np.require(pictures, requirements=["C", "W"]))
            .permute(0, 3, 1, 2)
            .float()
        )
        mean = torch.tensor(self.mean).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.std).view(1, 3, 1, 1) * 255
        return (pixels - mean) / std

    def bytes_of(self, pixels: torch.Tensor) -> np.ndarray:
        """The way back from `normalise`; what lies outside a picture's range is cut off.

        Shapes:
            pixels: (B, C, Y, X)
            returns: (B, Y, X, C) uint8
        """
        import torch

        std, mean = (torch.tensor(x).view(1, 3, 1, 1) for x in (self.std, self.mean))
        shown = ((pixels.cpu() * std + mean).clamp(0, 1) * 255).round().byte()
        return shown.permute(0, 2, 3, 1).contiguous().numpy()
