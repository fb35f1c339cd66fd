"""The chunks of a PNG file that hold text: some hold more than a decoder takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

MOST_UNPACKED = 2**20  # bytes of one packed text
MOST_TEXT = 2**26  # of all texts
_SIGNATURE = 8
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def without_long_texts(data: bytes) -> bytes:
    """A PNG file without those texts for which Pillow would take it for a damaged one.

    These are packed ones of more than `MOST_UNPACKED`, and those with which there are more than `MOST_TEXT`. Programs
    that make pictures write whole workflows there.

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
        content = data[begin + 8 : end - 4]
        packed = _packed(kind, content)
        length = len(content) if packed is None else _unpacked_length(packed)
        if said + length > MOST_TEXT or (packed is not None and length > MOST_UNPACKED):
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


def _packed(kind: bytes, content: bytes) -> bytes | None:
    """The compressed part of a chunk; None if its text stands as it is."""
    _, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        return rest[1:]
    if kind == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].split(b"\0", 2)[-1]
    return None


def _unpacked_length(packed: bytes) -> int:
    """Counted no further than one past `MOST_UNPACKED`."""
    try:
        return len(zlib.decompressobj().decompress(packed, MOST_UNPACKED + 1))
    except zlib.error:
        return len(packed)
