"""A folder of `transformers` as `--model` of every command, and the way out again."""

from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import polysee
from polysee.apps.export import export_model
from polysee.checkpoints.folder import CARD, Card, export_folder, save_folder
from polysee.cli.main import run
from polysee.errors import ConfigError, NotSupportedError
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.bert import Bert, BertConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.vit import ViTConfig

FAST = all(find_spec(name) is not None for name in ("onnx", "onnxruntime", "openvino"))
needs_fast = pytest.mark.skipif(not FAST, reason="not installed: pip install 'polysee[fast]'")
if FAST:
    import onnxruntime

SAMPLES = Path(__file__).parents[3] / "samples"
FILES = [SAMPLES / name for name in ("tabby-cat.jpg", "giraffes.jpg", "lighthouse.jpg")]
TEXTS = ["a cat on a sofa", "一只坐在沙发上的猫"]
RECIPE = PixelRecipe(32, fit="crop", exact=True)


@pytest.fixture
def card() -> Card:
    return Card(RECIPE, ("a photo of a {}",), "MIT", "drawn")


@pytest.fixture
def model() -> Clip:
    torch.manual_seed(0)
    image = ViTConfig(32, 16, 16, 1, 2, 24, input_norm=True, patch_bias=False)
    return Clip(ClipConfig(image, ClipTextConfig(320, 16, 1, 2, 24, 16, end_token=None), 12)).eval()


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(train_bpe(TEXTS * 3, 320), 16)


@pytest.fixture
def ours(model, card, tokenizer, tmp_path) -> Path:
    save_folder(tmp_path / "ours", model, card, half=False)
    tokenizer.save(tmp_path / "ours" / "tokenizer.json")
    return tmp_path / "ours"


@pytest.fixture
def theirs(model, card, tokenizer, tmp_path) -> Path:
    export_folder(tmp_path / "theirs", model, card=card, tokenizer=tokenizer)
    return tmp_path / "theirs"


def vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    embedder = polysee.load(folder)
    return embedder.embed_image(FILES), embedder.embed_text(TEXTS)


def test_a_folder_of_ours_goes_out_and_comes_back(ours, tmp_path):
    written = export_model(ours, tmp_path / "out")
    assert written.folder == str(tmp_path / "out")
    assert set(written.files) == {
        "config.json", "model.safetensors", "polysee.json", "preprocessor_config.json", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert written.bytes == sum(file.stat().st_size for file in (tmp_path / "out").iterdir())
    for got, wanted in zip(vectors(tmp_path / "out"), vectors(ours), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert polysee.load(tmp_path / "out").card == polysee.load(ours).card
    values = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert (values["model_type"], values["architectures"]) == ("clip", ["CLIPModel"])


def test_what_a_folder_of_theirs_says_of_inputs_is_copied_as_it_is(theirs, tmp_path):
    (theirs / "special_tokens_map.json").write_text('{"pad_token": "<pad>"}', encoding="utf-8")
    export_model(theirs, tmp_path / "out")
    names = {path.name for path in theirs.iterdir()}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    for name in names - {"config.json"}:
        assert (tmp_path / "out" / name).read_bytes() == (theirs / name).read_bytes(), name


def test_nothing_is_overwritten(ours, tmp_path):
    before = (ours / CARD).read_bytes()
    with pytest.raises(ConfigError, match="not empty"):
        export_model(ours, ours)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="not empty"):
        export_model(ours, tmp_path / "file")
    assert (ours / CARD).read_bytes() == before
    (tmp_path / "empty").mkdir()
    export_model(ours, tmp_path / "empty")
    with pytest.raises(ConfigError, match="gguf"):
        export_model(ours, tmp_path / "out", "gguf")


def test_a_form_that_transformers_lacks_leaves_nothing_behind(tmp_path):
    with pytest.raises(NotSupportedError, match="Lite"):
        export_model("polysee/align-nano", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_end_token_that_transformers_would_misread_is_no_export(model, tmp_path):
    """Its number 2 stands for "unknown: take the highest", and the sums of all texts would be others."""
    text = dataclasses.replace(model.config.text, end_token=2)
    other = Clip(dataclasses.replace(model.config, text=text))
    with pytest.raises(NotSupportedError, match="token 2"):
        export_folder(tmp_path / "out", other)


def test_the_command(ours, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("POLYSEE_LANG", "en")
    line = ["models", "export", str(ours), "--format", "huggingface", "--out", str(tmp_path / "o")]
    assert run([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == str(tmp_path / "o")
    assert document["format"] == "huggingface"
    assert "tokenizer.json" in document["files"]
    assert run(line) == 2
    assert "not empty" in capsys.readouterr().err
    assert run([*line, "--format", "gguf"]) == 2
    assert run(["models", "export", str(tmp_path / "none"), "--out", str(tmp_path / "p")]) == 2
    assert run(["models", "--json"]) == 0


@pytest.mark.parametrize("form", ["ours", "theirs"])
def test_every_command_takes_the_folder(form, request, tmp_path, capsys):
    folder = str(request.getfixturevalue(form))
    library = ["--library", str(tmp_path / "library"), "--json", "--offline"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for file in FILES:
        (pictures / file.name).write_bytes(file.read_bytes())
    assert run(["index", str(pictures), "--model", folder, *library]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == len(FILES)
    assert run(["search", "a cat on a sofa", "--all", *library]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert {Path(hit["path"]).name for hit in hits} == {file.name for file in FILES}
    line = ["classify", str(FILES[0]), "--labels", "cat,猫,sofa", "--model", folder, "--json"]
    assert run(line) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert sum(label["probability"] for label in result["labels"]) == pytest.approx(1, abs=1e-4)


@needs_fast
@pytest.mark.parametrize("form", ["onnx", "openvino"])
@pytest.mark.parametrize("int8", [False, True])
def test_the_towers_go_out_and_are_checked(ours, form, int8, tmp_path):
    written = export_model(ours, tmp_path / "out", form, int8=int8)
    own = {"onnx": {"image.onnx", "text.onnx"}}.get(
        form, {"image.xml", "image.bin", "text.xml", "text.bin"}
    )
    assert set(written.files) == {*own, "config.json", "polysee.json", "tokenizer.json"}
    assert set(written.cosine) == {"image", "text"}
    least = 0.99 if int8 else 1 - 1e-5
    assert all(least <= cosine <= 1 + 1e-5 for cosine in written.cosine.values())
    if form == "onnx":
        _runs_elsewhere(written, ours, least)


def _runs_elsewhere(written, ours, least):
    """As another program would use it: the file, the tokenizer and the recipe."""
    session = onnxruntime.InferenceSession(str(Path(written.folder) / "text.onnx"))
    embedder = polysee.load(ours, dtype="float32")
    tokens, mask = embedder.tokenizer(TEXTS)  # of two lengths, one of them padded
    (got,) = session.run(None, {"tokens": tokens.numpy(), "mask": mask.numpy()})
    assert ((got * embedder.embed_text(TEXTS)).sum(1) >= least).all()
    session = onnxruntime.InferenceSession(str(Path(written.folder) / "image.onnx"))
    pictures = np.stack([RECIPE.read(str(file)) for file in FILES])
    (got,) = session.run(None, {"pixels": RECIPE.normalise(pictures).contiguous().numpy()})
    assert ((got * embedder.embed_image(FILES)).sum(1) >= least).all()


@needs_fast
def test_eight_bits_make_a_smaller_folder_and_lite_is_no_hindrance(tmp_path):
    whole, small = (
        export_model("polysee/align-nano", tmp_path / str(int8), "onnx", int8=int8)
        for int8 in (False, True)
    )
    assert small.bytes < 0.35 * whole.bytes
    assert min(whole.cosine.values()) > 1 - 1e-5
    assert min(small.cosine.values()) > 0.98


def test_what_cannot_be_exported_says_why_and_leaves_nothing(ours, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="int8"):
        export_model(ours, tmp_path / "out", int8=True)
    monkeypatch.setattr("polysee.apps.export.find_spec", lambda name: None)
    with pytest.raises(NotSupportedError, match=r"onnx is not installed.*polysee\[fast\]"):
        export_model(ours, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


@needs_fast
def test_a_model_of_text_alone_has_no_towers(tmp_path):
    save_folder(tmp_path / "bert", Bert(BertConfig(9, 8, 1, 2, 16, 8)), Card())
    with pytest.raises(NotSupportedError, match="pictures and text"):
        export_model(tmp_path / "bert", tmp_path / "out", "onnx")


@needs_fast
def test_the_command_prints_the_cosines(ours, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("POLYSEE_LANG", "en")
    line = ["models", "export", str(ours), "--format", "onnx"]
    assert run([*line, "--out", str(tmp_path / "a")]) == 0
    assert "image tower: cosine to the model's own vectors 1.0" in capsys.readouterr().out
    assert run([*line, "--out", str(tmp_path / "b"), "--lang", "zh"]) == 0
    assert "文字塔：" in capsys.readouterr().out.replace(": ", "：")
    assert run([*line, "--out", str(tmp_path / "c"), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["cosine"]) == {"image", "text"}
    assert run(["models", "export", str(ours), "--int8", "--out", str(tmp_path / "d")]) == 2
    assert "int8" in capsys.readouterr().err
