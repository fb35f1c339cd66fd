"""What of a library's files is gone, and what may only be out of sight."""

from __future__ import annotations

import os


def is_gone(path: str) -> bool:
    """Whether nothing stands at a path; what merely cannot be looked at is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def target(path: str) -> str:
    """Where a path leads; itself if no file can have such a name."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def is_bare(folder: str) -> bool:
    """Whether a folder is empty or absent, as one is whose disk is not there."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def under(key: bytes, root: bytes) -> bool:
    """Whether a path is another one, or below it."""
    return key == root or key.startswith(root.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep))
