"""Read back what a picture says of how it was made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from polysee.media.image import XMP, read_image, read_texts
from polysee.provenance.labels import TEXT_KEY, read_tc260, read_text
from polysee.provenance.watermark import read_mark


@dataclass(frozen=True)
class Provenance:
    """What was found; None for what was not.

    Args:
        text: our own label.
        tc260: the `AIGC` label of the Chinese rules, whoever wrote it.
        watermark: with `model`, the short name of the model, read from the picture itself.
    """

    text: dict[str, Any] | None
    tc260: dict[str, Any] | None
    watermark: dict[str, str] | None

    @property
    def labelled(self) -> bool:
        """Whether the file says so. A label of another kind than made, likely or suspected says nothing."""
        likely = self.tc260 is not None and str(self.tc260.get("Label")) in ("1", "2", "3")
        return self.text is not None or likely

    @property
    def made_by_machine(self) -> bool:
        """Whether anything says so."""
        return self.labelled or self.watermark is not None


def inspect_picture(path: str | os.PathLike[str]) -> Provenance:
    """Look for both labels and for the watermark.

    Raises:
        MediaError: the file is no picture that can be read.
    """
    # The mark is read at a few hundred pixels, whatever the picture has.
    return provenance_of(read_texts(path), np.asarray(read_image(path, draft_size=1024)))


def provenance_of(texts: dict[str, str], picture: np.ndarray | None) -> Provenance:
    """By the texts of a file, and by its picture; without one, no watermark is looked for.

    Shapes:
        picture: (Y, X, C) uint8
    """
    model = None if picture is None else read_mark(picture)
    return Provenance(
        read_text(texts.get(TEXT_KEY, "")),
        read_tc260(texts.get(XMP, "")),
        None if model is None else {"model": model},
    )
