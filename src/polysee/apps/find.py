"""From a folder of pictures to the right one: index, search, classify."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polysee.errors import ConfigError, MediaError
from polysee.inference import load
from polysee.library import Library
from polysee.media.image import read_image

if TYPE_CHECKING:
    from polysee.inference import Embedder
    from polysee.inference.loading import Device, Dtype
    from polysee.library import IndexReport, SearchResult

Progress = Callable[[int, int], None]
"""Called with what is done and the total."""

BATCH_SIZE = 32


@dataclass(frozen=True)
class Guess:
    """One name for a picture, and how probable it is among the names that were given."""

    label: str
    probability: float


@dataclass(frozen=True)
class Classified:
    """A picture's names, the most probable first."""

    path: str
    labels: list[Guess]


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ClassifyReport:
    """What `classify_files` found."""

    results: list[Classified]
    failed: list[Failure]
    seconds: float


def index_pictures(
    paths: Sequence[Path],
    *,
    library: Path | Library | None = None,
    model: str | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    prune: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Read folders and pictures into a library; what has not changed is skipped.

    Args:
        library: its folder, the platform's own if None; or one that is open, with its model.
        model: the library's own if None.
        prune: forget files below `paths` that are gone.
    """
    opened = _open(library, model, device, dtype)
    return opened.index(paths, prune=prune, progress=progress)


def search_pictures(
    query: str = "",
    *,
    image: Path | None = None,
    exclude: Sequence[str] = (),
    folder: Path | None = None,
    after: str | None = None,
    before: str | None = None,
    top: int = 20,
    everything: bool = False,
    text_weight: float = 1.0,
    image_weight: float = 1.0,
    library: Path | Library | None = None,
    model: str | None = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> SearchResult:
    """Find pictures by a sentence, by a picture, or by both.

    Args:
        exclude: what must not show, beside what the sentence itself excludes.
        after, before: dates, such as "2023" or "2023-10-05".
        everything: also what is hardly relevant.
        text_weight, image_weight: how much each counts when both are given.
    Raises:
        QueryError: neither a sentence nor a picture was given.
    """
    opened = _open(library, model, device, dtype)
    return opened.search(
        query,
        image=image.expanduser() if image else None,
        exclude=exclude,
        folder=folder,
        after=after,
        before=before,
        top=top,
        everything=everything,
        text_weight=text_weight,
        image_weight=image_weight,
    )


def _open(
    library: Path | Library | None, model: str | None, device: Device, dtype: Dtype
) -> Library:
    if isinstance(library, Library):
        return library
    return Library(library, model=model, device=device, dtype=dtype)


def classify_files(
    files: Sequence[Path],
    labels: Sequence[str],
    *,
    model: str | Path = "polysee/align-nano",
    device: Device = "auto",
    dtype: Dtype = "auto",
    templates: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> ClassifyReport:
    """Say which of the labels fits each picture best.

    Args:
        files: pictures; one that cannot be read is named in `failed`.
        labels: at least two names, in Chinese or English.
        templates: sentences with `{}` where the name goes; the model's own if None.
    Raises:
        ConfigError: fewer than two labels.
    """
    started = time.perf_counter()
    if len(set(labels)) < 2:
        raise ConfigError("at least two different labels are needed to choose among")
    embedder = load(model, dtype=dtype, device=device)
    words = embedder.embed_labels(labels, templates)  # (N, E)
    results: list[Classified] = []
    failed: list[Failure] = []
    for start in range(0, len(files), BATCH_SIZE):
        paths = [path.expanduser().absolute() for path in files[start : start + BATCH_SIZE]]
        good, pictures = _read(embedder, paths, failed)
        if good:
            similarity = embedder.embed_pictures(np.stack(pictures)) @ words.T  # (B, N)
            chances = _softmax(embedder.scale * similarity)
            results += [
                Classified(str(path), _best_first(labels, row))
                for path, row in zip(good, chances, strict=True)
            ]
        if progress is not None:
            progress(start + len(paths), len(files))
    return ClassifyReport(results, failed, time.perf_counter() - started)


def _read(
    embedder: Embedder, paths: Sequence[Path], failed: list[Failure]
) -> tuple[list[Path], list[np.ndarray]]:
    """The paths that can be read, with their pictures at the model's size; the rest is named."""
    good: list[Path] = []
    pictures: list[np.ndarray] = []
    for path in paths:
        try:
            image = read_image(path, draft_size=2 * embedder.recipe.image_size)
        except MediaError as error:
            failed.append(Failure(str(path), error.reason))
            continue
        good.append(path)
        pictures.append(embedder.recipe.resize(image))
    return good, pictures


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis; float64, so that the smallest chances stay above 0."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def _best_first(labels: Sequence[str], probabilities: np.ndarray) -> list[Guess]:
    order = np.argsort(-probabilities, kind="stable")
    return [Guess(labels[index], float(probabilities[index])) for index in order]
