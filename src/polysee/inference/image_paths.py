"""The ways to run an image tower, and which of them a model takes on this machine.

| path | what it is | for |
| --- | --- | --- |
| `int8` | ONNX Runtime; the blocks' linear maps in 8 bits, picture by picture | Vision Transformers |
| `bf16` | torch, in bfloat16 | Vision Transformers, on processors with units for it |
| `compiled` | ONNX Runtime, in float32 | all |
| `folded` | torch, in float32, normalisation folded into the convolutions, channels last | EfficientNets |
| `exact` | the module as it stands | all |

`choose_path` takes the first that can be had here and gives what was asked for: by what is installed, what the
processor has, and, for the paths that are not float32, how near their vectors come to the exact ones on pictures that
are always the same. The clock has no say, so that a library's vectors stay comparable from run to run; the order is
what `benchmarks/towers.py` measured. In `int8` every picture is computed by itself, for the same reason: its range must
not depend on those beside it.

Shapes: B batch, C channels, Y/X rows/columns, E projection size.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.onnx.session import LARGEST, Session, runtime_is_installed
from polysee.checkpoints.onnx.towers import image_tower
from polysee.errors import NotSupportedError
from polysee.inputs.pixels import PixelRecipe
from polysee.layers.convolutions import fold_norms
from polysee.models.align import Align
from polysee.models.vit import ViT

Path = Literal["int8", "bf16", "compiled", "folded", "exact"]
Encode = Callable[[torch.Tensor], torch.Tensor]
"""Pixels (B, C, Y, X) to embeddings (B, E) of any length."""

LEAST_COSINE = 0.9995
"""To the exact vectors; twice as near as what is promised, since a handful of pictures stands for all."""
WORTH_COMPILING = 1_000_000
"""Parameters of an image tower; a smaller one is done before it is compiled."""
PROBES = 8
ROUGH: tuple[Path, ...] = ("int8", "bf16")


def choose_path(model: nn.Module, recipe: PixelRecipe) -> tuple[Path, Encode]:
    """The fastest path for many pictures on a CPU, and what runs it."""
    paths = _paths(model)
    for path in paths:
        encode = make_path(path, model)
        if path not in ROUGH or least_cosine(encode, model, probes(model, recipe)) >= LEAST_COSINE:
            return path, encode
    raise AssertionError("the last of the paths is exact")


def _paths(model: nn.Module) -> list[Path]:
    """Those that this machine has, the fastest first."""
    tower: Any = model.image
    size = sum(weight.numel() for weight in tower.parameters())
    paths: list[Path] = []
    if size >= WORTH_COMPILING:
        if isinstance(tower, ViT) and runtime_is_installed():
            paths.append("int8")
        if isinstance(tower, ViT) and has_bf16_units():
            paths.append("bf16")
        if runtime_is_installed() and 4 * size < LARGEST:
            paths.append("compiled")
    return [*paths, quick_path(model)]


def quick_path(model: nn.Module) -> Path:
    """The path for a picture or two, which is there at once."""
    return "folded" if isinstance(model, Align) else "exact"


def make_path(path: Path, model: nn.Module) -> Encode:
    """What runs a path; it keeps a copy of the weights, but for `exact`.

    Raises:
        NotSupportedError: ONNX Runtime is needed and is not installed.
    """
    if path in ("int8", "compiled"):
        need_runtime()
        session = Session(image_tower(model, int8=path == "int8"))
        if path == "compiled":
            return lambda pixels: session(pixels=pixels)
        return lambda pixels: torch.cat([session(pixels=picture[None]) for picture in pixels])
    if path == "folded":
        return _folded(model)
    if path == "bf16":
        return _bf16(model)
    return lambda pixels: model.encode_image(pixels)  # type: ignore[operator]


def need_runtime() -> None:
    """Raises: NotSupportedError: ONNX Runtime is not installed."""
    if not runtime_is_installed():
        raise NotSupportedError("ONNX Runtime is not installed: pip install 'polysee[fast]'")


def _folded(model: nn.Module) -> Encode:
    assert isinstance(model, Align)
    folded: Any = fold_norms(model.image)
    tower = folded.to(memory_format=torch.channels_last)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return model.project_image(tower(pixels))

    return encode


def _bf16(model: nn.Module) -> Encode:
    # A copy without the text tower: copying replaces by None what is noted as copied already.
    half: Any = copy.deepcopy(model, {id(model.text): None}).to(torch.bfloat16)
    return lambda pixels: half.encode_image(pixels.to(torch.bfloat16)).float()


def has_bf16_units() -> bool:
    """Whether the processor multiplies in bfloat16 itself; elsewhere that is slower than float32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@torch.inference_mode()
def least_cosine(encode: Encode, model: nn.Module, pixels: torch.Tensor) -> float:
    """How near a path comes to the exact vectors, at the picture where it is worst."""
    exact = model.encode_image(pixels)  # type: ignore[operator]
    return float(F.cosine_similarity(encode(pixels), exact, dim=-1).min())


def probes(model: nn.Module, recipe: PixelRecipe) -> torch.Tensor:
    """Pictures that are always the same, with the spectrum of photographs: the amplitude falls as one over frequency.

    Field 1987 (https://doi.org/10.1364/JOSAA.4.002379).

    Shapes:
        returns: (B, C, Y, X), normalised
    """
    tower: Any = model.image
    size: int = tower.config.image_size
    recipe = dataclasses.replace(recipe, image_size=size, side=None)
    draw = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    fall = 1 / np.maximum(frequency, 1 / size)
    noise = np.fft.fft2(draw.standard_normal((PROBES, 3, size, size)))
    waves = np.fft.ifft2(noise * fall).real
    waves /= np.abs(waves).max((2, 3), keepdims=True)
    light = draw.uniform(0.25, 0.75, (PROBES, 3, 1, 1))
    pictures = (255 * (light + 0.5 * waves)).clip(0, 255).astype(np.uint8)
    return recipe.normalise(pictures.transpose(0, 2, 3, 1))
