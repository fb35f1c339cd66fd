"""Caltech-101 by names alone, and apart what ImageNet has a class for and what it has none for.

    python -m benchmarks.caltech

prints JSON, in both languages. The picture tower saw ImageNet's thousand classes before it saw anything else; what
lies outside of them it has to know from captions. `OUTSIDE` was made by reading both lists of names, not results: a
class is inside where ImageNet has a class for the thing or for a kind of it (an airliner is an airplane). Pictures
of both parts are told from all hundred classes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from benchmarks.pictures import embed, parse, present

from polysee.datasets.tables import read_rows
from polysee.evaluation.zero_shot import summarise
from polysee.inference import Embedder

CALTECH = "photos/caltech-101/validation"
OUTSIDE = {
    "human face", "motorcycle", "ship anchor", "bass fish", "bonsai tree", "human brain", "brontosaurus",
    "buddha statue", "ceiling fan", "chandelier", "dolphin", "dollar bill", "emu", "euphonium", "ferry boat",
    "garfield cartoon cat", "gerenuk antelope", "gramophone", "hawksbill sea turtle", "headphones", "hedgehog",
    "helicopter", "ibis bird", "inline skate", "joshua tree", "kangaroo", "ketch sailboat", "lotus flower",
    "mandolin", "mayfly", "menorah", "metronome", "minaret", "octopus", "okapi", "pagoda", "pigeon", "pyramid",
    "rhinoceros", "scissors", "seahorse", "snoopy cartoon dog", "stapler", "stegosaurus", "stop sign", "sunflower",
    "water lily", "wheelchair", "wildcat", "windsor chair", "wrench", "yin yang symbol",
}  # fmt: skip


def measure(embedder: Embedder) -> dict[str, Any]:
    """Top-1 and its mean per class, with 95 % intervals."""
    pictures = embed(embedder, CALTECH)
    result: dict[str, Any] = {}
    for language in ("en", "zh"):
        rows = read_rows(CALTECH, ["label", "label_en", f"label_{language}"])
        classes = {row["label"]: row for row in rows}
        place = {label: number for number, label in enumerate(classes)}
        names = [row[f"label_{language}"] for row in classes.values()]
        truth = np.array([place[row["label"]] for row in rows])
        outside = np.array([row["label_en"] in OUTSIDE for row in rows])
        scores = embedder.compare(pictures, embedder.embed_labels(names))  # (N, C)
        parts = {"all": outside | True, "in_imagenet": ~outside, "outside_imagenet": outside}
        result[language] = {}
        for name, part in parts.items():
            found = asdict(summarise(scores[part], truth[part], names, []))
            for key in ("per_class", "failed"):
                del found[key]
            result[language][name] = found | {"classes": len(set(truth[part]))}
    return result


if __name__ == "__main__":
    present(measure(parse(__doc__)[0]))
