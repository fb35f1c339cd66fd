"""Flickr8k and Flickr8K-CN to captions/flickr8k: photographs with English and Chinese captions.

Origin:  Hodosh, Young, Hockenmaier: Framing Image Description as a Ranking Task, JAIR 47, 2013;
         Li, Lan, Dong, Liu: Adding Chinese Captions to Images, ICMR 2016 (li-xirong/flickr8kcn)
Licence: non-commercial research; cite both
Archive: Flickr8k_Dataset.zip, Flickr8k_text.zip, and a copy of the flickr8kcn repository

    python recipes/data/flickr8k.py --source Flickr8k_Dataset.zip --text Flickr8k_text.zip \\
        --chinese flickr8kcn --out DATA

The official splits, in their order. Pictures are squashed to a square of 128 pixels, so train with
aspect-ratio jitter. `captions_zh` were written by people who saw the picture;
`captions_zh_translated` are Baidu's translations of the English ones (version 20160815), without
those that kept English words or broke off.
"""

from __future__ import annotations

import argparse
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
    webp,
    write,
)
from PIL import Image

SCHEMA = pa.schema(
    [
        ("image", pa.binary()),
        ("file", pa.string()),
        ("captions_en", STRINGS),
        ("captions_zh", STRINGS),
        ("captions_zh_translated", STRINGS),
    ]
)
SIDE = 128
SPLITS = {"train": "trainImages", "validation": "devImages", "test": "testImages"}


def tidy(caption: str) -> str:
    """Undo the tokenizer's spaces before punctuation and inside quotation marks.

    Example:
        >>> tidy('Two children , with a sign saying " free " .')
        'Two children, with a sign saying "free".'
    """
    caption = re.sub(r"\s+([.,!?;:]|'s\b|n't\b)", r"\1", " ".join(caption.split()))
    return re.sub(r'"\s*([^"]*?)\s*"', r'"\1"', caption)


def is_whole(translation: str) -> bool:
    """Whether a translation is long enough, with no English word and no debris left in it.

    Example:
        >>> is_whole("两只狗在雪地里玩。"), is_whole("在BMX自行车上的人。"), is_whole("马跑。")
        (True, False, False)
    """
    letters = sum("\u4e00" <= letter <= "\u9fff" for letter in translation)
    return letters >= 5 and not re.search(r'[A-Za-z]{3}|[#&;；“”"]', translation)


def read_captions(text: str) -> dict[str, list[str]]:
    """Lines of `FILE.jpg#...0 a caption` to the distinct captions of each file, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, caption = line.strip().replace("\t", " ").partition(" ")
        file, caption = key.partition("#")[0], tidy(caption)
        if caption and caption not in found[file]:
            found[file].append(caption)
    return found


def build(options: argparse.Namespace, report: Report) -> None:
    text, chinese = Archive(options.text), Archive(options.chinese)
    english = read_captions(text.text("Flickr8k.token.txt"))
    written = read_captions(chinese.text("flickr8kzhc.caption.txt"))
    translated = read_captions(chinese.text("flickr8kzhb.caption.txt.v20160815"))
    parts = {part: text.text(f"Flickr_8k.{name}.txt").split() for part, name in SPLITS.items()}

    archive, listed = Archive(options.source), {file for files in parts.values() for file in files}
    members = {
        name: PurePosixPath(name).name
        for name in archive.names()
        if PurePosixPath(name).name in listed
    }
    rows: dict[str, Row] = {}
    for name, data in archive.walk(members, report):
        picture, file = read_picture_of(data, name, report), members[name]
        # the text archive names one picture that the picture archive lacks
        if picture is not None and english.get(file):
            rows[file] = {
                "image": webp(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)),
                "file": file,
                "captions_en": english[file],
                "captions_zh": written.get(file, []),
                "captions_zh_translated": list(filter(is_whole, translated.get(file, []))),
            }
    folder = options.out / "captions" / "flickr8k"
    half = len(parts["train"]) // 2
    files = {"train-0": parts["train"][:half], "train-1": parts["train"][half:], **parts}
    del files["train"]
    for part, names in files.items():
        write(folder / f"{part}.parquet", [rows[name] for name in names if name in rows], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    more = {
        "text": "Flickr8k_text.zip: captions and splits",
        "chinese": "a folder or archive of the repository li-xirong/flickr8kcn",
    }
    return command(__doc__, build, argv, sources="Flickr8k_Dataset.zip", more=more)


if __name__ == "__main__":
    sys.exit(main())
