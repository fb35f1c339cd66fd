"""Pictures as they are once they were turned to codes and back: what a model that reads drawings has to learn from.

Shapes: K pictures, Y/X rows/columns, N codes of a picture, C codes that there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from polysee.checkpoints.folder import load_folder, load_folder_tokenizer
from polysee.datasets.scenes import Scene
from polysee.datasets.scenes_drawing import Drawing
from polysee.datasets.scenes_layout_tokens import layout_tokens
from polysee.errors import ConfigError
from polysee.generation.drawing import OWN_DECODING, OWN_GUIDANCE, Text, draw_codes
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.dalle import Dalle
from polysee.models.dvae import Dvae
from polysee.training.folders import start_folder

# Freer than pictures are drawn: each code follows true ones here, so that what is wrong does not add up.
_TEMPERATURE = 1.0


class ThroughCodes:
    """Pictures as they come out of their codes."""

    def __init__(
        self, model: Dalle | Dvae, pixels: PixelRecipe, tokenizer: Tokenizer | None = None
    ) -> None:
        self.model, self.pixels, self.tokenizer = model, pixels, tokenizer

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Shapes: (K, Y, X, 3) uint8 to the same."""
        seen = self.pixels.normalise(pictures)
        if isinstance(self.model, Dalle):
            made = self.model.decode_image(self.model.encode_image(seen))
        else:
            made = self.model(seen).pixels
        return self.pixels.bytes_of(made)

    @torch.inference_mode()
    def astray(
        self,
        scenes: Sequence[Scene],
        drawn: Sequence[Drawing],
        texts: Sequence[str],
        seed: int,
        times: int = 1,
    ) -> np.ndarray:
        """Pictures of scenes, some of whose codes were drawn anew; what drawings look like.

        They are drawn from a sentence about each, and where the model writes layouts, from the scene's own.

        Args:
            times: pictures of each scene, one after the other; more of them cost little.
        Shapes:
            returns: (K times, Y, X, 3) uint8
        Raises:
            ConfigError: the model draws nothing.
        """
        model, text, layout = self._told(scenes, drawn, texts)
        pictures = np.stack([one.image for one in drawn])
        codes = model.encode_image(self.pixels.normalise(pictures))
        generator = torch.Generator().manual_seed(seed)
        # Mostly of most codes.
        share = torch.rand(len(codes) * times, 1, generator=generator).sqrt()
        codes = astray(model, text, codes, share, generator, layout)
        return self.pixels.bytes_of(model.decode_image(codes))

    @torch.inference_mode()
    def anew(
        self, scenes: Sequence[Scene], drawn: Sequence[Drawing], texts: Sequence[str], seed: int
    ) -> np.ndarray:
        """Pictures of scenes as `polysee draw` makes them, but by the scenes' own layouts, where the model writes any.

        Args:
            seed: of the first; the next has the next seed.
        Shapes:
            returns: (K, Y, X, 3) uint8
        Raises:
            ConfigError: the model draws nothing.
        """
        model, text, layout = self._told(scenes, drawn, texts)
        decoding = replace(OWN_DECODING, seed=seed)
        codes = draw_codes(
            model, text, decoding, guidance=OWN_GUIDANCE, settled=True, layout=layout
        )
        return self.pixels.bytes_of(model.decode_image(codes))

    def _told(
        self, scenes: Sequence[Scene], drawn: Sequence[Drawing], texts: Sequence[str]
    ) -> tuple[Dalle, Text, torch.Tensor | None]:
        """What draws, and what it reads: texts, and the scenes' own layouts if it writes any."""
        if not isinstance(self.model, Dalle) or self.tokenizer is None:
            raise ConfigError("a model of codes alone draws nothing anew")
        layout = None
        if config := self.model.config.layout:
            both = zip(scenes, drawn, strict=True)
            told = [layout_tokens(scene, one.pieces, config) for scene, one in both]
            layout = torch.from_numpy(np.stack(told))
        return self.model, Text(*self.tokenizer(texts)), layout


def load_through_codes(name: str) -> ThroughCodes:
    """Read a model that turns pictures to codes: a bundled one, an earlier run's, or a folder.

    Raises:
        ConfigError: it does something else.
    """
    folder = start_folder(name)
    model, card = load_folder(folder)
    if not isinstance(model, Dalle | Dvae):
        raise ConfigError(f"{folder}: no model that turns pictures to codes")
    if isinstance(model, Dvae):
        return ThroughCodes(model, card.pixels)
    tokenizer = load_folder_tokenizer(folder, model.config.context_length)
    return ThroughCodes(model, card.pixels, tokenizer)


@torch.inference_mode()
def astray(
    model: Dalle,
    text: Text,
    codes: torch.Tensor,
    share: torch.Tensor,
    generator: torch.Generator | None = None,
    layout: torch.Tensor | None = None,
) -> torch.Tensor:
    """Codes, of which some are what the model draws after the true ones before them.

    Shapes:
        codes: (K, N) int64; layout: (K, P) int64
        share: (K times, 1), of a picture's codes; all pictures of the same codes stand together
        returns: (K times, N) int64
    """
    device, times = codes.device, len(share) // len(codes)
    upto = (
        (model(*text, codes, layout).codes.float() / _TEMPERATURE).softmax(2).cumsum(2)
    ).repeat_interleave(times, 0)  # (K times, N, C)
    codes = codes.repeat_interleave(times, 0)
    lot = torch.rand(codes.shape, generator=generator, device=device)
    # Where a number by lot falls among the chances, laid end to end.
    places = torch.searchsorted(upto, lot[..., None] * upto[..., -1:])[..., 0]
    drawn = places.clamp(max=upto.shape[2] - 1)
    chosen = torch.rand(codes.shape, generator=generator, device=device) < share
    return torch.where(chosen, drawn, codes)
