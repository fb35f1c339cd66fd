"""Vision Transformer: a picture cut into patches, each read as a token.

Dosovitskiy et al. 2021 (https://arxiv.org/abs/2010.11929).

Shapes: B batch, C channels, Y/X rows/columns, N patches, T = N + 1 tokens with the class token, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.block import Block
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class ViTConfig:
    """The sizes of a ViT; the defaults are ViT-B/32's.

    Args:
        class_token: a learnt token before the patches, which sums the picture up.
        patch_bias: whether the patch projection has a bias (CLIP's has none).
        input_norm: a normalisation before the first block, as in CLIP.
    """

    image_size: int = 224
    patch_size: int = 32
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    activation: str = "gelu"
    norm_epsilon: float = 1e-6
    class_token: bool = True
    patch_bias: bool = True
    input_norm: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}"
            )

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


class ViT(nn.Module):
    """The encoder: a vector for every patch, after the class token's.

    Shapes:
        pixels: (B, 3, Y, X), Y = X = `image_size`
        returns: (B, T, D), normalised; the class token, where there is one, is the first
    Raises:
        ConfigError: the pictures are of another size.
    Example:
        >>> small = ViTConfig(image_size=8, patch_size=4, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> ViT(small)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        patch = config.patch_size
        self.patch = nn.Conv2d(3, size, patch, stride=patch, bias=config.patch_bias)
        self.class_token = nn.Parameter(torch.zeros(size)) if config.class_token else None
        tokens = config.num_patches + config.class_token
        self.position = nn.Parameter(torch.randn(tokens, size) * 0.02)
        epsilon = config.norm_epsilon
        self.input_norm = nn.LayerNorm(size, eps=epsilon) if config.input_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=epsilon,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(size, eps=epsilon)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        size = self.config.image_size
        if pixels.shape[-2:] != (size, size):
            raise ConfigError(
                f"the model reads {size}x{size} pixels, not {'x'.join(map(str, pixels.shape[-2:]))}"
            )
        x = self.patch(pixels).flatten(2).transpose(1, 2)  # (B, N, D)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1)  # (B, T, D)
        x = self.input_norm(x + self.position)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
