"""ESC-50 to audio/esc-10 and audio/sounds-other: environmental sounds of 10 and of 40 classes.

Origin:  Piczak: ESC: Dataset for Environmental Sound Classification, ACM MM 2015
Licence: the ten classes CC BY 3.0, the whole CC BY-NC 3.0; each clip has its own (columns
         `licence`, `attribution`)
Archive: ESC-50-master.zip

    python recipes/data/esc_50.py --source ESC-50-master.zip --out DATA

The official folds: of the ten classes 1 to 3 are train, 4 validation, 5 test; of the forty others
fold 4 is train, for breadth. Sound becomes Ogg Opus, 16 kHz, mono.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from io import StringIO

import pyarrow as pa
from _audio import opus
from _common import Archive, Report, Row, command, rank, read_labels, write

SCHEMA = pa.schema(
    [
        ("audio", pa.binary()),
        ("label", pa.int32()),
        ("label_en", pa.string()),
        ("label_zh", pa.string()),
        ("category", pa.string()),
        ("fold", pa.int32()),
        ("clip", pa.string()),
        ("licence", pa.string()),
        ("attribution", pa.string()),
    ]
)
PARTS = {  # (set, fold): file
    **{("esc-10", fold): "esc-10/train" for fold in (1, 2, 3)},
    ("esc-10", 4): "esc-10/validation",
    ("esc-10", 5): "esc-10/test",
    ("sounds-other", 4): "sounds-other/train",
}


def read_credits(text: str) -> dict[str, tuple[str, str]]:
    """Lines of `- [CLIP.ogg]: clip derived from ATTRIBUTION [LICENCE]` to both, by clip."""
    lines = re.findall(r"^- \[(\S+)\.ogg\]:\s+clip derived from (.+) \[([^\]]+)\]\s*$", text, re.M)
    return {clip: (licence, attribution) for clip, attribution, licence in lines}


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    labels = {row["category"]: row for row in read_labels("esc-50")}
    credit = read_credits(archive.text("LICENSE"))
    notes: dict[str, tuple[str, Row]] = {}  # member: file, row
    for line in csv.DictReader(StringIO(archive.text("meta/esc50.csv"))):
        label = labels[line["category"]]
        part = PARTS.get((label["set"], int(line["fold"])))
        clip = line["filename"].removesuffix(".wav").rpartition("-")[0]
        if part is None:
            continue
        if clip not in credit:
            report.skip(line["filename"], "LICENSE does not name its author")
            continue
        licence, attribution = credit[clip]
        row = {
            "label": int(label["label"]),
            "label_en": label["label_en"],
            "label_zh": label["label_zh"],
            "category": line["category"],
            "fold": int(line["fold"]),
            "clip": clip,
            "licence": licence,
            "attribution": attribution,
        }
        notes[archive.find(f"audio/{line['filename']}")] = part, row

    rows: dict[str, list[Row]] = {part: [] for part in PARTS.values()}
    for name, data in archive.walk(notes, report):
        part, row = notes[name]
        sound = opus(data, name, report)
        if sound is not None:
            rows[part].append({**row, "audio": sound[0]})
    for part, found in rows.items():
        found.sort(key=lambda row: rank(row["clip"]))
        write(options.out / "audio" / f"{part}.parquet", found, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
