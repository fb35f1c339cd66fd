"""The art of the made world of `scenes`: each emoji trimmed to what it shows, in two styles, in any colour.

Noto Emoji (Google, Apache-2.0) and Fluent Emoji (Microsoft, MIT); see NOTICE.

Shapes: Y/X rows/columns, C channels: red, green, blue, alpha.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

Style = Literal["noto", "fluent"]
STYLES: tuple[Style, ...] = ("noto", "fluent")

COLOURS = {
    "red": (222, 42, 46), "orange": (248, 138, 34), "yellow": (250, 207, 48), "green": (62, 163, 74),
    "blue": (46, 118, 222), "purple": (140, 74, 190), "pink": (248, 140, 180), "brown": (133, 86, 56),
    "black": (54, 54, 62), "white": (244, 244, 246), "grey": (150, 154, 162),
}  # fmt: skip

_ART = Path(__file__).with_name("scenes_art.parquet")
_HUE_WIDTH = 0.1  # of the circle, to either side of the commonest hue
_LEAST_COLOURFUL = 0.3  # of what is seen; where less is, the grey is coloured


@functools.cache
def sprite(emoji: str, style: Style, colour: str | None = None) -> Image.Image:
    """The picture of an emoji, RGBA, without empty margins."""
    picture = Image.open(io.BytesIO(_files()[style, emoji])).convert("RGBA")
    picture = picture.crop(picture.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox())
    if colour is not None:
        picture = Image.fromarray(tinted(np.asarray(picture), COLOURS[colour]))
    return picture


def tinted(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Give what is of the commonest hue another colour; light and shade stay.

    A picture that is mostly grey is coloured where it is grey.

    Shapes:
        picture: (Y, X, C) uint8
        returns: (Y, X, C) uint8
    """
    rgb, alpha = picture[..., :3].astype(np.float32), picture[..., 3] > 40
    high, low = rgb.max(2), rgb.min(2)
    saturation = (high - low) / np.maximum(high, 1)
    hue = _hue(rgb, high, low)
    colourful = alpha & (saturation > 0.3) & (high > 50)
    if colourful.sum() > _LEAST_COLOURFUL * alpha.sum():
        weights = np.bincount((hue[colourful] * 36).astype(int) % 36, minlength=36).astype(float)
        smooth = weights + np.roll(weights, 1) + np.roll(weights, -1)
        common = (smooth.argmax() + 0.5) / 36
        away = np.abs((hue - common + 0.5) % 1 - 0.5)
        share = _ramp(away, _HUE_WIDTH * 1.3, _HUE_WIDTH) * _ramp(saturation, 0.15, 0.3)
    else:
        share = _ramp(saturation, 0.4, 0.25)
    light = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    chosen = (share > 0.5) & alpha
    usual = float(np.percentile(light[chosen], 60)) if chosen.any() else 128.0
    ratio = np.clip(light / max(usual, 1.0), 0.35, 1.6)[..., None]
    target = np.array(colour, np.float32)
    shaded = target * np.minimum(ratio, 1.0)
    lit = target + (255 - target) * np.clip(ratio - 1, 0, 1) * 0.8
    new = np.where(ratio > 1, lit, shaded)
    mixed = rgb + (new - rgb) * share[..., None]
    return np.dstack([np.rint(mixed).clip(0, 255).astype(np.uint8), picture[..., 3]])


@functools.cache
def main_colour(emoji: str, style: Style) -> tuple[int, int, int]:
    """The colour of a creature about its cheeks: what its paws are drawn in."""
    pixels = np.asarray(sprite(emoji, style))
    rows, columns = pixels.shape[0], pixels.shape[1]
    face = pixels[rows // 3 : rows * 2 // 3, columns // 5 : columns * 4 // 5]
    seen = face[face[..., 3] > 200][:, :3].astype(int)
    bright = seen[seen.sum(1) > 200]
    red, green, blue = np.median(bright if len(bright) else seen, axis=0)
    return int(red), int(green), int(blue)


@functools.cache
def profile(emoji: str, style: Style) -> np.ndarray:
    """Where each column of a picture begins, from the top, as a share of its height; 1 where it is empty.

    Shapes:
        returns: (X,) float32
    """
    seen = np.asarray(sprite(emoji, style))[..., 3] > 128
    first = np.where(seen.any(0), seen.argmax(0), len(seen))
    return (first / len(seen)).astype(np.float32)


@functools.cache
def _files() -> dict[tuple[str, str], bytes]:
    rows = pq.read_table(_ART).to_pylist()
    return {(row["style"], row["emoji"]): row["image"] for row in rows}


def _hue(rgb: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The hue, from 0 to 1, of (Y, X, 3)."""
    red, green, blue = np.moveaxis(rgb, 2, 0)
    span = np.maximum(high - low, 1e-3)
    hue = np.where(
        high == red,
        (green - blue) / span % 6,
        np.where(high == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    return hue / 6


def _ramp(values: np.ndarray, zero: float, one: float) -> np.ndarray:
    """0 up to `zero`, 1 from `one` on (or the other way round), straight between."""
    return np.clip((values - zero) / (one - zero), 0, 1)
