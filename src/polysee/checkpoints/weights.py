"""Weights on disk: safetensors in one file or several, and pickles that hold tensors and nothing else.

A pickle is a program, and reading it runs it. So `torch.load` reads it with `weights_only=True`, which knows how to
make tensors and refuses everything else before it is run; and only where a folder has no safetensors.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.overrides import TorchFunctionMode

from polysee.checkpoints.json_files import read_json
from polysee.checkpoints.keymap import State
from polysee.errors import CheckpointError

WEIGHTS = "model.safetensors"
PICKLE = "pytorch_model.bin"
INDEX = ".index.json"

_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)


class _Undrawn(TorchFunctionMode):
    """Draws no fresh weights."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Modules that are made here have shapes and no numbers: nothing is allocated that a file replaces.

    On such tensors torch draws by way of its compiler, whose import takes seconds; here it does not draw.
    """
    with torch.device("meta"), _Undrawn():
        yield


def weight_files(folder: Path, *, pickles: bool) -> list[Path]:
    """The files that hold a folder's weights: the first of the known forms that is there.

    Args:
        pickles: whether `pytorch_model.bin` will do where there are no safetensors.
    Raises:
        CheckpointError: there are none, or one that the index lists is absent.
    """
    for name in (WEIGHTS, PICKLE) if pickles else (WEIGHTS,):
        if (folder / name).exists():
            return [folder / name]
        if (folder / f"{name}{INDEX}").exists():
            return _shards(folder / f"{name}{INDEX}")
    raise CheckpointError(f"{folder}: no {WEIGHTS}")


def read_weights(files: list[Path]) -> State:
    """All tensors of some files.

    Raises:
        CheckpointError: a file is damaged, or holds more than tensors.
    """
    state: State = {}
    for path in files:
        state |= _read_pickle(path) if path.suffix == ".bin" else _read_safetensors(path)
    return state


def _shards(index: Path) -> list[Path]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{index}: no weight_map")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        # A name such as ../../secret would lead out of the folder.
        if Path(name).name != name or not name.endswith((".safetensors", ".bin")):
            raise CheckpointError(f"{index}: {name!r} is no weight file of this folder")
        if not (index.parent / name).exists():
            raise CheckpointError(f"{index.parent}: no {name}, which {index.name} lists")
    return [index.parent / name for name in names]


def _read_safetensors(path: Path) -> State:
    try:
        state: State = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error
    return state


def _read_pickle(path: Path) -> State:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = found[1] if found else "something that is no tensor"
        raise CheckpointError(
            f"{path}: an unsafe pickle: it asks for {what}; nothing of it was run. "
            f"Use a folder with {WEIGHTS}"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise CheckpointError(f"{path}: not a readable file of weights: {error}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: a dictionary of tensors is expected")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(f"{path}: {key!r} is no tensor")
    return dict(state)


def fill(model: nn.Module, state: State, where: Path, name_of: Callable[[str], str] = str) -> None:
    """Give a model made on the device "meta" its weights, as float32.

    Args:
        where: what an error calls the place that the weights are from.
        name_of: from our name of a tensor to the one in the file.
    Raises:
        CheckpointError: a tensor is missing, misshapen or left over.
    """
    wanted = model.state_dict()
    expected = {k: v for k, v in wanted.items() if not k.endswith("num_batches_tracked")}

    def listed(names: set[str]) -> str:
        return ", ".join(list(dict.fromkeys(map(name_of, sorted(names))))[:5])

    if missing := expected.keys() - state.keys():
        raise CheckpointError(f"{where}: tensors missing: {listed(missing)}")
    if over := state.keys() - expected.keys():
        raise CheckpointError(f"{where}: tensors left over: {listed(over)}")
    for name, tensor in state.items():
        found, fits = tuple(tensor.shape), tuple(expected[name].shape)
        if found != fits:
            raise CheckpointError(
                f"{where}: {name_of(name)} is misshapen: {found} in the file, {fits} in the model"
            )
    counters = {
        k: torch.zeros_like(v, device="cpu") for k, v in wanted.items() if k not in expected
    }
    # A copy: else the model would read from the file for as long as it lives.
    copied = {k: torch.empty(v.shape, dtype=expected[k].dtype).copy_(v) for k, v in state.items()}
    model.load_state_dict({**copied, **counters}, assign=True)
