"""Any picture file to an upright RGB picture, whatever its format, depth or transparency.

Strangers' files are read here. So the format is told by content from a short list, the decoder of
that format alone is tried, pixels are counted before they are allocated, and every way in which a
decoder can fail becomes a `MediaError` with a reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from polysee.errors import MediaError
from polysee.media import exif
from polysee.media.files import read_file
from polysee.media.formats import HEAD_SIZE, cut_short, sniff
from polysee.media.png import without_long_texts

ImageSource = str | os.PathLike[str] | bytes

MAX_PIXELS = 256_000_000
XMP = "XML:com.adobe.xmp"  # as PNG calls it
BAND_PIXELS = 4_000_000
"""So many pixels are converted at a time: a large picture then takes little more than its own bytes."""

# Pillow's own classes rather than Image.open: open has a process-wide pixel limit of its own
# (too low for panoramas, and not ours to change for the rest of a person's program).
_OPENERS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}


class TooLargeError(MediaError):
    """A picture has more pixels than are allowed."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, and what its file says about it.

    `width` and `height` are the file's own, upright; `image` may be smaller after a draft read. `texts` are as
    `read_texts` gives them.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    taken: datetime | None
    place: tuple[float, float] | None
    texts: dict[str, str] = field(default_factory=dict)


def read_image(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, draft_size: int | None = None
) -> Image.Image:
    """Read a picture as upright RGB.

    Transparency is laid over white, 16-bit depth is scaled to 8, and of an animation the first
    frame is taken.

    Args:
        source: a path, or a file's bytes.
        max_pixels: a picture with more is refused before memory is taken for it.
        draft_size: a side in pixels that is enough; the picture may then be read at 1/2, 1/3, ... of its
            size (both sides stay at least this long), a JPEG several times as fast.
    Raises:
        MediaError: the file cannot be read, is no picture of a known format, is cut short,
            damaged, or too large.
    Example:
        >>> red = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
        >>> file = BytesIO(); red.save(file, "PNG")
        >>> read_image(file.getvalue()).getpixel((0, 0))    # all transparent, so white
        (255, 255, 255)
    """
    return read_picture(source, max_pixels=max_pixels, draft_size=draft_size).image


def read_picture(
    source: ImageSource,
    *,
    max_pixels: int = MAX_PIXELS,
    draft_size: int | None = None,
    name: str | os.PathLike[str] = "picture",
) -> Picture:
    """As `read_image`, with the format, true size, date and place.

    Args:
        name: what to call the picture in an error when `source` is bytes.
    """
    if isinstance(source, bytes):
        data = source
    else:
        data, name = read_file(source).data, source
    form = sniff(data[:HEAD_SIZE])
    if form is None:
        raise MediaError(name, "not a picture of a known format" if data else "an empty file")
    if cut_short(data, form):
        raise MediaError(name, f"a {form} file that is cut short")
    with _open(data, form, name) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise TooLargeError(name, f"too large: {width} x {height} pixels")
        if draft_size is not None and form == "JPEG":
            opened.draft("RGB", (draft_size, draft_size))
        _load(opened, form, name)
        tags = exif.read_exif(opened)
        texts = _texts(opened, form)
        # Pillow's TIFF reader and libheif turn the picture themselves
        turn = exif.transpose_for(tags) if form not in ("TIFF", "HEIC") else None
        shrink = max(1, min(opened.size) // draft_size) if draft_size is not None else 1
        try:
            image = to_rgb(opened, shrink)
            image = image.transpose(turn) if turn is not None else image
        except (MemoryError, ValueError, OSError) as error:
            raise MediaError(name, f"cannot be converted ({error})") from error
    if (image.width > image.height) != (width > height):
        width, height = height, width
    return Picture(image, form, width, height, exif.taken(tags), exif.place(tags), texts)


def read_texts(source: ImageSource) -> dict[str, str]:
    """The texts in a picture's file, by their keys; what XMP says stands under `XMP`.

    Raises:
        MediaError: as `read_image` does.
    """
    data, name = (
        (source, "picture") if isinstance(source, bytes) else (read_file(source).data, source)
    )
    form = sniff(data[:HEAD_SIZE])
    if form is None:
        raise MediaError(name, "not a picture of a known format")
    with _open(data, form, name) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise TooLargeError(name, f"too large: {opened.width} x {opened.height} pixels")
        _load(opened, form, name)  # a PNG may have texts behind its pixels
        return _texts(opened, form)


def _texts(opened: Image.Image, form: str) -> dict[str, str]:
    texts = {str(key): str(value) for key, value in opened.info.items() if isinstance(value, str)}
    packet = opened.info.get("xmp")
    if form == "TIFF":
        with suppress(Exception):  # its tags may be damaged in as many ways as it can
            packet = opened.getexif().get(700)
    if isinstance(packet, bytes):
        texts[XMP] = packet.decode("utf-8", errors="replace")
    return texts


def _open(data: bytes, form: str, name: object) -> Image.Image:
    """Read the header only: the size is known, no pixel is decoded."""
    try:
        if form == "HEIC":
            import pi_heif  # only people with such files pay for its libraries

            heic: Image.Image = pi_heif.HeifImageFile(BytesIO(data))
            return heic
        if form == "PNG":
            data = without_long_texts(data)
        return _OPENERS[form](BytesIO(data))
    except Exception as error:  # decoders fail in many ways on damaged headers
        raise MediaError(name, f"a damaged or cut short {form} file") from error


def _load(opened: Image.Image, form: str, name: object) -> None:
    try:
        opened.load()
    except MemoryError as error:
        raise MediaError(name, "too large for this machine's memory") from error
    except Exception as error:
        cut = any(word in str(error).lower() for word in ("truncated", "end of file", "eof"))
        reason = f"a {form} file that is cut short" if cut else f"a damaged {form} file ({error})"
        raise MediaError(name, reason) from error


def to_rgb(image: Image.Image, shrink: int = 1) -> Image.Image:
    """A new picture in plain RGB: transparency over white, deep grey scaled down.

    Args:
        shrink: both sides become so many times shorter, each pixel the mean of a square.
    """
    if image.mode == "RGB" and shrink == 1:
        return image.copy()  # so that closing the file does not take it along
    levels = _levels(image) if image.mode == "F" or image.mode.startswith("I") else None
    width, height = image.size
    whole = Image.new("RGB", (-(-width // shrink), -(-height // shrink)))
    for top, band in _bands(image, shrink):
        plain = _plain(band) if levels is None else _scale_depth(band, *levels)
        whole.paste(plain.reduce(shrink) if shrink > 1 else plain, (0, top // shrink))
    return whole


def _bands(image: Image.Image, shrink: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """The picture from top to bottom in parts, each with its first row, a multiple of `shrink`."""
    width, height = image.size
    rows = shrink * max(1, BAND_PIXELS // (width * shrink))
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image.convert("RGB")


def _levels(image: Image.Image) -> tuple[float, float]:
    """Which values of 16-bit, 32-bit or float grey are black and white."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    extremes = [
        (values.min(), values.max()) for values in (_values(band) for _, band in _bands(image))
    ]
    low, high = float(min(low for low, _ in extremes)), float(max(high for _, high in extremes))
    if image.mode == "I" and low >= 0 and high < 65536:
        return 0.0, 65535.0
    return (0.0, 1.0) if image.mode == "F" and low >= 0 and high <= 1 else (low, high)


def _scale_depth(image: Image.Image, low: float, high: float) -> Image.Image:
    """Deep grey to 8 bits: scaled, where Pillow's own convert clips."""
    scaled = (_values(image) - low) * (255.0 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8)).convert("RGB")


def _values(image: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(image).astype(np.float32))
