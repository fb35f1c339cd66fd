"""Every photograph in samples/ may be given away, and says whose it is."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from PIL import Image

from polysee.media.image import read_image

SAMPLES = Path(__file__).parents[3] / "samples"
LICENCE = re.compile(
    r"CC0-1\.0|public domain|no known copyright restrictions|CC-BY(-SA)?-[234]\.[05]"
    r"|L?GPL-[23]\.[01](-or-later)?"
)


def sources() -> list[dict[str, str]]:
    with (SAMPLES / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_file_is_listed_once_with_author_licence_and_origin() -> None:
    listed = sources()
    files = [path.name for path in SAMPLES.iterdir() if path.suffix in (".jpg", ".webp", ".png")]
    assert sorted(row["file"] for row in listed) == sorted(files)
    for row in listed:
        assert LICENCE.fullmatch(row["licence"]), row
        for column in ("title_en", "title_zh", "author", "package", "path"):
            assert row[column].strip(), (row["file"], column)
        assert re.search("[\u4e00-\u9fff]", row["title_zh"]), row["file"]


def test_they_are_small_whole_and_without_metadata_but_two_orientations() -> None:
    turned = set()
    for row in sources():
        path = SAMPLES / row["file"]
        assert max(read_image(path).size) <= 512
        with Image.open(path) as opened:
            tags = dict(opened.getexif())
        if tags:
            assert tags == {0x0112: 6}, row["file"]
            turned.add(row["file"])
    assert turned == {"koala.jpg", "leaning-tower-of-pisa.jpg"}
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 8_000_000
