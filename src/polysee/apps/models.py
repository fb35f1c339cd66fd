"""What models there are."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from polysee.checkpoints.bundled import bundled_folder, bundled_models


@dataclass(frozen=True)
class BundledModel:
    """A model that came with the package.

    Args:
        bytes: of its weight file.
        parameters: how many numbers the weight file holds.
        licence: the terms of the weights, which may be narrower than the code's.
    """

    id: str
    folder: str
    family: str
    parameters: int
    bytes: int
    licence: str


def describe_bundled_models() -> list[BundledModel]:
    """The models in the package, by name; nothing of them is loaded."""
    return [_describe(name, bundled_folder(name)) for name in bundled_models()]


def _describe(name: str, folder: Path) -> BundledModel:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    card = folder / "polysee.json"
    facts = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    weights = folder / "model.safetensors"
    return BundledModel(
        id=name,
        folder=str(folder),
        family=str(config.get("polysee_family", "")),
        parameters=_count(weights),
        bytes=weights.stat().st_size,
        licence=str(facts.get("licence", "")),
    )


def _count(weights: Path) -> int:
    """From the header of a safetensors file, so that no weight is read."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(
        math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
    )
