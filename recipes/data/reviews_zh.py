"""Hotel and takeaway reviews in Chinese to text/hotel-reviews-zh or text/takeaway-reviews-zh.

Origin:  ChineseNlpCorpus: ChnSentiCorp_htl_all (hotels), waimai_10k (takeaways)
Licence: offered for research
Archive: ChnSentiCorp_htl_all.csv, waimai_10k.csv

    python recipes/data/reviews_zh.py --source ChnSentiCorp_htl_all.csv --out DATA
    python recipes/data/reviews_zh.py --source waimai_10k.csv --out DATA

The file's name tells which. Empty and repeated reviews are dropped; of each label (0 bad, 1 good)
80 % go to train, 10 % to validation, the rest to test, by the hash of the text.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from io import StringIO

from _common import Report, command, write_reviews

from polysee.errors import DataError

FOLDERS = {"chnsenticorp": "hotel-reviews-zh", "waimai": "takeaway-reviews-zh"}


def build(options: argparse.Namespace, report: Report) -> None:
    stem = options.source.stem.lower()
    folder = next((name for word, name in FOLDERS.items() if word in stem), None)
    if folder is None or not options.source.is_file():
        raise DataError(f"{options.source}: neither ChnSentiCorp_htl_all.csv nor waimai_10k.csv")
    labels: dict[str, int] = {}
    text = options.source.read_text(encoding="utf-8-sig")
    for number, row in enumerate(csv.DictReader(StringIO(text, newline="")), start=2):
        review, label = (row.get("review") or "").strip(), row.get("label")
        if label not in ("0", "1"):
            report.skip(f"{options.source.name} row {number}", f"label {label!r} is not 0 or 1")
        elif review:
            labels.setdefault(review, int(label))
    write_reviews(options.out / "text" / folder, labels)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
