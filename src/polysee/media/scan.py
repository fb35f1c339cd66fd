"""Walk folders to the pictures in them, and name what cannot be looked at.

What people expect of "index this folder": every picture in it and below it, whatever its name;
silence about the texts and programs between; but a word about each picture that cannot be read.
"""

from __future__ import annotations

# A Path for each of a million files would take longer than listing them.
# ruff: noqa: PTH114, PTH116
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from polysee.errors import MediaError
from polysee.media.files import absolute, explain, open_at_once, refusal
from polysee.media.formats import HEAD_SIZE, PICTURE_EXTENSIONS, extension, sniff


@dataclass(frozen=True, slots=True)
class Found:
    """A file worth reading: its absolute path, and the size and time of what stands there."""

    path: str
    size: int
    mtime_ns: int


def scan(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Found | MediaError]:
    """Yield the picture files under `paths`, each once, in the order of their names.

    A file in a folder is yielded if its ending is a picture's or its content begins like one. A
    file named in `paths` itself is always yielded. Folders are told by what they are, not by
    their names; folders that begin with a dot (caches, wastebaskets) are not entered, nor are
    the `._` files that macOS leaves on foreign disks. Links are followed, but never in a circle.

    What cannot be looked at is yielded as a `MediaError`, never raised: dangling links, folders
    without permission, pipes, sockets and devices (which are not opened).
    """
    walk = _Walk()
    for path in paths:
        yield from walk.root(absolute(path))


class _Walk:
    def __init__(self) -> None:
        self.folders: set[object] = set()
        self.files: set[str] = set()

    def root(self, path: str) -> Iterator[Found | MediaError]:
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:
            yield MediaError(path, _link_reason(path) or explain(error))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self.folder(path)
        else:
            yield from self.file(path, status, given=True)

    def folder(self, top: str) -> Iterator[Found | MediaError]:
        waiting = [top]  # a stack, not recursion: folders can be deeper than Python's own stack
        while waiting:
            path = waiting.pop()
            try:
                key = _identity(path)
                if key in self.folders:
                    continue
                self.folders.add(key)
                with os.scandir(path) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                yield MediaError(path, explain(error))
                continue
            below: list[str] = []
            for entry in entries:
                yield from self.entry(path, entry, below)
            waiting.extend(reversed(below))

    def entry(
        self, parent: str, entry: os.DirEntry[str], below: list[str]
    ) -> Iterator[Found | MediaError]:
        try:
            status = entry.stat()  # follows links
        except OSError as error:
            reason = _link_reason(entry.path)
            picture = extension(entry.name) in PICTURE_EXTENSIONS
            if reason is not None or picture or _may_hold_pictures(entry):
                yield MediaError(entry.path, reason or explain(error))
            return
        if not stat.S_ISDIR(status.st_mode):
            if not entry.name.startswith("._"):
                yield from self.file(entry.path, status, given=False)
        elif entry.is_symlink() and _leads_up(parent, entry.path):
            yield MediaError(entry.path, "a link in a circle: it leads to a folder above itself")
        elif not entry.name.startswith("."):
            below.append(entry.path)

    def file(self, path: str, status: os.stat_result, given: bool) -> Iterator[Found | MediaError]:
        if path in self.files:
            return
        reason = refusal(status.st_mode)
        if reason is not None:
            self.files.add(path)
            yield MediaError(path, reason)
        elif given or extension(path) in PICTURE_EXTENSIONS or _looks_like_picture(path):
            self.files.add(path)
            yield Found(path, status.st_size, status.st_mtime_ns)


def _identity(path: str) -> object:
    status = os.stat(path)
    # some network file systems number nothing; there the resolved name has to do
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _may_hold_pictures(entry: os.DirEntry[str]) -> bool:
    """Whether what cannot be looked at may be a folder that would be entered."""
    try:
        return not entry.name.startswith(".") and not entry.is_file(follow_symlinks=False)
    except OSError:  # a system that lists names without their kinds
        return True


def _leads_up(parent: str, link: str) -> bool:
    target, here = os.path.realpath(link), os.path.realpath(parent)
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)


def _link_reason(path: str) -> str | None:
    """Why a link leads nowhere, or None if `path` is no link."""
    if not os.path.islink(path):
        return None
    try:
        os.stat(path)
    except FileNotFoundError:
        return "a link to something that is not there"
    except OSError as error:
        # ELOOP by its name, since its number differs between systems
        loops = "symbolic link" in str(error).lower() or isinstance(error, RuntimeError)
        return "a link in a circle" if loops else explain(error)
    return None


def _looks_like_picture(path: str) -> bool:
    """Whether a file with a foreign ending holds a picture. Unreadable ones do not count."""
    try:
        with open_at_once(path) as file:
            form = sniff(file.read(HEAD_SIZE) or b"")
    except OSError:
        return False
    # cameras' raw files are TIFFs inside, with only a small preview that Pillow could read
    return form is not None and (form != "TIFF" or not extension(path))
