"""Words in pictures: signs, screenshots, receipts, read by rapidocr, whose models come in its package.

It is an extra (`pip install polysee[ocr]`), and imported on first use. Nothing is downloaded.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from polysee.errors import ConfigError
from polysee.media.image import read_image

SIDE = 1600
"""Pictures are read at up to this side in pixels: a page of text is still legible."""
SURE = 0.6
"""Lines that the reader is less sure of are left out."""


def check_installed() -> None:
    """
    Raises:
        ConfigError: the extra is not installed.
    """
    if find_spec("rapidocr") is None:
        raise ConfigError("reading words in pictures needs rapidocr: pip install polysee[ocr]")


def read_words(data: bytes) -> str:
    """The words of a picture file, line by line; "" where there are none.

    Raises:
        MediaError: it is no picture that can be read.
    """
    image = read_image(data, draft_size=SIDE)
    image.thumbnail((SIDE, SIDE))
    if min(image.size) < 16:
        return ""
    found = _engine()(np.asarray(image)[:, :, ::-1])  # BGR, as OpenCV has it
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return "\n".join(text.strip() for text, sure in lines if sure >= SURE and text.strip())


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    threads = int(os.environ.get("OMP_NUM_THREADS") or 1)  # a worker has one
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
