"""Noto Emoji and Fluent Emoji to art/art.parquet: drawings of everyday concepts, in two styles.

Origin:  googlefonts/noto-emoji; microsoft/fluentui-emoji; names from Unicode CLDR, through the
         emojibase-data package (17.0.0 gives exactly our names)
Licence: Apache-2.0 (the pictures of Noto); MIT (Fluent, emojibase); Unicode licence (names).
         May be shipped.
Archive: a copy, zip or tar of each repository, and the package's tgz

    python recipes/data/emoji_art.py --source noto-emoji --fluent fluentui-emoji \\
        --names emojibase-data-17.0.0.tgz --out DATA

1,155 concepts that both sets draw (`labels/emoji-art.txt`: code points; no flags, symbols, clock
faces or skin tones), at 128 pixels with transparency. There is no split: these are for scenes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import PurePosixPath

import pyarrow as pa
from _common import LABELS, STRINGS, Archive, Report, Row, command, webp, write
from PIL import Image

from polysee.errors import DataError

SCHEMA = pa.schema(
    [
        ("image", pa.binary()),
        ("style", pa.string()),
        ("emoji", pa.string()),
        ("name_en", pa.string()),
        ("name_zh", pa.string()),
        ("tags_en", STRINGS),
        ("tags_zh", STRINGS),
        ("group", pa.string()),
        ("subgroup", pa.string()),
    ]
)
SIDE = 128


def bare(codes: str) -> str:
    """Code points in one spelling: `1F577 FE0F` to `1f577`; the selector changes nothing here."""
    points = codes.lower().replace("_", " ").replace("-", " ").split()
    return "-".join(point.lstrip("0") for point in points if point != "fe0f")


def noto_members(archive: Archive) -> dict[str, str]:
    """The 128 px picture of each emoji."""
    found = {}
    for name in archive.names():
        path = PurePosixPath(name)
        if path.parts[-3:-1] == ("png", "128") and path.name.startswith("emoji_u"):
            found[bare(path.stem.removeprefix("emoji_u"))] = name
    return found


def fluent_members(archive: Archive) -> dict[str, str]:
    """The 3D picture of each emoji, in the default skin tone where there are several."""
    folders: dict[str, str] = {}
    pictures: dict[str, str] = {}
    for name in archive.names():
        path = PurePosixPath(name)
        if path.name == "metadata.json":
            folders[path.parent.as_posix()] = name
        elif path.suffix == ".png" and "3D" in path.parts:
            at = path.parts.index("3D")
            tones = {*path.parts[at - 1 : at], *path.parts[at + 1 : -1]}
            if at + 1 == len(path.parts) - 1 and path.parts[at - 1] != "Default":
                pictures.setdefault("/".join(path.parts[:at]), name)
            elif "Default" in tones:
                folder = (
                    path.parts[:at] if path.parts[at - 1] != "Default" else path.parts[: at - 1]
                )
                pictures["/".join(folder)] = name
    found = {}
    for folder, note in folders.items():
        if folder in pictures:
            found[bare(json.loads(archive.read(note))["unicode"])] = pictures[folder]
    return found


def read_names(archive: Archive) -> dict[str, Row]:
    """What CLDR calls each emoji in both languages, and where it groups it."""
    english, chinese = (json.loads(archive.text(f"{code}/data.json")) for code in ("en", "zh"))
    meta = json.loads(archive.text("meta/groups.json"))
    translated = {entry["hexcode"]: entry for entry in chinese}
    found = {}
    for entry in english:
        other = translated.get(entry["hexcode"])
        if other is not None and "group" in entry:
            found[bare(entry["hexcode"])] = {
                "emoji": entry["emoji"],
                "name_en": entry["label"],
                "name_zh": other["label"],
                "tags_en": entry.get("tags", []),
                "tags_zh": other.get("tags", []),
                "group": meta["groups"][str(entry["group"])],
                "subgroup": meta["subgroups"][str(entry["subgroup"])],
            }
    return found


def drawings(
    archive: Archive, members: dict[str, str], report: Report
) -> Iterator[tuple[str, bytes]]:
    codes = {name: code for code, name in members.items()}
    for name, data in archive.walk(codes, report):
        try:
            with Image.open(BytesIO(data), formats=["PNG"]) as opened:
                picture = opened.convert("RGBA").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            report.skip(name, f"not a whole PNG ({error})")
            continue
        yield codes[name], webp(picture)


def build(options: argparse.Namespace, report: Report) -> None:
    wanted = [bare(line) for line in (LABELS / "emoji-art.txt").read_text("utf-8").split()]
    names = read_names(Archive(options.names))
    noto, fluent = Archive(options.source), Archive(options.fluent)
    styles = {"noto": noto_members(noto), "fluent": fluent_members(fluent)}
    both = [code for code in wanted if code in names and all(code in s for s in styles.values())]
    if not both:
        raise DataError(f"{options.source}, {options.fluent}: no emoji that both draw")

    images: dict[tuple[str, str], bytes] = {}
    for style, archive in (("noto", noto), ("fluent", fluent)):
        members = {code: styles[style][code] for code in both}
        for code, image in drawings(archive, members, report):
            images[code, style] = image
    rows = [
        {"image": images[code, style], "style": style, **names[code]}
        for code in both
        for style in styles
        if (code, style) in images
    ]
    write(options.out / "art" / "art.parquet", rows, SCHEMA)


def main(argv: Sequence[str] | None = None) -> int:
    more = {
        "fluent": "a copy or archive of microsoft/fluentui-emoji",
        "names": "the package emojibase-data: its tgz or folder",
    }
    return command(__doc__, build, argv, sources="googlefonts/noto-emoji", more=more)


if __name__ == "__main__":
    sys.exit(main())
