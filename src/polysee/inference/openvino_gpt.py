"""A GPT that writes by OpenVINO, with weights in 8 bits: what decoding waits for is reading the weights from memory.

The network is the one of `models.gpt`, put together again from its weights, layer by layer; the cache lives inside.
Each row of a matrix keeps a scale of its own, w = scale * round(w / scale), and activations stay float32. The likeliest
tokens by 8 bits are compared once more in float32: their order is what a reader sees, and costs a few rows.

Shapes: B texts, T tokens, S all tokens so far, H heads, K head size, V vocabulary.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn

from polysee.checkpoints.quantise import quantise
from polysee.errors import NotSupportedError
from polysee.generation import GptWriter
from polysee.layers.attention import positions_of
from polysee.models.gpt import Gpt

COMPARED = 32
"""Tokens whose logits are exact in 8 bits, too."""
GELUS = {"gelu": "erf", "tanh_gelu": "tanh"}


class OpenvinoGpt:
    """A GPT compiled for decoding on a CPU.

    Args:
        model: whose weights are copied.
        bits: 8, or 32 for weights as they are.
        threads: at most so many; 0 for as many as OpenVINO likes.
    Raises:
        NotSupportedError: OpenVINO is not installed, or has no such activation.
    """

    def __init__(self, model: Gpt, *, bits: int = 8, threads: int = 0) -> None:
        if find_spec("openvino") is None:
            raise NotSupportedError("OpenVINO is not installed: pip install 'polysee[fast]'")
        self.config = model.config
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        core = import_module("openvino").Core()
        self._compiled = core.compile_model(_Graph(model, bits).model(), "CPU", options)

    def writer(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> OpenvinoWriter:
        """What `generation` writes with, for prompts as in `GptWriter`."""
        return OpenvinoWriter(self._compiled.create_infer_request(), self.config, tokens, mask)


class OpenvinoWriter(GptWriter):
    """The cache is OpenVINO's; the rest is `GptWriter`'s."""

    def __init__(
        self, request: Any, config: Any, tokens: torch.Tensor, mask: torch.Tensor | None
    ) -> None:
        self.request = request
        self._set_prompt(config.context_length, tokens, mask)
        self.seen = 0
        self.rows = torch.arange(len(tokens))

    def select(self, rows: torch.Tensor) -> None:
        self.tokens = self.tokens[rows]
        self.mask = None if self.mask is None else self.mask[rows]
        self.rows = self.rows[rows]

    def _read(self, tokens: torch.Tensor) -> torch.Tensor:
        self.seen += tokens.shape[1]
        mask = self.mask
        if mask is None:
            mask = torch.ones(len(tokens), self.seen, dtype=torch.bool)
        inputs = {
            "tokens": tokens.numpy(),
            "positions": positions_of(mask)[:, -tokens.shape[1] :].contiguous().numpy(),
            "mask": mask.numpy(),
            "rows": self.rows.numpy().astype(np.int32),
        }
        logits = self.request.infer(inputs, share_inputs=True)[0]
        self.rows = torch.arange(len(tokens))
        return torch.from_numpy(logits.copy())


class _Graph:
    """OpenVINO's form of a GPT; `op` is its set of operations."""

    def __init__(self, model: Gpt, bits: int) -> None:
        if model.config.activation not in GELUS:
            raise NotSupportedError(f"OpenVINO path: no activation {model.config.activation}")
        self.gpt, self.bits = model, bits
        self.op = import_module("openvino.opset13")
        self.heads = model.config.num_heads
        self.sinks: list[Any] = []

    def model(self) -> Any:
        ov, op, gpt = import_module("openvino"), self.op, self.gpt
        self.tokens = op.parameter([-1, -1], np.int64, name="tokens")
        self.positions = op.parameter([-1, -1], np.int64, name="positions")
        self.mask = op.parameter([-1, -1], np.bool_, name="mask")
        self.rows = op.parameter([-1], np.int32, name="rows")
        self.attend = self._attend()
        table = self._constant(gpt.token.weight)
        x = op.add(
            op.gather(table, self.tokens, self._int(0)),
            op.gather(self._constant(gpt.position.weight), self.positions, self._int(0)),
        )
        blocks: list[Any] = list(gpt.blocks)
        for number, block in enumerate(blocks):
            x = op.add(
                x, self._attention(self._norm(x, block.attention_norm), block.attention, number)
            )
            hidden = self._linear(self._norm(x, block.mlp_norm), [block.mlp.expand])
            hidden = op.gelu(hidden, GELUS[gpt.config.activation])
            x = op.add(x, self._linear(hidden, [block.mlp.project]))
        last = op.gather(self._norm(x, gpt.norm), self._int(-1), self._int(1))  # (B, D)
        logits = op.matmul(last, self._matrix(gpt.token.weight), False, True)
        if self.bits != 32:
            logits = self._compared(logits, last, table)
        parameters = [self.tokens, self.positions, self.mask, self.rows]
        return ov.Model([op.result(logits)], self.sinks, parameters, "gpt")

    def _attend(self) -> Any:
        """Minus infinity where a new token may not look, (B, 1, T, S)."""
        op = self.op
        total = op.gather(op.shape_of(self.mask), self._int(1), self._int(0))
        new = op.gather(op.shape_of(self.tokens), self._int(1), self._int(0))
        one = op.constant(np.int64(1))
        columns = op.range(op.constant(np.int64(0)), total, one, "i64")
        lines = op.range(op.subtract(total, new), total, one, "i64")
        causal = op.less_equal(
            op.unsqueeze(columns, self._int(0)), op.unsqueeze(lines, self._int(1))
        )
        real = op.unsqueeze(self.mask, op.constant(np.array([1, 2])))
        allowed = op.logical_and(real, causal)
        return op.select(allowed, op.constant(np.float32(0)), op.constant(np.float32(-1e9)))

    def _attention(self, x: Any, layer: Any, number: int) -> Any:
        op = self.op
        joined = self._linear(
            x, [layer.query, layer.key, layer.value]
        )  # one product in place of three
        query, key, value = (
            self._split(part) for part in op.split(joined, self._int(2), 3).outputs()
        )
        key, value = self._kept(key, f"key.{number}"), self._kept(value, f"value.{number}")
        mixed = op.scaled_dot_product_attention(query, key, value, self.attend)
        mixed = op.transpose(mixed, op.constant(np.array([0, 2, 1, 3])))
        size = self.gpt.config.hidden_size
        return self._linear(
            op.reshape(mixed, op.constant(np.array([0, 0, size])), True), [layer.output]
        )

    def _kept(self, new: Any, name: str) -> Any:
        """The cache of one tensor: what it holds, its rows chosen anew, and the new tokens after it."""
        ov, op, old = import_module("openvino"), self.op, import_module("openvino.opset6")
        util = import_module("openvino.op.util")
        info = util.VariableInfo()
        info.data_shape = ov.PartialShape([-1, self.heads, -1, self._head_size])
        info.data_type, info.variable_id = ov.Type.f32, name
        variable = util.Variable(info)
        batch = op.gather(op.shape_of(self.tokens), op.constant(np.array([0])), self._int(0))
        empty = op.concat([batch, op.constant(np.array([self.heads, 0, self._head_size]))], 0)
        held = old.read_value(op.broadcast(op.constant(np.float32(0)), empty), variable)
        whole = op.concat([op.gather(held, self.rows, self._int(0)), new], 2)
        self.sinks.append(old.assign(whole, variable))
        return whole

    def _split(self, x: Any) -> Any:
        shape = self.op.constant(np.array([0, 0, self.heads, self._head_size]))
        return self.op.transpose(
            self.op.reshape(x, shape, True), self.op.constant(np.array([0, 2, 1, 3]))
        )  # (B, H, T, K)

    @property
    def _head_size(self) -> int:
        return self.gpt.config.hidden_size // self.heads

    def _linear(self, x: Any, layers: list[Any]) -> Any:
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        return self.op.add(
            self.op.matmul(x, self._matrix(weight), False, True), self._constant(bias)
        )

    def _norm(self, x: Any, layer: nn.LayerNorm) -> Any:
        op = self.op
        centred = op.mvn(x, op.constant(np.array([-1])), True, float(layer.eps), "inside_sqrt")
        return op.add(
            op.multiply(centred, self._constant(layer.weight)), self._constant(layer.bias)
        )

    def _compared(self, logits: Any, last: Any, table: Any) -> Any:
        """Logits (B, V), of which the highest are computed anew from last (B, D) and table (V, D)."""
        op = self.op
        count = np.int32(min(COMPARED, self.gpt.config.vocab_size))
        places = op.topk(logits, op.constant(count), 1, "max", "none").output(1)  # (B, K)
        rows = op.gather(table, places, self._int(0))  # (B, K, D)
        exact = op.squeeze(
            op.matmul(rows, op.unsqueeze(last, self._int(2)), False, False), self._int(2)
        )
        return op.scatter_elements_update(logits, places, exact, self._int(1))

    def _matrix(self, weight: torch.Tensor) -> Any:
        if self.bits == 32:
            return self._constant(weight)
        rows, scale = quantise(weight, bits=8)
        whole = self.op.convert(self.op.constant(rows.numpy()), "f32")
        return self.op.multiply(whole, self._constant(scale))

    def _constant(self, tensor: torch.Tensor) -> Any:
        return self.op.constant(tensor.detach().float().contiguous().numpy())

    def _int(self, number: int) -> Any:
        return self.op.constant(np.int32(number))
