"""The chunks of a PNG file that hold text: some hold more than a decoder takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MOST_TEXT = 2**20  # bytes of text in one file
_SIGNATURE = 8
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def without_long_texts(data: bytes) -> bytes:
    """A PNG file without those texts that are longer than `MOST_TEXT`, or that come after so much.

    Programs that make pictures write whole workflows there; Pillow takes such a file for a damaged one.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image, PngImagePlugin
        >>> file, info = BytesIO(), PngImagePlugin.PngInfo()
        >>> info.add_text("short", "a")
        >>> info.add_text("long", "a" * 10**7, zip=True)
        >>> Image.new("RGB", (2, 2)).save(file, "PNG", pnginfo=info)
        >>> Image.open(BytesIO(without_long_texts(file.getvalue()))).text
        {'short': 'a'}
    """
    kept, position, said = [], 0, 0
    for begin, end, kind in _chunks(data):
        if kind not in _TEXTS:
            continue
        length = _length(kind, data[begin + 8 : end - 4])
        if said + length > MOST_TEXT:
            kept.append(data[position:begin])
            position = end
        else:
            said += length
    return b"".join([*kept, data[position:]]) if kept else data


def _chunks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each whole chunk begins and ends, and its kind."""
    begin = _SIGNATURE
    while begin + 12 <= len(data):
        end = begin + 12 + int.from_bytes(data[begin : begin + 4], "big")
        if end > len(data):
            return
        yield begin, end, data[begin + 4 : begin + 8]
        begin = end


def _length(kind: bytes, content: bytes) -> int:
    """Of a chunk's text once unpacked, counted no further than one past `MOST_TEXT`."""
    _, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        packed = rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    else:
        return len(content)
    try:
        return max(len(content), len(zlib.decompressobj().decompress(packed, MOST_TEXT + 1)))
    except zlib.error:
        return len(content)
