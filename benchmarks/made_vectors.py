"""Made libraries of any size that cluster as people's do: around the vectors of the project's samples."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polysee.datasets.tables import runs_folder
from polysee.inference import Embedder

SAMPLES = Path(__file__).parents[1] / "samples"
OWN, COMMON = 0.7, 0.25
"""Lengths of what a made picture has of its own, beside its subjects: within the space that the samples
span, and in any direction."""
CHUNK = 20_000


def sample_vectors(embedder: Embedder) -> np.ndarray:
    """The vectors of the samples, (S, E), kept for each model."""
    kept = runs_folder() / "vectors" / embedder.hash / "samples.npy"
    if kept.exists():
        return np.load(kept)
    found = embedder.embed_image([SAMPLES / row["file"] for row in titles()])
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, found)
    return found


def titles() -> list[dict[str, str]]:
    """What stands in the samples' list: `file`, `title_en`, `title_zh`, ..."""
    with (SAMPLES / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_vectors(samples: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors (count, E), each of one or two subjects out of the samples and something of its own."""
    dice = np.random.default_rng(seed)
    spread = samples - samples.mean(axis=0)
    parts = []
    for start in range(0, count, CHUNK):
        rows = min(CHUNK, count - start)
        first, second = dice.integers(0, len(samples), (2, rows))
        share = dice.beta(4, 1, (rows, 1)).astype(np.float32)
        made = unit(share * samples[first] + (1 - share) * samples[second])
        own = dice.standard_normal((rows, len(samples)), np.float32) @ spread
        common = dice.standard_normal((rows, samples.shape[1]), np.float32)
        parts.append(unit(made + OWN * unit(own) + COMMON * unit(common)))
    return np.concatenate(parts)


def unit(vectors: np.ndarray) -> np.ndarray:
    """The same, of length one."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Prepared:
    """A model whose queries are ready: what a search takes without it."""

    def __init__(self, embedder: Embedder, texts: Sequence[str], image: np.ndarray) -> None:
        self.id, self.hash, self.folder = embedder.id, embedder.hash, embedder.folder
        self.embedder = embedder
        self.embedding_size = embedder.embedding_size
        self.image = image
        self.labels = dict(zip(texts, embedder.embed_labels(texts), strict=True))
        self.texts = dict(zip(texts, embedder.embed_text(texts), strict=True))

    def embed_labels(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.labels[text] for text in texts])

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        new = [text for text in texts if text not in self.texts]
        if new:
            self.texts |= dict(zip(new, self.embedder.embed_text(new), strict=True))
        return np.stack([self.texts[text] for text in texts])

    def embed_image(self, images: Sequence[object]) -> np.ndarray:
        return np.stack([self.image for _ in images])
