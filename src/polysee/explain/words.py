"""Which words of a text carried what a classifier says of it.

A word's weight is how much the log odds of a label fall when the word is left out (Li, Monroe and Jurafsky 2016,
https://arxiv.org/abs/1612.08220). A long text is looked at piece by piece, since then each word is left out of its own
surroundings alone; of the pieces only those that say most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from polysee.inference import TextClassifier

PIECE_WORDS = 48
MOST_PIECES = 8

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")
_HAN = re.compile(r"[\u3400-\u9fff]+")


@dataclass(frozen=True)
class Word:
    """A word, where it stands in the text, and what it speaks for.

    Args:
        weight: above 0 speaks for the label; 0 of a word that was not looked at.
    """

    text: str
    start: int
    end: int
    weight: float


def word_weights(model: TextClassifier, text: str, label: int) -> list[Word]:
    """Every word of a text with what it speaks for.

    Args:
        label: the number of the label.
    """
    spans = word_spans(model, text)
    pieces = [spans[i : i + PIECE_WORDS] for i in range(0, len(spans), PIECE_WORDS)]
    bounds = [0, *(piece[0][0] for piece in pieces[1:]), len(text)]
    texts = [text[first:last] for first, last in pairwise(bounds)]
    whole = _log_odds(model, texts, label)
    looked_at = set(np.argsort(-np.abs(whole), kind="stable")[:MOST_PIECES].tolist())
    words: list[Word] = []
    for number, piece in enumerate(pieces):
        weights = np.zeros(len(piece))
        if number in looked_at:
            first = bounds[number]
            own = texts[number]
            without = [own[: start - first] + own[end - first :] for start, end in piece]
            weights = whole[number] - _log_odds(model, without, label)
        words.extend(
            Word(text[start:end], start, end, float(weight))
            for (start, end), weight in zip(piece, weights, strict=True)
        )
    return words


def word_spans(model: TextClassifier, text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end: of Chinese, what the tokenizer takes for words.

    Marks that stand alone are none, but for those that shout or ask.
    """
    found = []
    for match in _WORD.finditer(text):
        shown = match.group()
        if not re.search(r"\w", shown):
            if shown in "!?！？" or ord(shown) > 0x1F000:
                found.append(match.span())
            continue
        last = match.start()
        for han in _HAN.finditer(text, match.start(), match.end()):
            if han.start() > last:
                found.append((last, han.start()))
            found.extend(_chinese(model, text, *han.span()))
            last = han.end()
        if match.end() > last:
            found.append((last, match.end()))
    return found


def _chinese(model: TextClassifier, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The tokens of a run of Chinese; bytes of one character are together."""
    encoding = model.tokenizer.backend.encode(text[start:end], add_special_tokens=False)
    cuts = sorted({start, end} | {start + first for first, _ in encoding.offsets})
    yield from pairwise(cuts)


def _log_odds(model: TextClassifier, texts: Sequence[str], label: int) -> np.ndarray:
    """Shapes: returns (texts,)."""
    logits = model.logits(texts).double().numpy()
    others = np.delete(logits, label, axis=1)
    highest = others.max(1, keepdims=True)
    summed = np.log(np.exp(others - highest).sum(1)) + highest[:, 0]
    return logits[:, label] - summed
