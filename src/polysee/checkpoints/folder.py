"""A model folder: `config.json`, `model.safetensors`, `tokenizer.json`, `polysee.json`.

`config.json` holds the architecture; `polysee.json` what a weight file needs beside it: the pixel recipe, licence,
origin, revision. Weights are kept as float16 where they are bundled, and are float32 once loaded. Folders as
`transformers` writes them are read and written too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from polysee.checkpoints.huggingface.families import architecture_for, architecture_of
from polysee.checkpoints.keymap import State
from polysee.checkpoints.registry import FAMILY, build, config_to_dict
from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.pixels import PixelRecipe

CONFIG, WEIGHTS, TOKENIZER, CARD = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "polysee.json",
)


@dataclass(frozen=True)
class Card:
    """What a weight file carries beside its numbers.

    Args:
        pixels: how pictures are prepared.
        templates: sentences that a name of a thing is put into, both languages together; the library's when empty.
        licence, origin, revision: of the weights.
    """

    pixels: PixelRecipe = field(default_factory=PixelRecipe)
    templates: tuple[str, ...] = ()
    licence: str = "unknown"
    origin: str = "unknown"
    revision: str = ""


def save_folder(folder: Path, model: nn.Module, card: Card, *, half: bool = True) -> None:
    """Write a model folder; the tokenizer is copied by who trained it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt", "licence": card.licence})
    _write_json(folder / CONFIG, config_to_dict(model.config))
    _write_json(folder / CARD, dataclasses.asdict(card))


def load_folder(folder: Path) -> tuple[nn.Module, Card]:
    """Read a model folder into a float32 module in eval mode, and its card (the defaults where there is none).

    Raises:
        CheckpointError: a file is absent or damaged, the family is unknown, or a tensor is missing, misshapen or
            left over.
    """
    values = _read_json(folder / CONFIG)
    state = _read_weights(folder / WEIGHTS)
    if FAMILY not in values and "model_type" in values:
        try:
            architecture = architecture_of(values, state)
            values = config_to_dict(architecture.to_config(values, state))
            state = architecture.keys.to_ours(state)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from error
    with torch.device("meta"):  # shapes alone: nothing is allocated or drawn that the file replaces
        model = build(values)
    _fill(model, state, folder / WEIGHTS)
    card = folder / CARD
    return model.eval(), _read_card(card) if card.exists() else Card()


def export_folder(folder: Path, model: nn.Module, **settings: Any) -> None:
    """Write a folder that `transformers` loads; the tokenizer's files are written by who has it.

    Args:
        settings: further lines of its `config.json`, such as `eos_token_id`.
    Raises:
        NotSupportedError: `transformers` has no such architecture.
    """
    architecture = architecture_for(model.config)
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.contiguous() for k, v in architecture.keys.to_theirs(model.state_dict()).items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    _write_json(folder / CONFIG, {**architecture.to_values(model.config), **settings})


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model from a safetensors file of ours.

    Raises:
        CheckpointError: the file is absent or damaged; a tensor is missing, misshapen or left over.
    """
    _fill(model, _read_weights(path), path)


def _read_weights(path: Path) -> State:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no {WEIGHTS}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def _fill(model: nn.Module, state: State, path: Path) -> None:
    expected = {
        k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")
    }
    for kind, names in (
        ("missing", expected.keys() - state.keys()),
        ("left over", state.keys() - expected.keys()),
    ):
        if names:
            raise CheckpointError(f"{path}: tensors {kind}: {', '.join(sorted(names)[:5])}")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            shapes = (
                f"{tuple(tensor.shape)} in the file, {tuple(expected[name].shape)} in the model"
            )
            raise CheckpointError(f"{path}: {name} is misshapen: {shapes}")
    counters = {
        k: torch.zeros_like(v, device="cpu")
        for k, v in model.state_dict().items()
        if k not in expected
    }
    # A copy: else the model would read from the file for as long as it lives.
    copied = {k: torch.empty(v.shape, dtype=expected[k].dtype).copy_(v) for k, v in state.items()}
    model.load_state_dict({**copied, **counters}, assign=True)


def folder_hash(folder: Path) -> str:
    """16 hexadecimal digits over weights, architecture, card and tokenizer: what stored vectors depend on."""
    digest = hashlib.sha256()
    for name in (CONFIG, CARD, TOKENIZER, WEIGHTS):
        path = folder / name
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()[:16]


def _read_card(path: Path) -> Card:
    values = _read_json(path)
    try:
        pixels: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.pop("pixels").items()
        }
        templates = values.pop("templates", [])
        if not isinstance(templates, list) or not all(isinstance(t, str) for t in templates):
            raise TypeError("templates must be a list of sentences")
        return Card(pixels=PixelRecipe(**pixels), templates=tuple(templates), **values)
    except (AttributeError, ConfigError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no {path.name}; is it a model folder?") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: a JSON object is expected")
    return values


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
