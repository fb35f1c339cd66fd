"""FER2013 with the votes of FER+ to faces/expressions: faces at 48 pixels, 7 expressions.

Origin:  Goodfellow et al.: Challenges in Representation Learning, 2013; Barsoum et al.: Training
         deep networks for facial expression recognition with crowd-sourced labels, ICMI 2016
Licence: photographs for research; votes MIT (microsoft/FERPlus)
Archive: fer2013.csv and fer2013new.csv

    python recipes/data/expressions.py --source fer2013.csv --votes fer2013new.csv --out DATA

A picture's label is the expression that most of its ten voters chose; pictures without one such,
or whose winner is contempt, unknown or no face, are left out. At most 2,000 of each expression are
kept; 75 % of these go to train, 12.5 % to validation, the rest to test, by the hash of their ids.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from _common import Report, Row, command, rank, read_labels, split, webp, write
from PIL import Image

from polysee.errors import DataError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.binary()),
        ("label", pa.int32()),
        ("label_en", pa.string()),
        ("label_zh", pa.string()),
        ("agreement", pa.float32()),
        ("votes", pa.string()),
    ]
)
SIDE, MOST = 48, 2000
CHOICES = {  # FER+'s column: our word
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "contempt": "contempt",
    "unknown": "unknown",
    "NF": "not a face",
}


def verdict(line: dict[str, str]) -> tuple[str, float, dict[str, int]] | None:
    """The winner, its share of the votes, and the votes; None without a single winner."""
    votes = {word: int(line[column]) for column, word in CHOICES.items() if int(line[column])}
    first = max(votes, key=lambda word: votes[word], default="")
    if not votes or list(votes.values()).count(votes[first]) > 1:
        return None
    return first, votes[first] / sum(votes.values()), votes


def face(pixels: str) -> Image.Image:
    values = np.array(pixels.split(), dtype=np.uint8)
    return Image.fromarray(values.reshape(SIDE, SIDE)).convert("RGB")


def read_rows(options: argparse.Namespace, report: Report) -> dict[str, dict[str, Row]]:
    """The usable rows of each expression, by id. FER2013 and FER+ go line by line together."""
    labels = {row["label_en"]: row for row in read_labels("expressions")}
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    with (
        options.source.open(encoding="utf-8", newline="") as pictures,
        options.votes.open(encoding="utf-8", newline="") as votes,
    ):
        for number, (picture, line) in enumerate(
            zip(csv.DictReader(pictures), csv.DictReader(votes), strict=False)
        ):
            key = f"fer{number:07d}"
            try:
                result = verdict(line)
                if result is None or result[0] not in labels:
                    continue
                image = webp(face(picture["pixels"]))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                report.skip(f"{options.source.name} {key}", f"not a face of 48 x 48 ({error})")
                continue
            label = labels[result[0]]
            found[result[0]][key] = {
                **label,
                "id": key,
                "image": image,
                "label": int(label["label"]),
                "agreement": result[1],
                "votes": json.dumps(result[2]),
            }
    return found


def build(options: argparse.Namespace, report: Report) -> None:
    for path in (options.source, options.votes):
        if not path.is_file():
            raise DataError(f"{path}: no such file")
    found = read_rows(options, report)
    if not found:
        raise DataError(f"{options.source}, {options.votes}: no face with a winner")
    rows = {key: row for kind in found.values() for key, row in kind.items()}
    parts = [split(split(kind, MOST)[0], 0.75, 0.125) for kind in found.values()]
    for place, part in enumerate(("train", "validation", "test")):
        keys = sorted((key for cut in parts for key in cut[place]), key=rank)
        path = options.out / "faces" / "expressions" / f"{part}.parquet"
        write(path, [rows[key] for key in keys], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    more = {"votes": "fer2013new.csv of microsoft/FERPlus"}
    return command(__doc__, build, argv, sources="fer2013.csv", more=more)


if __name__ == "__main__":
    sys.exit(main())
