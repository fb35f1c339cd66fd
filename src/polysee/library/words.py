"""How probable it is that a picture is meant because its own words are those of the query.

The words that OCR read stand beside the vectors; a search for "no parking" means the sign, whatever it
looks like. Matching forgives case, width, spaces, and one wrong letter in a long word; Chinese, which has
no spaces, is compared by pairs of characters. What is found so joins the ranking by meaning: a picture is
relevant if either says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WHOLE = 0.97
"""Relevance of a picture that bears the query's words, all of them side by side."""
ALL = 0.90
"""And of one that bears them all, but scattered."""
LONG = 5
"""A Latin word of so many letters may have one wrong."""
ENOUGH = 0.5
"""Less than this share of the query's words says nothing."""

_PIECE = re.compile(r"[\u3400-\u9fff\u3040-\u30ff]+|[^\W_\u3400-\u9fff\u3040-\u30ff]+")
_HAN = re.compile(r"[\u3400-\u9fff\u3040-\u30ff]")
_EMPTY = frozenset(
    "a an the of on in at to for and or with is are it this that my our your photo photos picture pictures image "
    "sign text word words saying says reading".split()
)
# 写着小心地滑的牌子: the words about the words, in a language without spaces
_ABOUT = re.compile(
    "^(?:写着|写有|印着|印有|带有)|(?:字样)?的?(?:照片|图片|截图|截屏|牌子|标志|标牌|招牌)$|字样$"
)


def plain(text: str) -> str:
    """A text as it is compared: compatible characters, no case.

    Example:
        >>> plain("ＮＯ Parking")
        'no parking'
    """
    return unicodedata.normalize("NFKC", text).casefold()


def pieces(query: str) -> list[str]:
    """The words of a query that a sign may bear; Chinese in pairs of characters.

    Example:
        >>> pieces("a sign saying no parking"), pieces("小心地滑")
        (['no', 'parking'], ['小心', '心地', '地滑'])
    """
    found: list[str] = []
    for piece in _told(query):
        if _HAN.match(piece) and len(piece) > 2:
            found += [piece[at : at + 2] for at in range(len(piece) - 1)]
        else:
            found.append(piece)
    return list(dict.fromkeys(found))


def _told(query: str) -> list[str]:
    """Runs of letters, but for those that say nothing themselves."""
    runs = (_ABOUT.sub("", piece) for piece in _PIECE.findall(plain(query)))
    return [piece for piece in runs if piece and piece not in _EMPTY]


class Words:
    """The words of a library's pictures.

    Args:
        texts: one a picture, "" where it bears none.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.count = len(texts)
        self.rows = [row for row, text in enumerate(texts) if text]
        self.texts = [plain(texts[row]) for row in self.rows]

    @classmethod
    def read(cls, hashes: pa.ChunkedArray, table: pa.Table | None) -> Words:
        """The words of contents, by hash, out of the library's table; None where there is none."""
        if table is None:
            return cls([""] * len(hashes))
        found = table["text"].take(pc.index_in(hashes, table["hash"])).to_pylist()
        return cls([text or "" for text in found])

    @cached_property
    def _squashed(self) -> list[str]:
        """Without spaces and marks: readers run words together."""
        return ["".join(_PIECE.findall(text)) for text in self.texts]

    @cached_property
    def _bags(self) -> list[frozenset[str]]:
        return [frozenset(_PIECE.findall(text)) for text in self.texts]

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(word for bag in self._bags for word in bag if len(word) >= LONG - 1)

    def relevance(self, query: str) -> np.ndarray | None:
        """How probable it is that each picture is meant by its words; None if no picture bears any.

        Shapes:
            returns: (N,), float32; 0 where its words say nothing
        """
        if not self.rows:
            return None
        found = np.zeros(self.count, np.float32)
        asked, core = pieces(query), "".join(_told(query))
        if not asked:
            return found
        weights = np.array([min(len(piece), 6) for piece in asked], np.float32)
        alike = [self._alike(piece) for piece in asked]
        short = len(core) < 2 or (len(core) < 3 and not _HAN.search(core))
        for row, squashed, bag in zip(self.rows, self._squashed, self._bags, strict=True):
            if len(core) >= 4 and core in squashed:
                found[row] = WHOLE
                continue
            has = [_bears(p, more, squashed, bag) for p, more in zip(asked, alike, strict=True)]
            share = float(weights[has].sum() / weights.sum())
            if share >= ENOUGH:
                found[row] = (0.6 if short else ALL) * share**2
        return found

    def _alike(self, piece: str) -> frozenset[str]:
        """Words of the library that differ from a long one by one letter."""
        if len(piece) < LONG or _HAN.search(piece):
            return frozenset()
        return frozenset(word for word in self._vocabulary if nearly(piece, word))


def _bears(piece: str, alike: Iterable[str], squashed: str, bag: frozenset[str]) -> bool:
    if _HAN.match(piece) or len(piece) >= 4:
        return piece in squashed or not bag.isdisjoint(alike)
    return piece in bag


def nearly(one: str, other: str) -> bool:
    """Whether two words differ by at most one letter: another, one more, or one less.

    Example:
        >>> nearly("parking", "parkng"), nearly("parking", "barking"), nearly("parking", "packings")
        (True, True, False)
    """
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) == len(long):
        return short[start + 1 :] == long[start + 1 :]
    return short[start:] == long[start + 1 :]
