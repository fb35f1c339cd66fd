"""One writer a library: a lock that the system lets go of when its holder dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polysee.errors import LibraryError
from polysee.media.files import explain


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the library in `folder` for writing.

    Raises:
        LibraryError: another process, or another thread of this one, holds it; or it cannot be written.
    """
    try:
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LibraryError(f"the library {folder} cannot be written: {explain(error)}") from error
    try:
        if not _take(file):
            raise LibraryError(
                f"the library {folder} is being written by another process; "
                "wait until that one is done, or stop it"
            )
        yield
    finally:
        os.close(file)  # which also lets go


def _take(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
