"""Whether a machine made a picture: read when it is indexed, kept beside its content, asked for in searches.

Labels stand in the file, and to read them costs nothing beside decoding. To look for a watermark costs more than to
decode a small photograph, so that is done on request.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from polysee.media.image import read_picture
from polysee.provenance import provenance_of

UNKNOWN, NO, YES = -1, 0, 1

ORIGINS = pa.schema([("hash", pa.string()), ("labelled", pa.bool_()), ("watermark", pa.string())])
_SIDE = 1024  # enough to read a watermark


@dataclass(frozen=True, slots=True)
class Origin:
    """What a picture says of how it was made.

    Args:
        labelled: whether its file says that a machine made it.
        watermark: the model whose mark it bears; "" for none, None where none was looked for.
    """

    labelled: bool
    watermark: str | None = None


def origin_of(texts: dict[str, str], image: Image.Image | None) -> Origin:
    """By the texts in its file, and by the picture itself where one is given."""
    found = provenance_of(texts, None if image is None else np.asarray(image))
    if image is None:
        return Origin(found.made_by_machine)
    mark = found.watermark["model"] if found.watermark else ""
    labelled = found.text is not None or found.labelled
    return Origin(labelled, mark)


def read_origin(data: bytes) -> Origin:
    """Of a file's bytes, the watermark included.

    Raises:
        MediaError: it is no picture that can be read.
    """
    decoded = read_picture(data, draft_size=_SIDE)
    return origin_of(decoded.texts, decoded.image)


def made_by_machine(hashes: pa.ChunkedArray, origins: pa.Table | None) -> np.ndarray:
    """Of each content whether a machine made it: YES, NO, or UNKNOWN where that was never read.

    Shapes:
        returns: (N,) int8
    """
    made = np.full(len(hashes), UNKNOWN, np.int8)
    if origins is None:
        return made
    marked = pc.fill_null(pc.greater(pc.utf8_length(origins["watermark"]), 0), False)
    said = origins["hash"].filter(pc.or_(origins["labelled"], marked))
    # Looked at twice, a content has two rows; the second does not unsay the first.
    for number, known in ((NO, origins["hash"]), (YES, said)):
        made[np.asarray(pc.is_in(hashes, known).to_numpy(zero_copy_only=False), bool)] = number
    return made
