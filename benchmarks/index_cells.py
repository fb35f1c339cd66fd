"""How much of a library an index of cells (IVF) would have to look at, to lose no more than 2 %.

    python -m benchmarks.index_cells [--count 40000]

prints JSON. Such an index sorts vectors into cells around centres and looks only into the cells whose
centres are nearest to the query. Queries are the samples' titles, in both languages, and pictures of the
library; libraries are made vectors, and the validation pictures of four data sets where they are at hand.
For each number of cells that are opened: the share of all vectors that lie in them, and how many of the
best 10 and the best 256 (what a search judges) do. Whatever the index, it finds no more.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from benchmarks.made_vectors import make_vectors, sample_vectors, unit
from benchmarks.pictures import embed
from benchmarks.speed import plain_titles

from polysee.datasets.tables import data_folder
from polysee.inference import load
from polysee.library.ranking import seek

REAL = {
    "photos/voc-scenes/validation": 1,
    "photos/caltech-101/validation": 1,
    "captions/flickr8k/validation": 1,
    "photos/tiny-imagenet/validation": 2,
}
QUERIES, STEPS = 60, 8
OPENED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5)


def cells(vectors: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Centres (count, E) by k-means on the sphere, and the cell of each vector (N,)."""
    dice = np.random.default_rng(seed)
    centres = vectors[dice.choice(len(vectors), count, replace=False)]
    for _ in range(STEPS):
        own = (vectors @ centres.T).argmax(axis=1)
        means = [vectors[own == cell].mean(axis=0) for cell in range(count) if (own == cell).any()]
        empty = vectors[dice.integers(len(vectors), size=count - len(means))]
        centres = unit(np.concatenate([np.stack(means), empty]))
    return centres, (vectors @ centres.T).argmax(axis=1)


def opened(vectors: np.ndarray, queries: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """What lies in the cells that are nearest to each query."""
    centres, own = cells(vectors, int(len(vectors) ** 0.5))
    rows = []
    for share in OPENED:
        count = max(1, round(share * len(centres)))
        row: dict[str, Any] = {"cells": count, "of": len(centres)}
        for name, asked in queries.items():
            nearest = np.argsort(-(asked @ centres.T), axis=1)[:, :count]
            inside = np.stack([np.isin(own, some) for some in nearest])
            best = np.argsort(-(asked @ vectors.T), axis=1)
            row[name] = {
                "looked_at": float(inside.mean()),
                "recall_at_10": float(np.take_along_axis(inside, best[:, :10], 1).mean()),
                "recall_at_256": float(np.take_along_axis(inside, best[:, :256], 1).mean()),
            }
        rows.append(row)
    return rows


def measure(count: int) -> dict[str, Any]:
    """Both libraries."""
    embedder = load("polysee/align-nano")
    words = np.stack([one.vector for one in seek(embedder, plain_titles()[:QUERIES])])
    libraries = {"made": make_vectors(sample_vectors(embedder), count)}
    if all((data_folder() / f"{name}.parquet").exists() for name in REAL):
        parts = [embed(embedder, name, every=every) for name, every in REAL.items()]
        libraries["validation"] = np.concatenate(parts)
    return {
        name: {
            "vectors": len(vectors),
            "opened": opened(vectors, {"words": words, "pictures": vectors[:QUERIES]}),
        }
        for name, vectors in libraries.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=40_000)
    print(json.dumps(measure(parser.parse_args().count), indent=2))
