"""Which pictures a search shows, and in which order: relevance, exclusion, the cut.

`Library.search` and the benchmarks both go through `rank`: what is measured is what people get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from polysee.inputs.prompts import is_chinese, is_name
from polysee.library.calibration import JUDGED, SHOWS_BOTH, Calibration, Sought
from polysee.library.similarity import best, product, rounding, similarities, single


@dataclass(frozen=True)
class Ranking:
    """What a search makes of every picture.

    Shapes:
        score: (N,), similarity to what is wanted; 0 where nothing is. Of a large library exact where
            it was judged, and within `similarity.rounding` elsewhere
        relevance: (N,), the probability that it is wanted and shows nothing excluded
        margin: (N,), the log odds that it is wanted, less those that something excluded is there, and less what
            naming that adds; minus infinity where it does not pass
        shown: (N,) bool, whether it passes
    """

    score: np.ndarray
    relevance: np.ndarray
    margin: np.ndarray
    shown: np.ndarray

    def best(self, top: int) -> np.ndarray:
        """The rows of the best pictures that pass, by margin, then by score."""
        rows = np.flatnonzero(self.shown)
        if len(rows) > 4 * top:  # do not sort what cannot be among them
            margin = self.margin[rows]
            least = np.partition(margin, -top)[-top]
            above, even = rows[margin > least], rows[margin == least]
            rows = np.concatenate([above, best(self.score, even, top - len(above))])
        return rows[np.lexsort((-self.score[rows], -self.margin[rows]))[:top]]


class TextEmbedder(Protocol):
    """What is asked of a model here; `polysee.inference.Embedder` is one."""

    def embed_text(self, texts: Sequence[str], /) -> np.ndarray: ...

    def embed_labels(self, labels: Sequence[str], /) -> np.ndarray: ...


def seek(embedder: TextEmbedder, texts: Sequence[str]) -> list[Sought]:
    """Give words their vectors: names in the model's templates, sentences as they stand."""
    found: dict[str, Sought] = {}
    for names, embed in ((True, embedder.embed_labels), (False, embedder.embed_text)):
        group = [text for text in dict.fromkeys(texts) if is_name(text) is names]
        if group:
            vectors = embed(group)
            found |= {
                text: Sought(vector, text) for text, vector in zip(group, vectors, strict=True)
            }
    return [found[text] for text in texts]


def keep_out(embedder: TextEmbedder, texts: Sequence[str], wanted: str | None) -> list[Sought]:
    """Give words for what must not be seen their vectors, alone and beside the words for what is wanted."""
    found = seek(embedder, texts)
    if not wanted or not found:
        return found
    both = [together for text in texts for together in _together(wanted, text)]
    alone, *others = embedder.embed_text([wanted, *both])
    pairs = np.stack(others).reshape(len(texts), -1, len(alone)).mean(1)  # (texts, E)
    added = pairs - (pairs @ alone)[:, None] * alone
    return [replace(one, beside=part) for one, part in zip(found, added, strict=True)]


def _together(wanted: str, excluded: str) -> tuple[str, str]:
    if is_chinese(wanted + excluded):
        return f"{wanted}和{excluded}", f"有{excluded}的{wanted}"
    return f"{wanted} and {excluded}", f"{wanted} with {excluded}"


def rank(
    calibration: Calibration,
    vectors: np.ndarray,
    wanted: Sequence[tuple[float, Sought]],
    excluded: Sequence[Sought] = (),
    *,
    allowed: np.ndarray | None = None,
    everything: bool = False,
    borne: np.ndarray | None = None,
) -> Ranking:
    """Judge a library's pictures.

    Args:
        wanted: what is looked for, each with its weight; empty for anything that is not excluded.
        excluded: what must not be seen.
        allowed: which pictures are asked about, such as a folder's; all by default.
        everything: let pass what is hardly relevant, too.
        borne: how probable it is that the words in a picture are those asked for; either is enough.
    Shapes:
        vectors: (N, E), unit length, float32 or float16
        allowed, borne: (N,)
    """
    shown = np.ones(len(vectors), bool) if allowed is None else allowed.copy()
    total = sum(weight for weight, _ in wanted)
    shares = [
        (weight / total, sought, similarities(vectors, sought.vector)) for weight, sought in wanted
    ]
    score = sum((share * own for share, _, own in shares), np.zeros(len(vectors), np.float32))
    relevance = np.ones(len(vectors), np.float32)
    if wanted:
        rows = _judged(vectors, shares, score, np.flatnonzero(shown))
        judged = np.ones(len(rows), np.float32)
        for share, sought, own in shares:  # it has to fit all of them
            judged *= calibration.relevance(vectors[rows], sought, among=own) ** share
        relevance = np.zeros(len(vectors), np.float32)
        relevance[rows] = judged
        if borne is not None:
            relevance = 1 - (1 - relevance) * (1 - borne)
    if not everything:
        shown &= relevance >= sum(share * calibration.cut(sought) for share, sought, _ in shares)
    margin = _margin(relevance, shown)
    for sought in excluded:
        rows = np.flatnonzero(shown)
        asked = vectors if len(rows) == len(vectors) else vectors[rows]  # spare a large copy
        present = calibration.presence(asked, sought)
        relevance[rows] *= 1 - present
        margin[rows] -= calibration.caution * _log_odds(present)
        shown[rows] = present < calibration.absent
        if sought.beside is not None:
            added = calibration.added(asked, sought, among=vectors)
            margin[rows] -= added
            shown[rows] &= added < SHOWS_BOTH
    return Ranking(score, relevance, margin, shown)


def _judged(
    vectors: np.ndarray,
    shares: Sequence[tuple[float, Sought, np.ndarray]],
    score: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Those of the rows whose scores are worth judging; their scores become exact."""
    slack = sum(share * rounding(vectors, sought.vector) for share, sought, _ in shares)
    likely = best(score, rows, JUDGED, slack)
    exact = single(vectors[likely])
    score[likely] = sum(share * product(exact, sought.vector) for share, sought, _ in shares)
    return best(score, likely, JUDGED)


def _margin(relevance: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Log odds of what is shown. Of a large library hardly any picture is relevant at all."""
    margin = np.full(len(relevance), _log_odds(np.zeros(1, np.float32))[0], np.float32)
    rows = np.flatnonzero(relevance)
    margin[rows] = _log_odds(relevance[rows])
    margin[~shown] = -np.inf
    return margin


def _log_odds(probability: np.ndarray) -> np.ndarray:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))
