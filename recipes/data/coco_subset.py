"""MS COCO and COCO-CN to captions/coco-subset: everyday photographs with captions.

Origin:  Lin et al.: Microsoft COCO, ECCV 2014; Li et al.: COCO-CN, IEEE TMM 2019
Licence: Flickr's Creative Commons terms picture by picture, captions CC BY 4.0; COCO-CN MIT;
         for research
Archive: train2017.zip (or val2017.zip, train2014.zip, val2014.zip), the annotations_trainval zip of
         the same year, and coco-cn-version1805v1.1.tar.gz (on request from its authors)

    python recipes/data/coco_subset.py --source train2017.zip \\
        --captions annotations_trainval2017.zip --chinese coco-cn-version1805v1.1.tar.gz --out DATA

A subset the size of ours, not the same pictures: 232 with a Chinese caption that a person wrote and
1,153 without, chosen by the hash of their number; 93 of them are validation. They may lie in any of
COCO's splits, so claim no COCO figures. The short side becomes at most 160 pixels.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import pyarrow as pa
from _common import (
    STRINGS,
    Archive,
    Report,
    Row,
    command,
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
        ("file", pa.string()),
        ("captions_en", STRINGS),
        ("captions_zh", STRINGS),
        ("captions_zh_translated", STRINGS),
        ("id", pa.string()),
    ]
)
WITH_CHINESE, ENGLISH_ONLY, VALIDATION = 232, 1153, 93


def number_of(file: str) -> str:
    """`COCO_train2014_000000013004.jpg` and `000000013004.jpg` are one picture."""
    digits = re.search(r"(\d{12})", file)
    return digits[1] if digits else ""


def english_captions(archive: Archive) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in archive.names():
        if re.fullmatch(r"captions_\w+\.json", PurePosixPath(name).name):
            for note in json.loads(archive.read(name))["annotations"]:
                caption = " ".join(note["caption"].split())
                number = f"{note['image_id']:012d}"
                if caption and caption not in found[number]:
                    found[number].append(caption)
    if not found:
        raise DataError(f"{archive.path}: holds no captions_*.json; is it the annotations' zip?")
    return found


def chinese_captions(archive: Archive) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in archive.text("imageid.human-written-caption.txt").splitlines():
        key, _, caption = line.partition("\t")
        if caption.strip():
            found[number_of(key)].append(caption.strip())
    return found


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    english = english_captions(Archive(options.captions))
    chinese = chinese_captions(Archive(options.chinese))
    members = {number_of(name): name for name in archive.names() if name.lower().endswith(".jpg")}
    chosen = split((n for n in members if n in chinese), WITH_CHINESE)[0]
    chosen += split((n for n in members if n in english and n not in chinese), ENGLISH_ONLY)[0]

    rows: dict[str, Row] = {}
    for name, data in archive.walk({members[number] for number in chosen}, report):
        picture, number = read_picture_of(data, name, report), number_of(name)
        if picture is not None:
            rows[number] = {
                "image": webp(shrink(picture, 160)),
                "file": f"{number}.jpg",
                "captions_en": english.get(number, []),
                "captions_zh": chinese.get(number, []),
                "captions_zh_translated": [],
                "id": f"coco-{number}",
            }
    folder = options.out / "captions" / "coco-subset"
    held, train = split(chosen, min(VALIDATION, len(chosen) // 2))
    write(folder / "train-0.parquet", [rows[n] for n in train if n in rows], SCHEMA)
    write(folder / "validation.parquet", [rows[n] for n in held if n in rows], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    more = {"captions": "annotations_trainval2017.zip", "chinese": "COCO-CN's archive or folder"}
    return command(__doc__, build, argv, sources="train2017.zip, or a folder", more=more)


if __name__ == "__main__":
    sys.exit(main())
