"""A folder of `transformers` as `--model` of every command, and the way out again."""

from __future__ import annotations

import dataclasses
import json
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
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.vit import ViTConfig

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
