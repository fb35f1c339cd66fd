"""Photographs of named things, cut out: the stamps of Tux Paint, from Debian's package tuxpaint-stamps-default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from polysee.datasets.drawings import on_ground
from polysee.datasets.wordnet import WordNet
from polysee.errors import DataError

_NO_THINGS = "symbols"  # letters, coins, notes
_MIRRORED = "_mirror"


@dataclass(frozen=True)
class Stamp:
    """An English name and an encoded picture, on a plain ground with a margin."""

    name: str
    image: bytes


def stamps(wordnet: WordNet, folder: Path | None = None) -> list[Stamp]:
    """Every stamp whose file and description agree on what one sees.

    Args:
        folder: by default `POLYSEE_STAMPS` or where Debian puts them.
    Raises:
        DataError: they are not there.
    """
    folder = folder or Path(os.environ.get("POLYSEE_STAMPS", "/usr/share/tuxpaint/stamps"))
    paths = sorted(folder.rglob("*.png"))
    if not paths:
        raise DataError(
            f"{folder}: no stamps here; install Debian's package tuxpaint-stamps-default, or let POLYSEE_STAMPS name"
            " the folder"
        )
    found = []
    for path in paths:
        about = path.with_suffix(".txt")
        if (
            path.relative_to(folder).parts[0] == _NO_THINGS
            or _MIRRORED in path.stem
            or not about.exists()
        ):
            continue
        name = name_of(path.stem, about.read_text(encoding="utf-8").split("\n", 1)[0], wordnet)
        if name is not None:
            found.append(Stamp(name, on_ground(path.read_bytes())))
    return found


def name_of(stem: str, description: str, wordnet: WordNet) -> str | None:
    """The longest name of something to see that both the file's name and the description hold.

    Args:
        stem: such as "pressure_cooker", "frog-1" or "apple_granny_smith".
    """
    words = re.findall(r"[a-z]+", stem.lower())
    told = " " + " ".join(re.findall(r"[a-z]+", description.lower())) + " "
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            said = words[start : start + length]
            for name in dict.fromkeys((" ".join(said), "".join(said))):
                known = name in wordnet.senses and wordnet.is_seen(name)
                if known and (f" {name} " in told or f" {name}s " in told):
                    return name
    return None
