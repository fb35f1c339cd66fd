"""Pictures as a model reads them, a little different every time.

Shapes: B pictures, C channels, Y/X rows/columns.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image

from polysee.datasets.labelled import Example
from polysee.inputs.pixels import PixelRecipe

LEAST_AREA, MOST_STRETCH = 0.7, 1.2


class PictureReader:
    """Examples to pixels.

    Args:
        recipe: how the model wants its pictures.
        mirrored: whether a picture may also be shown with left and right exchanged.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: PixelRecipe, *, mirrored: bool, seed: int
    ) -> None:
        self.examples, self.recipe, self.mirrored, self.seed = examples, recipe, mirrored, seed

    def __call__(self, rows: Sequence[int], step: int | None = None) -> torch.Tensor:
        """Read some pictures, as they are or, at a step of training, varied; what is drawn depends on the step alone.

        Shapes:
            returns: (B, C, Y, X)
        """
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            pictures = list(pool.map(lambda row: self._read(row, step), rows))
        return self.recipe.normalise(np.stack(pictures))

    def _read(self, row: int, step: int | None) -> np.ndarray:
        image = self.examples[row].read(self.recipe.draft_size)
        if step is not None:
            image = varied(image, np.random.default_rng([self.seed, step, row]), self.mirrored)
        return self.recipe.resize(image)


def varied(image: Image.Image, draw: np.random.Generator, mirrored: bool) -> Image.Image:
    """A part of a picture, at least `LEAST_AREA` of it, stretched a little, perhaps mirrored.

    Szegedy et al. 2015, section 6 (https://arxiv.org/abs/1409.4842), who take far smaller parts: they have a million
    pictures to learn from, a person has twenty.
    """
    area = draw.uniform(LEAST_AREA, 1.0)
    stretch = math.exp(draw.uniform(-1, 1) * math.log(MOST_STRETCH))
    width = min(1.0, math.sqrt(area * stretch)) * image.width
    height = min(1.0, math.sqrt(area / stretch)) * image.height
    left, top = draw.uniform(0, image.width - width), draw.uniform(0, image.height - height)
    right, bottom = max(left + width, left + 1), max(top + height, top + 1)
    image = image.crop((int(left), int(top), math.ceil(right), math.ceil(bottom)))
    if mirrored and draw.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image
