"""SigLIP: two Transformers of one shape, trained to say of each picture and text alone whether they belong together.

Zhai et al. 2023 (https://arxiv.org/abs/2303.15343); SigLIP 2 (Tschannen et al. 2025, https://arxiv.org/abs/2502.14786)
keeps the architecture, reads the words of many languages, and is trained with more than the sigmoid loss alone.
A picture is summed up by one learnt query that reads every patch, a text by its last position. The text tower sees no
mask: it learnt from texts filled up to `context_length`, and reads the filling too.

Shapes: B batch, C channels, Y/X rows/columns, N patches, T tokens, D hidden size, E projection size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.attention import Attention, padding_mask
from polysee.layers.block import MLP, Block
from polysee.layers.sizes import check_sizes
from polysee.models.vit import ViT, ViTConfig

SIGLIP_VIT_B16 = ViTConfig(patch_size=16, activation="tanh_gelu", class_token=False)
INITIAL_BIAS = -10.0  # section 3.2: at first nearly every pair is said not to belong together


@dataclass(frozen=True)
class SiglipTextConfig:
    """The text tower; the defaults are those of SigLIP 2 ViT-B.

    Args:
        context_length: the most tokens that it reads, and what every text is filled up to.
    """

    vocab_size: int = 256000
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    context_length: int = 64
    activation: str = "tanh_gelu"
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        check_sizes(self)


@dataclass(frozen=True)
class SiglipConfig:
    """The two towers, which meet in the picture's own space; the defaults are SigLIP 2 ViT-B/16's."""

    image: ViTConfig = SIGLIP_VIT_B16
    text: SiglipTextConfig = field(default_factory=SiglipTextConfig)
    initial_temperature: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.initial_temperature:
            raise ConfigError("initial_temperature must be above 0")
        if self.image.class_token:
            raise ConfigError("the image tower has no class token: a query of its own sums it up")

    @property
    def projection_size(self) -> int:
        return self.image.hidden_size


class AttentionPool(nn.Module):
    """One learnt query that takes from every token what the whole needs, and a multilayer perceptron.

    Lee et al. 2019, section 3.2 (https://arxiv.org/abs/1810.00825), with one query; Zhai et al. 2022, section 3.2
    (https://arxiv.org/abs/2106.04560), use it in place of a class token.

    Shapes:
        hidden: (B, N, D)
        returns: (B, D)
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.query = nn.Parameter(torch.randn(size) * size**-0.5)
        self.attention = Attention(size, config.num_heads)
        self.norm = nn.LayerNorm(size, eps=config.norm_epsilon)
        self.mlp = MLP(size, config.mlp_size, config.activation)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        query = self.query.expand(len(hidden), 1, -1)  # (B, 1, D)
        x = self.attention(query, context=hidden)  # (B, 1, D)
        return (x + self.mlp(self.norm(x)))[:, 0]


class SiglipText(nn.Module):
    """A Transformer over the text in which every token sees every other.

    Shapes:
        tokens: (B, T) int64
        mask: (B, T) bool, True for a token that is attended to; all are when absent, as in training
        returns: (B, T, D), normalised
    """

    def __init__(self, config: SiglipTextConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.token = nn.Embedding(config.vocab_size, size)
        self.position = nn.Parameter(torch.randn(config.context_length, size) * 0.01)
        nn.init.normal_(self.token.weight, std=0.02)
        options = {"activation": config.activation, "norm_epsilon": config.norm_epsilon}
        self.blocks = nn.ModuleList(
            Block(size, config.num_heads, config.mlp_size, **options)  # type: ignore[arg-type]
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(size, eps=config.norm_epsilon)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        length = tokens.shape[1]
        if length > self.config.context_length:
            raise ConfigError(f"{length} tokens; the model reads {self.config.context_length}")
        x = self.token(tokens) + self.position[:length]  # (B, T, D)
        for block in self.blocks:
            x = block(x, padding_mask(mask))
        return self.norm(x)


class Siglip(nn.Module):
    """Two towers into one space; a pair's logit is `exp(log_scale)` times its cosine, plus `bias`.

    Example:
        >>> image = ViTConfig(8, 4, 8, 1, 2, 16, class_token=False)
        >>> text = SiglipTextConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> model = Siglip(SiglipConfig(image, text))
        >>> model.encode_image(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 8])
        >>> model.encode_text(torch.zeros(3, 64, dtype=torch.long)).shape
        torch.Size([3, 8])
    """

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.config = config
        self.image = ViT(config.image)
        self.image_pool = AttentionPool(config.image)
        self.text = SiglipText(config.text)
        self.text_projection = nn.Linear(config.text.hidden_size, config.projection_size)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.initial_temperature)))
        self.bias = nn.Parameter(torch.tensor(INITIAL_BIAS))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pictures.

        Shapes:
            pixels: (B, 3, Y, X), normalised
            returns: (B, E), not of unit length
        """
        return self.image_pool(self.image(pixels))

    def encode_text(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed texts by their last position, whatever stands there.

        Shapes:
            tokens: (B, T) int64, filled up to `context_length`
            mask: (B, T) bool; the filling counts as real tokens, so none is needed
            returns: (B, E), not of unit length
        """
        return self.text_projection(self.text(tokens, mask)[:, -1])
