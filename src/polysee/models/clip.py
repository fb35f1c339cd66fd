"""CLIP: a Vision Transformer for pictures and a GPT for text, trained by a contrastive loss.

Radford et al. 2021 (https://arxiv.org/abs/2103.00020).

Shapes: B batch, C channels, Y/X rows/columns, T tokens, D hidden size, E projection size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.attention import padding_mask
from polysee.layers.block import Block
from polysee.layers.sizes import check_sizes
from polysee.models.vit import ViT, ViTConfig


@dataclass(frozen=True)
class ClipTextConfig:
    """The text tower; the defaults are those of CLIP ViT-B.

    Args:
        end_token: the token after a text, at which the text is summed up; None: the highest of the text's numbers,
            as in CLIP's own code, where the end token is the last of the vocabulary.
    """

    vocab_size: int = 49408
    hidden_size: int = 512
    num_layers: int = 12
    num_heads: int = 8
    mlp_size: int = 2048
    context_length: int = 77
    end_token: int | None = 49407
    activation: str = "quick_gelu"
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self, may_be_zero=("end_token",))
        if self.end_token is not None and self.end_token >= self.vocab_size:
            raise ConfigError(
                f"end_token {self.end_token} is not below vocab_size {self.vocab_size}"
            )


CLIP_VIT_B32 = ViTConfig(
    activation="quick_gelu", norm_epsilon=1e-5, patch_bias=False, input_norm=True
)


@dataclass(frozen=True)
class ClipConfig:
    """The two towers and the space between them; the defaults are ViT-B/32's."""

    image: ViTConfig = CLIP_VIT_B32
    text: ClipTextConfig = field(default_factory=ClipTextConfig)
    projection_size: int = 512
    initial_temperature: float = 0.07

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.initial_temperature:
            raise ConfigError("initial_temperature must be above 0")
        if not self.image.class_token:
            raise ConfigError("the image tower needs its class token, which sums the picture up")


class ClipText(nn.Module):
    """A causal Transformer over the text.

    Shapes:
        tokens: (B, T) int64
        mask: (B, T) bool, True for a real token
        returns: (B, T, D), normalised
    """

    def __init__(self, config: ClipTextConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position = nn.Parameter(torch.randn(config.context_length, config.hidden_size) * 0.01)
        nn.init.normal_(self.token.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(
                config.hidden_size,
                config.num_heads,
                config.mlp_size,
                activation=config.activation,
                norm_epsilon=config.norm_epsilon,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_epsilon)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        length = tokens.shape[1]
        if length > self.config.context_length:
            raise ConfigError(f"{length} tokens; the model reads {self.config.context_length}")
        x = self.token(tokens) + self.position[:length]  # (B, T, D)
        attend = padding_mask(mask)
        for block in self.blocks:
            x = block(x, attend, causal=True)
        return self.norm(x)


class Clip(nn.Module):
    """Two towers into one space.

    Example:
        >>> image = ViTConfig(image_size=8, patch_size=4, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> text = ClipTextConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16, end_token=8)
        >>> model = Clip(ClipConfig(image, text, projection_size=4))
        >>> model.encode_image(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 4])
        >>> model.encode_text(torch.tensor([[1, 2, 8], [3, 8, 0]])).shape
        torch.Size([2, 4])
    """

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.image = ViT(config.image)
        self.text = ClipText(config.text)
        size = config.projection_size
        self.image_projection = nn.Linear(config.image.hidden_size, size, bias=False)
        self.text_projection = nn.Linear(config.text.hidden_size, size, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.initial_temperature)))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed pictures by the class token.

        Shapes:
            pixels: (B, 3, Y, X), normalised
            returns: (B, E), not of unit length
        """
        return self.image_projection(self.image(pixels)[:, 0])

    def encode_text(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed texts by the hidden state at their end token.

        Shapes:
            tokens: (B, T) int64
            mask: (B, T) bool, True for a real token
            returns: (B, E), not of unit length
        """
        hidden = self.text(tokens, mask)  # (B, T, D)
        end_token = self.config.text.end_token
        marks = tokens if end_token is None else (tokens == end_token).int()
        end = marks.argmax(1)  # (B,), the first one
        return self.text_projection(hidden[torch.arange(len(hidden)), end])
