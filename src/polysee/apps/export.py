"""Write a model in a form that other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from polysee.errors import ConfigError
from polysee.inference import load

Format = Literal["huggingface"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        format: of the folder.
        files: their names.
        bytes: of all of them together.
    """

    folder: str
    format: str
    files: list[str]
    bytes: int


def export_model(model: str | Path, out: Path, form: Format = "huggingface") -> Exported:
    """Write a model as a folder that `transformers` loads, weights in float32, with its tokenizer and picture recipe.

    What the model's own folder has in that form already, the tokenizer's files above all, is copied as it is.

    Args:
        out: a folder that is not there yet or is empty.
    Raises:
        CheckpointError: the model cannot be read.
        ConfigError: an unknown form, or `out` holds something.
        NotSupportedError: `transformers` has no such architecture.
    """
    if form not in get_args(Format):
        raise ConfigError(f"unknown form {form!r}; one of {', '.join(get_args(Format))}")
    out = out.expanduser().absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already and not empty: give another --out")
    load(model, device="cpu").export(out)
    files = sorted(path for path in out.iterdir() if path.is_file())
    total = sum(path.stat().st_size for path in files)
    return Exported(str(out), form, [path.name for path in files], total)
