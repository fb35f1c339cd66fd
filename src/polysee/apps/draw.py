"""Draw pictures from a sentence, and write them with everything that says that a machine made them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
        files: the pictures, in order.
        sheet: the contact sheet; None for a single picture.
        seed: of the first picture; the next has the next seed.
        scores: how well each picture fits the prompt; empty where nothing judged them.
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
    device: Device = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> DrawReport:
    """Draw a prompt `count` times into a folder, as PNG files of 512 pixels.

    Args:
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
    given = None
    if start is not None and first is not None:
        given = _given(generator, first, start, range(steering.seed, steering.seed + count))
    pictures = generator.draw(prompt, count, steering, given=given, progress=progress)
    large = [enlarged(picture) for picture in pictures]
    if start is not None and first is not None and start.vary is None:
        large = [_with_kept(picture, first, start.keep) for picture in large]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made: {error.strerror or error}") from error
    files = []
    for i, picture in enumerate(large):
        seed = steering.seed + i
        files.append(out / f"{seed:06d}.png")
        save_picture(files[-1], picture, Made(generator.id, seed), visible=visible)
    sheet = None
    if count > 1:
        sheet = out / "sheet.png"
        save_picture(sheet, contact_sheet(large), Made(generator.id, steering.seed))
    seconds = time.perf_counter() - began
    unknown = generator.unknown_words(prompt)
    return DrawReport(files, sheet, steering.seed, seconds, [], unknown)


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
