"""Caltech-101 to photos/caltech-101: 100 kinds of object.

Origin:  Li, Andreeto, Ranzato, Perona: Caltech 101, doi 10.22002/D1.20086
Licence: CC BY 4.0, as its page states
Archive: caltech-101.zip, or the 101_ObjectCategories.tar.gz inside it

    python recipes/data/caltech_101.py --source caltech-101.zip --out DATA

`BACKGROUND_Google` and `Faces_easy` (the pictures of `Faces`, cut closer) are left out. 70 % of
each class go to train, 15 % to validation, the rest to test, by the hash of class and file name.
Pictures keep their shape; the short side becomes at most 96 pixels.
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
    shrink,
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
        ("wnid", pa.string()),  # the class's folder: these classes have no WordNet id
    ]
)
INNER = "101_ObjectCategories.tar.gz"


def open_archive(options: argparse.Namespace) -> Archive:
    outer = Archive(options.source)
    inner = [name for name in outer.names() if PurePosixPath(name).name == INNER]
    return outer.inner(inner[0]) if inner else outer


def build(options: argparse.Namespace, report: Report) -> None:
    archive = open_archive(options)
    labels = {row["wnid"]: row for row in read_labels("caltech-101")}
    members: dict[str, dict[str, str]] = defaultdict(dict)  # class: {class/file: member}
    for name in archive.names():
        path = PurePosixPath(name)
        if path.suffix.lower() == ".jpg" and path.parent.name in labels:
            members[path.parent.name][f"{path.parent.name}/{path.name}"] = name
    if not members:
        raise DataError(
            f"{options.source}: holds no class of Caltech-101; is it the right download?"
        )

    rows: dict[str, Row] = {}
    wanted = {name: key for keys in members.values() for key, name in keys.items()}
    for name, data in archive.walk(wanted, report):
        picture = read_picture_of(data, name, report)
        if picture is not None:
            label = labels[PurePosixPath(name).parent.name]
            image = webp(shrink(picture, 96))
            rows[wanted[name]] = {**label, "label": int(label["label"]), "image": image}

    parts = [split(keys, 0.7, 0.15) for keys in members.values()]
    for place, part in enumerate(("train", "validation", "test")):
        keys = sorted((key for cut in parts for key in cut[place] if key in rows), key=rank)
        path = options.out / "photos" / "caltech-101" / f"{part}.parquet"
        write(path, [rows[key] for key in keys], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
