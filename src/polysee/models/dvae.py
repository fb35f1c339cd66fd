"""The discrete VAE of DALL-E: a picture becomes a small grid of codes, and codes become a picture.

Ramesh et al. 2021, section 2.1 and appendix A (https://arxiv.org/abs/2102.12092), with finite scalar quantization in
the place of the Gumbel softmax: Mentzer et al. 2023 (https://arxiv.org/abs/2309.15505). The paper's own way is
`GumbelDvae`.

Differs from the paper: the picture is cut into patches first, which is cheap, and there is one further halving in
place of three; what is guessed is each pixel's value alone, not the spread of a distribution too.

Shapes: B batch, C channels, Y/X rows/columns of pixels, R/S rows/columns of the grid of codes, D hidden size, Z size
of a code's vector, V codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.layers.sizes import check_sizes


@dataclass(frozen=True)
class DvaeConfig:
    """The sizes of a discrete VAE with finite scalar quantization.

    Args:
        image_size: of the pictures, which are square; a multiple of twice `patch_size`.
        patch_size: the side of the patches that the picture is cut into first; a code stands for twice that.
        hidden_size: D of the grid of codes; of the patches, half.
        num_layers: of residual blocks at each of the two scales, in the encoder.
        levels: how many values each number of a code's vector can take; V is their product.
        more_layers: how many more residual blocks than the encoder's the decoder has at each scale; at least 1.
    """

    image_size: int = 96
    patch_size: int = 4
    hidden_size: int = 192
    num_layers: int = 2
    levels: tuple[int, ...] = (7, 5, 5, 5, 5)
    more_layers: int = 1

    def __post_init__(self) -> None:
        check_sizes(self)
        _check_grid(self.image_size, self.patch_size, self.hidden_size)
        if not self.levels or any(not isinstance(n, int) or n < 2 for n in self.levels):
            raise ConfigError(f"levels must be whole numbers from 2 on, not {self.levels}")

    @property
    def grid_size(self) -> int:
        return self.image_size // (2 * self.patch_size)

    @property
    def num_codes(self) -> int:
        return math.prod(self.levels)


@dataclass(frozen=True)
class GumbelDvaeConfig:
    """The sizes of a discrete VAE as in DALL-E; the rest as in `DvaeConfig`.

    Args:
        num_codes: V.
        code_size: Z.
    """

    image_size: int = 96
    patch_size: int = 4
    hidden_size: int = 192
    num_layers: int = 2
    num_codes: int = 1024
    code_size: int = 64
    more_layers: int = 1

    def __post_init__(self) -> None:
        check_sizes(self)
        _check_grid(self.image_size, self.patch_size, self.hidden_size)

    @property
    def grid_size(self) -> int:
        return self.image_size // (2 * self.patch_size)


def _check_grid(image_size: int, patch_size: int, hidden_size: int) -> None:
    if image_size % (2 * patch_size):
        raise ConfigError(f"image_size {image_size} is not a multiple of {2 * patch_size} pixels")
    if hidden_size % 2:
        raise ConfigError(f"hidden_size must be even, not {hidden_size}")


class Quantized(NamedTuple):
    """What a quantizer makes of what the encoder says.

    Attributes:
        vectors: (B, Z, R, S), what the decoder reads.
        codes: (B, R, S) int64.
        log_chances: (B, V, R, S), of each code; None where exactly one is possible.
    """

    vectors: torch.Tensor
    codes: torch.Tensor
    log_chances: torch.Tensor | None


class Reconstruction(NamedTuple):
    """A picture after its way through the codes.

    Attributes:
        pixels: (B, C, Y, X).
        quantized: the codes on the way.
    """

    pixels: torch.Tensor
    quantized: Quantized


class FiniteScalarQuantizer(nn.Module):
    """Round each number to one of a few levels; the code is which levels they are.

    Mentzer et al. 2023, section 3.1 and its appendix A.1. Nothing is learnt, and no code can die: every combination of
    levels is one. The gradient passes the rounding as if it were not there.

    Example:
        >>> quantizer = FiniteScalarQuantizer((3, 5))
        >>> quantized = quantizer(torch.tensor([0.0, 9.0]).view(1, 2, 1, 1))
        >>> quantized.vectors.flatten().tolist(), quantized.codes.item()
        ([0.0, 1.0], 13)
        >>> quantizer.vectors(quantized.codes).flatten().tolist()
        [0.0, 1.0]
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.input_size = self.code_size = len(levels)
        self.num_codes = math.prod(levels)

    def forward(self, x: torch.Tensor) -> Quantized:
        levels = self._levels(x)
        half = levels // 2  # the zero of each axis; an even number of levels has one more below it
        # A little more than the outermost levels can be reached, so that they are rounded to.
        reach = (levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        bounded = (x + (offset / reach).atanh()).tanh() * reach - offset  # (B, Z, R, S)
        rounded = bounded + (bounded.round() - bounded).detach()
        codes = ((rounded.detach() + half) * self._places(x)).sum(1).round().long()  # (B, R, S)
        return Quantized(rounded / half, codes, None)

    def vectors(self, codes: torch.Tensor) -> torch.Tensor:
        """The vectors that the decoder reads for some codes: (B, R, S) to (B, Z, R, S)."""
        levels = torch.tensor(self.levels, device=codes.device).view(1, -1, 1, 1)
        places = self._places(codes).long()
        digits = codes[:, None] // places % levels
        half = levels // 2
        return (digits - half) / half

    def _levels(self, like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.levels, device=like.device).view(1, -1, 1, 1)

    def _places(self, like: torch.Tensor) -> torch.Tensor:
        """What each number counts in the code, like the digits of a number: 1, L1, L1 L2, ..."""
        places = [math.prod(self.levels[:i]) for i in range(len(self.levels))]
        return torch.tensor(places, device=like.device).view(1, -1, 1, 1)


class GumbelQuantizer(nn.Module):
    """Draw one of V learnt vectors, so that the gradient can follow the draw.

    Ramesh et al. 2021, section 2.1, after Jang et al. 2017 (https://arxiv.org/abs/1611.01144): with noise, and softly
    while training, less so as `temperature` falls; in eval mode the likeliest code.
    """

    def __init__(self, num_codes: int, code_size: int) -> None:
        super().__init__()
        self.num_codes, self.code_size = num_codes, code_size
        self.input_size = num_codes
        self.temperature = 1.0
        self.codebook = nn.Parameter(torch.randn(num_codes, code_size))  # (V, Z)

    def forward(self, x: torch.Tensor) -> Quantized:
        codes = x.argmax(1)
        if not self.training:
            return Quantized(self.vectors(codes), codes, x.log_softmax(1))
        chosen = F.gumbel_softmax(x, tau=self.temperature, dim=1)  # (B, V, R, S)
        vectors = torch.einsum("bvrs,vz->bzrs", chosen, self.codebook)
        return Quantized(vectors, codes, x.log_softmax(1))

    def vectors(self, codes: torch.Tensor) -> torch.Tensor:
        """(B, R, S) to (B, Z, R, S)."""
        return F.embedding(codes, self.codebook).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added; no normalisation, as in the paper.

    At first it adds nothing: Zhang et al. 2019 (https://arxiv.org/abs/1901.09321) show that this takes the place of
    normalisation.

    Shapes:
        x: (B, D, R, S)
        returns: (B, D, R, S)
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(hidden_size, hidden_size, 3, padding=1)
        self.second = nn.Conv2d(hidden_size, hidden_size, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


def _blocks(hidden_size: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(hidden_size) for _ in range(count)))


class Encoder(nn.Module):
    """Pixels to what the quantizer reads.

    Shapes:
        pixels: (B, C, Y, X)
        returns: (B, output_size, R, S)
    """

    def __init__(
        self, patch_size: int, hidden_size: int, num_layers: int, output_size: int
    ) -> None:
        super().__init__()
        half = hidden_size // 2
        self.patches = nn.Conv2d(3, half, patch_size, patch_size)
        self.fine = _blocks(half, num_layers)
        self.halve = nn.Conv2d(half, hidden_size, 2, 2)
        self.coarse = _blocks(hidden_size, num_layers)
        self.output = nn.Conv2d(hidden_size, output_size, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.fine(self.patches(pixels))
        x = self.coarse(self.halve(x))
        return self.output(F.silu(x))


class Decoder(nn.Module):
    """Codes' vectors to pixels.

    Shapes:
        vectors: (B, Z, R, S)
        returns: (B, C, Y, X)
    """

    def __init__(self, patch_size: int, hidden_size: int, num_layers: int, code_size: int) -> None:
        super().__init__()
        half = hidden_size // 2
        self.input = nn.Conv2d(code_size, hidden_size, 1)
        self.coarse = _blocks(hidden_size, num_layers)
        self.widen = nn.ConvTranspose2d(hidden_size, half, 2, 2)
        self.fine = _blocks(half, num_layers)
        self.pixels = nn.Conv2d(half, 3 * patch_size**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(patch_size)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        x = self.widen(self.coarse(self.input(vectors)))
        return self.shuffle(self.pixels(F.silu(self.fine(x))))


class Dvae(nn.Module):
    """The discrete VAE.

    Shapes:
        pixels: (B, C, Y, X), normalised
        codes: (B, R, S) int64
    Raises:
        ConfigError: the pixels are of another size.
    Example:
        >>> small = DvaeConfig(image_size=16, patch_size=2, hidden_size=8, num_layers=1, levels=(3, 3))
        >>> Dvae(small).encode(torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 4, 4])
    """

    quantizer: FiniteScalarQuantizer | GumbelQuantizer

    def __init__(self, config: DvaeConfig) -> None:
        super().__init__()
        self.config: DvaeConfig | GumbelDvaeConfig = config
        self._build(FiniteScalarQuantizer(config.levels))

    def _build(self, quantizer: FiniteScalarQuantizer | GumbelQuantizer) -> None:
        config = self.config
        sizes, layers = (config.patch_size, config.hidden_size), config.num_layers
        self.encoder = Encoder(*sizes, layers, quantizer.input_size)
        self.quantizer = quantizer
        self.decoder = Decoder(*sizes, layers + config.more_layers, quantizer.code_size)

    def forward(self, pixels: torch.Tensor) -> Reconstruction:
        quantized = self.quantize(pixels)
        return Reconstruction(self.decoder(quantized.vectors), quantized)

    def quantize(self, pixels: torch.Tensor) -> Quantized:
        size = self.config.image_size
        if pixels.shape[-2:] != (size, size):
            rows, columns = pixels.shape[-2:]
            raise ConfigError(f"the model reads {size}x{size} pixels, not {rows}x{columns}")
        return self.quantizer(self.encoder(pixels))

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels to codes."""
        return self.quantize(pixels).codes

    def code_vectors(self) -> torch.Tensor:
        """What the decoder reads for each of the codes that there are: (V, Z)."""
        device = next(self.decoder.parameters()).device
        codes = torch.arange(self.quantizer.num_codes, device=device)
        return self.quantizer.vectors(codes.view(1, 1, -1))[0, :, 0].mT

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes to pixels."""
        return self.decoder(self.quantizer.vectors(codes))


class GumbelDvae(Dvae):
    """The discrete VAE as in DALL-E, with a learnt codebook."""

    def __init__(self, config: GumbelDvaeConfig) -> None:
        nn.Module.__init__(self)
        self.config = config
        self._build(GumbelQuantizer(config.num_codes, config.code_size))
