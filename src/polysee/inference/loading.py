"""`polysee.load`: from a name or a folder to something usable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from polysee.checkpoints.bundled import bundled_folder, bundled_models
from polysee.checkpoints.folder import folder_hash, load_folder, load_folder_tokenizer
from polysee.checkpoints.hub import Progress, fetch, is_hub_name
from polysee.checkpoints.pipelines import is_pipeline
from polysee.errors import CheckpointError, ConfigError, NotSupportedError
from polysee.inference.embedder import Embedder
from polysee.inference.encoders import Dtype as Dtype
from polysee.inference.language import wrapper_of
from polysee.models.dalle import Dalle
from polysee.models.judge import Judge
from polysee.models.matcher import Matcher

Device = Literal["auto", "cpu", "cuda", "mps"]


def load(
    model: str | os.PathLike[str],
    dtype: Dtype = "auto",
    device: Device = "auto",
    *,
    progress: Progress | None = None,
) -> Any:
    """Load a model by the name of a bundled one, from a folder, or from Hugging Face's hub.

    Args:
        model: `polysee/align-nano`; a folder with `config.json` and `model.safetensors`; or `owner/name`, with
            `@revision` (a branch, a tag, a commit) where it matters. What is downloaded is kept, and used from then
            on without asking; `HF_ENDPOINT` names a mirror, `HF_TOKEN` a token.
        dtype: "float32" is exact; "auto" is the fastest path at cosine >= 0.999 to it (see `inference.image_paths`;
            for a GPT, 8 bits where OpenVINO is installed); "int8" runs both towers in 8 bits, whatever the cosine.
        device: "auto" takes a GPU where there is one.
        progress: called with the bytes downloaded and their total.
    Raises:
        CheckpointError: no such model, it cannot be downloaded, or its folder is incomplete or damaged.
        OfflineError: a download is needed, and offline mode forbids it.
        ConfigError: an unknown `dtype`, an unknown or absent `device`, or "int8" for a language model or on a GPU.
        NotSupportedError: the folder holds a part of a model, of pictures alone; "int8" without the extra `fast`; a
            pipeline without the extra `diffusers`.
    Returns:
        An `Embedder` for a model of pictures and text; a `LanguageModel` for a GPT and a Transformer, a
        `TextClassifier` for a BERT with classes, a `TextModel` for another BERT; an `ImageGenerator` for a DALL-E, a
        `PipelineGenerator` for a pipeline of `diffusers`; a `SceneJudge` for a judge of scenes, a
        `SceneMatcher` for a matcher.
    Example:
        >>> import polysee
        >>> polysee.load("polysee/align-nano").embedding_size
        384
    """
    if dtype not in get_args(Dtype):
        raise ConfigError(f"unknown dtype {dtype!r}; one of {', '.join(get_args(Dtype))}")
    folder = model_folder(model, progress=progress)
    # A library remembers this; a folder has to be found again from anywhere.
    name = str(folder.absolute()) if _is_folder(model) else os.fspath(model)
    if is_pipeline(folder):
        from polysee.inference.pipelines import PipelineGenerator

        return PipelineGenerator(folder, id=name, device=_device(device), dtype=dtype)
    module, card = load_folder(folder)
    about: dict[str, Any] = {
        "id": name,
        "hash": folder_hash(folder),
        "folder": folder,
        "device": _device(device),
    }
    if isinstance(module, Judge):
        from polysee.inference.judging import SceneJudge

        return SceneJudge(module, card, **about)
    if isinstance(module, Matcher):
        from polysee.inference.matching import SceneMatcher

        return SceneMatcher(module, card, **about)
    wrapper = wrapper_of(module)
    if wrapper is None and not hasattr(module, "encode_image"):
        raise NotSupportedError(f"{model}: not a model of text, nor of pictures and text")
    config: Any = module.config
    length = getattr(config, "text", config).context_length
    tokenizer = load_folder_tokenizer(folder, length)
    if isinstance(module, Dalle):
        from polysee.inference.drawing import ImageGenerator

        return ImageGenerator(module, card, tokenizer, **about)
    if wrapper is None:
        return Embedder(module, card, tokenizer, dtype=dtype, **about)
    if dtype == "int8":
        raise ConfigError(f"{model}: int8 is for models of pictures and text; a GPT's auto is that")
    return wrapper(module, tokenizer, dtype=dtype, **about)


def load_embedder(
    model: str | os.PathLike[str], dtype: Dtype = "auto", device: Device = "auto"
) -> Embedder:
    """As `load`, for those who need a model of pictures and text.

    Raises:
        NotSupportedError: it is another one.
    """
    loaded = load(model, dtype, device)
    if not isinstance(loaded, Embedder):
        raise NotSupportedError(f"{model}: not a model of pictures and text")
    return loaded


def model_folder(
    model: str | os.PathLike[str], *, refresh: bool = False, progress: Progress | None = None
) -> Path:
    """Where a model lies; one of the hub is downloaded if it is not here.

    Args:
        refresh: ask the hub for what is newest, and check what is here.
        progress: called with the bytes downloaded and their total.
    Raises:
        CheckpointError: it is neither bundled, nor a folder, nor a hub's; or it cannot be downloaded.
        OfflineError: a download is needed, and offline mode forbids it.
    """
    name = os.fspath(model)
    if name in bundled_models():
        return bundled_folder(name)
    if _is_folder(name):
        return Path(name).expanduser()
    # A stranger may own the name on a hub.
    if is_hub_name(name) and not name.startswith("polysee/"):
        return fetch(name, refresh=refresh, progress=progress)
    known = ", ".join(bundled_models())
    if name.startswith("polysee/"):
        raise CheckpointError(
            f"{name}: no such model comes with this copy of Polysee; "
            f"train it by its recipe, see recipes/, and name its folder; here are {known}"
        )
    raise CheckpointError(
        f"{name}: no such model; give a folder, a name such as openai/clip-vit-base-patch32, "
        f"or one of the bundled: {known}"
    )


def _is_folder(model: str | os.PathLike[str]) -> bool:
    return os.fspath(model) not in bundled_models() and _is_directory(model)


def _is_directory(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # too long, or a home that nobody has
        return False


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise ConfigError(f"unknown device {name!r}; auto, cpu, cuda or mps")
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, is_here in here.items() if is_here))
    if not here[name]:
        raise ConfigError(f"there is no device {name!r} here; try cpu")
    return torch.device(name)
