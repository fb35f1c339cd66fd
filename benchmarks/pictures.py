"""What the benchmarks of search share: pictures as vectors, kept for each model; the command line."""

from __future__ import annotations

import argparse
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from polysee.datasets.tables import data_folder, read_rows, runs_folder
from polysee.errors import DataError
from polysee.evaluation.pictures import embed_rows
from polysee.inference import Embedder, load
from polysee.library.calibration import Calibration, load_calibration


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
        return _load(kept)
    path = data_folder() / f"{name}.parquet"
    rows = np.arange(0, len(read_rows(path, [_small_column(path)])), every)
    embedded = embed_rows(embedder, path, rows)
    if embedded.failed:  # the rest would stand beside other rows' labels
        raise DataError(f"{embedded.failed[0].path}: {embedded.failed[0].reason}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, embedded.embeddings)
    return embedded.embeddings


@lru_cache
def _load(kept: Path) -> np.ndarray:
    return np.load(kept)


def _small_column(path: Path) -> str:
    return next(column for column in pq.read_schema(path).names if column != "image")


def parse(
    description: str | None, *options: str
) -> tuple[Embedder, Calibration, argparse.Namespace]:
    """The command line that all of these benchmarks share.

    Args:
        description: the benchmark's own docstring.
        options: further options that take a path.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="polysee/align-nano")
    parser.add_argument("--json", action="store_true", help="JSON is what is always printed")
    for option in options:
        parser.add_argument(option, type=Path)
    given = parser.parse_args()
    embedder = load(given.model)
    return embedder, load_calibration(embedder.folder), given


def present(result: dict[str, Any]) -> None:
    """Print a result as JSON."""
    print(json.dumps(result, ensure_ascii=False, indent=2))
