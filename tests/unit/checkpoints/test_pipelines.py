"""Pipelines of diffusers on the hub: what is downloaded of them, and what is refused beforehand."""

from __future__ import annotations

import json

import pytest

from polysee.checkpoints.hub import cached, fetch
from polysee.checkpoints.pipelines import INDEX, is_pipeline
from polysee.errors import CheckpointError

NAME = "maker/sd-tiny"
INDEX_VALUES = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
NEEDED = {
    "scheduler/scheduler_config.json": b'{"a": 1}',
    "tokenizer/merges.txt": b"",
    "tokenizer/vocab.json": b"{}",
    "unet/config.json": b'{"unet": 1}',
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors": b"one",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors": b"two",
    "unet/diffusion_pytorch_model.safetensors.index.json": b'{"map": 1}',
    "vae/config.json": b'{"vae": 1}',
    "vae/diffusion_pytorch_model.safetensors": b"vae",
}
BESIDE = {
    "README.md": b"words",
    "v1-pruned.safetensors": b"all in one",
    "v1-pruned.ckpt": b"pickle",
    "unet/diffusion_pytorch_model.bin": b"pickle",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/model.py": b"code",
    "vae/old/diffusion_pytorch_model.safetensors": b"old",
    "vae_old/config.json": b"{}",
    "safety_checker/model.safetensors": b"left out",
}


def files(**changes):
    index = json.dumps({**INDEX_VALUES, **changes}).encode()
    return {INDEX: index, **NEEDED, **BESIDE}


def held(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("own_etags", [False, True], ids=["hub", "mirror"])
def test_a_pipeline_comes_with_what_its_index_names_and_no_more(hub, monkeypatch, own_etags):
    hub.own_etags = own_etags
    hub.add(NAME, files())
    folder = fetch(NAME)
    assert is_pipeline(folder)
    assert held(folder) == {INDEX: files()[INDEX], **NEEDED}
    hub.requests.clear()
    monkeypatch.setenv("POLYSEE_OFFLINE", "1")
    assert fetch(NAME) == cached(NAME) == folder
    assert hub.requests == []


def test_a_part_that_is_lost_is_brought_again(hub):
    hub.add(NAME, files())
    lost = fetch(NAME) / "vae" / "config.json"
    lost.unlink()
    assert cached(NAME) is None
    fetch(NAME)
    assert lost.read_bytes() == NEEDED["vae/config.json"]


def test_what_another_program_left_is_used_offline(hub, monkeypatch):
    hub.add(NAME, files())
    folder = fetch(NAME)
    for record in (folder.parents[1] / "polysee").iterdir():
        record.unlink()
    monkeypatch.setenv("POLYSEE_OFFLINE", "1")
    assert fetch(NAME) == folder


def without_safetensors():
    whole = {name: content for name, content in files().items() if "unet/diff" not in name}
    return {**whole, "unet/diffusion_pytorch_model.bin": b"pickle"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (without_safetensors(), "unet: no weights as safetensors"),
        (files(_class_name=["pipe", "Pipe"]), r"code of its own \(pipe\)"),
        (files(_class_name=None), "names no pipeline"),
        (files(**{"../vae": ["diffusers", "AutoencoderKL"]}), "is not a name"),
        ({**files(), INDEX: b"{"}, "not readable as JSON"),
        ({**files(), INDEX: b"[" * 100_000}, "not readable as JSON"),
    ],
)
def test_what_cannot_be_used_is_refused_before_weights_come(hub, content, reason):
    hub.add(NAME, content)
    with pytest.raises(CheckpointError, match=reason):
        fetch(NAME)
    assert {r.path.rsplit("/", 1)[-1] for r in hub.downloads()} <= {INDEX}


def test_the_command_counts_every_folder(hub, polysee, monkeypatch):
    hub.add(NAME, files())
    monkeypatch.delenv("POLYSEE_OFFLINE")
    done = polysee("models", "download", NAME, "--json")
    assert done.code == 0, done.err
    whole = {INDEX: files()[INDEX], **NEEDED}
    assert done.document["bytes"] == sum(map(len, whole.values()))
