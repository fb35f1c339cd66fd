"""Say which of some names fits each picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polysee.errors import ConfigError, MediaError
from polysee.inference.classifier import Classifier
from polysee.inference.embedder import MANY
from polysee.inference.loading import load_embedder
from polysee.media.files import Remark, absolute, read_file
from polysee.media.workers import WorkerDied, call

if TYPE_CHECKING:
    from polysee.inference import Embedder
    from polysee.inference.loading import Device, Dtype

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
class ClassifyReport:
    """What `classify_files` found."""

    results: list[Classified]
    failed: list[Remark]
    seconds: float


def classify_files(
    files: Sequence[Path],
    labels: Sequence[str] | None,
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
        labels: at least two names, in Chinese or English; None: those that the model was fine-tuned on.
        templates: sentences with `{}` where the name goes; the model's own if None.
    Raises:
        ConfigError: fewer than two labels, or none where the model has none of its own.
        NotSupportedError: the model is none of pictures and text.
    """
    started = time.perf_counter()
    if labels is not None and len(set(labels)) < 2:
        raise ConfigError("at least two different labels are needed to choose among")
    embedder = load_embedder(model, dtype=dtype, device=device)
    own = Classifier.of(embedder) if labels is None else None
    classifier = own if labels is None else Classifier.by_names(embedder, labels, templates)
    if classifier is None:
        raise ConfigError(f"{model} was not fine-tuned on labels of its own: give --labels")
    results: list[Classified] = []
    failed: list[Remark] = []
    for start in range(0, len(files), BATCH_SIZE):
        paths = [Path(absolute(path)) for path in files[start : start + BATCH_SIZE]]
        good, pictures = _read(embedder, paths, failed)
        if good:
            many = len(files) >= MANY
            chances = classifier.choose(embedder.embed_pictures(np.stack(pictures), many=many))
            results += [
                Classified(str(path), _best_first(classifier.names, row))
                for path, row in zip(good, chances, strict=True)
            ]
        if progress is not None:
            progress(start + len(paths), len(files))
    return ClassifyReport(results, failed, time.perf_counter() - started)


def _read(
    embedder: Embedder, paths: Sequence[Path], failed: list[Remark]
) -> tuple[list[Path], list[np.ndarray]]:
    """The paths that can be read, with their pictures at the model's size; the rest is named."""
    good: list[Path] = []
    pictures: list[np.ndarray] = []
    for path in paths:
        try:  # decoded in a process of its own: a crash there costs this one picture
            pictures.append(call(embedder.recipe.read, read_file(path).data))
        except (MediaError, WorkerDied) as error:
            failed.append(Remark(str(path), error.reason))
            continue
        good.append(path)
    return good, pictures


def _best_first(labels: Sequence[str], probabilities: np.ndarray) -> list[Guess]:
    order = np.argsort(-probabilities, kind="stable")
    return [Guess(labels[index], float(probabilities[index])) for index in order]
