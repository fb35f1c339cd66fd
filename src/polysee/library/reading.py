"""One file to what the library keeps of it: read in a thread, decoded in a worker process."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from polysee.errors import MediaError
from polysee.inputs.pixels import PixelRecipe
from polysee.library.origins import Origin, origin_of, read_origin
from polysee.media.files import read_file
from polysee.media.formats import mislabelled
from polysee.media.image import MAX_PIXELS, TooLargeError, read_picture
from polysee.media.scan import Found
from polysee.media.workers import WorkerDied, call

THUMBNAIL_SIDE = 256
LARGE = 40_000_000
"""Pictures with more pixels are decoded one at a time."""

_one_large = threading.Lock()


@dataclass(frozen=True, slots=True)
class Content:
    """What is new about a file's content.

    Args:
        picture: (Y, X, C) uint8, as the model's recipe makes it.
        media: the row of the `media` table.
        origin: whether a machine made it.
    """

    picture: np.ndarray
    media: dict[str, Any]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read.

    Args:
        key: the path in the system's own bytes, as the library stores it.
        content: None if the library has this content and the model's vector for it.
        words: what OCR read; None where it was not asked for, or is known already.
        origin: whether a machine made it; None where that is known already, or was not asked for.
    """

    path: str
    key: bytes
    hash: str
    size: int
    mtime_ns: int
    content: Content | None = None
    warning: str | None = None
    words: str | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and the hash of its content, if that much was read."""

    path: str
    key: bytes
    reason: str
    hash: str | None = None


def key_of(path: str) -> bytes:
    """A path as the library stores it: not every file name is valid text, but all are bytes."""
    return os.fsencode(path)


def read(
    found: Found,
    recipe: PixelRecipe,
    known: set[str],
    worded: set[str] | None = None,
    marked: set[str] | None = None,
) -> Read | Unread:
    """Read a file once: hash it and, if its content is new, decode, resize and thumbnail it.

    Args:
        recipe: how the model wants its pictures.
        known: hashes whose content and vector the library has.
        worded: hashes whose words it has; None if words are not to be read.
        marked: hashes that were looked at for a watermark; None if none is to be looked for.
    """
    key = key_of(found.path)
    try:
        file = read_file(found.path)
    except MediaError as error:
        return Unread(found.path, key, error.reason)
    digest = hashlib.sha256(file.data).hexdigest()
    wordless = worded is not None and digest not in worded
    if digest in known:
        words, remark = _words_apart(file.data) if wordless else (None, None)
        origin = None
        if marked is not None and digest not in marked:
            origin, remark = _origin_apart(file.data, remark)
        return Read(found.path, key, digest, file.size, file.mtime_ns, None, remark, words, origin)
    try:
        content = _decode_apart(file.data, recipe, marked is not None)
    except (MediaError, WorkerDied) as error:
        return Unread(found.path, key, error.reason, digest)
    content.media["hash"] = digest
    warning = mislabelled(found.path, content.media["format"])
    words, remark = _words_apart(file.data) if wordless else (None, None)
    return Read(
        found.path, key, digest, file.size, file.mtime_ns, content, warning or remark, words,
        content.origin,
    )  # fmt: skip


def _words_apart(data: bytes) -> tuple[str, str | None]:
    """The words of a picture, read in a worker process, and a remark if that failed."""
    from polysee.media.ocr import read_words

    try:
        words: str = call(read_words, data)
    except (MediaError, WorkerDied):
        return "", "its words could not be read"
    return words, None


def _origin_apart(data: bytes, remark: str | None) -> tuple[Origin, str | None]:
    """Whether a machine made a picture, read in a worker process, and a remark if that failed."""
    try:
        origin: Origin = call(read_origin, data)
    except (MediaError, WorkerDied):
        return Origin(False, ""), "its watermark could not be read"
    return origin, remark


def _decode_apart(data: bytes, recipe: PixelRecipe, marks: bool) -> Content:
    """Decode in a worker process; of very large pictures one at a time, so that memory stays bounded."""
    try:
        content: Content = call(decode, data, recipe, LARGE, marks)
    except TooLargeError:
        with _one_large:
            content = call(decode, data, recipe, MAX_PIXELS, marks)
    return content


def decode(data: bytes, recipe: PixelRecipe, max_pixels: int, marks: bool = False) -> Content:
    """A file's bytes to what the library keeps of them, but for their hash.

    Args:
        marks: also look for a watermark.
    Raises:
        MediaError: it is no picture that can be read.
    """
    decoded = read_picture(data, draft_size=recipe.draft_size, max_pixels=max_pixels)
    try:
        picture = recipe.resize(decoded.image)
        origin = origin_of(decoded.texts, decoded.image if marks else None)
        thumbnail = make_thumbnail(decoded.image)
    except (MemoryError, ValueError, OSError) as error:  # such as a picture one pixel wide
        raise MediaError("picture", f"cannot be resized ({error})") from error
    latitude, longitude = decoded.place or (None, None)
    media = {
        "kind": "image",
        "format": decoded.format,
        "width": decoded.width,
        "height": decoded.height,
        "taken": decoded.taken,
        "latitude": latitude,
        "longitude": longitude,
        "thumbnail": thumbnail,
    }
    return Content(picture, media, origin)


def make_thumbnail(image: Image.Image) -> bytes:
    """A small JPEG file; the picture itself becomes small."""
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    file = BytesIO()
    image.save(file, "JPEG", quality=75)
    return file.getvalue()
