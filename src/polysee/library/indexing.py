"""Bring a library up to date with the files: read what is new, encode it, write it in batches."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from polysee.errors import CheckpointError, MediaError
from polysee.library.catalogue import (
    FILES,
    MEDIA,
    WORDS,
    Catalogue,
    vector_array,
    vectors_name,
    vectors_schema,
)
from polysee.library.gone import is_bare, is_gone, target, under
from polysee.library.origins import ORIGINS, Origin
from polysee.library.reading import Content, Read, Unread, key_of, read
from polysee.media.files import Remark, absolute
from polysee.media.scan import Found, scan

if TYPE_CHECKING:
    from polysee.inference import Embedder

Progress = Callable[[int, int], None]
"""Called with how many files are done, and how many there are."""

BATCH_SIZE = 32
WRITE_ROWS = 512
WRITE_SECONDS = 5.0
"""A batch is written when it has so many rows, or at the latest after so long."""
ABSENT = (
    "it is not there, so nothing of it was forgotten: is its disk there? "
    "To forget it, prune a folder above it"
)
EMPTIED = (
    "nothing is left here, and all of it was forgotten; if its disk was absent, index it again"
)


@dataclass
class IndexReport:
    """What an index run did.

    Args:
        added: files that are new, have new content, or are new to this model.
        unchanged: files that were there with the same content.
        moved: files whose content the library knew from a path that is gone.
        removed: files dropped because they are gone (`prune`).
        failed: files that could not be read.
        warned: files that were read, but are not what they seem; and folders of which everything was dropped.
        seconds: of the whole run; `model_seconds`, of them, in the model.
    """

    added: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    failed: list[Remark] = field(default_factory=list)
    warned: list[Remark] = field(default_factory=list)
    seconds: float = 0.0
    model_seconds: float = 0.0


class _Known(NamedTuple):
    """A row of the `files` table, without its path."""

    hash: str
    size: int
    mtime_ns: int


class _FileRow(NamedTuple):
    """A row to write, and the paths that it stands in for."""

    key: bytes
    known: _Known
    replaces: list[bytes]


class IndexRun:
    """One run of indexing into one catalogue with one model. Wants `lock.write_lock` held."""

    def __init__(
        self,
        catalogue: Catalogue,
        embedder: Embedder,
        progress: Progress | None = None,
        ocr: bool = False,
        watermarks: bool = False,
    ) -> None:
        self.catalogue = catalogue
        self.embedder = embedder
        self.progress = progress
        self.ocr, self.watermarks = ocr, watermarks
        self.report = IndexReport()
        self.schema = vectors_schema(embedder.id, embedder.hash, embedder.embedding_size)
        self.vectors = vectors_name(embedder.hash)
        self._load_known()
        self._roots: list[bytes] = []  # what was named
        self._paths: dict[str, set[bytes]] | None = None
        self._waiting: dict[str, Content] = {}  # decoded, by hash; not yet encoded
        self._encoded: dict[str, tuple[dict[str, Any], np.ndarray]] = {}  # not yet written
        self._words: dict[str, str] = {}  # read, by hash; not yet written
        self._origins: dict[str, Origin] = {}  # read, by hash; not yet written
        self._rows: list[_FileRow] = []
        self._written_at = time.perf_counter()

    def run(self, paths: Sequence[str | os.PathLike[str]], prune: bool = False) -> IndexReport:
        """Index `paths`; with `prune`, drop what stood under them and is gone."""
        started = time.perf_counter()
        for path in paths:
            with suppress(ValueError):  # not a name that a file can have; named by the scan
                self._roots.append(key_of(absolute(path)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on damaged files; those are named below
            todo, total = self._scan(paths)
            for done, item in enumerate(self._read(todo), total - len(todo) + 1):
                self._accept(item)
                if self.progress is not None:
                    self.progress(done, total)
        self._encode()
        self._write()
        if prune:
            self._prune()
        self.catalogue.sweep()
        # a run that brought nothing in does not take a library from the model that it is used with
        if self.catalogue.settings["model"] is None or any(
            (self.report.added, self.report.moved, self.report.unchanged)
        ):
            self.catalogue.set_model(self.embedder.id)
        self.report.seconds = time.perf_counter() - started
        return self.report

    def _load_known(self) -> None:
        """What the library holds already."""
        self.files: dict[bytes, _Known] = {}
        table = self.catalogue.read("files", FILES.names)
        if table is not None:
            columns = [table[name].to_pylist() for name in FILES.names]
            self.files = {key: _Known(*rest) for key, *rest in zip(*columns, strict=True)}
        self.in_media = self._hashes("media")
        self.in_vectors = self._hashes(self.vectors)
        self.known = self.in_media & self.in_vectors
        self.worded = self._hashes("words") if self.ocr else None
        self.marked = self._marked() if self.watermarks else None

    def _hashes(self, name: str) -> set[str]:
        table = self.catalogue.read(name, ["hash"])
        return set(table["hash"].to_pylist()) if table is not None else set()

    def _marked(self) -> set[str]:
        """What was looked at for a watermark."""
        table = self.catalogue.read("origins", ["hash", "watermark"])
        if table is None:
            return set()
        looked = table.filter(pc.is_valid(table["watermark"]))
        return set(looked["hash"].to_pylist())

    def _scan(self, paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Found], int]:
        """The files to read, and how many there are with those that need no reading."""
        todo, total = [], 0
        for item in scan(paths):
            if isinstance(item, MediaError):
                self.report.failed.append(Remark(item.path, item.reason))
                continue
            total += 1
            old = self.files.get(key_of(item.path))
            same = old is not None and old[1:] == (item.size, item.mtime_ns)
            if old is not None and same and self._complete(old.hash):
                self.report.unchanged += 1
            else:
                todo.append(item)
        if self.progress is not None:
            self.progress(total - len(todo), total)
        return todo, total

    def _complete(self, digest: str) -> bool:
        """Whether all that is asked for is known of a content."""
        asked = [some for some in (self.worded, self.marked) if some is not None]
        return digest in self.known and all(digest in some for some in asked)

    def _read(self, todo: Sequence[Found]) -> Iterator[Read | Unread]:
        """Read in threads, in order, a little ahead of the encoder."""
        work = partial(
            read, recipe=self.embedder.recipe, known=self.known, worded=self.worded,
            marked=self.marked,
        )  # fmt: skip
        workers = max(2, min(8, os.cpu_count() or 2))
        window: deque[Future[Read | Unread]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="polysee-read")
        try:
            for found in todo:
                window.append(pool.submit(work, found))
                if len(window) >= BATCH_SIZE + workers:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _accept(self, item: Read | Unread) -> None:
        if isinstance(item, Unread):
            self.report.failed.append(Remark(item.path, item.reason))
            old = self.files.get(item.key)
            if old is not None and item.hash not in (None, old.hash):
                self._forget([item.key])
            return
        if item.warning is not None:
            self.report.warned.append(Remark(item.path, item.warning))
        new = item.hash not in self.known
        if new and item.content is not None and item.hash not in self._encoded:
            self._waiting.setdefault(item.hash, item.content)
        if item.words is not None:
            self._words[item.hash] = item.words
        if item.origin is not None:
            self._origins[item.hash] = item.origin
        self._count(item, new)
        if len(self._waiting) >= BATCH_SIZE:
            self._encode()
        late = time.perf_counter() - self._written_at > WRITE_SECONDS
        if late or len(self._rows) >= WRITE_ROWS + BATCH_SIZE:
            self._write()

    def _count(self, item: Read, new: bool) -> None:
        """Tell added, moved and unchanged apart, and note the row to write."""
        old = self.files.get(item.key)
        row = _Known(item.hash, item.size, item.mtime_ns)
        replaces = [item.key] if old is not None else []
        if old is not None and old.hash == item.hash:
            self.report.added += new
            self.report.unchanged += not new
        elif gone := self._gone_path(item.hash):
            self.report.moved += 1
            replaces.append(gone)
        else:
            self.report.added += 1
        if row != old:
            self._rows.append(_FileRow(item.key, row, replaces))

    def _gone_path(self, digest: str) -> bytes | None:
        """A path at which the library knows this content, and where nothing stands any more."""
        if self._paths is None:
            self._paths = {}
            for key, known in self.files.items():
                self._paths.setdefault(known.hash, set()).add(key)
        for key in sorted(self._paths.get(digest, ())):
            if self._has_left(key):
                self._paths[digest].remove(key)
                return key
        return None

    def _has_left(self, key: bytes) -> bool:
        """Whether a file is gone from a folder that is there; else its disk may be absent."""
        path = os.fsdecode(key)
        if not is_gone(path):
            return False
        return not is_bare(os.path.dirname(path)) or any(  # noqa: PTH120
            under(key, root) and self._stands(root) for root in self._roots
        )

    def _stands(self, root: bytes) -> bool:
        """Whether what was named is a file that the library knows, or a folder that holds something."""
        return root in self.files or not is_bare(os.fsdecode(root))

    def _encode(self) -> None:
        if not self._waiting:
            return
        started = time.perf_counter()
        pictures = np.stack([content.picture for content in self._waiting.values()])
        vectors = self.embedder.embed_pictures(pictures)
        self.report.model_seconds += time.perf_counter() - started
        if not np.isfinite(vectors).all():
            raise CheckpointError(f"{self.embedder.id}: gives vectors that are not numbers")
        for (digest, content), vector in zip(self._waiting.items(), vectors, strict=True):
            self._encoded[digest] = (content.media, vector)
        self._waiting.clear()

    def _write(self) -> None:
        """Write what is encoded. The order matters: see `catalogue`."""
        self._written_at = time.perf_counter()
        self._write_origins()
        self._write_contents()
        self._write_words()
        ready = [row for row in self._rows if row.known.hash in self.known]
        self._rows = [row for row in self._rows if row.known.hash not in self.known]
        if ready:
            self._forget([key for row in ready for key in row.replaces])
            columns = {
                "path": [row.key for row in ready],
                "hash": [row.known.hash for row in ready],
                "size": [row.known.size for row in ready],
                "mtime_ns": [row.known.mtime_ns for row in ready],
            }
            self.catalogue.append("files", FILES, columns)
            self.files.update({row.key: row.known for row in ready})

    def _write_contents(self) -> None:
        # one of the two may be there: from another model, or from a process that died between
        new = [digest for digest in self._encoded if digest not in self.in_vectors]
        if new:
            vectors = np.stack([self._encoded[digest][1] for digest in new])
            columns = {"hash": new, "vector": vector_array(vectors)}
            self.catalogue.append(self.vectors, self.schema, columns)
            self.in_vectors.update(new)
        rows = [row for row, _ in self._encoded.values() if row["hash"] not in self.in_media]
        if rows:
            columns = {name: [row[name] for row in rows] for name in MEDIA.names}
            self.catalogue.append("media", MEDIA, columns)
            self.in_media.update(row["hash"] for row in rows)
        self.known.update(self._encoded)
        self._encoded.clear()

    def _write_words(self) -> None:
        """Write the words of contents that are known by now."""
        if self.worded is None:
            return
        ready = {key: text for key, text in self._words.items() if key in self.known}
        new = {key: text for key, text in ready.items() if key not in self.worded}
        if new:
            columns = {"hash": list(new), "text": list(new.values())}
            self.catalogue.append("words", WORDS, columns)
            self.worded.update(new)
        for key in ready:
            del self._words[key]

    def _write_origins(self) -> None:
        """Write how contents were made; before they are known, for later nobody would look again."""
        there = self.known | self._encoded.keys()
        ready = {key: origin for key, origin in self._origins.items() if key in there}
        if ready:
            columns = {
                "hash": list(ready),
                "labelled": [origin.labelled for origin in ready.values()],
                "watermark": [origin.watermark for origin in ready.values()],
            }
            self.catalogue.append("origins", ORIGINS, columns)
        for key, origin in ready.items():
            if self.marked is not None and origin.watermark is not None:
                self.marked.add(key)
            del self._origins[key]

    def _forget(self, keys: Sequence[bytes]) -> None:
        if keys:
            self.catalogue.forget_files(keys)
            for key in keys:
                self.files.pop(key, None)

    def _is_absent(self, root: bytes) -> bool:
        """Whether what was named may be on a disk that is not there; a file is gone if its folder holds others."""
        path = target(os.fsdecode(root))
        return is_gone(path) and (root not in self.files or is_bare(os.path.dirname(path)))  # noqa: PTH120

    def _prune(self) -> None:
        """Drop files under what was named that are gone; one that merely cannot be seen stays.

        Of what is absent together with its folder nothing is dropped, for its disk may be.
        """
        absent = [root for root in self._roots if self._is_absent(root)]
        roots = [root for root in self._roots if root not in absent]
        gone = [
            key
            for key in self.files
            if any(under(key, root) for root in roots) and is_gone(os.fsdecode(key))
        ]
        self._forget(gone)
        self.report.removed = len(gone)
        dropped = {root for root in self._roots if any(under(key, root) for key in gone)}
        known = {os.fsdecode(root) for root in absent if any(under(k, root) for k in self.files)}
        # a path that was asked for, is gone, and is now dropped has not failed
        forgotten = {name for name in map(os.fsdecode, dropped) if is_gone(name)}
        self.report.failed = [
            Remark(item.path, ABSENT) if item.path in known else item
            for item in self.report.failed
            if item.path not in forgotten
        ]
        emptied = sorted(os.fsdecode(root) for root in dropped if root in roots)
        self.report.warned += [
            Remark(name, EMPTIED)
            for name in emptied
            if os.path.isdir(name) and is_bare(name)  # noqa: PTH112
        ]
