"""Tiny ImageNet to photos/tiny-imagenet: 200 kinds of thing at 64 pixels.

Origin:  Stanford CS231n; a subset of ImageNet (Russakovsky et al. 2015)
Licence: non-commercial research and education
Archive: tiny-imagenet-200.zip

    python recipes/data/tiny_imagenet.py --source tiny-imagenet-200.zip --out DATA

300 of each class's 500 training pictures, chosen by the hash of their names, become train-0,
train-1 and train-2, each with 100 a class (WebP quality 61); half of the official validation
pictures become validation, the other half test (quality 80). The official test has no labels.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import pyarrow as pa
from _common import (
    Archive,
    Report,
    Row,
    command,
    rank,
    read_labels,
    read_picture_of,
    split,
    webp,
    write,
)

from polysee.errors import DataError

SCHEMA = pa.schema(
    [
        ("image", pa.binary()),
        ("label", pa.int32()),
        ("label_en", pa.string()),
        ("label_zh", pa.string()),
        ("wnid", pa.string()),
    ]
)
PER_SHARD = 0.2  # of a class's 500 pictures: 100


def classes_of(archive: Archive) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The members of each class: of the training folders, and of the validation folder."""
    train: dict[str, list[str]] = defaultdict(list)
    check: dict[str, list[str]] = defaultdict(list)
    annotations = archive.find("val/val_annotations.txt")
    folder = PurePosixPath(annotations).parent
    wnids = {
        line.split("\t")[0]: line.split("\t")[1]
        for line in archive.text("val/val_annotations.txt").splitlines()
        if line
    }
    for name in archive.names():
        path = PurePosixPath(name)
        if path.suffix != ".JPEG":
            continue
        if path.is_relative_to(folder):
            check[wnids[path.name]].append(name)
        elif path.parts[-4:-3] == ("train",):
            train[path.parts[-3]].append(name)
    return train, check


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    labels = {row["wnid"]: row for row in read_labels("tiny-imagenet")}
    train, check = classes_of(archive)
    if unknown := sorted(set(train) - set(labels)):
        raise DataError(f"{options.source}: classes that Tiny ImageNet lacks: {unknown[:3]}")

    wnids: dict[str, str] = {}  # of each wanted member
    parts: dict[str, list[str]] = defaultdict(list)
    for wnid, names in train.items():
        for part, cut in enumerate(split(names, PER_SHARD, PER_SHARD, PER_SHARD)[:3]):
            parts[f"train-{part}"] += cut
            wnids |= dict.fromkeys(cut, wnid)
    for wnid, names in check.items():
        for part, cut in zip(("validation", "test"), split(names, 0.5), strict=True):
            parts[part] += cut
            wnids |= dict.fromkeys(cut, wnid)

    rows: dict[str, Row] = {}
    held = set(parts["validation"]) | set(parts["test"])
    for name, data in archive.walk(wnids, report):
        picture = read_picture_of(data, name, report)
        if picture is not None:
            label = labels[wnids[name]]
            image = webp(picture, quality=80 if name in held else 61)
            rows[name] = {**label, "label": int(label["label"]), "image": image}
    for part, names in parts.items():
        found = [rows[name] for name in sorted(names, key=rank) if name in rows]
        write(options.out / "photos" / "tiny-imagenet" / f"{part}.parquet", found, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
