"""How well `polysee duplicates` tells identical files, variants and bursts from other pictures.

    python -m benchmarks.duplicates [--pictures 1000] [--seed 0]

prints JSON. Flickr8k validation is written as a folder of JPEG files. A third of the pictures gets one
more file each: a copy; a variant (JPEG or WebP of quality 25-90, or 0.3-1.6 times the size, or both); or
another shot (cut, turned, lightened a little, and the time of both a second or two apart). As traps, some
different pictures carry the same second. Precision and recall are over pairs of files, in all and by class;
a pair counts for its class only if the group has that class. The limits of variants were chosen on made variants
of these pictures and confirmed on training ones; those of bursts rest on two small runs.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import wilson
from polysee.library import Library
from polysee.library.duplicates import CLASSES
from polysee.media.image import read_image

FLICKR = "captions/flickr8k/validation"
Pair = frozenset[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked.pictures, asked.seed), indent=2))


def measure(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Make the folder, index it, and compare the groups with what was made."""
    dice = random.Random(seed)
    truth: dict[Pair, str] = {}
    (folder / "pictures").mkdir()
    for number, row in enumerate(read_rows(FLICKR, ["image"])[:count]):
        image = read_image(row["image"])
        made = make(folder / "pictures", number, image, dice)
        if made is not None:
            truth[frozenset(made[1:])] = made[0]
    library = Library(folder / "library")
    library.index(folder / "pictures")
    found: dict[Pair, str] = {}
    for group in library.duplicates():
        names = [Path(path).name for path in group.paths]
        found |= {frozenset(pair): group.kind for pair in combinations(names, 2)}
    wrong = {"missed": _named(truth, found), "invented": _named(found, truth)}
    return {"pictures": count, "seed": seed, **compare(truth, found), **wrong}


def make(
    folder: Path, number: int, image: Image.Image, dice: random.Random
) -> tuple[str, str, str] | None:
    """Write a picture, and for every third one a second file; its class and the names of both."""
    kind = CLASSES[number // 3 % 3] if number % 3 == 0 else None
    when = 1_600_000_000 + (0 if number % 50 == 7 else number * 3600)  # the traps share a second
    one, other = folder / f"{number:04}.jpg", folder / f"{number:04} again"
    dated = kind == "burst" or number % 2 == 1
    save(image, one, 92, when if dated else None)
    if kind == "identical":
        other = other.with_suffix(".jpg")
        other.write_bytes(one.read_bytes())
    elif kind == "variant":
        other = vary(image, other, dice)
    elif kind == "burst":
        other = other.with_suffix(".jpg")
        save(move(image, dice), other, 92, when + dice.randint(1, 2))
    return None if kind is None else (kind, one.name, other.name)


def save(image: Image.Image, file: Path, quality: int, when: int | None = None) -> None:
    """Write a JPEG, with the time it was taken."""
    exif = Image.Exif()
    if when is not None:
        from datetime import UTC, datetime

        exif.get_ifd(0x8769)[0x9003] = f"{datetime.fromtimestamp(when, UTC):%Y:%m:%d %H:%M:%S}"
    image.save(file, "JPEG", quality=quality, exif=exif)


def vary(image: Image.Image, file: Path, dice: random.Random) -> Path:
    """Encode or scale anew, or both."""
    how = dice.choice(["encode", "scale", "both"])
    if how != "encode":
        factor = dice.uniform(0.3, 1.6)
        size = [max(24, round(side * factor)) for side in image.size]
        filters = [Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
        image = image.resize((size[0], size[1]), dice.choice(filters))
    form = dice.choice(["JPEG", "WEBP"])
    file = file.with_suffix(".jpg" if form == "JPEG" else ".webp")
    image.save(file, form, quality=95 if how == "scale" else dice.randint(25, 90))
    return file


def move(image: Image.Image, dice: random.Random) -> Image.Image:
    """As a second shot from the same hand: the frame a little elsewhere, the light a little other."""
    width, height = image.size
    share = dice.uniform(0.90, 0.95)
    left = dice.uniform(0, 1 - share) * width
    top = dice.uniform(0, 1 - share) * height
    box = (round(left), round(top), round(left + share * width), round(top + share * height))
    turned = image.rotate(dice.uniform(-1.5, 1.5), Image.Resampling.BILINEAR).crop(box)
    return ImageEnhance.Brightness(turned.resize(image.size)).enhance(dice.uniform(0.93, 1.07))


def compare(truth: dict[Pair, str], found: dict[Pair, str]) -> dict[str, Any]:
    """Precision and recall over pairs; whatever class for `all`."""
    scores: dict[str, Any] = {"all": _score(set(truth), set(found))}
    sides: dict[str, list[set[Pair]]] = defaultdict(lambda: [set(), set()])
    for side, pairs in enumerate((truth, found)):
        for pair, kind in pairs.items():
            sides[kind][side].add(pair)
    return scores | {kind: _score(*sides[kind]) for kind in CLASSES}


def _score(truth: set[Pair], found: set[Pair]) -> dict[str, Any]:
    right = len(truth & found)
    return {
        "precision": right / max(1, len(found)),
        "precision_interval": vars(wilson(right, max(1, len(found)))),
        "recall": right / max(1, len(truth)),
        "recall_interval": vars(wilson(right, max(1, len(truth)))),
        "pairs": len(truth),
    }


def _named(some: dict[Pair, str], others: dict[Pair, str]) -> list[str]:
    wrong = [(kind, pair) for pair, kind in some.items() if others.get(pair) != kind]
    return [f"{kind}: {', '.join(sorted(pair))}" for kind, pair in wrong][:40]


if __name__ == "__main__":
    main()
