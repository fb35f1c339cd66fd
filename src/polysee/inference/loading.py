"""`polysee.load`: from a name or a folder to something usable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import torch

from polysee.checkpoints.folder import folder_hash, load_folder, load_folder_tokenizer
from polysee.errors import CheckpointError, ConfigError, NotSupportedError
from polysee.inference.embedder import Embedder
from polysee.inference.language import wrapper_of

BUNDLED = Path(__file__).parent.parent / "bundled"
Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32"]


def bundled_models() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(f"polysee/{folder.parent.name}" for folder in BUNDLED.glob("*/config.json"))


def load(model: str | os.PathLike[str], dtype: Dtype = "auto", device: Device = "auto") -> Any:
    """Load a model by the name of a bundled one, or from a folder.

    Args:
        model: `polysee/align-nano`, or a folder with `config.json` and `model.safetensors`.
        dtype: "float32" is exact; "auto" is the fastest path at cosine >= 0.999 to it.
        device: "auto" takes a GPU where there is one.
    Raises:
        CheckpointError: no such model, or its folder is incomplete or damaged.
        ConfigError: an unknown `dtype` or `device`.
        NotSupportedError: the folder holds a part of a model, of pictures alone.
    Returns:
        An `Embedder` for a model of pictures and text; a `LanguageModel` for a GPT and a Transformer, a
        `TextClassifier` for a BERT with classes, a `TextModel` for another BERT.
    Example:
        >>> import polysee
        >>> polysee.load("polysee/align-nano").embedding_size
        384
    """
    if dtype not in ("auto", "float32"):
        raise ConfigError(f"unknown dtype {dtype!r}; auto or float32")
    folder = model_folder(model)
    module, card = load_folder(folder)
    wrapper = wrapper_of(module)
    if wrapper is None and not hasattr(module, "encode_image"):
        raise NotSupportedError(f"{model}: not a model of text, nor of pictures and text")
    config: Any = module.config
    length = getattr(config, "text", config).context_length
    tokenizer = load_folder_tokenizer(folder, length)
    about: dict[str, Any] = {
        # A library remembers this; a folder has to be found again from anywhere.
        "id": os.fspath(model) if os.fspath(model) in bundled_models() else str(folder.absolute()),
        "hash": folder_hash(folder),
        "folder": folder,
        "device": _device(device),
    }
    if wrapper is not None:
        return wrapper(module, tokenizer, dtype=dtype, **about)
    return Embedder(module, card, tokenizer, **about)


def model_folder(model: str | os.PathLike[str]) -> Path:
    """Where a model lies.

    Raises:
        CheckpointError: it is neither bundled nor a folder.
    """
    name = os.fspath(model)
    if name in bundled_models():
        return BUNDLED / name.removeprefix("polysee/")
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    known = ", ".join(bundled_models())
    raise CheckpointError(f"{name}: no such model; give a folder, or one of the bundled: {known}")


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise ConfigError(f"unknown device {name!r}; auto, cpu, cuda or mps")
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
