"""What a picture and words find together: "like this one, but with a dog", on VOC's scenes.

    python -m benchmarks.picture_plus_words

prints JSON. A picture shows X and no Y; the words are "with a Y" or 有Y; wanted are the pictures that
show both. Every pair of classes that at least `BOTH` validation pictures show together is asked, in
both orders and both languages, by up to `EXAMPLES` pictures drawn by a fixed seed; the picture itself
takes no part. `found` is the share of the first ten that show both, out of as many as there can be.

The picture's share of the weight runs from 0 (words alone) to 1 (picture alone). Every second pair
chooses it, by the mean over both languages; the other pairs report, with 95 % intervals over pairs,
drawn again. `named` is what the words find once they name X, too. Searches have no cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from benchmarks.pictures import embed, parse, present

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import bootstrap
from polysee.inference import Embedder
from polysee.library.calibration import JUDGED, Calibration, Sought
from polysee.library.ranking import seek
from polysee.library.similarity import best
from polysee.library.weights import IMAGE_WEIGHT, TEXT_WEIGHT

VOC = "photos/voc-scenes/validation"
TOP = 10
BOTH, EXAMPLES = 5, 5
SHARES = tuple(round(0.1 * step, 1) for step in range(11))
WORDS = {"en": "with {y}", "zh": "有{y}"}
NAMED = {"en": "{x} with {y}", "zh": "{x}和{y}"}


@dataclass(frozen=True)
class Case:
    """One picture and what is said beside it.

    Args:
        pair: the number of the two classes, in any order.
        row: the picture.
        wanted: (N,) bool, the pictures that show both.
    """

    pair: int
    language: str
    words: str
    named: str
    row: int
    wanted: np.ndarray


class Searches:
    """Searches of VOC's pictures that are asked again and again, at other weights.

    What `rank` does at a weight is a mixture of what it knows of each part, so each part is judged once.
    """

    def __init__(self, calibration: Calibration, vectors: np.ndarray) -> None:
        self.calibration, self.vectors = calibration, vectors
        self.known: dict[str | int, tuple[np.ndarray, np.ndarray]] = {}

    def part(self, key: str | int, sought: Sought) -> tuple[np.ndarray, np.ndarray]:
        """Scores and relevance of all pictures, (N,) each."""
        if key not in self.known:
            relevance = self.calibration.relevance(self.vectors, sought)
            self.known[key] = self.vectors @ sought.vector, relevance
        return self.known[key]

    def first(self, words: Sought, row: int, share: float) -> np.ndarray:
        """The first ten of a search for words and a picture, without the picture itself; see `rank`."""
        assert words.text is not None
        one = self.part(words.text, words)
        two = self.part(row, Sought(self.vectors[row]))
        score = (1 - share) * one[0] + share * two[0]
        others = np.delete(np.arange(len(score)), row)
        rows = best(score, others, JUDGED)
        relevance = one[1][rows] ** (1 - share) * two[1][rows] ** share
        order = np.lexsort((-score[rows], -np.clip(relevance, 1e-6, 1 - 1e-6)))
        return rows[order[:TOP]]


def measure(embedder: Embedder, calibration: Calibration) -> dict[str, Any]:
    """The choice on one half of the pairs, and what it is worth on the other."""
    searches = Searches(calibration, embed(embedder, VOC))
    asked = list(cases())
    texts = [text for case in asked for text in (case.words, case.named)]
    sought = dict(zip(texts, seek(embedder, texts), strict=True))

    def found(case: Case, text: str, share: float) -> float:
        first = searches.first(sought[text], case.row, share)
        return float(case.wanted[first].sum() / min(TOP, case.wanted.sum()))

    by_share = {share: np.array([found(c, c.words, share) for c in asked]) for share in SHARES}
    named = np.array([found(case, case.named, 0) for case in asked])
    chooses = np.array([case.pair % 2 == 0 for case in asked])
    curve = {share: float(values[chooses].mean()) for share, values in by_share.items()}
    chosen = max(SHARES, key=lambda share: curve[share])
    default = IMAGE_WEIGHT / (TEXT_WEIGHT + IMAGE_WEIGHT)
    nearest = min(SHARES, key=lambda share: abs(share - default))
    shown = {"words": 0.0, "picture": 1.0, "even": 0.5, "chosen": chosen, "default": nearest}
    columns = {name: by_share[share][~chooses] for name, share in shown.items()}
    columns["named"] = named[~chooses]
    for alone in ("words", "picture"):
        columns[f"chosen_less_{alone}"] = columns["chosen"] - columns[alone]
    rest = [case for case, first in zip(asked, chooses, strict=True) if not first]
    return {
        "chosen_share_of_the_picture": chosen,
        "default_share_of_the_picture": default,
        "by_share": curve,
        "pairs": len({case.pair for case in asked}),
        "pairs_that_report": len({case.pair for case in rest}),
        "both_languages": _report(columns, rest, list(WORDS)),
        "by_language": {language: _report(columns, rest, [language]) for language in WORDS},
    }


def cases() -> Iterator[Case]:
    """Every picture that is asked with, in both languages."""
    rows = read_rows(VOC, ["labels_en", "labels_zh"])
    names = {
        en: zh for row in rows for en, zh in zip(row["labels_en"], row["labels_zh"], strict=True)
    }
    shows = {name: np.array([name in row["labels_en"] for row in rows]) for name in sorted(names)}
    pairs = [(a, b) for a, b in combinations(shows, 2) if (shows[a] & shows[b]).sum() >= BOTH]
    for number, pair in enumerate(pairs):
        for x, y in permutations(pair):
            alone = np.flatnonzero(shows[x] & ~shows[y])
            dice = np.random.default_rng(number)
            for row in dice.permutation(alone)[:EXAMPLES].tolist():
                for language in WORDS:
                    spell = names.__getitem__ if language == "zh" else with_article
                    said = {"x": spell(x), "y": spell(y)}
                    words, named = (form[language].format(**said) for form in (WORDS, NAMED))
                    yield Case(number, language, words, named, row, shows[x] & shows[y])


def with_article(name: str) -> str:
    """
    Example:
        >>> with_article("airplane")
        'an airplane'
    """
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _report(
    columns: dict[str, np.ndarray], asked: Sequence[Case], languages: Sequence[str]
) -> dict[str, Any]:
    kept = np.array([case.language in languages for case in asked])
    pairs = np.array([case.pair for case in asked])[kept]
    return {
        name: {"found": float(values[kept].mean()), **vars(bootstrap(values[kept], pairs))}
        for name, values in columns.items()
    } | {"searches": int(kept.sum())}


if __name__ == "__main__":
    embedder, calibration, _ = parse(__doc__)
    present(measure(embedder, calibration))
