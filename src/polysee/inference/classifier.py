"""Which of some classes a picture shows: of names that are given, or that a model was fine-tuned on.

Shapes: B pictures, N classes, E projection size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polysee.checkpoints.labels import load_labels

if TYPE_CHECKING:
    from polysee.inference.embedder import Embedder


class Classifier:
    """Chooses among classes, by the vectors of their names or by a linear map that was trained to.

    Attributes:
        names: of the classes.
    """

    def __init__(
        self, embedder: Embedder, names: Sequence[str], weight: np.ndarray, bias: np.ndarray | None
    ) -> None:
        self.embedder, self.names, self.weight, self.bias = embedder, list(names), weight, bias

    @classmethod
    def by_names(
        cls, embedder: Embedder, names: Sequence[str], templates: Sequence[str] | None = None
    ) -> Classifier:
        """One of any names; see `Embedder.embed_labels`."""
        return cls(embedder, names, embedder.embed_labels(names, templates), None)

    @classmethod
    def of(cls, embedder: Embedder) -> Classifier | None:
        """What a model was fine-tuned to tell apart; None where it was not fine-tuned on classes.

        Raises:
            CheckpointError: its files are damaged.
        """
        labels = load_labels(embedder.folder)
        if labels is None:
            return None
        names = [names[0] for names in labels.names]
        if labels.weight is None or labels.bias is None:
            return cls.by_names(embedder, names)
        return cls(embedder, names, labels.weight.numpy(), labels.bias.numpy())

    def choose(self, pictures: np.ndarray) -> np.ndarray:
        """How likely each class is for each picture; of a linear map, exactly one being right.

        Shapes:
            pictures: (B, E), unit length
            returns: (B, N) float32
        """
        if self.bias is None:
            return self.embedder.choose(pictures, self.weight, fairly=True)
        logits = (pictures @ self.weight.T + self.bias).astype(np.float64)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)
