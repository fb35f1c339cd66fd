"""What ONNX graphs are put together from: constants, operations, linear maps, normalisation, attention, blocks.

A graph is built from a module's weights, layer by layer, and not traced: it is there in a moment, takes any batch, and
holds what we put there alone. `int8` changes two things.

- A linear map of a block multiplies in 8 bits: each output's weights share a scale, and the input is quantised as it
  comes, by its own smallest and largest value. The weights take 7 of the 8 bits: a processor without instructions of
  its own for this adds products in pairs into 16 bits, and more would not fit.
- Other tables and kernels are only kept in 8 bits, and computed with in float32. So is the second map of an MLP in a
  block that normalises afterwards (BERT's): what it reads is "spiky", a few large numbers that would make the steps of
  all others coarse.

Shapes: B batch, T tokens, D hidden size, H heads, K head size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from polysee.checkpoints.quantise import quantise
from polysee.errors import NotSupportedError
from polysee.layers.attention import Attention
from polysee.layers.block import MLP, Block, PostNormBlock, quick_gelu, tanh_gelu

OPSET = 20
IR_VERSION = 9  # the oldest that goes with it, so that older runtimes read the file, too
NOT_SEEN = -1e9
"""Added to the score of a token that may not be attended to."""


class Graph:
    """Nodes and constants, in the order in which they are added.

    Args:
        int8: see the module.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self.int8 = int8
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._onnx = import_module("onnx")
        self._lists: dict[tuple[int, ...], str] = {}

    def model(self, inputs: Mapping[str, tuple[str, Sequence[int | str]]], output: str) -> Any:
        """An `onnx.ModelProto` with one output, "embedding".

        Args:
            inputs: element type and shape of each; a size that is a name may be any.
            output: what `op` gave for the last node.
        """
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        given = [
            helper.make_tensor_value_info(name, getattr(kinds, kind), shape)
            for name, (kind, shape) in inputs.items()
        ]
        self.nodes.append(helper.make_node("Identity", [output], ["embedding"]))
        made = helper.make_tensor_value_info("embedding", kinds.FLOAT, ["batch", "size"])
        graph = helper.make_graph(self.nodes, "tower", given, [made], self.constants)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="polysee"
        )

    def constant(self, values: torch.Tensor | np.ndarray) -> str:
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
        name = f"c{len(self.constants)}"
        array = np.array(array, order="C")  # an array without dimensions stays one
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def ints(self, *numbers: int) -> str:
        """A list of numbers that operations take as an input: axes, shapes."""
        if numbers not in self._lists:
            self._lists[numbers] = self.constant(np.array(numbers, np.int64))
        return self._lists[numbers]

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation of one output."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        names = [f"n{len(self.nodes)}.{i}" for i in range(outputs)]
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def table(self, weight: torch.Tensor) -> str:
        """A constant that with `int8` is kept in 8 bits, with a scale for each row of its first axis."""
        if not self.int8 or weight.ndim < 2:
            return self.constant(weight)
        whole, scale = quantise(weight.flatten(1), bits=8)
        scale = scale.view(-1, *[1] * (weight.ndim - 1))
        kept = self.constant(whole.view(weight.shape))
        kept = self.op("Cast", kept, to=self._onnx.TensorProto.FLOAT)
        return self.op("Mul", kept, self.constant(scale))

    def rows(self, weight: torch.Tensor, places: str) -> str:
        """Rows of a table by their numbers."""
        if not self.int8:
            return self.op("Gather", self.constant(weight), places)
        whole, scale = quantise(weight, bits=8)
        found = self.op("Gather", self.constant(whole), places)
        found = self.op("Cast", found, to=self._onnx.TensorProto.FLOAT)
        return self.op("Mul", found, self.op("Gather", self.constant(scale), places))

    def linear(self, x: str, weight: torch.Tensor, bias: torch.Tensor | None) -> str:
        """x W^T + b, in float32.

        Shapes:
            weight: (outputs, inputs); bias: (outputs,)
        """
        kept = self.op("Transpose", self.table(weight), perm=[1, 0]) if self.int8 else None
        y = self.op("MatMul", x, kept or self.constant(weight.T))
        return y if bias is None else self.op("Add", y, self.constant(bias))

    def maps(self, x: str, layers: Sequence[nn.Linear], factors: Sequence[float] = ()) -> str:
        """Linear maps of a block, of one input, joined into one; their outputs lie side by side.

        Args:
            factors: what each map's outputs are multiplied by.
        """
        scales = factors or [1.0] * len(layers)
        pairs = list(zip(layers, scales, strict=True))
        weight = torch.cat([layer.weight.detach() * scale for layer, scale in pairs])
        bias = torch.cat([layer.bias.detach() * scale for layer, scale in pairs])
        if not self.int8:
            return self.linear(x, weight, bias)
        whole, scale = quantise(weight, bits=7)
        q, step, zero = self.ops("DynamicQuantizeLinear", x, outputs=3)
        none = self.constant(np.zeros(len(weight), np.int8))
        y = self.op("MatMulInteger", q, self.constant(whole.T), zero, none)
        y = self.op("Cast", y, to=self._onnx.TensorProto.FLOAT)
        y = self.op("Mul", y, self.op("Mul", step, self.constant(scale[:, 0])))
        return self.op("Add", y, self.constant(bias))

    def norm(self, x: str, layer: nn.Module) -> str:
        if isinstance(layer, nn.Identity):
            return x
        assert isinstance(layer, nn.LayerNorm)
        weight, bias = self.constant(layer.weight), self.constant(layer.bias)
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=layer.eps)

    def unit(self, x: str) -> str:
        """Bring the last axis to unit length."""
        length = self.op("ReduceL2", x, self.ints(-1), keepdims=1)
        return self.op("Div", x, self.op("Max", length, self.number(1e-12)))

    def first(self, x: str) -> str:
        """The first token alone, (B, 1, D)."""
        return self.op("Slice", x, self.ints(0), self.ints(1), self.ints(1))

    def token(self, x: str, place: int) -> str:
        """One token's vector, (B, D)."""
        return self.op("Gather", x, self.constant(np.array(place, np.int64)), axis=1)

    def attention(self, x: str, layer: Attention, *, mask: str = "", query: str = "") -> str:
        """As `layers.Attention`.

        Args:
            mask: added to the scores, broadcastable to (B, H, T, S).
            query: what asks, where that is not `x` itself.
        """
        head_size = layer.query.in_features // layer.num_heads
        factor = head_size**-0.5
        if query:
            asked = self.maps(query, [layer.query], [factor])
            joined = self.maps(x, [layer.key, layer.value])
            parts = [asked, *self.ops("Split", joined, outputs=2, axis=-1, num_outputs=2)]
        else:
            joined = self.maps(x, [layer.query, layer.key, layer.value], [factor, 1, 1])
            parts = self.ops("Split", joined, outputs=3, axis=-1, num_outputs=3)
        shape = self.ints(0, 0, layer.num_heads, head_size)
        heads = [self.op("Reshape", part, shape) for part in parts]  # (B, T, H, K)
        q = self.op("Transpose", heads[0], perm=[0, 2, 1, 3])
        k = self.op("Transpose", heads[1], perm=[0, 2, 3, 1])
        v = self.op("Transpose", heads[2], perm=[0, 2, 1, 3])
        scores = self.op("MatMul", q, k)  # (B, H, T, S)
        if mask:
            scores = self.op("Add", scores, mask)
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        mixed = self.op("Transpose", mixed, perm=[0, 2, 1, 3])  # (B, T, H, K)
        joined = self.op("Reshape", mixed, self.ints(0, 0, layer.query.in_features))
        return self.maps(joined, [layer.output])

    def mlp(self, x: str, layer: MLP, *, spiky: bool = False) -> str:
        """Args: spiky: see the module."""
        inside = self._activate(self.maps(x, [layer.expand]), layer)
        if spiky:
            return self.linear(inside, layer.project.weight, layer.project.bias)
        return self.maps(inside, [layer.project])

    def _activate(self, x: str, layer: MLP) -> str:
        kind = layer.activation
        if kind is quick_gelu:
            gate = self.op("Sigmoid", self.op("Mul", x, self.number(1.702)))
            return self.op("Mul", x, gate)
        if kind is tanh_gelu:
            return self.op("Gelu", x, approximate="tanh")
        if kind is nn.functional.gelu:
            return self.op("Gelu", x)
        if kind is torch.relu:
            return self.op("Relu", x)
        raise NotSupportedError(f"ONNX: no activation {kind}")

    def block(self, x: str, layer: Block, *, mask: str = "", first_only: bool = False) -> str:
        """As `layers.Block`.

        Args:
            first_only: nothing but the first token's output is wanted, (B, 1, D).
        """
        after = isinstance(layer, PostNormBlock)
        entered = x if after else self.norm(x, layer.attention_norm)
        query = self.first(entered) if first_only else ""
        attended = self.attention(entered, layer.attention, mask=mask, query=query)
        x = self.op("Add", self.first(x) if first_only else x, attended)
        if after:
            x = self.norm(x, layer.attention_norm)
            return self.norm(self.op("Add", x, self.mlp(x, layer.mlp, spiky=True)), layer.mlp_norm)
        return self.op("Add", x, self.mlp(self.norm(x, layer.mlp_norm), layer.mlp))

    def blocks(self, x: str, layers: Any, *, mask: str = "", first_only: bool = False) -> str:
        """One after the other; of the last, only the first token's output where that is all that is wanted."""
        for number, layer in enumerate(layers, 1):
            last = first_only and number == len(layers)
            x = self.block(x, layer, mask=mask, first_only=last)
        return x
