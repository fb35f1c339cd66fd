"""What the frozen lower part of an image tower gives for each picture, computed once and kept.

Several augmented versions of each picture are kept, so that the trained upper part does not see the same input at
every epoch. Version 0 is the picture as search sees it.

Shapes: N pictures, V versions, C channels, Y/X rows/columns of the map at the cut.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance

from polysee.checkpoints.efficientnet import imagenet_lite2
from polysee.checkpoints.openvino import compiled, openvino_is_installed
from polysee.datasets.tables import runs_folder
from polysee.inputs.pixels import PixelRecipe
from polysee.models.efficientnet import EfficientNet

log = logging.getLogger(__name__)
CHUNK = 512
TOP_CLASSES = 10


@dataclass(frozen=True)
class Activations:
    """What the tower gives as ImageNet left it.

    Shapes:
        maps: (N, V, Y, X, C) float16, at the cut
        pooled: (N, 1280) float16, at the end, of version 0
        classes, probabilities: (N, 10), what the ImageNet classifier finds likeliest
    """

    maps: np.ndarray
    pooled: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray


def lower_activations(
    tower: EfficientNet, images: Sequence[bytes], recipe: PixelRecipe, cut: int, versions: int
) -> Activations:
    """Run pictures through the first `cut` blocks; chunks that were computed before are read back.

    Args:
        versions: augmented versions beside version 0.
    """
    digest = hashlib.sha256(repr((recipe, cut, versions, CHUNK)).encode())
    for tensor in tower.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    folder = runs_folder() / "cache" / f"activations-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    lower = _Lower(tower, recipe, cut, versions)
    parts = []
    for start in range(0, len(images), CHUNK):
        path = folder / f"{start}.npz"
        if not path.exists():
            partial = path.with_suffix(".part.npz")
            made: dict[str, Any] = lower(images[start : start + CHUNK], start)
            np.savez(partial, **made)
            partial.replace(path)
            log.info("activations: %d of %d pictures", start, len(images))
        parts.append(dict(np.load(path)))
    return Activations(**{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


class _Lower:
    def __init__(self, tower: EfficientNet, recipe: PixelRecipe, cut: int, versions: int) -> None:
        self.tower, self.recipe, self.cut, self.versions = tower, recipe, cut, versions
        _, self.weight, self.bias = imagenet_lite2()
        self.run = _fastest(tower.eval(), cut, recipe.image_size)

    @torch.inference_mode()
    def __call__(self, images: Sequence[bytes], first: int) -> dict[str, np.ndarray]:
        maps, pooled = [], []
        for batch in self._batches(images, first):
            low = self.run(self.recipe.normalise(batch))  # (B * V, C, Y, X)
            maps.append(low.permute(0, 2, 3, 1).half().numpy())
            pooled.append(self.tower.upper(low[:: self.versions + 1], self.cut).pooled)
        features = torch.cat(pooled)
        said = (features @ self.weight.T + self.bias).softmax(1).topk(TOP_CLASSES)
        joined = np.concatenate(maps)
        return {
            "maps": joined.reshape(len(images), self.versions + 1, *joined.shape[1:]),
            "pooled": features.half().numpy(),
            "classes": said.indices.numpy().astype(np.int16),
            "probabilities": said.values.numpy().astype(np.float16),
        }

    def _batches(self, images: Sequence[bytes], first: int, size: int = 16) -> Iterator[np.ndarray]:
        """Pictures of the next batch are decoded while this one is computed."""

        def decode(start: int) -> np.ndarray:
            rows = range(start, min(start + size, len(images)))
            return np.concatenate([self._versions(images[i], first + i) for i in rows])

        with ThreadPoolExecutor(1) as pool:
            yield from pool.map(decode, range(0, len(images), size))

    def _versions(self, data: bytes, seed: int) -> np.ndarray:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        draw = np.random.default_rng(seed)
        made = [image, *(augment(image, draw) for _ in range(self.versions))]
        return np.stack([self.recipe.resize(version) for version in made])


def _fastest(tower: EfficientNet, cut: int, size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Through OpenVINO where it is installed; it is several times as fast on a CPU.

    Tracing fixes the paddings, so it is done at the size that will come.
    """
    if not openvino_is_installed():
        return lambda pixels: tower.lower(pixels, cut)

    class Lower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = tower

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.tower.lower(pixels, cut)

    example = torch.zeros(1, 3, size, size)
    return compiled(Lower().eval(), [example], [(-1, 3, size, size)])


def class_prototypes(pooled: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Where the pictures of each ImageNet class would lie, from the classifier's rows alone.

    Were the classes Gaussian with one covariance S, the best linear classifier's row of a class would be
    S^-1 (mean of the class), up to a constant (Fisher's discriminant). So S times the row points from the mean of all
    pictures towards those of the class.

    Shapes:
        pooled: (N, D), features of any pictures; weight: (classes, D)
        returns: (classes, D) float32, directions from the mean, scaled like a picture's own distance from it
    """
    centred = pooled.astype(np.float32) - pooled.astype(np.float32).mean(0)
    covariance = centred.T @ centred / len(centred)
    directions = (weight - weight.mean(0)) @ covariance
    distance = np.linalg.norm(centred, axis=1).mean()
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * distance


def augment(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Cut a random part out, in other proportions, perhaps mirrored, its light and colours a little changed.

    The part is at least half of the picture: a caption speaks of all of it.
    """
    area, ratio = draw.uniform(0.5, 1.0), np.exp(draw.uniform(-0.3, 0.3))
    width = min(1.0, (area * ratio) ** 0.5) * image.width
    height = min(1.0, (area / ratio) ** 0.5) * image.height
    left, top = draw.uniform(0, image.width - width), draw.uniform(0, image.height - height)
    image = image.crop((int(left), int(top), int(left + width), int(top + height)))
    if draw.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(draw.uniform(0.75, 1.25))
    return image
