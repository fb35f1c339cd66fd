"""A blind watermark: the short name of a model, in the middle frequencies of a picture, unseen.

Spread spectrum after Cox et al. 1997 (https://doi.org/10.1109/83.650120), with the picture itself taken into account
when it is written, as in Malvar and Florencio 2003 (https://doi.org/10.1109/TSP.2003.809385): the frequencies of each
bit are moved until their sum says the bit clearly, however they stood before.

The picture is looked at as 256 x 256 pixels whatever its size, so that its size may change later; cutting a part out
destroys the mark. Nothing but the name is written: no person, no time, no number.

Shapes: Y/X rows/columns, C channels.
"""

from __future__ import annotations

import functools
import string

import numpy as np
from PIL import Image

SIDE = 256
_BAND = 16, 88  # the frequencies that carry the mark, in half periods a side
_LETTERS = " " + string.ascii_lowercase + string.digits + "-."
MOST_LETTERS = 10
_NAME_BITS, _CHECK_BITS = 53, 11
BITS = _NAME_BITS + _CHECK_BITS

# How far each bit is moved from 0, in standard deviations of a picture without a mark; and at least so far in itself,
# or rounding to whole levels would leave nothing in a flat picture.
_STRENGTH, _LEAST = 1.45, 3.6
# The mean distance from which on a mark is believed; without one it is 0.8, give or take 0.08.
_CLEAR = 1.12
_ROUNDS = 14
# The contrast that a flat place has for the mark, in levels of brightness. Of contrast beyond _LOUD only a part
# counts, or edges would fray.
_QUIET, _LOUD, _LOUDER = 2.5, 9.0, 0.25


def short_name(model: str) -> str:
    """What of a model's name is written: its last part, in lower case, ten letters at most.

    Example:
        >>> short_name("polysee/dalle-nano"), short_name("owner/Stable_Diffusion")
        ('dalle-nano', 'stable-dif')
    """
    name = model.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1].lower().replace("_", "-")
    kept = "".join(letter for letter in name if letter in _LETTERS[1:])
    return kept[:MOST_LETTERS].rstrip("-.") or "unnamed"


def write_mark(picture: np.ndarray, model: str) -> np.ndarray:
    """Write a model's short name into a picture.

    Shapes:
        picture: (Y, X, C) uint8
        returns: (Y, X, C) uint8
    """
    signs = np.where(_bits_of(short_name(model)), 1.0, -1.0)
    rows, columns = picture.shape[:2]
    contrast = _contrast(_downsized(_light(picture.astype(np.float32))))
    contrast = np.minimum(contrast, _LOUD + _LOUDER * (contrast - _LOUD))
    added = np.zeros((rows, columns), np.float32)
    for _ in range(_ROUNDS):
        values, spread = _read(_downsized(_clipped(picture, added)))
        wanted = max(_STRENGTH, _LEAST / spread)
        missing = np.where(signs * values < wanted, signs * wanted - values, 0.0)
        if np.abs(missing).max() < 0.05 * wanted:
            break
        added += _upsized(_pattern(missing * spread) * contrast, rows, columns)
    marked = picture.astype(np.float32) + added[..., None]
    return np.rint(marked).clip(0, 255).astype(np.uint8)


def read_mark(picture: np.ndarray) -> str | None:
    """The short name that is written in a picture; None where there is none.

    Shapes:
        picture: (Y, X, C) uint8
    """
    if min(picture.shape[:2]) < 16:
        return None
    values, _ = _read(_downsized(_light(picture.astype(np.float32))))
    if np.abs(values).mean() < _CLEAR:
        return None
    return _name_of(values > 0)


def read_bits(picture: np.ndarray) -> np.ndarray:
    """The raw bits, (BITS,) bool: to measure how many survive."""
    values, _ = _read(_downsized(_light(picture.astype(np.float32))))
    return values > 0


def _read(small: np.ndarray) -> tuple[np.ndarray, float]:
    """How far each bit stands from 0 in standard deviations, (BITS,), and that deviation for a sum of one bit.

    What is read are differences from the neighbourhood, as shares of its contrast: so an edge does not drown what
    stands in flat places, and the mark may be as strong as the place hides it.
    """
    carriers, owners, signs = _carriers()
    even = np.clip((small - _box(small)) / _contrast(small), -2, 2)
    spectrum = (_cosines() @ even @ _cosines().T).ravel()[carriers] * signs
    sums = np.bincount(owners, spectrum, BITS) / np.sqrt(np.bincount(owners, minlength=BITS))
    spread = float(np.sqrt(np.mean(np.square(spectrum)))) + 1e-3
    return sums / spread, spread


def _pattern(moves: np.ndarray) -> np.ndarray:
    """The picture, (SIDE, SIDE), that moves the sum of each bit by so much, and no other."""
    carriers, owners, signs = _carriers()
    spectrum = np.zeros(SIDE * SIDE)
    spectrum[carriers] = (moves / np.sqrt(np.bincount(owners, minlength=BITS)))[owners] * signs
    return _cosines().T @ spectrum.reshape(SIDE, SIDE) @ _cosines()


@functools.cache
def _carriers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frequencies that carry the mark, whose bit each is, and its sign, by lot."""
    y, x = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(y, x)
    inside = np.flatnonzero((radius >= _BAND[0]) & (radius < _BAND[1]) & (x > 1) & (y > 1))
    draw = np.random.Generator(np.random.PCG64(20_250_901))
    carriers = draw.permutation(inside)
    return carriers, np.arange(len(carriers)) % BITS, draw.choice([-1.0, 1.0], len(carriers))


@functools.cache
def _cosines() -> np.ndarray:
    """The orthonormal cosine transform, (SIDE, SIDE)."""
    k, n = np.mgrid[:SIDE, :SIDE]
    matrix = np.cos(np.pi * (n + 0.5) * k / SIDE) * np.sqrt(2 / SIDE)
    matrix[0] /= np.sqrt(2)
    return matrix


def _contrast(small: np.ndarray) -> np.ndarray:
    """How much the brightness varies about each place."""
    varying = np.maximum(_box(small**2) - _box(small) ** 2, 0)
    return np.sqrt(varying) + _QUIET


def _box(values: np.ndarray, reach: int = 3) -> np.ndarray:
    """The mean of each value's neighbourhood."""
    size = 2 * reach + 1
    padded = np.pad(values, reach + 1, mode="edge")[:-1, :-1]
    sums = padded.cumsum(0).cumsum(1)
    sums = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return sums[: values.shape[0], : values.shape[1]] / size**2


def _light(picture: np.ndarray) -> np.ndarray:
    return picture @ np.array([0.299, 0.587, 0.114], np.float32)


def _clipped(picture: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The brightness of what will be written: nothing is darker than black."""
    return _light((picture.astype(np.float32) + added[..., None]).clip(0, 255))


def _downsized(light: np.ndarray) -> np.ndarray:
    image = Image.fromarray(light.astype(np.float32))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float64)


def _upsized(small: np.ndarray, rows: int, columns: int) -> np.ndarray:
    image = Image.fromarray(small.astype(np.float32))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC))


def _bits_of(name: str) -> np.ndarray:
    """A name and its check as bits, scrambled so that short names are no long runs of zeros."""
    number = 0
    for letter in name.ljust(MOST_LETTERS):
        number = number * len(_LETTERS) + _LETTERS.index(letter)
    whole = number << _CHECK_BITS | _check(number)
    bits = np.array([whole >> place & 1 for place in range(BITS)], bool)
    return bits ^ _scramble()


def _name_of(bits: np.ndarray) -> str | None:
    whole = sum(1 << place for place, bit in enumerate(bits ^ _scramble()) if bit)
    number, check = whole >> _CHECK_BITS, whole & ((1 << _CHECK_BITS) - 1)
    if check != _check(number) or number >= len(_LETTERS) ** MOST_LETTERS:
        return None
    letters = []
    for _ in range(MOST_LETTERS):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(reversed(letters)).strip()


@functools.cache
def _scramble() -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).random(BITS) < 0.5


def _check(number: int) -> int:
    """The remainder of a division of polynomials: a cyclic redundancy check of 11 bits."""
    value = number << _CHECK_BITS
    for place in range(_NAME_BITS + _CHECK_BITS - 1, _CHECK_BITS - 1, -1):
        if value >> place & 1:
            value ^= 0b1011_1000_0101 << (place - _CHECK_BITS)
    return value
