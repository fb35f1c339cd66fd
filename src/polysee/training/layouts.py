"""What things look like, before anything is learnt of it: as the discrete VAE encodes each thing's own picture.

Shapes: A pictures in all styles, E appearance size, K tint size, Z size of a code's vector, Y/X rows/columns,
C channels.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from polysee.datasets.scenes_art import COLOURS, STYLES, sprite
from polysee.datasets.scenes_layout_tokens import pictures
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.dvae import Dvae
from polysee.models.layout import LayoutConfig, appearance_rows

_GREY = (200, 200, 200)
_DEVIATION = 0.1  # of what no picture says
_AT_ONCE = 64


@torch.no_grad()
def looks_of_things(config: LayoutConfig, dvae: Dvae, pixels: PixelRecipe) -> torch.Tensor:
    """For every thing in every style and size the vectors of its codes on grey, and how much of each patch it covers.

    Shapes:
        returns: (rows of `Layout.appearance`, E); beyond the Z + 1 that are known, numbers by lot
    Raises:
        ConfigError: E is too small.
    """
    known = dvae.quantizer.code_size + 1
    if config.appearance_size < known:
        raise ConfigError(f"appearance_size must be at least {known}, not {config.appearance_size}")
    generator = torch.Generator().manual_seed(0)
    rows = config.header[0] * config.num_pictures * config.places_of_thing
    looks = _DEVIATION * torch.randn(rows, config.appearance_size, generator=generator)
    arts = [
        (style * config.num_pictures + number, sprite(emoji, name))
        for style, name in enumerate(STYLES)
        for number, emoji in enumerate(pictures())
        if emoji
    ]
    for size in config.sizes:
        for start in range(0, len(arts), _AT_ONCE):
            some = arts[start : start + _AT_ONCE]
            vectors = looks_of([art for _, art in some], size, dvae, pixels)
            for (number, _), vector in zip(some, vectors, strict=True):
                looks[appearance_rows(config, number, size), :known] = vector
    return looks


@torch.no_grad()
def tints_of_things(
    config: LayoutConfig, dvae: Dvae, pixels: PixelRecipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """What colours change of the vectors of `looks_of_things`: the best that K numbers a place and one linear map a
    colour can say of it (singular value decomposition).

    Shapes:
        returns: (rows of `Layout.tint`, K); (colours, K * E), the first of which, its own colour, changes nothing
    Raises:
        ConfigError: E is too small.
    """
    if config.appearance_size < dvae.quantizer.code_size:
        raise ConfigError(
            f"appearance_size must be at least {dvae.quantizer.code_size}, not {config.appearance_size}"
        )
    tinted = [pictures()[number] for number in config.tinted]
    changes: list[torch.Tensor] = []
    for style in STYLES:
        for emoji in tinted:
            arts = [sprite(emoji, style, colour) for colour in (None, *COLOURS)]
            parts = [looks_of(arts, size, dvae, pixels) for size in config.sizes]
            whole = torch.cat(parts, dim=1)[..., :-1]  # (colours, rows of one thing, Z)
            changes.append((whole[1:] - whole[:1]).transpose(0, 1))
    change = torch.cat(changes)  # (rows, colours - 1, Z)
    most = min(config.tint_size, *change.flatten(1).shape)
    left, size, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    scale = size[:most].sqrt()
    known = F.pad(left[:, :most] * scale, (0, config.tint_size - most))
    maps = (scale[:, None] * right[:most]).unflatten(1, change.shape[1:])  # (K, colours - 1, Z)
    wide = (0, config.appearance_size - change.shape[2], 1, 0, 0, config.tint_size - most)
    return known, F.pad(maps, wide).transpose(0, 1).flatten(1)


def looks_of(arts: list[Image.Image], size: int, dvae: Dvae, pixels: PixelRecipe) -> torch.Tensor:
    """Pictures `size` codes wide or high, from the lower left corner upwards.

    Shapes:
        returns: (arts, size * size, Z + 1)
    """
    whole = dvae.config.image_size
    patch = whole // dvae.config.grid_size
    scenes, covers = [], []
    for art in arts:
        scale = size * patch / max(art.size)
        small = art.resize((max(1, round(art.width * scale)), max(1, round(art.height * scale))))
        canvas = Image.new("RGB", (whole, whole), _GREY)
        corner = 0, whole - small.height
        canvas.paste(small, corner, small)
        cover = Image.new("L", (whole, whole))
        cover.paste(small.getchannel("A"), corner)
        scenes.append(np.asarray(canvas))
        covers.append(np.asarray(cover))
    vectors = dvae.quantize(pixels.normalise(np.stack(scenes))).vectors  # (arts, Z, R, S)
    covered = F.avg_pool2d(torch.from_numpy(np.stack(covers))[:, None] / 255, patch)
    seen = torch.cat([vectors, covered], dim=1).flip(2)[:, :, :size, :size]  # from below
    return seen.flatten(2).mT
