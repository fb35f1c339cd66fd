"""Write a picture that a machine made, with everything that says so.

Shapes: Y/X rows/columns, C channels.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from polysee.errors import ConfigError
from polysee.media.image import XMP
from polysee.provenance.labels import TEXT_KEY, Made, tc260_label, text_label, xmp_packet
from polysee.provenance.visible import draw_label
from polysee.provenance.watermark import write_mark


def save_picture(
    path: str | os.PathLike[str], picture: np.ndarray, made: Made, *, visible: bool = False
) -> np.ndarray:
    """Write a PNG with labels and watermark; return the picture as it was written.

    Args:
        visible: draw a label into the lower right corner too.
    Shapes:
        picture: (Y, X, C) uint8
        returns: (Y, X, C) uint8
    Raises:
        ConfigError: the file cannot be written.
    """
    encoded, picture = encode_picture(picture, made, visible=visible)
    try:
        Path(path).write_bytes(encoded)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
    return picture


def encode_picture(
    picture: np.ndarray, made: Made, *, visible: bool = False
) -> tuple[bytes, np.ndarray]:
    """A PNG with labels and watermark, and the picture in it; the same picture gives the same bytes.

    Args:
        visible: draw a label into the lower right corner too.
    Shapes:
        picture: (Y, X, C) uint8
        returns: the file, and (Y, X, C) uint8
    """
    from polysee import __version__

    picture = write_mark(draw_label(picture) if visible else picture, made.model)
    content = hashlib.sha256(picture.tobytes()).hexdigest()[:32]
    info = PngInfo()
    info.add_itxt(TEXT_KEY, text_label(made, __version__))
    info.add_itxt(XMP, xmp_packet(tc260_label(made, content)))
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", pnginfo=info)
    return file.getvalue(), picture
