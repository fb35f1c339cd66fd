"""Pictures as they are once they were turned to codes and back: what a model that reads drawings has to learn from.

Shapes: K pictures, Y/X rows/columns.
"""

from __future__ import annotations

import numpy as np
import torch

from polysee.checkpoints.folder import load_folder
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.dalle import Dalle
from polysee.models.dvae import Dvae
from polysee.training.folders import start_folder


class ThroughCodes:
    """Pictures as they come out of their codes."""

    def __init__(self, model: Dalle | Dvae, pixels: PixelRecipe) -> None:
        self.model, self.pixels = model, pixels

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Shapes: (K, Y, X, 3) uint8 to the same."""
        seen = self.pixels.normalise(pictures)
        if isinstance(self.model, Dalle):
            made = self.model.decode_image(self.model.encode_image(seen))
        else:
            made = self.model(seen).pixels
        return self.pixels.bytes_of(made)


def load_through_codes(name: str) -> ThroughCodes:
    """Read a model that turns pictures to codes: a bundled one, an earlier run's, or a folder.

    Raises:
        ConfigError: it does something else.
    """
    folder = start_folder(name)
    model, card = load_folder(folder)
    if not isinstance(model, Dalle | Dvae):
        raise ConfigError(f"{folder}: no model that turns pictures to codes")
    return ThroughCodes(model, card.pixels)
