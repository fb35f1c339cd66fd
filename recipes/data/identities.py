"""The ORL Database of Faces to faces/identities/orl.parquet: people, ten photographs each.

Origin:  AT&T Laboratories Cambridge; Samaria and Harter, WACV 1994
Licence: free for research, with credit
Archive: att_faces.zip

    python recipes/data/identities.py --source att_faces.zip --out DATA

For checking that photographs of one person are grouped: s1 to s30; s31 to s40 become
`orl-test.parquet`. Pictures are 92 x 112 pixels, without loss.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from io import BytesIO

import pyarrow as pa
from _common import Archive, Report, Row, command, webp, write
from PIL import Image

from polysee.errors import DataError

SCHEMA = pa.schema([("id", pa.string()), ("image", pa.binary()), ("person", pa.int32())])
LAST_PERSON = 30


def build(options: argparse.Namespace, report: Report) -> None:
    archive = Archive(options.source)
    places = {}
    for name in archive.names():
        if place := re.search(r"(?:^|/)s(\d+)/(\d+)\.pgm$", name):
            places[name] = int(place[1]), int(place[2])
    if not places:
        raise DataError(f"{options.source}: holds no s1/1.pgm; is it the right download?")

    rows: dict[tuple[int, int], Row] = {}
    for name, data in archive.walk(places, report):
        try:
            with Image.open(BytesIO(data), formats=["PPM"]) as opened:
                picture = opened.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            report.skip(name, f"not a whole PGM ({error})")
            continue
        person, number = places[name]
        image = webp(picture, lossless=True)
        rows[person, number] = {"id": f"s{person}-{number}", "image": image, "person": person}
    ordered = [rows[place] for place in sorted(rows)]
    folder = options.out / "faces" / "identities"
    write(folder / "orl.parquet", [r for r in ordered if r["person"] <= LAST_PERSON], SCHEMA)
    write(folder / "orl-test.parquet", [r for r in ordered if r["person"] > LAST_PERSON], SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    return command(__doc__, build, argv)


if __name__ == "__main__":
    sys.exit(main())
