"""One file to what the library keeps of it. Runs in worker threads, so nothing here is shared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from polysee.errors import MediaError
from polysee.media.files import read_file
from polysee.media.formats import mislabelled
from polysee.media.image import read_picture
from polysee.media.scan import Found

THUMBNAIL_SIDE = 256


@dataclass(frozen=True, slots=True)
class Content:
    """What is new about a file's content.

    Args:
        picture: (Y, X, C) uint8, as the model's recipe makes it.
        media: the row of the `media` table.
    """

    picture: np.ndarray
    media: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read.

    Args:
        key: the path in the system's own bytes, as the library stores it.
        content: None if the library has this content and the model's vector for it.
    """

    path: str
    key: bytes
    hash: str
    size: int
    mtime_ns: int
    content: Content | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and whether what the library knows of it is out of date."""

    path: str
    key: bytes
    reason: str
    outdated: bool


def key_of(path: str) -> bytes:
    """A path as the library stores it: not every file name is valid text, but all are bytes."""
    return os.fsencode(path)


def read(
    found: Found,
    resize: Callable[[Image.Image], np.ndarray],
    draft_size: int | None,
    known: set[str],
) -> Read | Unread:
    """Read a file once: hash it and, if its content is new, decode, resize and thumbnail it.

    Args:
        resize: the model's picture recipe.
        draft_size: a side in pixels that is enough for `resize`; None if it needs every pixel.
        known: hashes whose content and vector the library has.
    """
    key = key_of(found.path)
    try:
        file = read_file(found.path)
    except MediaError as error:
        return Unread(found.path, key, error.reason, outdated=False)
    digest = hashlib.sha256(file.data).hexdigest()
    if digest in known:
        return Read(found.path, key, digest, file.size, file.mtime_ns)
    try:
        decoded = read_picture(file.data, draft_size=draft_size, name=found.path)
        picture = resize(decoded.image)
        thumbnail = make_thumbnail(decoded.image)
    except MediaError as error:
        return Unread(found.path, key, error.reason, outdated=True)
    except (MemoryError, ValueError, OSError) as error:  # such as a picture one pixel wide
        return Unread(found.path, key, f"cannot be resized ({error})", outdated=True)
    latitude, longitude = decoded.place or (None, None)
    media = {
        "hash": digest,
        "kind": "image",
        "format": decoded.format,
        "width": decoded.width,
        "height": decoded.height,
        "taken": decoded.taken,
        "latitude": latitude,
        "longitude": longitude,
        "thumbnail": thumbnail,
    }
    warning = mislabelled(found.path, decoded.format)
    content = Content(picture, media)
    return Read(found.path, key, digest, file.size, file.mtime_ns, content, warning)


def make_thumbnail(image: Image.Image) -> bytes:
    """A small JPEG file."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    file = BytesIO()
    small.save(file, "JPEG", quality=75)
    return file.getvalue()
