"""What the two grammars of `query` share."""

from __future__ import annotations

from dataclasses import dataclass

HIDDEN = "\ue000"
"""Stands, in the text that the rules read, for one character that no rule may read."""

QUOTES = "\"“”‘’「」『』'《》〈〉"


@dataclass(frozen=True)
class Exclusion:
    """One exclusion and the part of the query that says it.

    Args:
        start, end: the characters that go; what is around them stays wanted.
        terms: what is excluded.
    """

    start: int
    end: int
    terms: tuple[str, ...]
