"""Any picture file to an upright RGB picture, whatever its format, depth or transparency.

Strangers' files are read here. So the format is told by content from a short list, the decoder of
that format alone is tried, pixels are counted before they are allocated, and every way in which a
decoder can fail becomes a `MediaError` with a reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
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

ImageSource = str | os.PathLike[str] | bytes

MAX_PIXELS = 256_000_000

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


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, and what its file says about it.

    `width` and `height` are the file's own, upright; `image` may be smaller after a draft read.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    taken: datetime | None
    place: tuple[float, float] | None


def read_image(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, draft_size: int | None = None
) -> Image.Image:
    """Read a picture as upright RGB.

    Transparency is laid over white, 16-bit depth is scaled to 8, and of an animation the first
    frame is taken.

    Args:
        source: a path, or a file's bytes.
        max_pixels: a picture with more is refused before memory is taken for it.
        draft_size: a side in pixels that is enough; a JPEG may then be read at 1/2, 1/4 or 1/8
            of its size (both sides stay at least this long), which is several times as fast.
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
            raise MediaError(name, f"too large: {width} x {height} pixels")
        if draft_size is not None and form == "JPEG":
            opened.draft("RGB", (draft_size, draft_size))
        _load(opened, form, name)
        tags = exif.read_exif(opened)
        # Pillow's TIFF reader and libheif turn the picture themselves
        turn = exif.transpose_for(tags) if form not in ("TIFF", "HEIC") else None
        try:
            image = to_rgb(opened)
            image = image.transpose(turn) if turn is not None else image
        except (MemoryError, ValueError, OSError) as error:
            raise MediaError(name, f"cannot be converted ({error})") from error
    if (image.width > image.height) != (width > height):
        width, height = height, width
    return Picture(image, form, width, height, exif.taken(tags), exif.place(tags))


def _open(data: bytes, form: str, name: object) -> Image.Image:
    """Read the header only: the size is known, no pixel is decoded."""
    try:
        if form == "HEIC":
            import pi_heif  # only people with such files pay for its libraries

            heic: Image.Image = pi_heif.HeifImageFile(BytesIO(data))
            return heic
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


def to_rgb(image: Image.Image) -> Image.Image:
    """A new picture in plain RGB: transparency over white, deep grey scaled down."""
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_depth(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, "white")
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    # a new picture in any case, so that closing the file does not take it along
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _scale_depth(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey to 8 bits: scaled, where Pillow's own convert clips."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    low, high = float(values.min()), float(values.max())
    if image.mode != "F" and low >= 0 and high < 65536:
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))
