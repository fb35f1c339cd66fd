"""The similarity of every vector of a library to a query: an exact scan, over half the bytes.

A library keeps its vectors in half precision, and so they stay in memory; PyTorch multiplies them so, on
all cores. The product is rounded, by a bound that is known (`rounding`): whatever may belong to the
best ones within it is scored again in float32. So the best of a scan are those that a scan in float32
gives, and no index can miss one. `docs/decisions/0016-exact-scan.md` has the measurements.

Shapes: N vectors of a library, R some of them, E projection.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

HALF = 2.0**-11
"""Rounding to half precision moves a number by at most this share of it."""
SUMMED = 2e-5
"""And adding up hundreds of products in float32, by less than this."""
BLOCK = 1024
"""So few vectors are turned into float32 first."""


def similarities(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Dot products: exact for vectors in float32, within `rounding` for vectors in half precision.

    Shapes:
        vectors: (N, E), float32 or float16, unit length
        query: (E,), float32
        returns: (N,), float32
    """
    if vectors.dtype != np.float16 or len(vectors) <= BLOCK:
        return product(single(vectors), query)
    if not _sums_in_float32():
        return exact(vectors, query)
    import torch

    rounded = torch.from_numpy(vectors) @ torch.from_numpy(query.astype(np.float16))
    return rounded.float().numpy()


def rounding(vectors: np.ndarray, query: np.ndarray) -> float:
    """How far off `similarities` can be at most."""
    if vectors.dtype != np.float16 or len(vectors) <= BLOCK:
        return 0.0
    query = query.astype(np.float32)
    moved = float(np.linalg.norm(query - query.astype(np.float16).astype(np.float32)))
    return moved + HALF * float(np.linalg.norm(query)) + SUMMED


def best(score: np.ndarray, rows: np.ndarray, count: int, slack: float = 0.0) -> np.ndarray:
    """Those of the rows that may be among the `count` best where scores are off by up to `slack`.

    Shapes:
        score: (N,)
        rows: (R,), int, ascending
        returns: `count` rows or, with slack, some more; in no order
    """
    if len(rows) <= count:
        return rows
    own = score if len(rows) == len(score) else score[rows]
    if not slack:
        return rows[np.argpartition(own, -count)[-count:]]
    least = np.partition(own, -count)[-count]
    return rows[own >= least - 2 * slack]


def descending(score: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The rows in blocks, from the best score down; only what is asked for is sorted."""
    left = np.ones(len(score), bool)
    while left.any():
        first = best(score, np.flatnonzero(left), 16 * size)
        left[first] = False
        first = first[np.argsort(-score[first])]
        for start in range(0, len(first), size):
            yield first[start : start + size]


def single(vectors: np.ndarray) -> np.ndarray:
    """Vectors in float32, as they are if they are so already."""
    return vectors.astype(np.float32, copy=False)


def exact(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Dot products in single precision, whatever the vectors are kept in; slower than `similarities`.

    Shapes:
        as those of `similarities`
    """
    found = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        found[start : start + BLOCK] = product(single(vectors[start : start + BLOCK]), query)
    return found


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A matrix product in float32, by PyTorch, as the scan is.

    After one of NumPy's own, its threads go on asking for work for a while, at full speed; the scan of the next
    search then shares the cores with them, and takes twice as long.
    """
    import torch

    a, b = (torch.from_numpy(np.require(x, np.float32, "W")) for x in (left, right))
    found: np.ndarray = (a @ b).numpy()
    return found


@cache
def _sums_in_float32() -> bool:
    """Whether this PyTorch adds up products of half precision in float32: early ones do not."""
    import torch

    dice = np.random.default_rng(0)
    made = dice.normal(size=(65, 1024)).astype(np.float16)
    rows, query = made[:-1], made[-1]
    true = rows.astype(np.float64) @ query.astype(np.float64)
    found = (torch.from_numpy(rows) @ torch.from_numpy(query)).double().numpy()
    return bool(np.all(np.abs(found - true) <= HALF * np.abs(true) + 1e-3))
