"""Who draws: a DALL-E code by code, or a pipeline of `diffusers` out of noise; the rest of `draw` is the same for both.

Shapes: Y/X rows/columns, C channels, N codes of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from polysee.errors import ConfigError
from polysee.generation.drawing import Given
from polysee.inference.drawing import (
    ImageGenerator,
    Progress,
    Steering,
    enlarged,
)
from polysee.inference.matching import SceneMatcher, bundled_matcher
from polysee.inference.pipelines import PipelineGenerator
from polysee.media.image import read_image


@dataclass(frozen=True)
class Start:
    """A picture that drawing starts from.

    Args:
        picture: its file.
        keep: which share of it is kept, from above, and pasted back as it was; the rest is drawn. Half if None.
        vary: draw a variation in its place: so large a share of its codes, by lot, is drawn anew; of a pipeline, how
            much noise is put on the picture.
    Raises:
        ConfigError: a share is not from 0 to 1.
    """

    picture: Path
    keep: float | None = None
    vary: float | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and self.vary is not None:
            raise ConfigError("a picture is finished (keep) or varied (vary), not both")
        for name, share in (("keep", self.keep), ("vary", self.vary)):
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"{name} must be from 0 to 1, not {share}")

    @property
    def kept(self) -> float:
        """The share that stays as it was."""
        return 0.5 if self.keep is None else self.keep


class Drawer(Protocol):
    """Draws one prompt.

    Attributes:
        at_once: how many pictures are best drawn together.
    """

    at_once: int

    def draw(
        self, prompt: str, count: int, steering: Steering, progress: Progress | None
    ) -> Iterator[np.ndarray | None]:
        """Pictures of seeds one after the other, from that of `steering` on.

        Shapes:
            yields: (Y, X, C) uint8, as large as it is written; None where the model's own filter holds it back
        """

    def scores(self) -> list[float]:
        """How well each picture of the last `draw` fits its prompt; none at all where nobody can say."""

    def unknown_words(self, prompt: str) -> list[str]:
        """What of a prompt the model has never read, as far as it can tell."""


def drawer_of(
    generator: ImageGenerator | PipelineGenerator, start: Start | None, *, rerank: bool
) -> Drawer:
    """
    Args:
        rerank: let the bundled matcher say how well the pictures fit, where it can; else the model says it itself.
    Raises:
        ConfigError: the model cannot rank its pictures.
        MediaError: the picture to start from cannot be read.
    """
    first = None if start is None else read_image(start.picture)
    if isinstance(generator, PipelineGenerator):
        if rerank:
            raise generator.knows_no("--rerank")
        return _ByPipeline(generator, start, first)
    matcher = bundled_matcher(generator.device.type) if rerank else None
    return _ByCodes(generator, start, first, matcher)


class _ByCodes:
    """A DALL-E."""

    at_once = 8

    def __init__(
        self,
        generator: ImageGenerator,
        start: Start | None,
        first: Image.Image | None,
        matcher: SceneMatcher | None,
    ) -> None:
        self.generator, self.start, self.first = generator, start, first
        self.matcher = matcher
        self._last: tuple[str, str | None, torch.Tensor, np.ndarray] | None = None
        self.unknown_words = generator.unknown_words

    def draw(
        self, prompt: str, count: int, steering: Steering, progress: Progress | None
    ) -> Iterator[np.ndarray | None]:
        given = self._given(range(steering.seed, steering.seed + count))
        codes = self.generator.draw_codes(prompt, count, steering, given=given, progress=progress)
        # One by one: so a picture is the same to the last bit alone and among others.
        pictures = np.concatenate([self.generator.pictures_of(own[None]) for own in codes])
        self._last = prompt, steering.style, codes, pictures
        for picture in pictures:
            yield with_kept(enlarged(picture), self.first, self.start)

    def scores(self) -> list[float]:
        if self._last is None:
            return []
        prompt, style, codes, pictures = self._last
        if self.matcher is None:
            return list(self.generator.scores(prompt, codes, style))
        return list(self.matcher.scores(pictures, prompt))

    def _given(self, seeds: Sequence[int]) -> Given | None:
        """The codes of the first picture, and which of them each drawing keeps."""
        if self.start is None or self.first is None:
            return None
        codes = self.generator.codes_of(self.first).expand(len(seeds), -1)  # (B, N)
        grid = self.generator.model.config.dvae.grid_size
        if self.start.vary is not None:
            lots = [np.random.default_rng([seed, 1]).random(codes.shape[1]) for seed in seeds]
            return Given(codes, torch.from_numpy(np.stack(lots) >= self.start.vary))
        # Whole rows; where the edge runs through a row, all of it.
        rows = int(np.ceil(self.start.kept * grid))
        start = rows * grid
        return Given(codes, (torch.arange(codes.shape[1]) < start).expand_as(codes), start)


class _ByPipeline:
    """A pipeline of `diffusers`: one picture after the other, so that each is soon there, and the same alone."""

    at_once = 1

    def __init__(
        self, generator: PipelineGenerator, start: Start | None, first: Image.Image | None
    ) -> None:
        self.generator, self.start, self.first = generator, start, first

    def draw(
        self, prompt: str, count: int, steering: Steering, progress: Progress | None
    ) -> Iterator[np.ndarray | None]:
        keep, vary = (0.0, None) if self.start is None else (self.start.kept, self.start.vary)
        for seed in range(steering.seed, steering.seed + count):
            picture = self.generator.draw(
                prompt, replace(steering, seed=seed), first=self.first, keep=keep, vary=vary,
                progress=progress,
            )  # fmt: skip
            if picture is not None:
                picture = with_kept(picture, self.first, self.start)
            yield picture

    def scores(self) -> list[float]:
        return []

    def unknown_words(self, prompt: str) -> list[str]:
        return []  # nobody knows what such a model has read


def with_kept(picture: np.ndarray, first: Image.Image | None, start: Start | None) -> np.ndarray:
    """The kept part of the first picture, as it was, over what was drawn."""
    if first is None or start is None or start.vary is not None:
        return picture
    rows, columns = picture.shape[:2]
    kept = round(start.kept * rows)
    whole = first.convert("RGB").resize((columns, rows), Image.Resampling.LANCZOS)
    return np.concatenate([np.asarray(whole)[:kept], picture[kept:]])
