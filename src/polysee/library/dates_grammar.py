"""A grammar of dates: patterns, each with what it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from polysee.library.dates_calendar import Atom, Part, Period, third

Reader = Callable[[re.Match[str], date], Atom | None]


class Grammar:
    """Rules that are tried everywhere in a text.

    Args:
        flags: of the patterns.
    """

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags
        self.rules: list[tuple[re.Pattern[str], Reader]] = []

    def rule(self, pattern: str) -> Callable[[Reader], Reader]:
        """Register how what matches a pattern is read; None for what only looks like a date."""

        def register(reader: Reader) -> Reader:
            self.rules.append((re.compile(pattern, self.flags), reader))
            return reader

        return register

    def atoms(self, visible: str, today: date) -> Iterator[Atom]:
        """Every expression of time, in no order; they may overlap."""
        for pattern, reader in self.rules:
            for match in pattern.finditer(visible):
                try:
                    atom = reader(match, today)
                except (ValueError, OverflowError):  # 31 June, 2月30日, the year 0
                    continue
                if atom is not None:
                    yield atom


def fixed(match: re.Match[str], period: Period | None) -> Atom | None:
    """What a match means by itself."""
    return None if period is None else Atom(*match.span(), period=period)


def cut(part: Part, which: int) -> Part:
    """The beginning, middle or end of a part of the year."""

    def piece(year: int) -> Period | None:
        whole = part(year)
        return None if whole is None else third(whole, which)

    return piece
