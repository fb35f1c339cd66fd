"""What there is in the made world of `scenes`: names in both languages, art, size, and what each thing can do.

The list itself is `scenes_things.tsv`, one concept a line; this reads it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from polysee.errors import DataError

_LIST = Path(__file__).with_name("scenes_things.tsv")


@dataclass(frozen=True)
class English:
    """A word; `unit` is what it is counted by, as in "two slices of pizza"."""

    one: str
    many: str
    unit: str = ""


@dataclass(frozen=True)
class Chinese:
    """A word and the measure words that go with it, one character each."""

    word: str
    measures: str


@dataclass(frozen=True)
class Concept:
    """One thing that can be drawn.

    Args:
        picture: its emoji; `head`, that of its face alone, where it has another; `feelings`, those that show one.
        english, chinese: its names; the first is the plainest.
        size: 1 for an ant, 6 for a house.
        roles: what it can do: "wears", "holds", "held", "seat", "cover", "back", "tint", ...
    """

    picture: str
    head: str
    feelings: dict[str, str]
    english: tuple[English, ...]
    chinese: tuple[Chinese, ...]
    size: int
    roles: frozenset[str]

    @property
    def name(self) -> str:
        """What it is called in facts and truths: its first English word."""
        return self.english[0].one

    @property
    def pictures(self) -> list[str]:
        return list(dict.fromkeys([self.picture, self.head, *self.feelings.values()]))


@functools.cache
def concepts() -> dict[str, Concept]:
    """All concepts by their names.

    Raises:
        DataError: two are of one name.
    Example:
        >>> concepts()["dog"].chinese[0]
        Chinese(word='狗', measures='只条')
        >>> sorted(concepts()["cat"].feelings)
        ['angry', 'crying', 'happy', 'laughing', 'loving', 'scared']
    """
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    read = [_concept(line) for line in lines if not line.startswith("#")]
    found = {concept.name: concept for concept in read}
    if len(found) < len(read):
        raise DataError(f"{_LIST.name}: two concepts have one name")
    return found


@functools.cache
def having(role: str) -> tuple[str, ...]:
    """The names of the concepts with a role, in the list's order.

    Example:
        >>> "dog" in having("wears")
        True
    """
    return tuple(name for name, concept in concepts().items() if role in concept.roles)


def bare(emoji: str) -> str:
    """An emoji without the mark that only asks for colour, which some writers add and some do not."""
    return emoji.replace("\ufe0f", "")


def _concept(line: str) -> Concept:
    pictures, english, chinese, size, roles = line.split("\t")
    first, *others = bare(pictures).split()
    named = dict(other.split("=") for other in others)
    return Concept(
        first,
        named.pop("head", first),
        named,
        tuple(_english(word) for word in english.split(", ")),
        tuple(_chinese(word) for word in chinese.split(", ")),
        int(size),
        frozenset(roles.split()),
    )


def _english(word: str) -> English:
    """ "dog", "mouse/mice" or, counted by a unit, "pizza=slice"."""
    if "=" in word:
        noun, unit = word.split("=")
        return English(noun, noun, unit)
    one, _, many = word.partition("/")
    return English(one, many or f"{one}s")


def _chinese(word: str) -> Chinese:
    measures, _, noun = word.partition(":")
    return Chinese(noun, measures)
