"""Pictures of the data sets as vectors, computed once a model and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polysee.datasets.tables import data_folder, read_rows
from polysee.datasets.teacher import runs_folder
from polysee.evaluation.pictures import embed_rows
from polysee.inference import Embedder


def embed(embedder: Embedder, name: str, *, every: int = 1) -> np.ndarray:
    """The vectors of a data set's pictures, in the order of its rows.

    Args:
        name: a parquet file under the data folder, without its ending.
        every: take only each so many-th row.
    Shapes:
        returns: (N, E) float32, unit length
    """
    kept = runs_folder() / "vectors" / embedder.hash / f"{name.replace('/', '-')}-{every}.npy"
    if kept.exists():
        return np.load(kept)
    path = data_folder() / f"{name}.parquet"
    rows = np.arange(0, len(read_rows(path, [_small_column(path)])), every)
    vectors = embed_rows(embedder, path, rows).embeddings
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, vectors)
    return vectors


def _small_column(path: Path) -> str:
    import pyarrow.parquet as pq

    return next(column for column in pq.read_schema(path).names if column != "image")
