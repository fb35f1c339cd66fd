"""What the scripts in this folder share: archives, splits, encodings, parquet, the command line.

The scripts read the archives as they were published, without unpacking them, and write

    OUT/<kind>/<data set>/{train,validation,test}.parquet

which is the tree that the recipes and `POLYSEE_DATA` expect; give every script the same OUT.

Splits: where a data set has official ones, they are used. Elsewhere a member's place follows from
the SHA-256 of its name (`rank`): every run on every machine gives the same split, but not the one
behind our published figures, so compare those within their intervals, not digit by digit. `test` is
for one last look; choose on `validation`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import tarfile
import weakref
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from polysee.errors import DataError, MediaError, PolyseeError
from polysee.media.image import read_picture

LABELS = Path(__file__).with_name("labels")
MAX_MEMBER = 512 * 1024 * 1024  # bytes: larger than any member of these data sets
STRINGS = pa.list_(pa.string())

Row = dict[str, Any]


class Report:
    """Names every member that could not be used; the run goes on without it."""

    def __init__(self) -> None:
        self.bad: list[tuple[str, str]] = []

    def skip(self, member: str, reason: str) -> None:
        self.bad.append((member, reason))
        print(f"left out: {member}: {reason}", file=sys.stderr)


class Archive:
    """A folder, zip or tar, read in place.

    Nothing is unpacked onto the disk, so no member can be written anywhere; links are ignored, and
    a member of more than `MAX_MEMBER` bytes is refused.

    Args:
        path: the archive as downloaded, or a folder that holds what it holds.
        data: the archive itself, when it lies inside another one; `path` then only names it.
    Raises:
        DataError: there is no such file, or it is neither zip nor tar.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self._file: Path | BytesIO = path if data is None else BytesIO(data)
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        if data is None and path.is_dir():
            self._sizes = {
                file.relative_to(path).as_posix(): file.stat().st_size
                for file in sorted(path.rglob("*"))
                if file.is_file()
            }
        elif data is None and not path.is_file():
            raise DataError(f"{path}: no such file")
        elif zipfile.is_zipfile(self._file):
            self._zip = zipfile.ZipFile(self._file)
            infos = self._zip.infolist()
            self._sizes = {info.filename: info.file_size for info in infos if not info.is_dir()}
        else:
            self._sizes = self._open_tar()
        self._sizes = {name: size for name, size in self._sizes.items() if not _litter(name)}
        for opened in (self._zip, self._tar):
            if opened is not None:
                weakref.finalize(self, opened.close)

    def _open_tar(self) -> dict[str, int]:
        try:
            if isinstance(self._file, BytesIO):
                self._file.seek(0)
                self._tar = tarfile.open(fileobj=self._file)  # noqa: SIM115 (kept open)
            else:
                self._tar = tarfile.open(self._file)  # noqa: SIM115 (kept open)
            return {member.name: member.size for member in self._tar if member.isfile()}
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(
                f"{self.path}: neither a whole zip nor a whole tar ({error})"
            ) from error

    def names(self) -> list[str]:
        """The members that are files, with forward slashes, in the archive's order."""
        return list(self._sizes)

    def find(self, ending: str) -> str:
        """The one member whose path ends so, whatever folder it lies in."""
        found = [name for name in self._sizes if f"/{name}".endswith(f"/{ending}")]
        if not found:
            raise DataError(f"{self.path}: holds no {ending}; is it the right download?")
        return min(found, key=len)

    def read(self, name: str) -> bytes:
        """One member's bytes. In a compressed tar this is slow for many: use `walk`."""
        if self._sizes[name] > MAX_MEMBER:  # before any memory is taken for it
            raise DataError(f"{self.path}: {name}: too large ({self._sizes[name]} bytes)")
        try:
            if self._zip is not None:
                return self._zip.read(name)
            if self._tar is not None:
                member = self._tar.extractfile(name)
                return member.read() if member is not None else b""
            return (self.path / PurePosixPath(name)).read_bytes()
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise DataError(f"{self.path}: {name}: damaged ({error})") from error

    def inner(self, name: str) -> Archive:
        """An archive inside this one."""
        return Archive(self.path / PurePosixPath(name), self.read(name))

    def text(self, ending: str, encoding: str = "utf-8") -> str:
        """The text of the member whose path ends so."""
        return self.read(self.find(ending)).decode(encoding)

    def walk(self, wanted: Collection[str], report: Report) -> Iterator[tuple[str, bytes]]:
        """The wanted members in the archive's order: one pass, however it is packed."""
        for name in self._sizes:
            if name in wanted:
                try:
                    yield name, self.read(name)
                except DataError as error:
                    report.skip(name, str(error))


def _litter(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name == ".DS_Store"


def rank(name: str) -> int:
    """A fixed pseudo-random number of a name: the same on every machine.

    Example:
        >>> rank("001.jpg") == rank("001.jpg"), rank("001.jpg") == rank("002.jpg")
        (True, False)
    """
    return int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:8], "big")


def split(names: Iterable[str], *sizes: int | float) -> list[list[str]]:
    """Cut names, shuffled by `rank`, into parts.

    Args:
        names: distinct names.
        sizes: of each part but the last, which takes the rest: a count, or a fraction of all.
    Example:
        >>> [len(part) for part in split([f"{i}.jpg" for i in range(10)], 0.7, 0.15)]
        [7, 1, 2]
    """
    left = sorted(set(names), key=rank)
    counts = [size if isinstance(size, int) else int(size * len(left)) for size in sizes]
    parts = []
    for count in counts:
        parts.append(left[:count])
        left = left[count:]
    return [*parts, left]


def read_picture_of(data: bytes, member: str, report: Report) -> Image.Image | None:
    """Upright RGB, or None after naming the member that is no whole picture."""
    try:
        return read_picture(data, name=member).image
    except MediaError as error:
        report.skip(member, error.reason)
        return None


def shrink(picture: Image.Image, short_side: int) -> Image.Image:
    """Make the short side at most so many pixels, with the aspect ratio kept.

    Example:
        >>> shrink(Image.new("RGB", (500, 331)), 128).size
        (193, 128)
    """
    scale = short_side / min(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def webp(picture: Image.Image, quality: int = 80, *, lossless: bool = False) -> bytes:
    """A picture as WebP, without metadata."""
    file = BytesIO()
    picture.save(file, "WEBP", quality=quality, method=6, lossless=lossless)
    return file.getvalue()


def write(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Write a parquet file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table = pa.Table.from_pylist(list(rows), schema=schema)
    pq.write_table(table, part, compression="zstd", row_group_size=1000)
    part.replace(path)
    print(f"{path}: {len(rows)} rows", file=sys.stderr)


def read_labels(name: str) -> list[dict[str, str]]:
    """One of the label tables beside the scripts."""
    with (LABELS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


REVIEWS = pa.schema([("text", pa.string()), ("label", pa.int64())])


def write_reviews(folder: Path, labels: dict[str, int]) -> None:
    """Split labelled texts 80 : 10 : 10 within each label, and write them."""
    if not labels:
        raise DataError(f"{folder.name}: the source holds no reviews")
    kinds = sorted(set(labels.values()))
    parts = [split((t for t in labels if labels[t] == kind), 0.8, 0.1) for kind in kinds]
    for place, part in enumerate(("train", "validation", "test")):
        texts = sorted((text for cut in parts for text in cut[place]), key=rank)
        rows = [{"text": text, "label": labels[text]} for text in texts]
        write(folder / f"{part}.parquet", rows, REVIEWS)


Build = Callable[[argparse.Namespace, Report], None]


def command(
    about: str | None,
    build: Build,
    argv: Sequence[str] | None = None,
    *,
    sources: str = "the download",
    more: dict[str, str] | None = None,
) -> int:
    """The command line of a script.

    Args:
        about: the script's docstring.
        build: makes the files; gets `source`, `out` and what `more` names, as paths.
        more: further paths that are needed, each with its help.
    Returns:
        0 done; 1 done, but some members were left out, each named; 2 nothing could be done.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help=sources)
    for option, text in (more or {}).items():
        parser.add_argument(f"--{option}", type=Path, required=True, help=text)
    parser.add_argument("--out", type=Path, required=True, help="the root of the data tree")
    options, report = parser.parse_args(argv), Report()
    try:
        build(options, report)
    except (PolyseeError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if report.bad else 0
