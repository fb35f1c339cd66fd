"""Random weights under which a wrong network cannot pass: every tensor drawn, activations of order 1."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from polysee.checkpoints.keymap import KeyMap


def random_pictures(count: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """Patches of colour with noise over them: of noise alone, a deep network sees the same in every picture."""
    colours = torch.randn(count, 3, 4, 4, generator=draw)
    coarse = nn.functional.interpolate(colours, size=(size, size), mode="bilinear")
    return coarse + 0.5 * torch.randn(count, 3, size, size, generator=draw)


@torch.no_grad()
def draw_weights(model: nn.Module, seed: int = 0, size: int = 64) -> None:
    """Draw every parameter and buffer.

    Matrices by fan-in; embeddings and positions around 0.5; norms around 1; biases not zero. Batch normalisation is
    left in training mode.

    Args:
        size: of the random pictures that statistics are drawn around.
    """
    draw = torch.Generator().manual_seed(seed)

    def normal(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=draw)

    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        if tensor.ndim == 0:  # a temperature or the logarithm of a scale
            tensor.fill_(0.5 + torch.rand((), generator=draw).item())
        elif tensor.ndim == 1 and name.endswith("weight"):
            tensor.copy_(1 + 0.2 * normal(tensor))
        elif tensor.ndim == 1 or tensor.ndim == 3 or ("embedding" in name and tensor.ndim == 2):
            tensor.copy_((0.2 if tensor.ndim == 1 else 0.5) * normal(tensor))
        else:
            fan_in = tensor.numel() // tensor.shape[0]
            tensor.copy_(1.5 * fan_in**-0.5 * normal(tensor))
    draw_statistics(model, draw, size)


def draw_statistics(model: nn.Module, draw: torch.Generator, size: int) -> None:
    """Draw the running statistics of batch normalisation around those of random pictures.

    Drawn freely, with these weights or with the reference's own, an EfficientNet's output explodes, vanishes, or
    is the same for every picture, and any code passes.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    getattr(model, "vision_model", model)(random_pictures(4, size, draw))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        variance, shape = norm.running_var, norm.running_var.shape
        norm.running_mean += 0.2 * variance.sqrt() * torch.randn(shape, generator=draw)
        variance.mul_(0.7 + torch.rand(shape, generator=draw))


@pytest.fixture
def drawn() -> Callable[[nn.Module], None]:
    return draw_weights


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may ask a hub; set for these tests alone, since others do ask one of their own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def convert(tmp_path: Path) -> Callable[[nn.Module, nn.Module, KeyMap], None]:
    """Draw the reference's weights and move them into ours by the reference's own file, then back again.

    The way back: the reference loads our export and must be what it was.
    """

    def moved(theirs: nn.Module, ours: nn.Module, keys: KeyMap) -> None:
        draw_weights(theirs)
        theirs.eval()
        theirs.save_pretrained(tmp_path)
        path = tmp_path / "model.safetensors"
        published = load_file(path)
        expected = {k for k in ours.state_dict() if not k.endswith("num_batches_tracked")}
        state = keys.to_ours(published)
        assert state.keys() == expected
        ours.load_state_dict(state, strict=False)
        ours.eval()

        exported = keys.to_theirs(ours.state_dict())
        assert exported.keys() == {
            k for k in published if not k.startswith(keys.unused) and "num_batches" not in k
        }
        save_file(exported, path, metadata={"format": "pt"})
        again = type(theirs).from_pretrained(tmp_path).state_dict()
        for name, tensor in theirs.state_dict().items():
            if "pooler" not in name and "num_batches" not in name:
                torch.testing.assert_close(again[name], tensor, msg=name)

    return moved


@pytest.fixture
def pixels() -> Callable[..., torch.Tensor]:
    def make(size: int, count: int = 3) -> torch.Tensor:
        return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))

    return make


@pytest.fixture
def texts() -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Tokens and mask of three texts: a full one, a half one, one of two tokens; padded with 0."""

    def make(vocab_size: int, length: int, end: int | None = None):
        draw = torch.Generator().manual_seed(2)
        tokens = torch.randint(1, vocab_size - 2, (3, length), generator=draw)
        lengths = torch.tensor([length, length // 2, 2])
        mask = torch.arange(length) < lengths[:, None]
        if end is not None:
            tokens[torch.arange(3), lengths - 1] = end
        return tokens * mask, mask

    return make
