"""From a folder of pictures to the right one: index, search, classify."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
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
    library: Path | None = None,
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    prune: bool = False,
    progress: Progress | None = None,
) -> IndexReport:
    """Read folders and pictures into a library; what has not changed is skipped.

    Args:
        library: the database's folder; the platform's own if None.
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
    library: Path | None = None,
    model: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
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


def _open(library: Path | None, model: str | None, device: str, dtype: str) -> Library:
    return Library(library, model=model, device=device, dtype=dtype)


def classify_files(
    files: Sequence[Path],
    labels: Sequence[str],
    *,
    model: str | Path = "polysee/align-nano",
    device: str = "auto",
    dtype: str = "auto",
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
    embedder = load(str(model), dtype=dtype, device=device)
    results: list[Classified] = []
    failed: list[Failure] = []
    for done, (path, outcome) in enumerate(_classified(embedder, files, labels, templates), 1):
        if isinstance(outcome, MediaError):
            failed.append(Failure(str(path), outcome.reason))
        else:
            results.append(Classified(str(path), _best_first(labels, outcome)))
        if progress is not None:
            progress(done, len(files))
    return ClassifyReport(results, failed, time.perf_counter() - started)


def _classified(
    embedder: Embedder,
    files: Sequence[Path],
    labels: Sequence[str],
    templates: Sequence[str] | None,
) -> Iterator[tuple[Path, np.ndarray | MediaError]]:
    for file in files:
        path = file.expanduser().absolute()
        try:
            image = read_image(path)
        except MediaError as error:
            yield path, error
            continue
        yield path, np.asarray(embedder.classify(image, labels, templates=templates))


def _best_first(labels: Sequence[str], probabilities: np.ndarray) -> list[Guess]:
    order = np.argsort(-probabilities, kind="stable")
    return [Guess(labels[index], float(probabilities[index])) for index in order]
