"""An ONNX graph as ONNX Runtime runs it on a CPU."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from polysee.errors import NotSupportedError

LARGEST = 2_000_000_000
"""Bytes that a model may have in memory, a little below what its format can count to."""


def runtime_is_installed() -> bool:
    """Whether ONNX and ONNX Runtime are there; both are in the extra `fast`."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


class Session:
    """A graph of one output, ready to run.

    Args:
        model: an `onnx.ModelProto`, not kept.
    Raises:
        NotSupportedError: the model is larger than the runtime takes from memory.
    """

    def __init__(self, model: Any) -> None:
        if model.ByteSize() > LARGEST:
            raise NotSupportedError(f"ONNX: a model of more than {LARGEST / 1e9:.0f} GB")
        runtime = import_module("onnxruntime")
        runtime.disable_telemetry_events()
        options = runtime.SessionOptions()
        options.log_severity_level = (
            3  # its warnings are about nodes, and not for those who wait for an answer
        )
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait awake would take the time of those that decode the next pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        given = {name: tensor.contiguous().numpy() for name, tensor in inputs.items()}
        return torch.from_numpy(self._session.run(None, given)[0])
