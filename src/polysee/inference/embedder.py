"""A two-tower model ready for use: files, pictures and sentences in, unit vectors out.

Shapes: N inputs, B batch, C channels, Y/X rows/columns, E projection size.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from polysee.checkpoints.background import BACKGROUND, load_background
from polysee.checkpoints.folder import Card, export_folder
from polysee.errors import CheckpointError, ConfigError, NotSupportedError
from polysee.inference.encoders import Dtype, ImageEncoder, TextEncoder
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.prompts import embed_names
from polysee.inputs.tokenizer import Tokenizer
from polysee.media.image import read_image, to_rgb

MANY = 8
"""Pictures that are worth the moment which the fastest path takes to be ready."""
NEAREST = 30
"""Unrelated pictures that say how near a name lies to any picture."""
ImageLike = str | os.PathLike[str] | bytes | Image.Image | np.ndarray


class Embedder:
    """What `polysee.load` returns for CLIP, ALIGN and their like.

    Attributes:
        id: the name it was loaded by; `hash`: 16 hexadecimal digits over weights and recipe.
        model: the bare module, float32, in eval mode.
        recipe: how pictures are prepared.
        embedding_size: E.

    Example:
        >>> import polysee
        >>> model = polysee.load("polysee/align-nano")
        >>> model.embed_text(["一只坐在沙发上的猫", "a dog"]).shape
        (2, 384)
    """

    def __init__(
        self,
        model: nn.Module,
        card: Card,
        tokenizer: Tokenizer | None,
        *,
        id: str,
        hash: str,
        folder: Path,
        device: torch.device,
        dtype: Dtype = "auto",
    ) -> None:
        self.model = model.to(device)
        self.card = card
        self.tokenizer = tokenizer
        self.id, self.hash, self.folder, self.device = id, hash, folder, device
        self.image_encoder = ImageEncoder(self.model, card.pixels, dtype, device)
        self._encode_text = TextEncoder(self.model, dtype, device)

    @property
    def recipe(self) -> PixelRecipe:
        return self.card.pixels

    @property
    def embedding_size(self) -> int:
        return int(self.model.config.projection_size)  # type: ignore[union-attr, arg-type]

    def embed_image(self, images: Sequence[ImageLike], batch_size: int = 32) -> np.ndarray:
        """Embed pictures: paths, encoded bytes, PIL images, or arrays (Y, X, C) uint8, of any size.

        Shapes:
            returns: (N, E) float32, unit length
        Raises:
            MediaError: a picture cannot be read.
            ConfigError: one picture in place of a list, or an array of another form.
        """
        if isinstance(images, (str, bytes, os.PathLike, Image.Image)):
            raise ConfigError("images must be a list, not one picture")
        many = len(images) >= MANY
        batches = [
            self.embed_pictures(np.stack([self._resize(image) for image in batch]), many=many)
            for batch in _batches(images, batch_size)
        ]
        return self._joined(batches)

    def embed_pictures(self, pictures: np.ndarray, *, many: bool = True) -> np.ndarray:
        """Embed pictures that `recipe.resize` has brought to size.

        Args:
            many: whether they are part of many, as in an index; so the path does not depend on how they are batched.
        Shapes:
            pictures: (B, Y, X, C) uint8
            returns: (B, E) float32, unit length
        """
        return self.embed_pixels(self.recipe.normalise(pictures), many=many)

    def embed_pixels(self, pixels: torch.Tensor, *, many: bool | None = None) -> np.ndarray:
        """Embed pixels that are already normalised.

        Args:
            many: whether they are part of many; None: a batch of 8 is.
        Shapes:
            pixels: (B, C, Y, X)
            returns: (B, E) float32, unit length
        """
        many = len(pixels) >= MANY if many is None else many
        with torch.inference_mode():
            return _unit(self.image_encoder(pixels.to(self.device), many=many))

    def embed_text(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Embed sentences, each as it stands.

        Shapes:
            returns: (N, E) float32, unit length
        Raises:
            NotSupportedError: the model folder has no tokenizer.
        """
        if self.tokenizer is None:
            raise NotSupportedError(f"{self.id} has no tokenizer.json: it cannot read text")
        if isinstance(texts, str):
            raise ConfigError("texts must be a list of strings, not one string")
        batches = []
        for batch in _batches(texts, batch_size):
            tokens, mask = self.tokenizer(batch)
            with torch.inference_mode():
                embedding = self._encode_text(tokens.to(self.device), mask.to(self.device))
                batches.append(_unit(embedding))
        return self._joined(batches)

    def embed_labels(
        self, labels: Sequence[str], templates: Sequence[str] | None = None
    ) -> np.ndarray:
        """Embed names of things, each as the mean over the sentences that it is put into.

        Args:
            templates: sentences with a `{}`; the model's own by default.
        Shapes:
            returns: (N, E) float32, unit length
        """
        return embed_names(self.embed_text, labels, templates or self.card.templates or None)

    def classify(
        self, image: ImageLike, labels: Sequence[str], templates: Sequence[str] | None = None
    ) -> np.ndarray:
        """How likely each label is for a picture.

        Most models compare the labels with each other, as if exactly one were right: the answers sum to 1, and with
        one label it is always 1. SigLIP judges each label by itself.

        Shapes:
            returns: (N,) float32, in the order of `labels`
        """
        if isinstance(labels, str):
            raise ConfigError("labels must be a list of names, not one string")
        if not labels:
            raise ConfigError("labels must not be empty")
        names = self.embed_labels(labels, templates)
        return self.choose(self.embed_image([image]), names, fairly=True)[0]

    def choose(
        self, pictures: np.ndarray, labels: np.ndarray, *, fairly: bool = False
    ) -> np.ndarray:
        """How likely each label is for each picture.

        A model trained by a softmax says how likely each is if exactly one is right: each row sums to 1. One trained
        by a sigmoid (SigLIP) says of each label by itself how likely it is.

        Args:
            fairly: whether the labels are names of things, of which some lie near every picture; see `compare`.
        Shapes:
            pictures: (B, E), labels: (N, E), unit length
            returns: (B, N) float32
        """
        logits = self.logits(pictures, labels).astype(np.float64)
        if self.bias is not None:
            return (1 / (1 + np.exp(-logits))).astype(np.float32)
        if fairly:
            logits = self.compare(pictures, labels).astype(np.float64) * self.scale
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)

    def compare(self, pictures: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """How well names of things fit pictures, to choose the best name by.

        Some names lie near every picture. So each gives away half of its mean similarity to those of a background of
        unrelated pictures that it is nearest to: CSLS (Conneau et al. 2018, https://arxiv.org/abs/1710.04087, section
        2.3), halved, and without what is the same for all names of a picture. Without a background: the similarities.

        Shapes:
            pictures: (B, E), labels: (N, E), unit length
            returns: (B, N) float32
        Raises:
            CheckpointError: the model's background is damaged.
        """
        near = self._unrelated @ labels.T  # (P, N)
        nearest = min(NEAREST, len(near))
        if not nearest:
            return pictures @ labels.T
        return pictures @ labels.T - np.partition(near, -nearest, axis=0)[-nearest:].mean(0) / 2

    @functools.cached_property
    def _unrelated(self) -> np.ndarray:
        """(P, E): pictures that ship beside the model; none beside most."""
        none = np.zeros((0, self.embedding_size), np.float32)
        found = load_background(self.folder).get("pictures", none)
        if found.shape[1:] != (self.embedding_size,):
            raise CheckpointError(f"{self.folder / BACKGROUND} is of another model")
        return found

    def logits(self, pictures: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """What the model's loss reads: the similarities, times the scale, plus the bias if there is one.

        Shapes:
            pictures: (B, E), texts: (N, E), unit length
            returns: (B, N) float32
        """
        return (pictures @ texts.T) * np.float32(self.scale) + np.float32(self.bias or 0.0)

    @property
    def bias(self) -> float | None:
        """What is added to every logit of a model trained by a sigmoid loss; None for the others."""
        bias = getattr(self.model, "bias", None)
        return None if bias is None else float(bias.detach())

    def export(self, folder: Path) -> None:
        """Write a folder that `transformers` loads, with tokenizer and picture recipe.

        Raises:
            NotSupportedError: `transformers` has no such architecture.
        """
        export_folder(
            folder, self.model, card=self.card, tokenizer=self.tokenizer, source=self.folder
        )

    @property
    def scale(self) -> float:
        """What similarities are multiplied by before a softmax: one over the learnt temperature."""
        return float(self.model.log_scale.detach().exp())  # type: ignore[operator]

    def _resize(self, image: ImageLike) -> np.ndarray:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ConfigError(
                    f"an array must be (Y, X, 3) uint8, not {image.shape} {image.dtype}"
                )
            image = Image.fromarray(image)
        elif isinstance(image, Image.Image):
            image = image if image.mode == "RGB" else to_rgb(image)
        else:
            image = read_image(image, draft_size=self.recipe.draft_size)
        return self.recipe.resize(image)

    def _joined(self, batches: list[np.ndarray]) -> np.ndarray:
        if not batches:
            return np.zeros((0, self.embedding_size), np.float32)
        return np.concatenate(batches)


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _unit(embedding: torch.Tensor) -> np.ndarray:
    return F.normalize(embedding.float(), dim=-1).cpu().numpy()
