"""The classes that a fine-tuned model tells apart without being given names.

Shapes: B pictures, N classes, E projection size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polysee.checkpoints.labels import load_labels

if TYPE_CHECKING:
    from polysee.inference.embedder import Embedder


class Classifier:
    """A fine-tuned model's own classes.

    Attributes:
        names: of the classes, in the first language that they were taught in.
    """

    def __init__(
        self, embedder: Embedder, names: list[str], weight: np.ndarray, bias: np.ndarray | None
    ) -> None:
        self.embedder, self.names, self.weight, self.bias = embedder, names, weight, bias

    @classmethod
    def of(cls, embedder: Embedder) -> Classifier | None:
        """That of a loaded model; None where it was not fine-tuned on classes.

        Raises:
            CheckpointError: its files are damaged.
        """
        labels = load_labels(embedder.folder)
        if labels is None:
            return None
        names = [names[0] for names in labels.names]
        if labels.weight is None or labels.bias is None:
            return cls(embedder, names, embedder.embed_labels(names), None)
        return cls(embedder, names, labels.weight.numpy(), labels.bias.numpy())

    def choose(self, pictures: np.ndarray) -> np.ndarray:
        """How likely each class is for each picture, exactly one being right.

        Shapes:
            pictures: (B, E), unit length
            returns: (B, N) float32
        """
        if self.bias is None:
            return self.embedder.choose(pictures, self.weight)
        logits = (pictures @ self.weight.T + self.bias).astype(np.float64)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)
