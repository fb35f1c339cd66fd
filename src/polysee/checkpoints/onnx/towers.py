"""The two towers of a model as ONNX graphs: pixels, or tokens and a mask, to a vector of unit length.

The graphs compute what `encode_image` and `encode_text` do, with one shortcut that changes nothing: where a tower is
summed up by its first token, the last block computes that token alone.

Shapes: B batch, T tokens, D hidden size, E projection size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from polysee.checkpoints.onnx.convolutions import efficientnet
from polysee.checkpoints.onnx.graph import NOT_SEEN, Graph
from polysee.errors import NotSupportedError
from polysee.models.align import Align, ClassMixture
from polysee.models.bert import Bert
from polysee.models.chinese_clip import ChineseClip
from polysee.models.clip import Clip, ClipText
from polysee.models.siglip import AttentionPool, Siglip
from polysee.models.vit import ViT


def image_tower(model: nn.Module, *, int8: bool = False) -> Any:
    """An `onnx.ModelProto` from "pixels" (batch, 3, rows, columns) to "embedding" (batch, E), unit length.

    Raises:
        NotSupportedError: a model of another family.
    """
    graph = Graph(int8=int8)
    sides: tuple[int | str, int | str] = ("rows", "columns")
    if isinstance(model, Align):
        found = _align_image(graph, model)
    elif isinstance(model, Siglip):
        found = _pool(graph, _vit(graph, model.image), model.image_pool)
        sides = (model.image.config.image_size, model.image.config.image_size)
    elif isinstance(model, Clip | ChineseClip):
        hidden = _vit(graph, model.image, first_only=True)
        found = graph.linear(graph.token(hidden, 0), model.image_projection.weight, None)
        sides = (model.image.config.image_size, model.image.config.image_size)
    else:
        raise NotSupportedError(f"ONNX: no form of {type(model).__name__}'s image tower")
    pixels = ("FLOAT", ("batch", 3, *sides))
    return graph.model({"pixels": pixels}, graph.unit(found))


def text_tower(model: nn.Module, *, int8: bool = False) -> Any:
    """An `onnx.ModelProto` from "tokens" int64 and "mask" bool, (batch, length), to "embedding" (batch, E).

    Raises:
        NotSupportedError: a model of another family.
    """
    graph = Graph(int8=int8)
    make = next((make for kind, make in _TEXTS.items() if isinstance(model, kind)), None)
    if make is None:
        raise NotSupportedError(f"ONNX: no form of {type(model).__name__}'s text tower")
    found = make(graph, model)
    shape = ("batch", "length")
    inputs = {"tokens": ("INT64", shape), "mask": ("BOOL", shape)}
    return graph.model(inputs, graph.unit(found))


def _vit(graph: Graph, vit: ViT, *, first_only: bool = False) -> str:
    """(B, T, D), or of the class token alone (B, 1, D)."""
    config, patch = vit.config, vit.patch
    kernel = [graph.constant(patch.weight)]
    if patch.bias is not None:
        kernel.append(graph.constant(patch.bias))
    sides = [config.patch_size] * 2
    x = graph.op("Conv", "pixels", *kernel, kernel_shape=sides, strides=sides)
    x = graph.op("Reshape", x, graph.ints(0, 0, config.num_patches))
    x = graph.op("Transpose", x, perm=[0, 2, 1])  # (B, N, D)
    places = vit.position.detach().clone()
    if (
        vit.class_token is not None
    ):  # a row of zeros before the patches, and the token where it is added to
        x = graph.op("Pad", x, graph.ints(0, 1, 0, 0, 0, 0))
        places[0] += vit.class_token
    x = graph.norm(graph.op("Add", x, graph.constant(places)), vit.input_norm)
    x = graph.blocks(x, vit.blocks, first_only=first_only)
    return graph.norm(x, vit.norm)


def _pool(graph: Graph, hidden: str, pool: AttentionPool) -> str:
    """The query is the same for every picture, and stands beside a batch of any size."""
    attention = pool.attention
    heads, head_size = attention.num_heads, attention.query.in_features // attention.num_heads
    with torch.no_grad():
        query = attention.query(pool.query) * head_size**-0.5
    q = graph.constant(query.view(1, heads, 1, head_size))
    joined = graph.maps(hidden, [attention.key, attention.value])
    parts = graph.ops("Split", joined, outputs=2, axis=-1, num_outputs=2)
    shape = graph.ints(0, 0, heads, head_size)
    k, v = (graph.op("Reshape", part, shape) for part in parts)
    k = graph.op("Transpose", k, perm=[0, 2, 3, 1])
    v = graph.op("Transpose", v, perm=[0, 2, 1, 3])
    weights = graph.op("Softmax", graph.op("MatMul", q, k), axis=-1)  # (B, H, 1, N)
    mixed = graph.op("Transpose", graph.op("MatMul", weights, v), perm=[0, 2, 1, 3])
    mixed = graph.op("Reshape", mixed, graph.ints(0, 0, heads * head_size))  # (B, 1, D)
    x = graph.maps(mixed, [attention.output])
    x = graph.op("Add", x, graph.mlp(graph.norm(x, pool.norm), pool.mlp))
    return graph.token(x, 0)


def _align_image(graph: Graph, model: Align) -> str:
    features = efficientnet(graph, model.image, "pixels")  # (B, D, Y, X)
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", features))
    projection = model.image_projection
    projected = pooled
    if isinstance(projection, nn.Linear):
        projected = graph.linear(pooled, projection.weight, projection.bias)
    mixture = model.class_mixture
    if mixture is None:
        return projected
    return graph.op("Add", graph.unit(projected), _class_mixture(graph, mixture, features))


def _class_mixture(graph: Graph, mixture: ClassMixture, features: str) -> str:
    """(B, E); the map must not be smaller than the window."""
    if mixture.window:
        side = [mixture.window] * 2
        parts = graph.op("AveragePool", features, kernel_shape=side)
    else:
        parts = graph.op("GlobalAveragePool", features)
    parts = graph.op("Reshape", parts, graph.ints(0, 0, -1))
    parts = graph.op("Transpose", parts, perm=[0, 2, 1])  # (B, W, D)
    reduced = graph.linear(parts, mixture.reduce.weight, None)
    opinions = graph.linear(reduced, mixture.classify.weight, mixture.classify.bias)
    mean = graph.op("ReduceMean", graph.op("Softmax", opinions, axis=-1), graph.ints(1), keepdims=0)
    return graph.linear(mean, mixture.places.weight, None)


def _padding(graph: Graph) -> str:
    """What is added to the scores of padding, (B, 1, 1, T)."""
    real = graph.op("Unsqueeze", "mask", graph.ints(1, 2))
    return graph.op("Where", real, graph.number(0), graph.number(NOT_SEEN))


def _up_to_length(graph: Graph, table: torch.Tensor, *axes: int) -> str:
    """A table, cut at the text's length along the axes."""
    length = graph.op("Shape", "tokens", start=1, end=2)
    ends = length if len(axes) == 1 else graph.op("Concat", length, length, axis=0)
    zeros = graph.ints(*[0] * len(axes))
    return graph.op("Slice", graph.constant(table), zeros, ends, graph.ints(*axes))


def _embedded(graph: Graph, token: torch.Tensor, position: torch.Tensor) -> str:
    return graph.op("Add", graph.rows(token, "tokens"), _up_to_length(graph, position, 0))


def _clip_text(graph: Graph, model: Clip) -> str:
    text: ClipText = model.text
    x = _embedded(graph, text.token.weight, text.position)
    longest = text.config.context_length
    causal = torch.full((longest, longest), NOT_SEEN).triu(1)
    mask = graph.op("Add", _padding(graph), _up_to_length(graph, causal, 0, 1))  # (B, 1, T, T)
    hidden = graph.norm(graph.blocks(x, text.blocks, mask=mask), text.norm)
    end, marks = text.config.end_token, "tokens"
    if end is not None:
        same = graph.op("Equal", "tokens", graph.constant(np.array(end, np.int64)))
        marks = graph.op("Cast", same, to=_INT32)
    place = graph.op("ArgMax", marks, axis=1, keepdims=1)  # (B, 1), the first one
    summed = graph.op("GatherND", hidden, place, batch_dims=1)  # (B, D)
    return graph.linear(summed, model.text_projection.weight, None)


def _bert(graph: Graph, bert: Bert, *, first_only: bool) -> str:
    made = bert.embeddings
    places = made.position.weight.detach() + made.token_type.weight[0].detach()
    x = graph.norm(_embedded(graph, made.token.weight, places), made.norm)
    return graph.blocks(x, bert.blocks, mask=_padding(graph), first_only=first_only)


def _chinese_clip_text(graph: Graph, model: ChineseClip) -> str:
    hidden = _bert(graph, model.text, first_only=True)
    return graph.linear(graph.token(hidden, 0), model.text_projection.weight, None)


def _align_text(graph: Graph, model: Align) -> str:
    first = model.config.pooling == "first"
    hidden = _bert(graph, model.text, first_only=first)
    if first:
        summed = graph.token(hidden, 0)
    else:
        real = graph.op("Cast", graph.op("Unsqueeze", "mask", graph.ints(2)), to=_FLOAT)
        whole = graph.op("ReduceSum", graph.op("Mul", hidden, real), graph.ints(1), keepdims=0)
        count = graph.op("ReduceSum", real, graph.ints(1), keepdims=0)  # (B, 1)
        summed = graph.op("Div", whole, graph.op("Max", count, graph.number(1)))
    projection = model.text_projection
    return graph.linear(summed, projection.weight, projection.bias)


def _siglip_text(graph: Graph, model: Siglip) -> str:
    text = model.text
    x = _embedded(graph, text.token.weight, text.position)
    hidden = graph.norm(graph.blocks(x, text.blocks, mask=_padding(graph)), text.norm)
    projection = model.text_projection
    return graph.linear(graph.token(hidden, -1), projection.weight, projection.bias)


_FLOAT, _INT32 = 1, 6  # onnx.TensorProto's numbers
_TEXTS: dict[type[nn.Module], Callable[[Graph, Any], str]] = {
    Align: _align_text,
    ChineseClip: _chinese_clip_text,
    Clip: _clip_text,
    Siglip: _siglip_text,
}
