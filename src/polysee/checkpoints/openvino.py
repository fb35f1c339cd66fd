"""A module as OpenVINO runs it: on many CPUs the fastest way, above all for convolutions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn


def openvino_is_installed() -> bool:
    """Whether OpenVINO is there; it is in the extra `fast`."""
    return find_spec("openvino") is not None


def to_openvino(
    module: nn.Module, inputs: Sequence[torch.Tensor], shapes: Sequence[Sequence[int]]
) -> Any:
    """Trace a module into an `openvino.Model`.

    `openvino.convert_model` would do as well, but it reports to its makers; so its parts are called one by one.

    Args:
        inputs: examples; sizes that a module computes with are fixed at theirs.
        shapes: of each input, -1 where any size may come.
    """
    frontend = import_module("openvino.frontend").FrontEndManager().load_by_framework("pytorch")
    decoder = import_module("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        # The tracer warns of every comparison of sizes, and of its own age.
        warnings.simplefilter("ignore")
        examples = tuple(tensor.clone() for tensor in inputs)  # not made in inference mode
        traced = decoder(module, example_input=examples, trace_kwargs={"check_trace": False})
        model = frontend.convert(frontend.load(traced))
    model.reshape(dict(zip(model.inputs, map(list, shapes), strict=True)))
    return model


def compiled(
    module: nn.Module, inputs: Sequence[torch.Tensor], shapes: Sequence[Sequence[int]]
) -> Callable[..., torch.Tensor]:
    """A module of one output, in float32, ready to run on the CPU."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    network = (
        import_module("openvino")
        .Core()
        .compile_model(to_openvino(module, inputs, shapes), "CPU", settings)
    )

    def run(*given: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(network([tensor.contiguous().numpy() for tensor in given])[0])

    return run
