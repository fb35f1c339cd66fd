"""Vectors of unrelated pictures and texts that lie beside a model: what its scores are measured against.

They are kept in eight bits: no component of a unit vector in hundreds of dimensions comes near one half.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from polysee.errors import CheckpointError

BACKGROUND = "calibration.safetensors"
INT8 = 254


def save_background(folder: Path, vectors: dict[str, np.ndarray]) -> None:
    """Write unit vectors (any, E) by name."""
    kept = {name: np.round(some * INT8).astype(np.int8) for name, some in vectors.items()}
    save_file(kept, folder / BACKGROUND)


def load_background(folder: Path) -> dict[str, np.ndarray]:
    """Read them, float32 and of length one again; none where a model has none.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / BACKGROUND
    if not path.exists():
        return {}
    try:
        found = {name: unit(kept.astype(np.float32)) for name, kept in load_file(path).items()}
        if len({vectors.shape[1:] for vectors in found.values()}) != 1:
            raise ValueError("vectors of different sizes")
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one, as rounding to eight bits leaves them nearly."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
