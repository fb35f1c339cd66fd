"""Drawings of things that have names in both languages: emoji art on a plain ground."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from polysee.datasets.tables import read_rows

GROUPS = ("activities", "animals-nature", "food-drink", "objects", "travel-places")
GROUND = (200, 215, 200)
MARGIN = 0.125  # of the drawing's width, on each side


@dataclass(frozen=True)
class Drawing:
    """A thing's name in each language, and its encoded picture."""

    english: str
    chinese: str
    image: bytes


def drawings() -> list[Drawing]:
    """Every drawing of a thing, in every style; faces and gestures are no things.

    Raises:
        DataError: the data set is absent.
    """
    return [
        Drawing(row["name_en"], row["name_zh"], on_ground(row["image"]))
        for row in read_rows("art/art", ["name_en", "name_zh", "group", "image"])
        if row["group"] in GROUPS
    ]


def on_ground(image: bytes) -> bytes:
    """A drawing with a transparent ground, laid on a plain one with a margin, as PNG."""
    drawing = Image.open(io.BytesIO(image)).convert("RGBA")
    left, top = (round(side * MARGIN) for side in drawing.size)
    whole = Image.new("RGB", (drawing.width + 2 * left, drawing.height + 2 * top), GROUND)
    whole.paste(drawing, (left, top), drawing)
    written = io.BytesIO()
    whole.save(written, "PNG", compress_level=1)
    return written.getvalue()
