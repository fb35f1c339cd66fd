"""Draw pictures from a sentence, and write them with everything that says that a machine made them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from polysee.apps.draw_refusals import refuse
from polysee.errors import ConfigError, NotSupportedError
from polysee.generation.drawing import Given
from polysee.inference.drawing import (
    DEFAULT_STEERING,
    OUTPUT_SIZE,
    ImageGenerator,
    Progress,
    Steering,
    enlarged,
)
from polysee.inference.loading import Device, load
from polysee.media.image import read_image
from polysee.provenance import Made, save_picture

MOST_PICTURES = 64
SHEET_SIDE = 256  # of each picture on a contact sheet


@dataclass(frozen=True)
class Start:
    """A picture that drawing starts from.

    Args:
        picture: its file.
        keep: which share of it is kept, from above, and pasted back as it was; the rest is drawn.
        vary: draw a variation in its place: so large a share of its codes, by lot, is drawn anew.
    Raises:
        ConfigError: a share is not from 0 to 1.
    """

    picture: Path
    keep: float = 0.5
    vary: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("keep", self.keep), ("vary", self.vary)):
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"{name} must be from 0 to 1, not {share}")


@dataclass(frozen=True)
class DrawReport:
    """What was drawn.

    Args:
        files: the pictures, in order of their seeds; the best first where they were ranked.
        sheet: the contact sheet; None for a single picture.
        seed: of the first picture; the next has the next seed.
        scores: how well each picture fits the prompt: how much likelier it makes the picture's codes, in nats a code.
        unknown_words: what of the prompt the model has never read.
    """

    files: list[Path]
    sheet: Path | None
    seed: int
    seconds: float
    scores: list[float]
    unknown_words: list[str]


def draw_pictures(
    prompt: str,
    out: Path,
    *,
    model: str | Path,
    count: int = 1,
    steering: Steering = DEFAULT_STEERING,
    start: Start | None = None,
    visible: bool = False,
    rerank: bool = False,
    device: Device = "auto",
    progress: Progress | None = None,
) -> DrawReport:
    """Draw a prompt `count` times into a folder, as PNG files of 512 pixels.

    Each is written as soon as it is drawn, the first alone and before the others: what ends a run costs at most the
    few that are under way.

    Args:
        rerank: put the pictures first that the prompt fits best.
        visible: draw a label into each picture's corner too.
        progress: called with what is done and the total.
    Raises:
        QueryError: the prompt is empty, too long, or asks for what is not drawn here.
        ConfigError: a number is out of range, or the folder cannot be made.
        MediaError: the picture to start from cannot be read.
        NotSupportedError: the model does not draw.
    """
    refuse(prompt)
    if not 1 <= count <= MOST_PICTURES:
        raise ConfigError(f"the number of pictures must be from 1 to {MOST_PICTURES}, not {count}")
    began = time.perf_counter()
    generator = load(model, device=device)
    if not isinstance(generator, ImageGenerator):
        raise NotSupportedError(f"{model}: this model does not draw")
    first = None if start is None else read_image(start.picture)
    drawn: list[_Drawn] = []
    for begin, end in _turns(count):
        few = replace(steering, seed=steering.seed + begin)
        told = _told(progress, begin, end - begin, count)
        given = None
        if start is not None and first is not None:
            given = _given(generator, first, start, range(few.seed, few.seed + end - begin))
        codes = generator.draw_codes(prompt, end - begin, few, given=given, progress=told)
        scores = generator.scores(prompt, codes, steering.style)
        for row, score in enumerate(scores):
            picture = enlarged(generator.pictures_of(codes[row : row + 1])[0])
            if start is not None and first is not None and start.vary is None:
                picture = _with_kept(picture, first, start.keep)
            file = _write(out, few.seed + row, picture, generator, visible=visible)
            drawn.append(_Drawn(file, picture, score))
    if rerank:
        drawn.sort(key=lambda one: one.score, reverse=True)
    sheet = None
    if count > 1:
        sheet = out / "sheet.png"
        whole = contact_sheet([one.picture for one in drawn])
        save_picture(sheet, whole, Made(generator.id, steering.seed))
    seconds = time.perf_counter() - began
    files, scores = [one.file for one in drawn], [one.score for one in drawn]
    unknown = generator.unknown_words(prompt)
    return DrawReport(files, sheet, steering.seed, seconds, scores, unknown)


class _Drawn(NamedTuple):
    """A picture that was written."""

    file: Path
    picture: np.ndarray
    score: float


def _turns(count: int) -> Iterator[tuple[int, int]]:
    """Which pictures are drawn together: the first alone, so that it is soon there, then eight at a time.

    Example:
        >>> list(_turns(12))
        [(0, 1), (1, 9), (9, 12)]
    """
    begin = 0
    while begin < count:
        end = min(count, begin + 8) if begin else 1
        yield begin, end
        begin = end


def _told(progress: Progress | None, begin: int, size: int, count: int) -> Progress | None:
    """Progress of some of the pictures, told as progress of all."""
    if progress is None:
        return None
    return lambda done, total: progress(begin * total + size * done, count * total)


def _write(
    out: Path, seed: int, picture: np.ndarray, generator: ImageGenerator, *, visible: bool
) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made: {error.strerror or error}") from error
    file = out / f"{seed:06d}.png"
    save_picture(file, picture, Made(generator.id, seed), visible=visible)
    return file


def contact_sheet(pictures: list[np.ndarray]) -> np.ndarray:
    """All pictures on one, row after row.

    Shapes:
        pictures: each (Y, X, C) uint8
        returns: (Y, X, C) uint8
    """
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    gap, side = 8, SHEET_SIDE
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + gap) + gap), "white")
    for i, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (gap + i % columns * (side + gap), gap + i // columns * (side + gap)))
    return np.asarray(sheet)


def _given(
    generator: ImageGenerator, picture: Image.Image, start: Start, seeds: Sequence[int]
) -> Given:
    """The codes of the picture, and which of them each drawing keeps."""
    codes = generator.codes_of(picture).expand(len(seeds), -1)  # (B, N)
    grid = generator.model.config.dvae.grid_size
    if start.vary is not None:
        lots = [np.random.default_rng([seed, 1]).random(codes.shape[1]) for seed in seeds]
        return Given(codes, torch.from_numpy(np.stack(lots) >= start.vary))
    # Whole rows; where the edge runs through a row, all of it.
    rows = int(np.ceil(start.keep * grid))
    return Given(codes, (torch.arange(codes.shape[1]) < rows * grid).expand_as(codes))


def _with_kept(picture: np.ndarray, first: Image.Image, keep: float) -> np.ndarray:
    """The kept part of the first picture, as it was, over what was drawn."""
    rows = round(keep * OUTPUT_SIZE)
    whole = np.asarray(first.resize((OUTPUT_SIZE, OUTPUT_SIZE), Image.Resampling.LANCZOS))
    return np.concatenate([whole[:rows], picture[rows:]])
