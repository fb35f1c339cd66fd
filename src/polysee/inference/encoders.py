"""The two towers of an `Embedder`, each by the path that its `dtype` asks for.

Shapes: B batch, T tokens, E projection size.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from polysee.checkpoints.onnx.session import Session
from polysee.checkpoints.onnx.towers import text_tower
from polysee.errors import ConfigError
from polysee.inference.image_paths import (
    Encode,
    Path,
    choose_path,
    make_path,
    need_runtime,
    quick_path,
)
from polysee.inputs.pixels import PixelRecipe
from polysee.models.vit import ViT

Dtype = Literal["auto", "float32", "int8"]


class ImageEncoder:
    """Pictures to vectors: at once for a few, by the fastest path for many, which takes a moment to make.

    Paths copy the weights. They are made at first use, and again when the module's weights were changed.

    Raises:
        NotSupportedError: int8 without ONNX Runtime.
        ConfigError: int8 elsewhere than on a CPU.
    """

    def __init__(
        self, model: nn.Module, recipe: PixelRecipe, dtype: Dtype, device: torch.device
    ) -> None:
        self.model, self.recipe, self.dtype = model, recipe, dtype
        if dtype == "int8":
            _need_cpu(device)
        self._fast = dtype != "float32" and device.type == "cpu"
        self._made: dict[bool, tuple[Path, Encode]] = {}
        self._version = -1

    def __call__(self, pixels: torch.Tensor, *, many: bool) -> torch.Tensor:
        """Shapes: pixels (B, 3, Y, X), returns (B, E), of any length."""
        if not len(pixels) or not self._fits(pixels):
            return self.model.encode_image(pixels)  # type: ignore[operator]
        return self._path(many)[1](pixels)

    def path(self, *, many: bool = True) -> Path:
        """Which path is taken for many pictures, or for a few."""
        return self._path(many)[0] if self._fast else "exact"

    def _fits(self, pixels: torch.Tensor) -> bool:
        """Whether a path can take the pixels; the module itself says what is wrong with others."""
        if not self._fast or self.model.training or torch.is_grad_enabled():
            return False
        model: Any = self.model
        tower, side = model.image, model.image.config.image_size
        right = pixels.ndim == 4 and pixels.shape[1] == 3 and pixels.dtype == torch.float32
        if isinstance(tower, ViT):
            return right and pixels.shape[2:] == (side, side)
        # A compiled window is as large as it is; the module itself makes do with a map that is smaller.
        return right and min(pixels.shape[2:]) > 32 * (model.config.class_window - 1)

    def _path(self, many: bool) -> tuple[Path, Encode]:
        # Every change in place counts a tensor's version up; those made in inference mode have none.
        tensors = self.model.state_dict(keep_vars=True).values()
        version = sum(0 if tensor.is_inference() else tensor._version for tensor in tensors)
        if version != self._version:
            self._made, self._version = {}, version
        if many not in self._made:
            self._made[many] = self._make(many)
        return self._made[many]

    def _make(self, many: bool) -> tuple[Path, Encode]:
        if self.dtype == "int8":
            return "int8", make_path("int8", self.model)
        if many:
            return choose_path(self.model, self.recipe)
        quick = quick_path(self.model)
        return quick, make_path(quick, self.model)


class TextEncoder:
    """Texts to vectors; a query is so short that float32 as it stands is as fast as anything, unless int8 is asked for.

    Raises:
        NotSupportedError: int8 without ONNX Runtime.
        ConfigError: int8 elsewhere than on a CPU.
    """

    def __init__(self, model: nn.Module, dtype: Dtype, device: torch.device) -> None:
        self.model = model
        self._session: Session | None = None
        if dtype == "int8":
            _need_cpu(device)
            self._session = Session(text_tower(model, int8=True))

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shapes: tokens, mask (B, T), returns (B, E), of any length."""
        if self._session is None:
            return self.model.encode_text(tokens, mask)  # type: ignore[operator]
        # One by one and without padding, so that the range of the 8 bits is each text's own.
        lengths = mask.sum(1).clamp(min=1).tolist()
        rows = zip(tokens, mask, lengths, strict=True)
        return torch.cat(
            [self._session(tokens=row[None, :n], mask=real[None, :n]) for row, real, n in rows]
        )


def _need_cpu(device: torch.device) -> None:
    need_runtime()
    if device.type != "cpu":
        raise ConfigError(f"int8 runs on a CPU: device must be cpu, not {device.type}")
