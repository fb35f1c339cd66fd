"""What `polysee.load` returns for a model that draws.

Shapes: B pictures, Y/X rows/columns, C channels, N codes of a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image, ImageFilter

from polysee.checkpoints.folder import Card
from polysee.datasets.scenes_art import Style
from polysee.datasets.scenes_words import styled, unknown_words
from polysee.errors import CheckpointError, ConfigError, QueryError
from polysee.generation.drawing import (
    OWN_DECODING,
    OWN_GUIDANCE,
    Given,
    Steps,
    Text,
    draw_codes,
    told_by,
)
from polysee.generation.sampling import Decoding
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.dalle import Dalle

Progress = Callable[[int, int], None]
OUTPUT_SIZE = 512
_PUSH = 0.6  # 1 leaves edges as they are, 0 makes steps of them


@dataclass(frozen=True)
class Steering:
    """How pictures are drawn from a text.

    Args:
        seed: of the first picture; the next has the next seed.
        guidance: how much more than its training the model follows the text; 1 for not more, None for what suits it.
        temperature: how freely codes are drawn; 0 takes the likeliest, always.
        top_p: draw from the fewest codes that together are this likely.
        style: of the art; the model's choice when None.
        negative: what not to draw.
        steps: of a pipeline that makes pictures out of noise; what suits it when None.
    """

    seed: int = 0
    guidance: float | None = None
    temperature: float = OWN_DECODING.temperature
    top_p: float = OWN_DECODING.top_p
    style: str | None = None
    negative: str | None = None
    steps: int | None = None


DEFAULT_STEERING = Steering()


class ImageGenerator:
    """Draws pictures from texts.

    Attributes:
        model: the bare module, float32, in eval mode; not to be changed once it has drawn: some weights are copied.
        styles: the art styles that it knows.
    """

    def __init__(
        self,
        model: Dalle,
        card: Card,
        tokenizer: Tokenizer | None,
        *,
        id: str,
        hash: str,
        folder: Path,
        device: torch.device,
    ) -> None:
        if tokenizer is None:
            raise CheckpointError(f"{folder}: no tokenizer.json, and a model that draws needs one")
        self.model = model.to(device)
        self.card, self.tokenizer = card, tokenizer
        self.id, self.hash, self.folder, self.device = id, hash, folder, device
        self.styles: tuple[str, ...] = get_args(Style)

    def draw(
        self,
        prompt: str,
        count: int = 1,
        steering: Steering = DEFAULT_STEERING,
        *,
        given: Given | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The pictures of `draw_codes`. Shapes: returns (B, Y, X, C) uint8, of the model's own size."""
        drawn = self.draw_codes(prompt, count, steering, given=given, progress=progress)
        return self.pictures_of(drawn)

    def draw_codes(
        self,
        prompt: str,
        count: int = 1,
        steering: Steering = DEFAULT_STEERING,
        *,
        given: Given | None = None,
        progress: Progress | None = None,
    ) -> torch.Tensor:
        """Draw one prompt several times.

        Args:
            given: codes that stand already; for each of the pictures, or one row for all.
            progress: called with how many codes of each picture are drawn, and of how many.
        Shapes:
            returns: (B, N) int64, the codes of `count` pictures
        Raises:
            QueryError: the prompt is empty or too long.
            ConfigError: an unknown style, or a number out of range.
        """
        if steering.steps is not None:
            raise ConfigError(f"{self.id} draws code by code, without --steps")
        text = self._read(prompt, steering.style, count)
        away = None
        if steering.negative and steering.negative.strip():
            away = self._read(steering.negative, steering.style, count, "--negative: ")
        decoding = Decoding(
            temperature=steering.temperature, top_p=steering.top_p, seed=steering.seed
        )
        guidance = OWN_GUIDANCE if steering.guidance is None else steering.guidance
        if given is not None:
            codes, fixed = (x.to(self.device).expand(count, -1) for x in given[:2])
            given = Given(codes, fixed, given.start)
        return draw_codes(
            self.model, text, decoding, guidance=guidance, settled=True, away_from=away, given=given,
            progress=progress, steps=self._steps,
        )  # fmt: skip

    @cached_property
    def _steps(self) -> Steps:
        return Steps.of(self.model)

    def scores(self, prompt: str, codes: torch.Tensor, style: str | None = None) -> list[float]:
        """How well each picture fits the prompt: what the prompt tells of its codes, in nats a code.

        Shapes:
            codes: (B, N)
        """
        text = self._read(prompt, style, len(codes))
        return told_by(self.model, text, codes.to(self.device)).tolist()

    @torch.inference_mode()
    def codes_of(self, picture: Image.Image) -> torch.Tensor:
        """The codes of a picture, (N,), row after row."""
        pixels = self.card.pixels.normalise(self.card.pixels.resize(picture)[None])
        return self.model.encode_image(pixels.to(self.device))[0].cpu()

    @torch.inference_mode()
    def pictures_of(self, codes: torch.Tensor) -> np.ndarray:
        """Codes (B, N) to pictures (B, Y, X, C) uint8."""
        return self.card.pixels.bytes_of(self.model.decode_image(codes.to(self.device)))

    def can_read(self, prompt: str, style: str | None = None) -> bool:
        """Whether a prompt is short enough."""
        return self._length(prompt, style) <= self.model.config.context_length

    def unknown_words(self, prompt: str) -> list[str]:
        """What of a prompt the model has never read."""
        return unknown_words(prompt)

    def _length(self, prompt: str, style: str | None) -> int:
        """In tokens, the one that begins it included."""
        return len(self.tokenizer.encode(styled(prompt, style))) + 1  # type: ignore[arg-type]

    def _read(self, prompt: str, style: str | None, count: int, where: str = "") -> Text:
        if not prompt.strip():
            raise QueryError("an empty prompt: say what to draw")
        if style is not None and style not in self.styles:
            raise ConfigError(f"unknown style {style!r}; one of {', '.join(self.styles)}")
        sentence = styled(prompt, style)  # type: ignore[arg-type]
        length = self._length(prompt, style)
        if length > self.model.config.context_length:
            raise QueryError(
                f"{where}the prompt is too long: {length} tokens;"
                f" the model reads {self.model.config.context_length}"
            )
        tokens, mask = self.tokenizer([sentence])
        return Text(
            tokens.to(self.device).expand(count, -1), mask.to(self.device).expand(count, -1)
        )


def enlarged(picture: np.ndarray, size: int = OUTPUT_SIZE) -> np.ndarray:
    """A picture as large as it is written: doubled again and again, its edges made steeper each time.

    Each pixel is pushed from the middle of what is around it towards the nearer end, so that edges become clean and
    nothing overshoots, as it would where they are sharpened by a filter.

    Shapes:
        picture: (Y, X, C) uint8
        returns: (size, size, C) uint8
    """
    image = Image.fromarray(picture)
    while image.width < size:
        side = (min(2 * image.width, size),) * 2
        plain = image.resize(side, Image.Resampling.BILINEAR)  # never beyond what is there
        around = plain.filter(ImageFilter.MinFilter(3)), plain.filter(ImageFilter.MaxFilter(3))
        low, high = (np.asarray(x, np.float32) for x in around)
        values = np.asarray(image.resize(side, Image.Resampling.BICUBIC), np.float32)
        middle, reach = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
        place = np.clip((values - middle) / reach, -1, 1)
        pushed = middle + reach * np.sign(place) * np.abs(place) ** _PUSH
        image = Image.fromarray(pushed.clip(0, 255).round().astype(np.uint8))
    return np.asarray(image)
