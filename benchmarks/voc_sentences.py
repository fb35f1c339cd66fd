"""Sentences of two things that stand together, on VOC validation.

    python -m benchmarks.voc_sentences

prints JSON: for each sentence how many of the first five pictures that a search shows hold both
things, and in how many of those the two touch, by VOC's boxes, those it calls difficult included.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from benchmarks.pictures import embed, parse, present

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import wilson
from polysee.inference import Embedder
from polysee.library.calibration import Calibration
from polysee.library.ranking import rank, seek

VOC = "photos/voc-scenes/validation"
TOP = 5
SENTENCES = (
    ("一只坐在沙发上的猫", "cat", "sofa"),
    ("a cat sitting on a sofa", "cat", "sofa"),
    ("a person on a horse", "person", "horse"),
    ("骑马的人", "person", "horse"),
    ("someone riding a bicycle", "person", "bicycle"),
    ("骑自行车的人", "person", "bicycle"),
)


def measure(embedder: Embedder, calibration: Calibration) -> dict[str, Any]:
    """The first five of every sentence."""
    rows = [json.loads(row["boxes"]) for row in read_rows(VOC, ["boxes"])]
    shows = [{box["en"] for box in row} for row in rows]
    vectors = embed(embedder, VOC)
    results = []
    for text, upper, lower in SENTENCES:
        ranking = rank(calibration, vectors, [(1.0, seek(embedder, [text])[0])])
        first = ranking.best(TOP)
        both = [{upper, lower} <= shows[row] for row in first]
        results.append(
            {
                "query": text,
                "shown": int(ranking.shown.sum()),
                "both": sum(both),
                "touching": sum(_touch(rows[row], upper, lower) for row in first),
                upper: sum(upper in shows[row] for row in first),
                "in_the_library": sum({upper, lower} <= one for one in shows),
                "relevance": np.round(ranking.relevance[first], 3).tolist(),
            }
        )
    right = sum(result["both"] for result in results)
    return {
        "both_in_first_five": right / (TOP * len(SENTENCES)),
        "interval": vars(wilson(right, TOP * len(SENTENCES))),
        "count": len(rows),
        "sentences": results,
    }


def _touch(every: list[dict[str, Any]], upper: str, lower: str) -> bool:
    pairs = (
        (a["box"], b["box"]) for a in every for b in every if (a["en"], b["en"]) == (upper, lower)
    )
    return any(
        min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]) for a, b in pairs
    )


if __name__ == "__main__":
    embedder, calibration, _ = parse(__doc__)
    present(measure(embedder, calibration))
