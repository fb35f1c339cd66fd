"""A pipeline of `diffusers`: a folder for each of its components, all named in `model_index.json`.

What a pipeline is made of is read and checked here, before a weight is downloaded or read: no code of a stranger's, and
no pickle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polysee.checkpoints.json_files import read_json
from polysee.errors import CheckpointError

INDEX = "model_index.json"

# Of each component the first form of weights that is there is taken, and no other.
_WEIGHTS = (
    re.compile(r"(?:diffusion_pytorch_)?model\.safetensors"),
    re.compile(r"(?:diffusion_pytorch_)?model-\d+-of-\d+\.safetensors"),
)
_BESIDE_WEIGHTS = re.compile(r"\w[\w.-]*\.(?:json|txt|model)", re.ASCII)
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")


@dataclass(frozen=True)
class PipelineIndex:
    """What a `model_index.json` says.

    Args:
        name: of the pipeline's class.
        components: for each folder, the library that has its class, and the class.
    """

    name: str
    components: dict[str, tuple[str, str]]


def is_pipeline(folder: Path) -> bool:
    """Whether a folder is a pipeline of `diffusers`."""
    return (folder / INDEX).is_file()


def read_index(path: Path) -> PipelineIndex:
    """Read a `model_index.json`.

    Raises:
        CheckpointError: it is absent or damaged, or asks for code that lies beside it.
    """
    values = read_json(path)
    name = values.get("_class_name")
    if isinstance(name, list):  # a file of the repository, and a class in it
        raise CheckpointError(f"{path}: asks for code of its own ({name[0]}); it is not run")
    if not isinstance(name, str) or not name.isidentifier():
        raise CheckpointError(f"{path}: names no pipeline")
    components: dict[str, tuple[str, str]] = {}
    for key, value in values.items():
        # Beside components stand settings, and components that are left out: [null, null].
        if key.startswith("_") or not isinstance(value, list):
            continue
        if len(value) == 2 and all(isinstance(x, str) for x in value):
            if not re.fullmatch(r"\w+", key, re.ASCII):
                raise CheckpointError(f"{path}: {key!r} is not a name that a folder can have")
            components[key] = value[0], value[1]
    return PipelineIndex(name, components)


def pipeline_files(index: PipelineIndex, files: Iterable[str]) -> list[str]:
    """Which of a repository's files a pipeline is made of.

    Raises:
        CheckpointError: a component's weights are there as pickles alone.
    Example:
        >>> index = PipelineIndex("StableDiffusionPipeline", {"unet": ("diffusers", "UNet2DConditionModel")})
        >>> pipeline_files(index, ["README.md", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        ...                        "unet/diffusion_pytorch_model.bin", "vae/config.json", "v1.ckpt", INDEX])
        ['model_index.json', 'unet/config.json', 'unet/diffusion_pytorch_model.safetensors']
    """
    files = list(files)
    found = {INDEX}
    for component in index.components:
        start = f"{component}/"
        names = [file.removeprefix(start) for file in files if file.startswith(start)]
        beside = [name for name in names if _BESIDE_WEIGHTS.fullmatch(name)]
        found.update(start + name for name in [*beside, *_weights(component, names)])
    return sorted(found)


def check_folder(folder: Path, index: PipelineIndex) -> None:
    """
    Raises:
        CheckpointError: a component is absent, or has its weights as pickles alone.
    """
    for component in index.components:
        place = folder / component
        if not place.is_dir():
            raise CheckpointError(f"{folder}: no {component}; is it a whole pipeline?")
        _weights(str(place), [path.name for path in place.iterdir()])


def _weights(place: str, names: Iterable[str]) -> list[str]:
    names = list(names)
    forms = ([name for name in names if form.fullmatch(name)] for form in _WEIGHTS)
    found = next(filter(None, forms), [])
    if not found and any(name.endswith(_PICKLES) for name in names):
        raise CheckpointError(f"{place}: no weights as safetensors, and others are not read here")
    return found
