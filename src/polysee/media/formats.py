"""Which picture formats are read, told by their first bytes and not by their names."""

from __future__ import annotations

import os
from pathlib import PurePath

HEAD_SIZE = 64
"""How many first bytes `sniff` wants."""

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "HEIC": (".heic", ".heif", ".hif", ".heics", ".heifs"),
}
"""The formats read, each with the endings that it goes by."""

PICTURE_EXTENSIONS = frozenset(ending for endings in EXTENSIONS.values() for ending in endings)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}


def extension(path: str | os.PathLike[str]) -> str:
    """The ending of a name in lower case, with its dot."""
    return PurePath(path).suffix.lower()


def sniff(head: bytes) -> str | None:
    """Name the picture format that a file's first `HEAD_SIZE` bytes announce, or None.

    Example:
        >>> sniff(b"GIF89a" + bytes(20))
        'GIF'
        >>> sniff(b"BMW is a car maker, and this is a text") is None
        True
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return _sniff_boxes(head)


def _sniff_boxes(head: bytes) -> str | None:
    """AVIF and HEIC share one container; the brands in its first box tell them apart."""
    if head[4:8] != b"ftyp":
        return None
    size = int.from_bytes(head[:4], "big")
    listed = head[16 : max(16, size)]
    brands = [head[8:12]] + [listed[i : i + 4] for i in range(0, len(listed) - 3, 4)]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIC" if _HEIC_BRANDS.intersection(brands) else None


def mislabelled(path: str | os.PathLike[str], form: str) -> str | None:
    """A phrase for a file whose ending names another format than its content, or None.

    Example:
        >>> mislabelled("holiday.jpg", "PNG")
        'named .jpg, but its content is PNG; read by its content'
        >>> mislabelled("holiday", "PNG") is None
        True
    """
    ending = extension(path)
    if ending not in PICTURE_EXTENSIONS or ending in EXTENSIONS[form]:
        return None
    if form == "AVIF" and ending in (".heif", ".hif"):  # the container's own name, also right
        return None
    return f"named {ending}, but its content is {form}; read by its content"


def cut_short(data: bytes, form: str) -> bool:
    """Whether a file ends before its format says so, where its decoder would not notice.

    A PNG without its last chunks and a GIF without its later frames still give a first picture;
    the other formats' decoders find out by themselves.
    """
    if form == "PNG":
        return not 0 <= data.rfind(b"IEND") <= len(data) - 8  # the name and its checksum
    return form == "GIF" and not _gif_ends(data)


def _gif_ends(data: bytes) -> bool:
    """Step over a GIF's blocks to its trailer, the byte 0x3B."""

    def palette(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    try:
        at = 13 + palette(data[10])
        while data[at] != 0x3B:
            if data[at] == 0x21:  # an extension: label, then sub-blocks
                at += 2
            elif data[at] == 0x2C:  # a frame: place, size, palette, code size, then sub-blocks
                at += 11 + palette(data[at + 9])
            else:
                return True  # no GIF block; not for this function to judge
            while data[at]:
                at += 1 + data[at]
            at += 1
    except IndexError:
        return False
    return True
