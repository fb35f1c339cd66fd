"""Read a whole file once, safely: only regular files, within a size, and unchanged meanwhile."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from polysee.errors import MediaError

MAX_BYTES = 512 * 2**20
"""Files larger than this are named, not read."""

KINDS = (
    (stat.S_ISFIFO, "a named pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
    (stat.S_ISDIR, "a folder, not a file"),
)


@dataclass(frozen=True, slots=True)
class Remark:
    """A file, and what there is to say about it: why it cannot be read, or what is odd about it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileBytes:
    """A file's bytes, with the size and time that they belong to."""

    data: bytes
    size: int
    mtime_ns: int


def absolute(path: str | os.PathLike[str]) -> str:
    """A path as people mean it, from the root on; links in it stay what they are."""
    return os.path.abspath(os.path.expanduser(os.fspath(path)))  # noqa: PTH100, PTH111


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder stands there; no for what cannot be a name at all, where pathlib raises."""
    return os.path.isdir(path)  # noqa: PTH112


def refusal(mode: int) -> str | None:
    """Why something of this `st_mode` is not opened, or None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    return next((reason for test, reason in KINDS if test(mode)), "not a regular file")


def explain(error: OSError | ValueError) -> str:
    """A short phrase for what the system said."""
    if isinstance(error, ValueError):  # such as a null character
        return "not a name that a file can have"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    return (error.strerror or str(error) or type(error).__name__).lower()


def read_file(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> FileBytes:
    """Read all of a regular file.

    A pipe put in a file's place cannot block: it is opened without waiting, and what was opened
    is checked, not what the name meant a moment ago.

    Raises:
        MediaError: it cannot be opened, is no regular file, is empty or too large, or it
            changed while it was read (twice in a row).
    """
    try:
        for _ in range(2):
            read = _read_once(path, max_bytes)
            if read is not None:
                return read
    except (OSError, ValueError) as error:
        raise MediaError(path, explain(error)) from error
    raise MediaError(path, "it changed while it was read")


def open_at_once(path: str | os.PathLike[str]) -> BinaryIO:
    """Open for reading without waiting for anyone to write, as a pipe would have one do."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.fdopen(os.open(path, flags), "rb")


def _read_once(path: str | os.PathLike[str], max_bytes: int) -> FileBytes | None:
    with open_at_once(path) as file:
        before = os.fstat(file.fileno())
        reason = refusal(before.st_mode)
        if reason is None and before.st_size == 0:
            reason = "an empty file"
        if reason is None and before.st_size > max_bytes:
            reason = f"larger than {max_bytes // 2**20} MiB"
        if reason is not None:
            raise MediaError(path, reason)
        data = file.read(before.st_size + 1) or b""
        after = os.fstat(file.fileno())
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or len(data) != before.st_size:
        return None
    return FileBytes(data, before.st_size, before.st_mtime_ns)
