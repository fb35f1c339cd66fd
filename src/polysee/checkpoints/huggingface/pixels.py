"""The picture recipe of a folder of `transformers`: `preprocessor_config.json`, or its newer place, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from polysee.checkpoints.json_files import read_json
from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.pixels import PixelRecipe

Resample = Literal["bilinear", "bicubic", "lanczos"]
_Three = tuple[float, float, float]

FILES = ("preprocessor_config.json", "processor_config.json")
# Pillow's numbers.
RESAMPLING: dict[int, Resample] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CLIP = PixelRecipe(224, _MEAN, _STD, "bicubic", "crop", exact=True)
CHINESE_CLIP = replace(CLIP, fit="squash")
SIGLIP = PixelRecipe(224, exact=True)
ALIGN = PixelRecipe(289, resample="bilinear", side=346, exact=True)


# What their classes do where a file is silent.
_CROPS: dict[str, Any] = {
    "size": {"shortest_edge": 224},
    "crop_size": 224,
    "do_center_crop": True,
    "resample": 3,
    "image_mean": _MEAN,
    "image_std": _STD,
}
_HALF = (0.5, 0.5, 0.5)
DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIPImageProcessor": _CROPS,
    "ChineseCLIPImageProcessor": _CROPS,
    "SiglipImageProcessor": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "resample": 3,
        "image_mean": _HALF,
        "image_std": _HALF,
    },
    "EfficientNetImageProcessor": {
        "size": {"height": 346, "width": 346},
        "crop_size": 289,
        "do_center_crop": False,
        "resample": 3,
        "image_mean": _HALF,
        "image_std": _HALF,
        "include_top": True,
    },
}


def read_recipe(folder: Path, kind: str) -> PixelRecipe | None:
    """The recipe that a folder's files say; None if it has none.

    Args:
        kind: their class that prepares pictures, where a file does not name one.
    Raises:
        CheckpointError: a file is damaged, or prepares pictures in a way that is not known here.
    """
    for name in FILES:
        if not (folder / name).exists():
            continue
        values = read_json(folder / name)
        if name == FILES[1]:  # a whole processor, of which the pictures' part is one entry
            values = values.get("image_processor") or {}
        if not values:
            continue
        try:
            named = str(values.get("image_processor_type")).removesuffix("Fast").removesuffix("Pil")
            given = {key: value for key, value in values.items() if value is not None}
            return _recipe({**DEFAULTS.get(named, DEFAULTS[kind]), **given}, kind)
        except (
            CheckpointError,
            ConfigError,
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise CheckpointError(f"{folder / name}: {error}") from error
    return None


def _recipe(values: Mapping[str, Any], kind: str) -> PixelRecipe:
    for name, wanted in (("do_resize", True), ("do_pad", False)):
        if values.get(name, wanted) != wanted:
            raise CheckpointError(f"{name} is {values[name]!r}, which is not known here")
    fit, side = _size(values["size"], crops=DEFAULTS[kind] is _CROPS)
    image_size = _square(values["crop_size"]) if values["do_center_crop"] else side
    if fit == "crop" and not values["do_center_crop"]:
        raise CheckpointError("do_center_crop is off: the pictures would keep their proportions")
    mean, std = _normalisation(values)
    if values["resample"] not in RESAMPLING:
        raise CheckpointError(f"unknown resample {values['resample']!r}; one of {RESAMPLING}")
    return PixelRecipe(
        image_size,
        mean,
        std,
        RESAMPLING[values["resample"]],
        fit,
        None if side == image_size else side,
        exact=True,
    )


def _size(size: Any, *, crops: bool) -> tuple[Literal["crop", "squash"], int]:
    """How pictures are fitted, and to which side; what a bare number means is the class's."""
    if isinstance(size, int) and crops:
        return "crop", size
    if isinstance(size, Mapping) and size.get("shortest_edge") and not size.get("longest_edge"):
        return "crop", int(size["shortest_edge"])
    return "squash", _square(size)


def _square(size: Any) -> int:
    if isinstance(size, int):
        return size
    if not isinstance(size, Mapping) or not {"height", "width"} <= size.keys():
        raise CheckpointError(f"a size of {size!r} is not known here")
    if size["height"] != size["width"]:
        raise CheckpointError(
            f"a size of {size['width']} x {size['height']}; only squares are known here"
        )
    return int(size["height"])


def _normalisation(values: Mapping[str, Any]) -> tuple[_Three, _Three]:
    """Mean and deviation, of values in 0-1, that do what the file's steps do.

    The steps: multiply by a factor, subtract 1 (EfficientNet's `rescale_offset`), subtract a mean and divide by a
    deviation, divide by the deviation once more (its `include_top`).
    """
    rescale, normalise = values.get("do_rescale", True), values.get("do_normalize", True)
    factor = 255 * (values.get("rescale_factor", 1 / 255) if rescale else 1.0)
    offset = 1.0 if rescale and values.get("rescale_offset") else 0.0
    again = values.get("include_top", False)
    means, stds = [], []
    for mean, std in zip(values["image_mean"], values["image_std"], strict=True):
        means.append(((mean if normalise else 0.0) + offset) / factor)
        stds.append((std if normalise else 1.0) * (std if again else 1.0) / factor)
    return (means[0], means[1], means[2]), (stds[0], stds[1], stds[2])


def write_recipe(recipe: PixelRecipe, kind: str) -> dict[str, Any]:
    """The `preprocessor_config.json` of a recipe.

    Args:
        kind: the class in `transformers`, such as `CLIPImageProcessor`.
    """
    side, cut = recipe.side or recipe.image_size, recipe.image_size
    squash = recipe.fit == "squash"
    return {
        "image_processor_type": kind,
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": side, "width": side} if squash else {"shortest_edge": side},
        "resample": next(n for n, name in RESAMPLING.items() if name == recipe.resample),
        "do_center_crop": not squash or side != cut,
        "crop_size": {"height": cut, "width": cut},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(recipe.mean),
        "image_std": list(recipe.std),
        **({"include_top": False} if kind.startswith("EfficientNet") else {}),
    }
