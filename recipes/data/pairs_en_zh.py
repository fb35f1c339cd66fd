"""Tatoeba's English-Chinese sentence pairs to text/pairs-en-zh.

Origin:  Tatoeba, through ManyThings.org/anki
Licence: CC BY 2.0 FR; each pair names its authors
Archive: cmn-eng.zip

    python recipes/data/pairs_en_zh.py --source cmn-eng.zip --out DATA

Chinese is brought to simplified characters. Pairs that share a sentence in either language belong
together: 90 % of such groups go to train, 5 % to validation, the rest to test, by the hash of the
group's first English sentence.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa
from _common import Archive, Report, Row, command, rank, split, write

from polysee.errors import DataError

SCHEMA = pa.schema([("en", pa.string()), ("zh", pa.string()), ("attribution", pa.string())])


def read_pairs(text: str, report: Report) -> list[Row]:
    """Lines of `English TAB Chinese TAB attribution` to distinct pairs."""
    from opencc import OpenCC

    simplify, pairs = OpenCC("t2s").convert, {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 3 or not all(fields):
            report.skip(f"cmn.txt line {number}", "not three fields")
            continue
        english, chinese, attribution = fields[0], simplify(fields[1]), fields[2]
        pairs.setdefault(
            (english, chinese), {"en": english, "zh": chinese, "attribution": attribution}
        )
    return list(pairs.values())


def groups_of(pairs: Sequence[Row]) -> dict[str, list[Row]]:
    """Gather pairs that share a sentence, directly or not; the first English names a group."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for pair in pairs:
        parent[root(("zh", pair["zh"]))] = root(("en", pair["en"]))
    gathered: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for pair in pairs:
        gathered[root(("en", pair["en"]))].append(pair)
    return {min(pair["en"] for pair in group): group for group in gathered.values()}


def build(options: argparse.Namespace, report: Report) -> None:
    pairs = read_pairs(Archive(options.source).text("cmn.txt"), report)
    if not pairs:
        raise DataError(f"{options.source}: cmn.txt holds no pairs")
    groups = groups_of(pairs)
    for part, names in zip(("train", "validation", "test"), split(groups, 0.9, 0.05), strict=True):
        rows = [pair for name in names for pair in groups[name]]
        rows.sort(key=lambda pair: rank(pair["en"] + pair["zh"]))
        write(options.out / "text" / "pairs-en-zh" / f"{part}.parquet", rows, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
