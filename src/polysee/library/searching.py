"""Score every vector of a library against a query, and keep what is relevant."""

from __future__ import annotations

# Cameras write local time without saying which.
# ruff: noqa: DTZ001, DTZ006, DTZ007
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polysee.errors import LibraryError, QueryError
from polysee.library.calibration import Calibration, Sought
from polysee.library.catalogue import Catalogue, matrix
from polysee.library.hits import Hit
from polysee.library.query import parse_query
from polysee.library.ranking import rank, seek
from polysee.library.reading import key_of
from polysee.media.files import absolute

if TYPE_CHECKING:
    from polysee.inference import Embedder
    from polysee.inference.embedder import ImageLike


DATE_FORMS = (
    *("%Y", "%Y-%m", "%Y-%m-%d", "%Y/%m", "%Y/%m/%d"),
    *("%Y年", "%Y年%m月", "%Y年%m月%d日"),
)


@dataclass(frozen=True)
class Query:
    """What is asked for, checked and taken apart."""

    wanted: str
    excluded: tuple[str, ...]
    image: ImageLike | None
    folder: str | None
    after: datetime | None
    before: datetime | None
    text_weight: float
    image_weight: float

    @classmethod
    def read(
        cls,
        query: str,
        image: ImageLike | None,
        exclude: Sequence[str],
        folder: str | os.PathLike[str] | None,
        after: str | date | datetime | None,
        before: str | date | datetime | None,
        text_weight: float,
        image_weight: float,
    ) -> Query:
        """
        Raises:
            QueryError: nothing was asked for, or a date is not understood.
        """
        parsed = parse_query(query)
        named = (term.strip() for term in ([exclude] if isinstance(exclude, str) else exclude))
        excluded = tuple(dict.fromkeys([*parsed.excluded, *filter(None, named)]))
        if not parsed.wanted and not excluded and image is None:
            raise QueryError("nothing was asked for: give words, a picture, or both")
        asked = [(text_weight, parsed.wanted), (image_weight, image is not None)]
        weights = [weight for weight, given in asked if given]
        if weights and not (min(weights) >= 0 and 0 < sum(weights) < math.inf):
            raise QueryError("weights must be 0 or more, and not all 0")
        where = None if folder is None else absolute(folder)
        try:
            key_of(where or "")
        except ValueError as error:
            raise QueryError(f"{folder!r} is not a name that a folder can have") from error
        return cls(
            parsed.wanted,
            excluded,
            image,
            where,
            read_date(after),
            read_date(before),
            text_weight,
            image_weight,
        )


def read_date(given: str | date | datetime | None) -> datetime | None:
    """The moment at which a date begins; of a year or a month, its first day.

    Raises:
        QueryError: the text is no date.
    Example:
        >>> read_date("2023-10")
        datetime.datetime(2023, 10, 1, 0, 0)
    """
    if given is None or isinstance(given, datetime):
        return given.replace(tzinfo=None) if given is not None else None
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day)
    for form in DATE_FORMS:
        try:
            return datetime.strptime(given.strip(), form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(given.strip()).replace(tzinfo=None)
    except ValueError as error:
        raise QueryError(
            f"{given!r} is not a date; write it as 2023, 2023-10 or 2023-10-05"
        ) from error


@dataclass(frozen=True)
class Shelf:
    """A library's contents in memory, one row a content.

    Args:
        vectors: (N, E), float32, unit length.
        hashes: (N,), of the contents.
        taken: (N,), when each was taken, or null.
        files: the whole table of files.
        versions: of the tables that this was read from.
    """

    vectors: np.ndarray
    hashes: pa.Array
    taken: pa.Array
    files: pa.Table
    versions: tuple[int, ...]

    @classmethod
    def load(cls, catalogue: Catalogue, vectors: str, versions: tuple[int, ...]) -> Shelf:
        """Read what has a vector, a row in `media` and a file; an index run may be under way."""
        table = catalogue.read(vectors, ["hash", "vector"])
        media = catalogue.read("media", ["hash", "taken"])
        files = catalogue.read("files", ["path", "hash", "mtime_ns"])
        if table is None or media is None or files is None:
            raise LibraryError(
                f"nothing is indexed in {catalogue.folder} yet: run `polysee index` first"
            )
        place = pc.index_in(table["hash"], media["hash"])
        whole = pc.and_(pc.is_valid(place), pc.is_in(table["hash"], files["hash"]))
        table, place = table.filter(whole), place.filter(whole)
        taken = media["taken"].take(place)
        return cls(
            matrix(table["vector"]),
            table["hash"].combine_chunks(),
            taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken,
            files,
            versions,
        )

    def allowed(self, query: Query) -> np.ndarray:
        """(N,) bool: which contents the query's folder and dates leave."""
        mask = np.ones(len(self.hashes), bool)
        if query.folder is not None:
            mask &= _bools(pc.is_in(self.hashes, self._files_in(query.folder)["hash"]))
        if query.after is not None or query.before is not None:
            when = self._when()
            if query.after is not None:
                mask &= when >= np.datetime64(query.after, "s")
            if query.before is not None:
                mask &= when < np.datetime64(query.before, "s")
        return mask

    def paths(self, hashes: Sequence[str], folder: str | None) -> dict[str, list[str]]:
        """All paths of some contents; those in `folder` first, if one was named."""
        rows = self.files.filter(pc.is_in(self.files["hash"], pa.array(hashes, pa.string())))
        found: dict[str, list[str]] = {}
        pairs = zip(rows["hash"].to_pylist(), rows["path"].to_pylist(), strict=True)
        prefix = None if folder is None else _prefix(folder)
        for digest, key in sorted(
            pairs, key=lambda p: (prefix is not None and not p[1].startswith(prefix), p[1])
        ):
            found.setdefault(digest, []).append(os.fsdecode(key))
        return found

    def _files_in(self, folder: str) -> pa.Table:
        prefix = _prefix(folder)
        return self.files.filter(pc.starts_with(self.files["path"], pattern=prefix))

    def _when(self) -> np.ndarray:
        """(N,) datetime64[s], local time: the camera's, or else the file's."""
        place = pc.index_in(self.hashes, self.files["hash"])
        changed = self.files["mtime_ns"].take(place).to_numpy() // 1_000_000_000
        # a wrong clock or a damaged disk can give any time; not every system can read all of them
        local = [datetime.fromtimestamp(s) for s in np.clip(changed, 0, 2**32 - 1).tolist()]
        return np.where(
            _bools(pc.is_valid(self.taken)),
            self.taken.to_numpy(zero_copy_only=False).astype("datetime64[s]"),
            np.array(local, dtype="datetime64[s]"),
        )


class Search:
    """One search over a shelf."""

    def __init__(
        self, shelf: Shelf, embedder: Embedder, calibration: Calibration, query: Query
    ) -> None:
        self.shelf = shelf
        self.embedder = embedder
        self.calibration = calibration
        self.query = query
        self.model_seconds = 0.0

    def run(self, top: int, everything: bool) -> tuple[list[Hit], float]:
        """The best hits, and the seconds that the model took."""
        wanted, excluded = self._sought()
        ranking = rank(
            self.calibration,
            self.shelf.vectors,
            wanted,
            excluded,
            allowed=self.shelf.allowed(self.query),
            everything=everything,
        )
        hits = self._hits(ranking.best(top), ranking.score, ranking.relevance)
        return hits, self.model_seconds

    def _sought(self) -> tuple[list[tuple[float, Sought]], list[Sought]]:
        """What is wanted, by words, picture or both, and what is excluded, as vectors."""
        query = self.query
        started = time.perf_counter()
        words = seek(self.embedder, [query.wanted] if query.wanted else [])
        wanted = [(query.text_weight, one) for one in words]
        if query.image is not None:
            vector = self.embedder.embed_image([query.image])[0]
            wanted.append((query.image_weight, Sought(vector)))
        excluded = seek(self.embedder, query.excluded)
        self.model_seconds = time.perf_counter() - started
        return [(weight, one) for weight, one in wanted if weight > 0], excluded

    def _hits(self, best: np.ndarray, score: np.ndarray, relevance: np.ndarray) -> list[Hit]:
        hashes = self.shelf.hashes.take(pa.array(best)).to_pylist()
        paths = self.shelf.paths(hashes, self.query.folder)
        return [
            Hit(
                path=paths[digest][0],
                score=float(score[row]),
                relevance=float(relevance[row]),
                also=tuple(paths[digest][1:]),
                hash=digest,
            )
            for row, digest in zip(best, hashes, strict=True)
        ]


def _prefix(folder: str) -> bytes:
    separator = os.fsencode(os.sep)
    return key_of(folder).rstrip(separator) + separator


def _bools(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.asarray(array.to_numpy(zero_copy_only=False), bool)
