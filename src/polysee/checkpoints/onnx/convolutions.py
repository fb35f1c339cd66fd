"""An EfficientNet as an ONNX graph, its batch normalisation folded into the convolutions.

Shapes: B batch, C channels, Y/X rows/columns.
"""

from __future__ import annotations

import torch
from torch import nn

from polysee.checkpoints.onnx.graph import Graph
from polysee.errors import NotSupportedError
from polysee.layers.convolutions import ConvNorm, SameConv2d
from polysee.models.efficientnet import EfficientNet, InvertedResidual, SqueezeExcite


def efficientnet(graph: Graph, model: EfficientNet, pixels: str) -> str:
    """The last map, (B, D, Y, X)."""
    x = _pair(graph, model.stem, pixels)
    for block in model.blocks:
        assert isinstance(block, InvertedResidual)
        x = _inverted_residual(graph, block, x)
    if isinstance(model.head, ConvNorm):
        x = _pair(graph, model.head, x)
    return x


def _inverted_residual(graph: Graph, block: InvertedResidual, x: str) -> str:
    y = _pair(graph, block.expand, x) if isinstance(block.expand, ConvNorm) else x
    y = _pair(graph, block.depthwise, y)
    if isinstance(block.squeeze, SqueezeExcite):
        y = _squeeze_excite(graph, block.squeeze, y)
    y = _pair(graph, block.project, y)
    return graph.op("Add", x, y) if block.residual else y


def _squeeze_excite(graph: Graph, layer: SqueezeExcite, x: str) -> str:
    summary = graph.op("GlobalAveragePool", x)  # (B, C, 1, 1)
    reduced = _silu(graph, _convolution(graph, layer.reduce, summary))
    gate = graph.op("Sigmoid", _convolution(graph, layer.expand, reduced))
    return graph.op("Mul", x, gate)


def _pair(graph: Graph, pair: ConvNorm, x: str) -> str:
    weight, bias = pair.folded()
    y = _convolution(graph, pair.conv, x, weight, bias)
    if isinstance(pair.activation, nn.ReLU6):
        return graph.op("Clip", y, graph.number(0), graph.number(6))
    if isinstance(pair.activation, nn.SiLU):
        return _silu(graph, y)
    if isinstance(pair.activation, nn.Identity):
        return y
    raise NotSupportedError(f"ONNX: no activation {type(pair.activation).__name__}")


def _silu(graph: Graph, x: str) -> str:
    return graph.op("Mul", x, graph.op("Sigmoid", x))


def _convolution(
    graph: Graph,
    layer: nn.Conv2d,
    x: str,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> str:
    weight = layer.weight if weight is None else weight
    bias = layer.bias if bias is None else bias
    padding: dict[str, object] = {}
    if isinstance(layer, SameConv2d):
        fixed = layer.fixed_padding()
        padding = {"auto_pad": "SAME_UPPER"} if fixed is None else {"pads": fixed}
    inputs = [graph.table(weight)] + ([] if bias is None else [graph.constant(bias)])
    return graph.op(
        "Conv", x, *inputs, kernel_shape=list(layer.kernel_size), strides=list(layer.stride),
        group=layer.groups, **padding,
    )  # fmt: skip
