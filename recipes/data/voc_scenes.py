"""PASCAL VOC 2007 to photos/voc-scenes: whole photographs with all boxes of 20 classes.

Origin:  Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL VOC Challenge 2007
Licence: Flickr's terms of use, picture by picture; for research
Archive: VOCtrainval_06-Nov-2007.tar

    python recipes/data/voc_scenes.py --source VOCtrainval_06-Nov-2007.tar --out DATA

Of the 5,011 pictures of trainval 70 % go to train, 15 % to validation, the rest to test, by the
hash of their number: these are not VOC's own splits, so claim no VOC figures. The short side
becomes at most 128 pixels. `boxes` is JSON, a list of {en, zh, box, difficult}, where box is
[x0, y0, x1, y1] as fractions of the picture; `labels_en` and `labels_zh` name what is not
difficult, the largest first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
from _common import (
    STRINGS,
    Archive,
    Report,
    Row,
    command,
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
        ("id", pa.string()),
        ("image", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.string()),
        ("labels_en", STRINGS),
        ("labels_zh", STRINGS),
    ]
)


def fraction(value: float) -> int | float:
    """To four places, within 0 and 1, and 1 rather than 1.0, to keep the JSON short."""
    rounded = round(min(max(value, 0.0), 1.0), 4)
    return int(rounded) if rounded in (0, 1) else rounded


def read_boxes(xml: bytes, names: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """The objects of one annotation. VOC counts pixels from 1, and both ends belong to the box."""
    if b"<!ENTITY" in xml:
        raise ValueError("declares entities")  # VOC never does; they can be made to explode
    root = ElementTree.fromstring(xml)
    width, height = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    boxes = []
    for thing in root.iter("object"):
        left, top, right, bottom = (
            float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        name = names[thing.findtext("name", "")]
        corners = ((left - 1) / width, (top - 1) / height, right / width, bottom / height)
        boxes.append(
            {
                "en": name["label_en"],
                "zh": name["label_zh"],
                "box": [fraction(corner) for corner in corners],
                "difficult": thing.findtext("difficult") == "1",
            }
        )
    return boxes


def labels_of(boxes: list[dict[str, Any]], language: str) -> list[str]:
    """Distinct names of what is not difficult, the largest box first."""

    def area(box: dict[str, Any]) -> float:
        x0, y0, x1, y1 = box["box"]
        return float((x1 - x0) * (y1 - y0))

    clear = sorted((box for box in boxes if not box["difficult"]), key=area, reverse=True)
    return list(dict.fromkeys(box[language] for box in clear))


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    names = {row["name"]: row for row in read_labels("voc")}
    members = {
        (path.parent.name, path.stem): path.as_posix()
        for path in map(PurePosixPath, archive.names())
        if path.parent.name in ("JPEGImages", "Annotations")
    }
    ids = [stem for folder, stem in members if folder == "JPEGImages"]
    if not ids:
        raise DataError(f"{options.source}: holds no JPEGImages; is it VOC's trainval archive?")

    boxes: dict[str, list[dict[str, Any]]] = {}
    notes = {members["Annotations", key]: key for key in ids if ("Annotations", key) in members}
    for name, data in archive.walk(notes, report):
        try:
            boxes[notes[name]] = read_boxes(data, names)
        except (ElementTree.ParseError, ValueError, KeyError, ZeroDivisionError) as error:
            report.skip(name, f"not an annotation of VOC ({error})")

    rows: dict[str, Row] = {}
    pictures = {members["JPEGImages", key]: key for key in boxes}
    for name, data in archive.walk(pictures, report):
        picture, key = read_picture_of(data, name, report), pictures[name]
        if picture is None:
            continue
        small = shrink(picture, 128)
        rows[key] = {
            "id": key,
            "image": webp(small),
            "width": small.width,
            "height": small.height,
            "boxes": json.dumps(boxes[key], ensure_ascii=False),
            "labels_en": labels_of(boxes[key], "en"),
            "labels_zh": labels_of(boxes[key], "zh"),
        }
    for part, keys in zip(("train", "validation", "test"), split(ids, 0.7, 0.15), strict=True):
        path = options.out / "photos" / "voc-scenes" / f"{part}.parquet"
        write(path, [rows[key] for key in keys if key in rows], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
