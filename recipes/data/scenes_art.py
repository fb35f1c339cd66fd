"""art/art.parquet to the pictures of the made world: those that `datasets/scenes_things.tsv` names, in both styles.

Origin:  art/art.parquet, which `emoji_art.py` builds
Licence: Apache-2.0 (Noto Emoji), MIT (Fluent Emoji); NOTICE names both

    python recipes/data/scenes_art.py DATA/art/art.parquet src/polysee/datasets/scenes_art.parquet

The pictures are copied byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.datasets.scenes_things import bare, concepts
from polysee.errors import DataError


def choose(source: Path, target: Path) -> int:
    """Copy the pictures of all concepts; return how many there are."""
    wanted = {picture for concept in concepts().values() for picture in concept.pictures}
    rows = [
        {"emoji": bare(row["emoji"]), "style": row["style"], "image": row["image"]}
        for row in pq.read_table(source, columns=["emoji", "style", "image"]).to_pylist()
    ]
    rows = sorted(
        (row for row in rows if row["emoji"] in wanted), key=lambda r: (r["style"], r["emoji"])
    )
    if missing := wanted - {row["emoji"] for row in rows}:
        raise DataError(f"{source}: no picture of {' '.join(sorted(missing))}")
    pq.write_table(pa.Table.from_pylist(rows), target, compression="none")
    return len(rows)


if __name__ == "__main__":
    print(choose(Path(sys.argv[1]), Path(sys.argv[2])))
