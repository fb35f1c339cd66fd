"""What "without" is worth: "X without Y" and "没有Y的X" for pairs of VOC classes.

    python -m benchmarks.negation

prints JSON. Every pair with at least 5 validation pictures of both and at least 12 of X alone is
asked, in both languages: how many of the first ten pictures that a search shows hold Y (they should
not) and X (they should). `as_one_sentence` stands beside it: the whole query as one vector, as a
search that does not read negation would do. Intervals are over pairs, drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from benchmarks.pictures import embed, parse, present

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import bootstrap
from polysee.inference import Embedder
from polysee.library.calibration import Calibration, Sought
from polysee.library.query import parse_query
from polysee.library.ranking import keep_out, rank, seek

VOC = "photos/voc-scenes/validation"
TOP = 10
BOTH, ALONE = 5, 12
PATTERNS = {"en": "{x} without {y}", "zh": "没有{y}的{x}"}
MOST_EXCLUDED, LEAST_WANTED = 0.08, 0.70


def measure(embedder: Embedder, calibration: Calibration) -> dict[str, Any]:
    """All pairs, both languages, with and without reading the negation."""
    rows = read_rows(VOC, ["labels_en", "labels_zh"])
    vectors = embed(embedder, VOC)
    names = {
        en: zh for row in rows for en, zh in zip(row["labels_en"], row["labels_zh"], strict=True)
    }
    shows = {name: np.array([name in row["labels_en"] for row in rows]) for name in names}
    queries = [
        (x, y, language, pattern.format(x=spell(x), y=spell(y)))
        for x, y in pairs(shows)
        for language, pattern in PATTERNS.items()
        for spell in [names.__getitem__ if language == "zh" else str]
    ]
    read: list[dict[str, Any]] = []
    unread: list[dict[str, Any]] = []
    for x, y, language, text in queries:
        parsed = parse_query(text)
        wanted = seek(embedder, [parsed.wanted])
        excluded = keep_out(embedder, parsed.excluded, parsed.wanted)
        found = rank(calibration, vectors, [(1.0, wanted[0])], excluded)
        whole = Sought(embedder.embed_text([text])[0], text)
        plain = rank(calibration, vectors, [(1.0, whole)])
        for results, ranking in ((read, found), (unread, plain)):
            results.append(
                {
                    "query": text,
                    "language": language,
                    **_shares(ranking.best(TOP), shows[x], shows[y]),
                }
            )
    return {**summarise(read), "as_one_sentence": summarise(unread), "pairs": read}


def pairs(shows: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """The pairs that are common enough to ask for."""
    return [
        (x, y)
        for x, y in permutations(sorted(shows), 2)
        if (shows[x] & shows[y]).sum() >= BOTH and (shows[x] & ~shows[y]).sum() >= ALONE
    ]


def _shares(first: np.ndarray, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Nothing shown holds nothing excluded, but nothing wanted either."""
    shown = len(first)
    return {
        "shown": shown,
        "wanted": float(x[first].mean()) if shown else 0.0,
        "excluded": float(y[first].mean()) if shown else 0.0,
    }


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over pairs and languages, and how many pairs keep within the bounds by themselves."""
    column = {
        key: np.array([one[key] for one in results]) for key in ("wanted", "excluded", "shown")
    }
    groups = np.arange(len(results)) // len(PATTERNS)
    good = (column["excluded"] <= MOST_EXCLUDED) & (column["wanted"] >= LEAST_WANTED)
    return {
        "excluded_in_first_ten": float(column["excluded"].mean()),
        "excluded_interval": vars(bootstrap(column["excluded"], groups)),
        "wanted_in_first_ten": float(column["wanted"].mean()),
        "wanted_interval": vars(bootstrap(column["wanted"], groups)),
        "shown": float(column["shown"].mean()),
        "queries": len(results),
        "queries_within_both_bounds": float(good.mean()),
    }


if __name__ == "__main__":
    embedder, calibration, _ = parse(__doc__)
    present(measure(embedder, calibration))
