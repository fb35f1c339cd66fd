"""A model folder: `config.json`, `model.safetensors`, `tokenizer.json`, `polysee.json`.

`config.json` holds the architecture; `polysee.json` what a weight file needs beside it: the pixel recipe, licence,
origin, revision. Weights are kept as float16 where they are bundled, and are float32 once loaded. Folders as
`transformers` writes them are read and written too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import nn

from polysee.checkpoints.huggingface.architecture import Inputs
from polysee.checkpoints.huggingface.families import architecture_for, architecture_of
from polysee.checkpoints.huggingface.pixels import FILES as RECIPES
from polysee.checkpoints.huggingface.pixels import read_recipe, write_recipe
from polysee.checkpoints.huggingface.tokenizer import FILES as TOKENIZERS
from polysee.checkpoints.huggingface.tokenizer import load_tokenizer, write_tokenizer
from polysee.checkpoints.json_files import read_json, write_json
from polysee.checkpoints.registry import FAMILY, build, config_to_dict
from polysee.checkpoints.weights import WEIGHTS, fill, read_weights, shapes_alone, weight_files
from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer

T = TypeVar("T")

CONFIG, TOKENIZER, CARD = "config.json", "tokenizer.json", "polysee.json"
THEIR_INPUTS = (*TOKENIZERS, *RECIPES)  # what a folder of transformers says of pictures and texts


@dataclass(frozen=True)
class Card:
    """What a weight file carries beside its numbers.

    Args:
        pixels: how pictures are prepared.
        templates: sentences that a name of a thing is put into, both languages together; the library's when empty.
        licence, origin, revision: of the weights.
        unsure_below: of a model that sorts texts, the chance of the likeliest label below which it says "unsure".
    """

    pixels: PixelRecipe = field(default_factory=PixelRecipe)
    templates: tuple[str, ...] = ()
    licence: str = "unknown"
    origin: str = "unknown"
    revision: str = ""
    unsure_below: float = 0.0


def shown_name(name: str) -> str:
    """How cards and labels name a model: of a folder its last part, since the rest is about a person's machine.

    Example:
        >>> shown_name("polysee/dalle-nano"), shown_name("/home/li/models/mine")
        ('polysee/dalle-nano', 'mine')
    """
    return Path(name).name if Path(name).is_absolute() else name


def save_folder(folder: Path, model: nn.Module, card: Card, *, half: bool = True) -> None:
    """Write a model folder; the tokenizer is copied by who trained it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if half and value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt", "licence": card.licence})
    write_json(folder / CONFIG, config_to_dict(model.config))
    write_json(folder / CARD, dataclasses.asdict(card))


def load_folder(folder: Path) -> tuple[nn.Module, Card]:
    """Read a model folder, ours or one of `transformers`, into a float32 module in eval mode, and its card.

    What a card says and a folder does not is the family's default.

    Raises:
        CheckpointError: a file is absent, damaged or unsafe, the family is unknown, or a tensor is missing, misshapen
            or left over.
    """
    values = read_json(folder / CONFIG)
    if _is_theirs(values):
        model, card = _load_theirs(folder, values)
    else:
        with shapes_alone():
            model = build(values)
        files = weight_files(folder, pickles=False)
        fill(model, read_weights(files), files[0])
        card = Card()
    return model.eval(), read_card(folder, card)


def is_theirs(folder: Path) -> bool:
    """Whether a model folder is in the form of `transformers`.

    Raises:
        CheckpointError: it has no readable `config.json`.
    """
    return _is_theirs(read_json(folder / CONFIG))


def _is_theirs(values: dict[str, Any]) -> bool:
    return FAMILY not in values and "model_type" in values


def _load_theirs(folder: Path, values: dict[str, Any]) -> tuple[nn.Module, Card]:
    """Read a folder as `transformers` writes them."""
    architecture = _named(folder, lambda: architecture_of(values))
    files = weight_files(folder, pickles=True)
    state = read_weights(files)
    config = _named(folder, lambda: architecture.to_config(values, state))
    with shapes_alone():
        model = _named(folder, lambda: build(config_to_dict(config)))
    state = _named(files[0], lambda: architecture.keys.to_ours(state))
    fill(model, state, files[0], architecture.keys.their_name)
    if architecture.inputs is None:
        return model, Card()
    return model, Card(pixels=_their_recipe(folder, config.image.image_size, architecture.inputs))


def _their_recipe(folder: Path, image_size: int, inputs: Inputs) -> PixelRecipe:
    recipe = read_recipe(folder, inputs.image_processor)
    if recipe is not None:
        return recipe
    if image_size == inputs.pixels.image_size:
        return inputs.pixels
    return dataclasses.replace(inputs.pixels, image_size=image_size, side=None)


def _named(place: Path, make: Callable[[], T]) -> T:
    """Say in an error which folder or file it is about."""
    try:
        return make()
    except CheckpointError as error:
        raise CheckpointError(f"{place}: {error}") from error


def load_folder_tokenizer(folder: Path, context_length: int) -> Tokenizer | None:
    """The tokenizer of a model folder, ours or one of `transformers`; None if it has none.

    Raises:
        CheckpointError: a file is absent or damaged.
    """
    values = read_json(folder / CONFIG)
    if _is_theirs(values):
        kind = architecture_of(values).cuts_texts
        return load_tokenizer(folder, kind, context_length) if kind else None
    path = folder / TOKENIZER
    return Tokenizer.load(path, context_length) if path.exists() else None


def export_folder(
    folder: Path,
    model: nn.Module,
    *,
    card: Card | None = None,
    tokenizer: Tokenizer | None = None,
    source: Path | None = None,
    **settings: Any,
) -> None:
    """Write a folder that `transformers` loads, weights in float32.

    Args:
        card: where the picture recipe is from; without one none is written.
        source: the folder that the model was loaded from. What it says of pictures and texts in the form of
            `transformers` is copied as it is, in place of card and tokenizer; so is our card.
        settings: further lines of its `config.json`, such as `eos_token_id`.
    Raises:
        NotSupportedError: `transformers` has no such architecture.
    """
    architecture = architecture_for(model.config)
    values = {**architecture.to_values(model.config), **settings}
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.contiguous() for k, v in architecture.keys.to_theirs(model.state_dict()).items()}
    for key in [key for key in state if key.endswith("running_mean")]:
        # No model reads these counters, but their loader misses them.
        counter = key.removesuffix("running_mean") + "num_batches_tracked"
        state[counter] = torch.zeros((), dtype=torch.long)
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / CONFIG, values)
    if source is not None and is_theirs(source):
        _copy(source, folder, THEIR_INPUTS)
        card = tokenizer = None
    if source is not None:
        _copy(source, folder, (CARD,))
    if card is not None and architecture.inputs is not None:
        kind = architecture.inputs.image_processor
        write_json(folder / RECIPES[0], write_recipe(card.pixels, kind))
    if tokenizer is not None:
        write_tokenizer(folder, tokenizer)


def _copy(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)


def folder_hash(folder: Path) -> str:
    """16 hexadecimal digits over weights, architecture, card and tokenizer: what stored vectors depend on."""
    digest = hashlib.sha256()
    for name in (CONFIG, CARD, TOKENIZER, WEIGHTS):
        _add_file(digest, folder / name, absent=b"-")
    # What only folders of transformers have.
    others = [folder / name for name in THEIR_INPUTS if name != TOKENIZER]
    if not (folder / WEIGHTS).exists():
        others += weight_files(folder, pickles=True)
    for path in others:
        if path.exists():
            digest.update(path.name.encode())
            _add_file(digest, path)
    return digest.hexdigest()[:16]


def _add_file(digest: hashlib._Hash, path: Path, absent: bytes = b"") -> None:
    if not path.exists():
        digest.update(absent)
        return
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)


def read_card(folder: Path, default: Card | None = None) -> Card:
    """The card of a model folder; the default where it has none.

    Raises:
        CheckpointError: it is damaged.
    """
    path = folder / CARD
    if not path.exists():
        return default or Card()
    values = read_json(path)
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
