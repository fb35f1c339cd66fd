"""What a camera wrote beside the picture: how it was held, when and where."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_exif(image: Image.Image) -> dict[int, Any]:
    """The EXIF tags of a loaded picture, sub-directories flattened by their numbers.

    Damaged EXIF is common and harmless: whatever of it cannot be read is left out.
    """
    tags: dict[int, Any] = {}
    try:
        exif = image.getexif()
        tags.update(exif)
        tags.update(exif.get_ifd(ExifTags.IFD.Exif))
        # GPS numbers its tags from 0 again, so they are kept apart
        tags[ExifTags.IFD.GPSInfo] = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except Exception:  # any damage at all, from a parser fed by strangers
        pass
    return tags


def transpose_for(tags: dict[int, Any]) -> Image.Transpose | None:
    """The turn that brings the picture upright, or None."""
    orientation = tags.get(ExifTags.Base.Orientation)
    return _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None


def taken(tags: dict[int, Any]) -> datetime | None:
    """When the picture was taken, in the camera's own local time, or None.

    Example:
        >>> taken({36867: "2023:10:05 17:30:00"})
        datetime.datetime(2023, 10, 5, 17, 30)
    """
    for tag in (
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.DateTimeDigitized,
        ExifTags.Base.DateTime,
    ):
        text = str(tags.get(tag, "")).strip(" \0")[:19]
        try:
            when = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 (local to the camera)
        except ValueError:  # absent, "0000:00:00 00:00:00", or a camera's own form
            continue
        if when.year >= 1826:  # the first photograph
            return when
    return None


def place(tags: dict[int, Any]) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, north and east positive, or None.

    Example:
        >>> place({34853: {1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 36.0)}})
        (-33.86, 151.21)
    """
    gps = tags.get(ExifTags.IFD.GPSInfo)
    if not isinstance(gps, dict):
        return None
    latitude = _degrees(gps.get(2), gps.get(1), "S", 90)
    longitude = _degrees(gps.get(4), gps.get(3), "W", 180)
    if latitude is None or longitude is None:
        return None
    return latitude, longitude


def _degrees(parts: Any, reference: Any, negative: str, limit: float) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
        value = round(degrees + minutes / 60 + seconds / 3600, 7)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(value) or not 0 <= value <= limit:
        return None
    return -value if str(reference).strip(" \0").upper() == negative else value
