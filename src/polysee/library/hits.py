"""What a search returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from polysee.library.dates_calendar import Period


@dataclass(frozen=True, slots=True)
class Hit:
    """One content that was found.

    Args:
        path: where it stands.
        score: cosine similarity to what was asked for.
        relevance: the probability that it is what was asked for, 0-1.
        kind: "image".
        also: other paths of the same content.
        hash: of the content, for `Library.thumbnails`.
    """

    path: str
    score: float
    relevance: float
    kind: str = "image"
    also: tuple[str, ...] = ()
    hash: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits, best first; it can be looped over and indexed like a list of them.

    Args:
        excluded: terms that were understood as negated.
        dates: the times that were understood, of which a hit is within one; `excluded_dates`, of none.
        places: the places that were understood, as they were typed; `excluded_places`, where no hit is from.
        unread_origins: of how many pictures it is unknown whether a machine made them, where that was asked.
        candidates: how many pictures the folder, the times, the places and their makers leave to look among.
        seconds: of the whole search; `model_seconds`, of them, in the model.
    """

    hits: list[Hit]
    excluded: tuple[str, ...] = ()
    seconds: float = 0.0
    model_seconds: float = 0.0
    dates: tuple[Period, ...] = ()
    excluded_dates: tuple[Period, ...] = ()
    places: tuple[str, ...] = ()
    excluded_places: tuple[str, ...] = ()
    unread_origins: int = 0
    candidates: int = 0

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: int) -> Hit:
        return self.hits[index]
