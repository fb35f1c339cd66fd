"""The names that a model was fine-tuned on, and its linear classifier if it has one, beside its weights.

Shapes: N classes, E projection size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from polysee.checkpoints.json_files import read_json, write_json
from polysee.errors import CheckpointError

LABELS, CLASSIFIER = "labels.json", "classifier.safetensors"


@dataclass(frozen=True)
class Labels:
    """What a model can tell apart without being given names.

    Args:
        names: of each class, one in each language that it was taught in.
        weight, bias: of a linear classifier over pictures' vectors of unit length; None where the names' own vectors
            do.
    Shapes:
        weight: (N, E)
        bias: (N,)
    """

    names: tuple[tuple[str, ...], ...]
    weight: torch.Tensor | None = None
    bias: torch.Tensor | None = None


def save_labels(folder: Path, labels: Labels) -> None:
    """Write them into a model folder."""
    write_json(folder / LABELS, {"labels": [list(names) for names in labels.names]})
    if labels.weight is not None and labels.bias is not None:
        head = {"weight": labels.weight, "bias": labels.bias}
        save_file({name: value.contiguous() for name, value in head.items()}, folder / CLASSIFIER)


def load_labels(folder: Path) -> Labels | None:
    """Read them from a model folder; None where it has none.

    Raises:
        CheckpointError: a file is damaged, or the files do not fit each other.
    """
    if not (folder / LABELS).exists():
        return None
    values = read_json(folder / LABELS).get("labels")
    if not isinstance(values, list) or not all(
        isinstance(names, list) and names and all(isinstance(name, str) for name in names)
        for names in values
    ):
        raise CheckpointError(f"{folder / LABELS}: labels must be a list of lists of names")
    names = tuple(tuple(names) for names in values)
    path = folder / CLASSIFIER
    if not path.exists():
        return Labels(names)
    try:
        head = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error
    if head.keys() != {"weight", "bias"} or {len(value) for value in head.values()} != {len(names)}:
        raise CheckpointError(
            f"{path}: a weight and a bias for each of {len(names)} labels are expected"
        )
    return Labels(names, head["weight"], head["bias"])
