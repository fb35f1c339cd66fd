"""The tables of a library: which files stand where, what each content is, and its vectors.

An embedded LanceDB with five kinds of table:

    files             path -> hash, size, time            one row a path
    media             hash -> dimensions, thumbnail, ...  one row a content
    vectors-<weights>   hash -> vector                      one row a content, one table a model
    words             hash -> text that OCR read            one row a content, where it was asked for
    origins           hash -> whether a machine made it     one row a content, or two; none in old libraries

Paths are apart from contents so that renaming a file or finding a copy of it writes a few bytes,
and changing the model touches neither. Paths are stored as the system's own bytes: not every file
name is valid text.

**Kill it at any moment.** A write to one table is whole or absent (Lance commits a version by
renaming one file). Between tables the order is origins, vectors, media, words, files; a path is removed before its
successor is added. So a file that the library knows always has its content and vectors, and what a
dead process left without a file (at most one batch) is used or swept away by the next one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from polysee.errors import LibraryError
from polysee.library.database import import_lancedb

if TYPE_CHECKING:
    from lancedb.table import Table

FORMAT = 1
MAX_FRAGMENTS = 16
"""More pieces than this are put together at the end of an index run."""

FILES = pa.schema(
    [
        ("path", pa.binary()),
        ("hash", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
)
MEDIA = pa.schema(
    [
        ("hash", pa.string()),
        ("kind", pa.string()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("taken", pa.timestamp("s")),  # the camera's local time
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("thumbnail", pa.binary()),
    ]
)

WORDS = pa.schema([("hash", pa.string()), ("text", pa.string())])


def vectors_schema(model: str, model_hash: str, size: int) -> pa.Schema:
    """Half precision: vectors are of unit length, so scores move by less than 0.0005."""
    fields = [("hash", pa.string()), ("vector", pa.list_(pa.float16(), size))]
    return pa.schema(fields, metadata={"model": model, "model_hash": model_hash})


def vectors_name(model_hash: str) -> str:
    """A table's name for exactly these weights, by whichever name they were loaded.

    Example:
        >>> vectors_name("0123456789abcdef")
        'vectors-0123456789abcdef'
    """
    return f"vectors-{model_hash}"


class Catalogue:
    """The tables in one folder. Writing methods want `lock.write_lock` held.

    Raises:
        LibraryError: the folder holds something else, or a library of a newer Polysee.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = self._read_settings()

    @cached_property
    def _db(self) -> Any:
        """The database, opened on first use: a warm search needs only `versions`."""
        with _explained(self.folder):
            # interval 0: a server sees at once what an index run in another process adds
            return import_lancedb().connect(
                str(self.folder), read_consistency_interval=timedelta(0)
            )

    # -- reading ------------------------------------------------------------------------------

    def table(self, name: str) -> Table | None:
        """A table, or None where it was never made.

        Raises:
            LibraryError: what stands there is no table.
        """
        try:
            return self._open(name)
        except (RuntimeError, OSError, ValueError) as error:
            raise self.damaged(error) from error

    def _open(self, name: str) -> Table | None:
        try:
            return self._db.open_table(name)
        except ValueError as error:
            if "was not found" in str(error):
                return None
            raise

    def damaged(self, error: object) -> LibraryError:
        """What to raise where a table cannot be read."""
        if _is_denied(error):
            return LibraryError(f"the library {self.folder} cannot be read: permission denied")
        return LibraryError(
            f"the library {self.folder} cannot be read ({_short(error)}): "
            "if it is damaged, move that folder away and run `polysee index` again"
        )

    def read(self, name: str, columns: Sequence[str]) -> pa.Table | None:
        """The named columns of all rows. An index run may tidy up meanwhile, so it tries again."""
        for attempt in range(4):
            before = self.versions([name])
            try:
                table = self._open(name)
                if table is None:
                    return None
                return table.search().select(list(columns)).to_arrow()
            except (RuntimeError, OSError, ValueError) as error:
                # what a run erases it has put a newer version in place of; else it is damage
                if attempt == 3 or self.versions([name]) == before:
                    raise self.damaged(error) from error
                time.sleep(0.05 * 4**attempt)
        return None

    def versions(self, names: Iterable[str]) -> tuple[frozenset[str], ...]:
        """What changes when one of the tables does: the names of their versions; empty for no table.

        Read from the folder, since a search asks each time, and to open a table takes milliseconds.
        """
        return tuple(frozenset(self._manifests(name)) for name in names)

    def _manifests(self, name: str) -> list[str]:
        try:
            listed = os.listdir(self.folder / f"{name}.lance" / "_versions")  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self.damaged(error) from error
        return [entry for entry in listed if entry.endswith(".manifest") and entry[0] != "."]

    def vector_tables(self) -> list[str]:
        """The tables of vectors, by name."""
        names = (path.name.removesuffix(".lance") for path in self.folder.glob("vectors-*.lance"))
        return sorted(name for name in names if self.table(name) is not None)

    def fullest(self, tables: Sequence[str]) -> str:
        """Of some tables, the one with the most rows."""
        counts = {
            name: table.count_rows() for name in tables if (table := self.table(name)) is not None
        }
        return max(counts, key=lambda name: counts[name])

    def models(self) -> list[str]:
        """The models whose vectors are here, by id."""
        tables = [self.table(name) for name in self.vector_tables()]
        noted = [(t.schema.metadata or {}).get(b"model", b"?") for t in tables if t is not None]
        return sorted({name.decode(errors="replace") for name in noted})

    def thumbnails(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """Small JPEG files of the given contents, by hash."""
        table = self.table("media")
        wanted = ",".join(f"'{digest}'" for digest in hashes if digest.isalnum())
        if table is None or not wanted:
            return {}
        where = f"hash IN ({wanted})"
        try:
            found = table.search().where(where).select(["hash", "thumbnail"]).to_arrow()
        except (RuntimeError, OSError, ValueError) as error:
            raise self.damaged(error) from error
        return dict(zip(found["hash"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))

    # -- writing ------------------------------------------------------------------------------

    def open_or_create(self, name: str, schema: pa.Schema) -> Table:
        """A table, made if need be; also where a process died while making it."""
        with _explained(self.folder):
            table = self.table(name)
            if table is not None:
                return table
            folder = self.folder / f"{name}.lance"
            if folder.is_dir() and not any((folder / "_versions").glob("[!.]*.manifest")):
                shutil.rmtree(folder)  # no version of it was ever finished: it holds nothing
            return self._db.create_table(name, schema=schema)

    def append(self, name: str, schema: pa.Schema, columns: dict[str, Any]) -> None:
        """Add rows, all or none."""
        with _explained(self.folder):
            self.open_or_create(name, schema).add(pa.table(columns, schema=schema))

    def forget_files(self, paths: Sequence[bytes]) -> None:
        """Remove paths; their contents stay until `sweep`."""
        self._delete("files", "path", [f"X'{path.hex()}'" for path in paths])

    def sweep(self) -> None:
        """Remove contents and vectors that no file has, then `tidy` every table."""
        files = self.read("files", ["hash"])
        alive = set(files["hash"].to_pylist()) if files is not None else set()
        for name in ["media", "words", "origins", *self.vector_tables()]:
            rows = self.read(name, ["hash"])
            dead = sorted(set(rows["hash"].to_pylist()) - alive) if rows is not None else []
            self._delete(name, "hash", [f"'{digest}'" for digest in dead])
        for name in ["files", "media", "words", "origins", *self.vector_tables()]:
            self.tidy(name)

    def tidy(self, name: str) -> None:
        """Put small pieces together, and erase for good: removed rows and old versions."""
        table = self.table(name)
        if table is None:
            return
        with _explained(self.folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "a concurrent reader will fail": ours tries again
            if any((self.folder / f"{name}.lance" / "_deletions").glob("*")):
                # Lance only marks rows as deleted, and its compaction leaves small numbers of
                # them in their files; a person who deletes a picture means its bytes too
                table.add(table.search().to_batches(4096), mode="overwrite")
            elif _fragments(table) <= MAX_FRAGMENTS:
                return  # to put them together is to write the table anew, so not every time
            table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def _delete(self, name: str, column: str, literals: Sequence[str]) -> None:
        table = self.table(name)
        if table is None:
            return
        for start in range(0, len(literals), 1000):
            with _explained(self.folder):
                table.delete(f"{column} IN ({','.join(literals[start : start + 1000])})")

    # -- settings -----------------------------------------------------------------------------

    def _read_settings(self) -> dict[str, Any]:
        try:
            settings: dict[str, Any] = json.loads(
                (self.folder / "library.json").read_text(encoding="utf-8")
            )
            newer = settings["format"] > FORMAT
            named = isinstance(settings.get("model"), str | None)
        except FileNotFoundError:
            return {"format": FORMAT, "model": None}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.damaged(f"library.json: {error}") from error
        if newer:
            raise LibraryError(f"the library {self.folder} was made by a newer Polysee; update")
        if not named:
            raise self.damaged("library.json: the model is no name")
        return {"model": None, **settings}

    def set_model(self, model: str) -> None:
        """Note which model searches use when none is named."""
        if self.settings["model"] == model:
            return
        self.settings["model"] = model
        draft = self.folder / "library.json.new"
        with _explained(self.folder):
            draft.write_text(json.dumps(self.settings), encoding="utf-8")
            draft.replace(self.folder / "library.json")


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of vectors as float16 (N, E), as it is stored."""
    size = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(parts) if parts else np.zeros(0, np.float16)
    return flat.reshape(-1, size)


def vector_array(vectors: np.ndarray) -> pa.Array:
    """Vectors (N, E) as a column in half precision."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _short(error: object) -> str:
    """An error without where in Lance's own code it arose."""
    return re.split(r",? [^ ]*(?:/rustc/|[.]cargo[/\\])", str(error).strip(), maxsplit=1)[0]


def _is_denied(error: object) -> bool:
    """Whether the system forbids it; Lance says so in words alone."""
    return isinstance(error, PermissionError) or "permission denied" in str(error).lower()


def _fragments(table: Table) -> int:
    stats: Any = table.stats()  # a dict, whatever its annotation says
    return int(stats["fragment_stats"]["num_small_fragments"])


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # Lance reports its own as RuntimeError
        full = any(words in str(error).lower() for words in ("no space", "storage full", "quota"))
        reason = "the disk is full" if full else _short(error)
        reason = "permission denied" if _is_denied(error) else reason
        raise LibraryError(f"the library {folder} cannot be written: {reason}") from error
