"""A model whose answers can be worked out by hand: it sees mean colours and reads colour names."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "红": (255, 0, 0)}


class ColourRecipe:
    def resize(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize((4, 4)))


class ColourEmbedder:
    """Pictures by their mean colour, texts by the colour words that they hold."""

    recipe = ColourRecipe()

    def __init__(self) -> None:
        self.largest_batch = 0

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        self.largest_batch = max(self.largest_batch, len(pictures))
        return self._unit(pictures.reshape(len(pictures), -1, 3).mean(axis=1))

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        rows = [
            np.sum([np.array(c) for word, c in COLOURS.items() if word in text], axis=0)
            for text in texts
        ]
        return self._unit(np.array(rows, dtype=np.float64).reshape(len(texts), 3))

    def embed_labels(
        self, labels: Sequence[str], templates: Sequence[str] | None = None
    ) -> np.ndarray:
        shape = (templates or ["{}"])[0]
        return self.embed_text([shape.format(label) for label in labels])

    def compare(self, pictures: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return pictures @ labels.T

    @staticmethod
    def _unit(rows: np.ndarray) -> np.ndarray:
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def picture(colour: tuple[int, int, int]) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (16, 12), colour).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def embedder() -> ColourEmbedder:
    return ColourEmbedder()


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write a data file from colours (or raw bytes) and one more column."""

    def write(images: Sequence[object], **column: Sequence[object]) -> Path:
        encoded = [picture(image) if isinstance(image, tuple) else image for image in images]
        file = tmp_path / "data.parquet"
        pq.write_table(pa.table({"image": pa.array(encoded, pa.binary()), **column}), file)
        return file

    return write
