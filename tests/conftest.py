"""What many tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from polysee.inputs.pixels import PixelRecipe


class ColourEmbedder:
    """A real, tiny embedder that knows colours only: fast, exact, and the same everywhere.

    A picture's vector is its histogram over 64 colours; a word's is that of its colour.
    """

    id = "test/colour"
    hash = "00000000c0104700"
    embedding_size = 64
    recipe = PixelRecipe(image_size=32, resample="bilinear")
    folder = Path(__file__).parent
    words: ClassVar = {
        "red": (255, 0, 0),
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "红色": (255, 0, 0),
        "white": (255, 255, 255),
        "black": (0, 0, 0),
    }

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        codes = (pictures.astype(np.int64) // 64) @ np.array([16, 4, 1])
        counts = [np.bincount(code.ravel(), minlength=64) for code in codes]
        return self._unit(np.array(counts))

    def embed_image(self, images: Sequence[object], batch_size: int = 32) -> np.ndarray:
        from polysee.media.image import read_image

        opened = [
            image if isinstance(image, Image.Image) else read_image(image) for image in images
        ]
        return self.embed_pictures(np.stack([self.recipe.resize(image) for image in opened]))

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        colours = [
            np.uint8([[self.words.get(text.strip().lower(), (128, 128, 0))]]) for text in texts
        ]
        return self.embed_pictures(np.stack(colours))

    def embed_labels(self, labels: Sequence[str]) -> np.ndarray:
        return self.embed_text(labels)

    @staticmethod
    def _unit(counts: np.ndarray) -> np.ndarray:
        vectors = counts.astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def colour_embedder() -> ColourEmbedder:
    return ColourEmbedder()


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Write a picture of one colour with some noise, so that each seed is another content."""

    def write(path: Path, colour: tuple[int, int, int], seed: int = 0, **options: object) -> Path:
        noise = np.random.default_rng(seed).integers(-20, 20, (48, 64, 3))
        pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return write
