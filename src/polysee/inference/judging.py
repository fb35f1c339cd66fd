"""What `polysee.load` returns for a judge of scenes.

Shapes: B pictures, Y/X rows/columns, C channels, M things asked about in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from polysee.checkpoints.folder import Card
from polysee.datasets.scenes import KINDS, Scene
from polysee.datasets.scenes_truth import COLOUR_NAMES, CONCEPTS, FEELINGS
from polysee.errors import CheckpointError
from polysee.models.judge import Judge
from polysee.training.judging import Judged, accuracy, judged


class SceneJudge:
    """Says what pictures of the made world show.

    Attributes:
        model: the bare module, float32, in eval mode.
    Raises:
        CheckpointError: it was taught another world.
    """

    def __init__(
        self, model: Judge, card: Card, *, id: str, hash: str, folder: Path, device: torch.device
    ) -> None:
        config = model.config
        taught = config.concepts, config.colours, config.feelings, config.relations
        if taught != (CONCEPTS, COLOUR_NAMES, FEELINGS, KINDS):
            raise CheckpointError(
                f"{folder}: this judge was taught other things than there are now"
            )
        self.model = model.to(device)
        self.card, self.id, self.hash, self.folder = card, id, hash, folder

    def judge(self, pictures: np.ndarray, concept: np.ndarray) -> Judged:
        """Answer everything about some concepts in some pictures of any size.

        Shapes:
            pictures: (B, Y, X, C) uint8
            concept: (B, M), numbers in `datasets.scenes_truth.CONCEPTS`; below 0 for no question
        """
        return judged(self.model, self.card.pixels, self._sized(pictures), concept)

    def accuracy(self, scenes: Sequence[Scene], pictures: np.ndarray) -> dict[str, float]:
        """How often it is right about known scenes; see `training.judging.accuracy`."""
        return accuracy(self.model, self.card.pixels, scenes, self._sized(pictures))

    def _sized(self, pictures: np.ndarray) -> np.ndarray:
        if pictures.shape[1] == self.model.config.image_size:
            return pictures
        return np.stack([self.card.pixels.resize(Image.fromarray(one)) for one in pictures])
