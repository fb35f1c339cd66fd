"""Draw pictures from a sentence, and write them with everything that says that a machine made them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from polysee.apps.draw_by import Start as Start
from polysee.apps.draw_by import drawer_of
from polysee.apps.draw_refusals import refuse
from polysee.apps.texts import check_text
from polysee.checkpoints.folder import shown_name
from polysee.datasets.scenes_prompts import plain
from polysee.datasets.scenes_words import unknown_words
from polysee.errors import ConfigError, NotSupportedError, QueryError
from polysee.inference.drawing import DEFAULT_STEERING, ImageGenerator, Progress, Steering
from polysee.inference.encoders import Dtype
from polysee.inference.loading import Device, load
from polysee.inference.pipelines import PipelineGenerator
from polysee.library.query import parse_query
from polysee.media.files import explain
from polysee.provenance import Made, save_picture

MOST_PICTURES = 64
SEEDS = 2**63  # as many as a generator takes
SHEET_SIDE = 256  # of each picture on a contact sheet


@dataclass(frozen=True)
class DrawReport:
    """What was drawn.

    Args:
        files: the pictures, in order of their seeds; the best first where they were ranked.
        sheet: the contact sheet; None for a single picture.
        seed: of the first picture; the next has the next seed.
        scores: how well each picture fits the prompt: how much likelier it makes the picture's codes, in nats a code;
            once ranked by the bundled matcher, its `scores`, at most 0; none from a pipeline of `diffusers`, which
            cannot say.
        unknown_words: what of the prompt, and of what is not to be drawn, the model has never read.
        held_back: the seeds whose pictures the model's own filter did not give out.
        negative: what was not to be drawn, as it was asked for or as the prompt says it; None for nothing.
    """

    files: list[Path]
    sheet: Path | None
    seed: int
    seconds: float
    scores: list[float]
    unknown_words: list[str]
    held_back: list[int]
    negative: str | None = None


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
    dtype: Dtype = "auto",
    progress: Progress | None = None,
) -> DrawReport:
    """Draw a prompt `count` times into a folder, as PNG files: of 512 pixels, or as large as a pipeline makes them.

    A picture is named by its seed, such as `000007.png`; beside another file of that name it becomes `000007-2.png`.
    Each is written as soon as it is drawn, the first alone and before the others: what ends a run costs at most the
    few that are under way. What a prompt says is not to be there ("a dog without a hat", 没戴帽子的狗) goes to a DALL-E
    apart, since naming a thing would draw it; and it reads 2只🐶 as 两只狗, see `datasets.scenes_prompts`. Pipelines of
    `diffusers` are given the prompt as it is.

    Args:
        model: a DALL-E, or a pipeline of `diffusers`: a folder or a name.
        rerank: put the pictures first that the prompt fits best.
        visible: draw a label into each picture's corner too.
        progress: called with what is done and the total.
    Raises:
        QueryError: the prompt is empty, too long, says only what is not to be there, or asks for what is not drawn
            here; or the model's own filter held every picture back.
        ConfigError: a number is out of range, the model knows no such wish, the prompt holds control characters, or the
            folder cannot be made.
        MediaError: the picture to start from cannot be read.
        NotSupportedError: the model does not draw.
    """
    _check(prompt, count, steering)
    _check_folder(out)
    began = time.perf_counter()
    generator = load(model, device=device, dtype=dtype)
    if not isinstance(generator, ImageGenerator | PipelineGenerator):
        raise NotSupportedError(f"{model}: this model does not draw")
    if isinstance(generator, ImageGenerator):
        prompt, steering = _as_it_is_read(prompt, steering)
    drawer = drawer_of(generator, start, rerank=rerank)
    drawn: list[_Drawn] = []
    scores: list[float] = []
    held_back: list[int] = []
    for begin, end in _turns(count, drawer.at_once):
        few = replace(steering, seed=steering.seed + begin)
        told = _told(progress, begin, end - begin, count)
        for row, picture in enumerate(drawer.draw(prompt, end - begin, few, told)):
            made = Made(shown_name(generator.id), few.seed + row)
            if picture is None:
                held_back.append(made.seed)
            else:
                drawn.append(_Drawn(_write(out, picture, made, visible=visible), picture))
        scores.extend(drawer.scores())  # after they are written: no picture waits for its score
    if not drawn:
        raise QueryError(f"the model's own filter held every picture back: {count}")
    if rerank:
        ranked = sorted(zip(drawn, scores, strict=True), key=lambda pair: pair[1], reverse=True)
        drawn, scores = [one for one, _ in ranked], [score for _, score in ranked]
    sheet = None
    if count > 1:
        whole = contact_sheet([one.picture for one in drawn])
        made = Made(shown_name(generator.id), steering.seed)
        sheet = save_picture(out / "sheet.png", whole, made)
    seconds = time.perf_counter() - began
    files = [one.file for one in drawn]
    said = [prompt, *filter(None, [steering.negative])]
    unknown = list(dict.fromkeys(word for text in said for word in drawer.unknown_words(text)))
    return DrawReport(
        files, sheet, steering.seed, seconds, scores, unknown, held_back, steering.negative
    )


def _check(prompt: str, count: int, steering: Steering) -> None:
    """Refuse what no model draws."""
    for text in (prompt, steering.negative or ""):
        if text.strip():
            check_text(text)
    refuse(prompt)
    if not 1 <= count <= MOST_PICTURES:
        raise ConfigError(f"the number of pictures must be from 1 to {MOST_PICTURES}, not {count}")
    if not 0 <= steering.seed <= SEEDS - count:
        raise ConfigError(
            f"seed {steering.seed} is out of range: from 0 to {SEEDS - count} for {count} pictures"
        )


def _as_it_is_read(prompt: str, steering: Steering) -> tuple[str, Steering]:
    """What a prompt wants, in plain words, and what it does not, beside what was not to be drawn anyway."""
    prompt = plain(prompt)
    if not any(character.isalnum() for character in prompt) and not unknown_words(prompt):
        raise QueryError("an empty prompt: say what to draw")
    if steering.negative:
        steering = replace(steering, negative=plain(steering.negative))
    said = parse_query(prompt)
    if not said.excluded:
        return prompt, steering
    if not said.wanted:
        raise QueryError(f"it says only what is not to be there: {prompt!r}; say what to draw")
    parts = [*filter(None, [steering.negative]), *said.excluded]
    return said.wanted, replace(steering, negative=", ".join(parts))


class _Drawn(NamedTuple):
    """A picture that was written."""

    file: Path
    picture: np.ndarray


def _turns(count: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Which pictures are drawn together: the first alone, so that it is soon there, then several at a time.

    Example:
        >>> list(_turns(12, 8))
        [(0, 1), (1, 9), (9, 12)]
    """
    begin = 0
    while begin < count:
        end = min(count, begin + at_once) if begin else 1
        yield begin, end
        begin = end


def _told(progress: Progress | None, begin: int, size: int, count: int) -> Progress | None:
    """Progress of some of the pictures, told as progress of all."""
    if progress is None:
        return None
    return lambda done, total: progress(begin * total + size * done, count * total)


def _check_folder(out: Path) -> None:
    """Refuse a folder that cannot be made or written to, before anything is drawn; the first picture makes it."""
    try:
        near = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made: {explain(error)}") from error
    if not near.is_dir():
        raise ConfigError(f"{out}: cannot be made: not a directory")
    if not os.access(near, os.W_OK | os.X_OK):
        raise ConfigError(f"{out}: cannot be made: permission denied")


def _write(out: Path, picture: np.ndarray, made: Made, *, visible: bool) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made: {explain(error)}") from error
    return save_picture(out / f"{made.seed:06d}.png", picture, made, visible=visible)


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
