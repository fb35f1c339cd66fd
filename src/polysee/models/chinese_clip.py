"""Chinese-CLIP: CLIP's picture tower and a Chinese BERT, trained to put a picture and its caption in one place.

Yang et al. 2022 (https://arxiv.org/abs/2211.01335), section 2. The text tower starts from RoBERTa-wwm (Cui et al. 2021,
https://arxiv.org/abs/1906.08101), which is a BERT; its first token sums the text up.

Shapes: B batch, C channels, Y/X rows/columns, T tokens, D hidden size, E projection size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from polysee.errors import ConfigError
from polysee.layers.pooling import first_token
from polysee.layers.sizes import check_sizes
from polysee.models.bert import Bert, BertConfig
from polysee.models.clip import CLIP_VIT_B32
from polysee.models.vit import ViT, ViTConfig

VIT_B16 = replace(CLIP_VIT_B32, patch_size=16)
CHINESE_BERT = BertConfig(vocab_size=21128)


@dataclass(frozen=True)
class ChineseClipConfig:
    """The two towers and the space between them; the defaults are ViT-B/16's."""

    image: ViTConfig = VIT_B16
    text: BertConfig = CHINESE_BERT
    projection_size: int = 512
    initial_temperature: float = 0.07

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.initial_temperature:
            raise ConfigError("initial_temperature must be above 0")
        if not self.image.class_token:
            raise ConfigError("the image tower needs its class token, which sums the picture up")


class ChineseClip(nn.Module):
    """Two towers into one space.

    Example:
        >>> image = ViTConfig(image_size=8, patch_size=4, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> text = BertConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2, mlp_size=16)
        >>> model = ChineseClip(ChineseClipConfig(image, text, projection_size=4)).eval()
        >>> model.encode_image(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 4])
        >>> model.encode_text(torch.zeros(3, 5, dtype=torch.long)).shape
        torch.Size([3, 4])
    """

    def __init__(self, config: ChineseClipConfig) -> None:
        super().__init__()
        self.config = config
        self.image = ViT(config.image)
        self.text = Bert(config.text)
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
        return self.image_projection(first_token(self.image(pixels)))

    def encode_text(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed texts by their first token.

        Shapes:
            tokens: (B, T) int64
            mask: (B, T) bool, True for a real token
            returns: (B, E), not of unit length
        """
        return self.text_projection(first_token(self.text(tokens, mask)))
