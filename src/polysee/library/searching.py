"""Score every vector of a library against a query, and keep what is relevant."""

from __future__ import annotations

# Cameras write local time without saying which.
# ruff: noqa: DTZ001, DTZ006, DTZ007
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polysee.errors import LibraryError, QueryError
from polysee.library.calibration import Calibration, Sought
from polysee.library.catalogue import Catalogue, matrix
from polysee.library.dates import Dated, read_dates
from polysee.library.dates_calendar import Period
from polysee.library.hits import Hit
from polysee.library.origins import ORIGINS, UNKNOWN, YES, made_by_machine
from polysee.library.places import Located, may_name_place, read_places
from polysee.library.query import LONGEST, hide_quoted, parse_query, says_nothing
from polysee.library.ranking import keep_out, rank, seek
from polysee.library.reading import key_of
from polysee.library.words import Words
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
    dates: tuple[Period, ...] = ()
    excluded_dates: tuple[Period, ...] = ()
    located: Located = field(default_factory=lambda: Located(""))
    made_by_machine: bool | None = None

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
        today: date | None = None,
        locate: Callable[[str], Located] = Located,
        made_by_machine: bool | None = None,
    ) -> Query:
        """
        Args:
            today: what "last summer" is relative to; the system's date if None.
            locate: takes the places out of a text.
        Raises:
            QueryError: nothing was asked for, or a date is not understood.
        """
        today = today or date.today()  # noqa: DTZ011
        first, last = read_date(after, today), read_date(before, today)
        words = " ".join(query.split())
        dated, located = Dated(words), Located(words)
        if len(words) <= LONGEST:
            dated = read_dates(words, today, hide_quoted(words))
            located = locate(dated.rest) if dated.rest else Located("")
        parsed = parse_query(located.rest)
        placed = bool(dated.periods or dated.excluded or located.names or located.excluded)
        placed = placed or made_by_machine is not None
        if placed and says_nothing(parsed.wanted):
            parsed = replace(parsed, wanted="")
        named = (term.strip() for term in ([exclude] if isinstance(exclude, str) else exclude))
        excluded = tuple(dict.fromkeys([*parsed.excluded, *filter(None, named)]))
        if not parsed.wanted and not excluded and image is None and not placed:
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
            first,
            last,
            text_weight,
            image_weight,
            dated.periods,
            dated.excluded,
            located,
            made_by_machine,
        )


def read_date(given: str | date | datetime | None, today: date | None = None) -> datetime | None:
    """The moment at which a date begins; of a year, a month or "last summer", its first day.

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
        said = read_dates(given.strip()[:LONGEST], today or date.today())  # noqa: DTZ011
        if len(said.periods) == 1 and not said.rest:
            return said.periods[0].start
        raise QueryError(
            f"{given!r} is not a date; write it as 2023, 2023-10 or 2023-10-05"
        ) from error


@dataclass(frozen=True)
class Shelf:
    """A library's contents in memory, one row a content.

    Args:
        vectors: (N, E), float16, unit length.
        hashes: (N,), of the contents.
        taken: (N,), when each was taken, or null.
        where: (N, 2), latitude and longitude in degrees; NaN where that is unknown.
        sizes: (N, 2), width and height in pixels.
        words: what OCR read in each, where it did.
        made: (N,), whether a machine made each; see `origins`.
        files: the whole table of files.
        versions: of the tables that this was read from.
    """

    vectors: np.ndarray
    hashes: pa.Array
    taken: pa.Array
    where: np.ndarray
    sizes: np.ndarray
    words: Words
    made: np.ndarray
    files: pa.Table
    versions: tuple[frozenset[str], ...]

    @classmethod
    def load(
        cls, catalogue: Catalogue, vectors: str, versions: tuple[frozenset[str], ...]
    ) -> Shelf:
        """Read what has a vector, a row in `media` and a file; an index run may be under way."""
        table = catalogue.read(vectors, ["hash", "vector"])
        media = catalogue.read(
            "media", ["hash", "taken", "latitude", "longitude", "width", "height"]
        )
        files = catalogue.read("files", ["path", "hash", "mtime_ns"])
        if table is None or media is None or files is None:
            raise LibraryError(
                f"nothing is indexed in {catalogue.folder} yet: run `polysee index` first"
            )
        place = pc.index_in(table["hash"], media["hash"])
        whole = pc.and_(pc.is_valid(place), pc.is_in(table["hash"], files["hash"]))
        table, place = table.filter(whole), place.filter(whole)
        taken, *where, width, height = (
            _whole(media[name].take(place))
            for name in ("taken", "latitude", "longitude", "width", "height")
        )
        words = catalogue.read("words", ["hash", "text"])
        origins = catalogue.read("origins", ORIGINS.names)
        degrees = [np.asarray(part.to_numpy(zero_copy_only=False), float) for part in where]
        return cls(
            matrix(table["vector"]),
            table["hash"].combine_chunks(),
            taken,
            np.stack(degrees, axis=1),
            np.stack([width.to_numpy(), height.to_numpy()], axis=1),
            Words.read(table["hash"], words),
            made_by_machine(table["hash"], origins),
            files.combine_chunks(),  # or each `take` would put them together
            versions,
        )

    def locate(self, text: str) -> Located:
        """Take the places out of a query, where pictures say where they were taken."""
        if not self._has_places or not may_name_place(text):
            return Located(text)
        from polysee.library.gazetteer import gazetteer

        return read_places(
            text, hide_quoted(text), gazetteer(), self.where, lambda: self._nearest_cities
        )

    @cached_property
    def _has_places(self) -> bool:
        return bool(np.isfinite(self.where).any())

    @cached_property
    def _nearest_cities(self) -> np.ndarray:
        """(N,), rows of the gazetteer; -1 where no place is known, or no city near it."""
        from polysee.library.gazetteer import gazetteer

        known = np.isfinite(self.where).all(axis=1)
        rows = np.full(len(known), -1)
        rows[known] = gazetteer().nearest(self.where[known])
        return rows

    def allowed(self, query: Query) -> np.ndarray:
        """(N,) bool: which contents the query's folder and dates leave."""
        mask = np.ones(len(self.hashes), bool)
        if query.folder is not None:
            mask &= self._in_folder(query.folder)
        if query.located.inside is not None:
            mask &= query.located.inside
        if query.made_by_machine is not None:  # what nothing is known of counts as a person's
            mask &= (self.made == YES) == query.made_by_machine
        if query.after is not None:
            mask &= self.when >= np.datetime64(query.after, "s")
        if query.before is not None:
            mask &= self.when < np.datetime64(query.before, "s")
        if query.dates:
            mask &= self._within(query.dates)
        if query.excluded_dates:
            mask &= ~self._within(query.excluded_dates)
        return mask

    @property
    def unread_origins(self) -> int:
        """Of how many contents nobody looked how they were made."""
        return int((self.made == UNKNOWN).sum())

    def _within(self, periods: Sequence[Period]) -> np.ndarray:
        """(N,) bool: taken in any of the periods."""
        mask = np.zeros(len(self.hashes), bool)
        for period in periods:
            begun = self.when >= np.datetime64(period.start, "s")
            mask |= begun & (self.when < np.datetime64(period.end, "s"))
        return mask

    def paths(self, hashes: Sequence[str], folder: str | None) -> dict[str, list[str]]:
        """All paths of some contents; those in `folder` first, if one was named."""
        sought = np.array(hashes, "S64")
        first, last = (np.searchsorted(self._order[0], sought, side) for side in ("left", "right"))
        prefix = None if folder is None else _prefix(folder)
        rows = [self._order[1][a:b] for a, b in zip(first, last, strict=True)]
        every = pa.array(np.concatenate([*rows, np.zeros(0, int)]))
        keys = iter(self.files["path"].take(every).to_pylist())
        found: dict[str, list[str]] = {}
        for digest, own in zip(hashes, rows, strict=True):
            mine = [next(keys) for _ in own]
            mine.sort(key=lambda key: (prefix is not None and not key.startswith(prefix), key))
            if mine:
                found[digest] = [os.fsdecode(key) for key in mine]
        return found

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """The hashes of all files in order, and the rows where they stand."""
        hashes = np.array(self.files["hash"].to_pylist(), "S64")
        rows = np.argsort(hashes, kind="stable")
        return hashes[rows], rows

    def _in_folder(self, folder: str) -> np.ndarray:
        """(N,) bool: with a file in or below a folder."""
        there = _bools(pc.starts_with(self.files["path"], pattern=_prefix(folder)))
        mask = np.zeros(len(self.hashes) + 1, bool)
        mask[self._contents[there]] = True
        return mask[:-1]

    @cached_property
    def _contents(self) -> np.ndarray:
        """The row of each file's content; N where it has none."""
        rows = pc.fill_null(pc.index_in(self.files["hash"], self.hashes), len(self.hashes))
        return rows.to_numpy()

    @cached_property
    def dated(self) -> np.ndarray:
        """(N,) bool: whether the camera wrote when each was taken."""
        return _bools(pc.is_valid(self.taken))

    @cached_property
    def when(self) -> np.ndarray:
        """(N,) datetime64[s], local time: the camera's, or else the file's."""
        place = pc.index_in(self.hashes, self.files["hash"])
        changed = self.files["mtime_ns"].take(place).to_numpy() // 1_000_000_000
        # a wrong clock or a damaged disk can give any time; not every system can read all of them
        local = [datetime.fromtimestamp(s) for s in np.clip(changed, 0, 2**32 - 1).tolist()]
        return np.where(
            self.dated,
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
        self.candidates = 0

    def run(self, top: int, everything: bool) -> tuple[list[Hit], float]:
        """The best hits, and the seconds that the model took."""
        wanted, excluded = self._sought()
        allowed = self.shelf.allowed(self.query)
        self.candidates = int(allowed.sum())
        ranking = rank(
            self.calibration,
            self.shelf.vectors,
            wanted,
            excluded,
            allowed=allowed,
            everything=everything,
            borne=self.shelf.words.relevance(self.query.wanted) if self.query.wanted else None,
        )
        best = ranking.best(top)
        if not wanted and not excluded:  # a time or a place alone: the newest first
            rows = np.flatnonzero(ranking.shown)
            best = rows[np.argsort(self.shelf.when[rows], kind="stable")[::-1][:top]]
        hits = self._hits(best, ranking.score, ranking.relevance)
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
        excluded = keep_out(
            self.embedder, query.excluded, query.wanted if query.text_weight > 0 else None
        )
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


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _bools(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.asarray(array.to_numpy(zero_copy_only=False), bool)
