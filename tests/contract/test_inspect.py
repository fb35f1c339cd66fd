"""`polysee inspect`, as a script outside the project uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polysee.provenance import Made, save_picture

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "a.png"
    ramp = np.linspace(60, 200, 256).astype(np.uint8)
    save_picture(path, np.dstack([np.tile(ramp, (256, 1))] * 3), Made("polysee/dalle-nano", 3))
    return path


@pytest.mark.parametrize(("lang", "example"), [("en", "Example"), ("zh", "例子")])
def test_it_helps_with_an_example(polysee, lang, example):
    done = polysee("inspect", "--help", "--lang", lang)
    assert done.code == 0
    assert example in done.out


def test_what_a_machine_made_is_told(polysee, made):
    done = polysee("inspect", made, "--json")
    assert done.code == 0
    assert set(done.document) == {"text", "tc260", "watermark"}
    assert done.document["text"]["seed"] == 3
    assert done.document["tc260"]["Label"] == "1"
    assert done.document["watermark"] == {"model": "dalle-nano"}
    for lang, words in (("en", "made by a model"), ("zh", "由模型生成")):
        done = polysee("inspect", made, "--lang", lang)
        assert done.code == 0
        assert words in done.out
        assert "dalle-nano" in done.out


def test_a_photograph_says_nothing(polysee, tmp_path):
    photo = SAMPLES / "tabby-cat.jpg"
    done = polysee("inspect", photo, "--json")
    assert done.code == 0
    assert done.document == {"text": None, "tc260": None, "watermark": None}
    assert "Nothing says" in polysee("inspect", photo, "--lang", "en").out


def test_the_mark_outlives_the_labels(polysee, made, tmp_path):
    bare = tmp_path / "bare.jpg"
    Image.open(made).convert("RGB").save(bare, quality=75)
    done = polysee("inspect", bare, "--json")
    assert done.document == {"text": None, "tc260": None, "watermark": {"model": "dalle-nano"}}


def test_what_is_no_picture_is_refused(polysee, tmp_path):
    (tmp_path / "a.png").write_text("no picture", encoding="utf-8")
    for name in ("a.png", "none.png"):
        done = polysee("inspect", tmp_path / name, "--json")
        assert done.code == 2
        assert name in done.document["error"]
    assert polysee("inspect").code == 2
