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
from polysee.media.files import explain
from polysee.media.image import XMP
from polysee.provenance.labels import TEXT_KEY, Made, tc260_label, text_label, xmp_packet
from polysee.provenance.visible import draw_label
from polysee.provenance.watermark import write_mark


def save_picture(
    path: str | os.PathLike[str], picture: np.ndarray, made: Made, *, visible: bool = False
) -> Path:
    """Write a PNG with labels and watermark, and over nothing: beside another file `a.png` becomes `a-2.png`.

    Args:
        visible: draw a label into the lower right corner too.
    Shapes:
        picture: (Y, X, C) uint8
    Returns:
        Where it stands now; where the same file stood already, if one did.
    Raises:
        ConfigError: the file cannot be written.
    """
    path, content = Path(path), _encoded(picture, made, visible=visible)
    file, number = path, 1
    try:
        while not _written(file, content):
            if _holds(file, content):
                break
            number += 1
            file = path.with_name(f"{path.stem}-{number}{path.suffix}")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {explain(error)}") from error
    return file


def _written(file: Path, content: bytes) -> bool:
    """Write a file whole, or not at all, however the run ends; False if something stands there."""
    if file.exists() or file.is_symlink():
        return False
    partial = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        try:
            os.link(partial, file)  # unlike a renaming, over nothing
        except FileExistsError:
            return False
        except OSError:  # where files have one name only
            partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _holds(file: Path, content: bytes) -> bool:
    try:
        size = file.stat().st_size if file.is_file() else -1
        return size == len(content) and file.read_bytes() == content
    except OSError:
        return False


def _encoded(picture: np.ndarray, made: Made, *, visible: bool) -> bytes:
    """The file; the same picture gives the same bytes."""
    from polysee import __version__

    picture = write_mark(draw_label(picture) if visible else picture, made.model)
    content = hashlib.sha256(picture.tobytes()).hexdigest()[:32]
    info = PngInfo()
    info.add_itxt(TEXT_KEY, text_label(made, __version__))
    info.add_itxt(XMP, xmp_packet(tc260_label(made, content)))
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", pnginfo=info)
    return file.getvalue()
