"""Pictures that a library holds more than once: identical files, variants, and shots of one burst.

- **identical**: files of the same content, byte for byte;
- **variant**: the same picture encoded or sized anew: thumbnails agree nearly pixel by pixel;
- **burst**: another shot of the same moment: taken within seconds by what the cameras wrote, and alike.
  Where no time is known two pictures count as a burst only if one, moved a little, lies on the other.

Candidates come from one matrix product over small descriptors, in blocks, so that a hundred thousand
pictures need no index and no hash that might miss; candidates are then compared in detail. What belongs
together through others forms one group, named after the loosest bond in it.

Shapes: N contents, S side of a small picture, E projection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from polysee.library.searching import Shelf
from polysee.library.similarity import single

IDENTICAL, VARIANT, BURST = "identical", "variant", "burst"
CLASSES = (IDENTICAL, VARIANT, BURST)

COARSE, FINE = 8, 32
"""Sides of the small pictures that find candidates, and that decide."""
BLOCK = 2048
CANDIDATE = 0.80
"""Coarse correlation from which two pictures are compared in detail."""
SIDES, SAME = (32, 64, 96, 200), (0.945, 0.965, 0.983, 0.990)
"""Fine correlation from which two pictures are variants, by the shortest side of the smaller one in
pixels: small copies have lost detail. Seen on made variants of Flickr8k's validation
pictures, confirmed on those of 500 training ones."""
ASPECT = 0.04
"""Variants' ratios of width to height differ by less than this share: sides are whole pixels."""
FAINT = 2.0
"""Pictures whose grey levels deviate by less show nothing: what JPEG makes of an even surface."""
BURST_SECONDS = 10
BURST_ALIKE = 0.80
"""Similarity of vectors from which shots within `BURST_SECONDS` are of one burst."""
MOVED = 0.93
"""Correlation, after the best small move, from which shots without a time are of one burst."""
MOVED_ALIKE = 0.92
"""And the similarity of vectors that they need."""

Thumbnails = Callable[[Sequence[str]], dict[str, bytes]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Files that show the same.

    Args:
        kind: "identical", "variant" or "burst".
        paths: all of them, the likely original first: the most pixels, then the earliest.
        contents: the same paths, those of the same content together.
        hashes: of the contents, for `Library.thumbnails`.
    """

    kind: str
    paths: tuple[str, ...]
    contents: tuple[tuple[str, ...], ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Small:
    """The library's pictures, small.

    Shapes:
        coarse: (N, COARSE * COARSE), unit length, without their mean; 0 where there is nothing to see
        fine: (N, FINE, FINE, 3), uint8
        side: (N,), the shortest side of the thumbnail that they were made of
    """

    coarse: np.ndarray
    fine: np.ndarray
    side: np.ndarray


def find_duplicates(
    shelf: Shelf,
    thumbnails: Thumbnails,
    folder: str | None = None,
    progress: Progress | None = None,
) -> list[DuplicateGroup]:
    """The groups of a library, the closest first.

    Args:
        thumbnails: gives the small JPEG files of contents.
        folder: only files in it are looked at.
        progress: called with how many contents are read, and how many there are.
    """
    hashes = shelf.hashes.to_pylist()
    paths = shelf.paths(hashes, folder)
    if folder is not None:
        paths = {key: _within(found, folder) for key, found in paths.items()}
    rows = [row for row, digest in enumerate(hashes) if paths.get(digest)]
    if not rows:
        return []
    small = _shrink(thumbnails, [hashes[row] for row in rows], progress)
    bonds = list(_bonds(shelf, np.array(rows, int), small))
    groups = []
    for members, kind in _connected(len(rows), bonds):
        own = sorted((rows[member] for member in members), key=lambda row: _originality(shelf, row))
        contents = tuple(tuple(paths[hashes[row]]) for row in own)
        names = tuple(name for content in contents for name in content)
        if len(names) > 1:
            kind = kind or IDENTICAL
            groups.append(DuplicateGroup(kind, names, contents, tuple(hashes[row] for row in own)))
    return sorted(groups, key=lambda group: (CLASSES.index(group.kind), group.paths))


def _within(paths: Sequence[str], folder: str) -> list[str]:
    import os

    prefix = folder.rstrip(os.sep) + os.sep
    return [path for path in paths if path.startswith(prefix)]


def _originality(shelf: Shelf, row: int) -> tuple[int, float]:
    width, height = shelf.sizes[row]
    return (-int(width) * int(height), shelf.when[row].astype(float))


def _shrink(thumbnails: Thumbnails, hashes: Sequence[str], progress: Progress | None) -> Small:
    coarse = np.zeros((len(hashes), COARSE * COARSE), np.float32)
    fine = np.zeros((len(hashes), FINE, FINE, 3), np.uint8)
    side = np.zeros(len(hashes), int)
    for start in range(0, len(hashes), 500):
        part = hashes[start : start + 500]
        files = thumbnails(part)
        for row, digest in enumerate(part, start):
            try:
                fine[row], side[row] = _small(files[digest])
            except (KeyError, OSError, SyntaxError):  # an odd library: then it has no duplicate
                continue
        if progress is not None:
            progress(start + len(part), len(hashes))
    grey = fine.astype(np.float32).mean(axis=3)
    step = FINE // COARSE
    means = grey.reshape(-1, COARSE, step, COARSE, step).mean(axis=(2, 4))
    coarse[:] = standard(means)
    return Small(coarse, fine, side)


def _small(file: bytes) -> tuple[np.ndarray, int]:
    with Image.open(BytesIO(file), formats=("JPEG",)) as image:
        side = min(image.size)
        image.draft("RGB", (2 * FINE, 2 * FINE))
        small = image.convert("RGB").resize((FINE, FINE), Image.Resampling.BOX)
    return np.asarray(small), side


def standard(pictures: np.ndarray) -> np.ndarray:
    """Pictures as unit vectors without their mean; what is nearly of one colour becomes 0.

    Shapes:
        pictures: (N, ...)
        returns: (N, D)
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    deviation = np.sqrt((flat**2).mean(axis=1, keepdims=True))
    length = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    return np.where(deviation < FAINT, 0, flat / np.maximum(length, 1e-6))


def _bonds(shelf: Shelf, rows: np.ndarray, small: Small) -> Iterator[tuple[int, int, str]]:
    """Pairs of contents that belong together, and how."""
    ratios = shelf.sizes[rows, 0] / np.maximum(shelf.sizes[rows, 1], 1)
    dated = shelf.dated[rows]
    when = shelf.when[rows].astype("datetime64[s]").astype(np.int64)
    vectors = single(shelf.vectors[rows])
    sides = np.minimum(shelf.sizes[rows].min(axis=1), small.side)
    for one, other in _candidates(small.coarse):
        both = dated[one] and dated[other]
        apart = abs(int(when[one]) - int(when[other])) if both else None
        alike = abs(ratios[one] / ratios[other] - 1) < ASPECT
        side = int(min(sides[one], sides[other]))
        if alike and not apart and same(small.fine[one], small.fine[other], side):
            yield one, other, VARIANT
        elif (
            apart is None
            and vectors[one] @ vectors[other] >= MOVED_ALIKE
            and moved(small.fine[one], small.fine[other])
        ):
            yield one, other, BURST
    yield from ((a, b, BURST) for a, b in _within_seconds(when, dated, vectors))


def _candidates(coarse: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs whose coarse pictures correlate."""
    for start in range(0, len(coarse), BLOCK):
        block = coarse[start : start + BLOCK]
        for first in range(start, len(coarse), BLOCK):
            scores = block @ coarse[first : first + BLOCK].T
            for a, b in zip(*np.nonzero(scores >= CANDIDATE), strict=True):
                if start + a < first + b:
                    yield int(start + a), int(first + b)


def same(one: np.ndarray, other: np.ndarray, side: int) -> bool:
    """Whether two small pictures are the same but for what encoding and scaling do.

    Args:
        side: the shortest side, in pixels, of what they were made of.
    Shapes:
        one, other: (FINE, FINE, 3), uint8
    """
    a, b = standard(np.stack([one, other]))
    return bool(a @ b >= np.interp(side, SIDES, SAME))


def moved(one: np.ndarray, other: np.ndarray, reach: int = 3) -> bool:
    """Whether one small picture, moved by up to `reach` pixels, lies on the other."""
    a, b = (picture.astype(np.float32).mean(axis=2) for picture in (one, other))
    inner = b[reach : FINE - reach, reach : FINE - reach]
    windows = np.lib.stride_tricks.sliding_window_view(a, inner.shape).reshape(-1, inner.size)
    return bool((standard(windows) @ standard(inner[None])[0]).max() >= MOVED)


def _within_seconds(
    when: np.ndarray, dated: np.ndarray, vectors: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Pairs taken within `BURST_SECONDS` whose vectors are similar."""
    order = np.flatnonzero(dated)
    order = order[np.argsort(when[order], kind="stable")]
    for place, row in enumerate(order):
        for other in order[place + 1 :]:
            if when[other] - when[row] > BURST_SECONDS:
                break
            if vectors[row] @ vectors[other] >= BURST_ALIKE:
                yield int(row), int(other)


def _connected(
    count: int, bonds: Iterable[tuple[int, int, str]]
) -> Iterator[tuple[list[int], str]]:
    """What hangs together, with its loosest bond; "" for a content by itself."""
    leader = list(range(count))

    def lead(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    kept = list(bonds)
    close: set[tuple[int, int]] = {(a, b) for a, b, kind in kept if kind == VARIANT}
    for a, b, _ in kept:
        leader[lead(a)] = lead(b)
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(count):
        members[lead(row)].append(row)
    loose: dict[int, str] = {}
    for a, b, kind in kept:
        if (min(a, b), max(a, b)) in close:
            kind = VARIANT  # taken in the same second, and the same picture
        if loose.get(lead(a)) != BURST:
            loose[lead(a)] = kind
    for key, rows in members.items():
        yield rows, loose.get(key, "")
