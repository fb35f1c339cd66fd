"""Every path of an image tower gives the module's vectors; which one is taken follows from machine and model alone."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import polysee
from polysee.checkpoints.folder import Card, save_folder
from polysee.errors import ConfigError, NotSupportedError
from polysee.inference import image_paths
from polysee.inference.encoders import ImageEncoder
from polysee.inference.image_paths import choose_path, least_cosine, make_path, probes
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.chinese_clip import ChineseClip, ChineseClipConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.models.siglip import Siglip, SiglipConfig, SiglipTextConfig
from polysee.models.vit import ViTConfig

needs_runtime = pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnx", "onnxruntime")),
    reason="ONNX Runtime is not installed: pip install 'polysee[fast]'",
)
VIT = {
    "image_size": 32, "patch_size": 8, "hidden_size": 64, "num_layers": 2, "num_heads": 4, "mlp_size": 128,
}  # fmt: skip
BERT = BertConfig(320, 64, 2, 4, 128, 12)
CLIP_TEXT = ClipTextConfig(320, 64, 2, 4, 128, 12, end_token=2)
MODELS = {
    "clip": lambda: Clip(
        ClipConfig(
            ViTConfig(**VIT, activation="quick_gelu", input_norm=True, patch_bias=False),
            CLIP_TEXT,
            32,
        )
    ),
    "clip without an end token": lambda: Clip(
        ClipConfig(ViTConfig(**VIT), ClipTextConfig(320, 64, 2, 4, 128, 12, end_token=None), 32)
    ),
    "chinese_clip": lambda: ChineseClip(
        ChineseClipConfig(ViTConfig(**VIT, input_norm=True), BERT, 32)
    ),
    "siglip": lambda: Siglip(
        SiglipConfig(
            ViTConfig(**VIT, class_token=False, activation="tanh_gelu"),
            SiglipTextConfig(
                vocab_size=320, hidden_size=64, num_layers=2, num_heads=4, mlp_size=128, context_length=12
            ),
        )
    ),
    "align": lambda: Align(
        AlignConfig(EfficientNetConfig(0.5, 0.5, 64, as_ported=True, head=False), BERT, 48)
    ),
    "align of the paper's padding": lambda: Align(
        AlignConfig(EfficientNetConfig(0.25, 0.25, 47), BERT, 48, pooling="mean")
    ),
    "align lite": lambda: Align(
        AlignConfig(
            EfficientNetConfig(0.5, 0.5, 64, lite=True), BERT, 48, pooling="mean", classes=7, class_rank=5
        )
    ),
    "align in windows": lambda: Align(
        AlignConfig(
            EfficientNetConfig(0.5, 0.5, 96, lite=True), BERT, 48, classes=7, class_rank=5, class_window=2
        )
    ),
}  # fmt: skip


@torch.no_grad()
def drawn(name: str) -> torch.nn.Module:
    """Every tensor is drawn, so that activations are of order 1."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    for key, tensor in model.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        elif tensor.ndim == 1:
            tensor.normal_(1.0 if key.endswith("norm.weight") else 0.0, 0.1)
    return model


@pytest.fixture(params=MODELS)
def model(request):
    return drawn(request.param)


def pixels_for(model, count=3):
    torch.manual_seed(1)
    size = model.image.config.image_size
    return torch.randn(count, 3, size, size)


def close(got, wanted):
    """Directions, and with nothing but the order of sums between them."""
    assert_close(F.normalize(got, dim=-1), F.normalize(wanted, dim=-1), atol=1e-5, rtol=1e-4)


@needs_runtime
@torch.inference_mode()
def test_the_compiled_path_is_exact(model):
    pixels = pixels_for(model)
    close(make_path("compiled", model)(pixels), model.encode_image(pixels))


@needs_runtime
@torch.inference_mode()
def test_a_picture_smaller_than_a_window_is_left_to_the_module():
    model, pixels = drawn("align in windows"), torch.randn(2, 3, 32, 70)
    encoder = ImageEncoder(model, PixelRecipe(96), "int8", torch.device("cpu"))
    assert torch.equal(encoder(pixels, many=True), model.encode_image(pixels))


@needs_runtime
@torch.inference_mode()
def test_eight_bits_are_near_and_each_picture_is_by_itself(model):
    encode, pixels = make_path("int8", model), pixels_for(model)
    together = encode(pixels)
    assert F.cosine_similarity(together, model.encode_image(pixels)).min() > 0.998
    apart = torch.cat([encode(pixels[i : i + 1]) for i in (2, 0, 1)])[[1, 2, 0]]
    assert torch.equal(together, apart)


@torch.inference_mode()
def test_bf16_is_near(model):
    pixels = pixels_for(model)
    cosine = F.cosine_similarity(make_path("bf16", model)(pixels), model.encode_image(pixels))
    assert cosine.min() > 0.999
    assert {weight.dtype for weight in model.parameters()} == {
        torch.float32
    }  # its own are left alone


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("align")])
@pytest.mark.parametrize("size", [(64, 64), (47, 70)])
@torch.inference_mode()
def test_folding_changes_nothing(name, size):
    model, pixels = drawn(name), torch.randn(2, 3, *size)
    close(make_path("folded", model)(pixels), model.encode_image(pixels))
    if find_spec("onnxruntime"):  # neither does another size in the compiled path
        close(make_path("compiled", model)(pixels), model.encode_image(pixels))


def chosen(model, monkeypatch, *, runtime=True, bf16=False, cosine=None, worth=0):
    monkeypatch.setattr(image_paths, "runtime_is_installed", lambda: runtime)
    monkeypatch.setattr(image_paths, "has_bf16_units", lambda: bf16)
    monkeypatch.setattr(image_paths, "WORTH_COMPILING", worth)
    if cosine is not None:
        monkeypatch.setattr(image_paths, "least_cosine", lambda *_: cosine)
    return choose_path(model, PixelRecipe(model.image.config.image_size))[0]


@needs_runtime
@pytest.mark.parametrize(
    ("name", "machine", "wanted"),
    [
        ("clip", {"cosine": 0.9999}, "int8"),
        ("clip", {"cosine": 0.9999, "bf16": True}, "int8"),
        ("clip", {"cosine": 0.9991}, "compiled"),  # too near to what is promised
        ("clip", {"cosine": 0.9999, "bf16": True, "runtime": False}, "bf16"),
        ("clip", {"cosine": 0.9, "bf16": True}, "compiled"),
        ("clip", {"cosine": 0.9, "bf16": True, "runtime": False}, "exact"),
        ("clip", {"runtime": False}, "exact"),
        ("clip", {"worth": 10**9}, "exact"),
        ("siglip", {"cosine": 0.9999}, "int8"),
        ("align lite", {}, "compiled"),
        ("align lite", {"bf16": True}, "compiled"),
        ("align lite", {"runtime": False}, "folded"),
        ("align lite", {"worth": 10**9}, "folded"),
    ],
)
def test_the_path_follows_from_the_machine_and_the_model(name, machine, wanted, monkeypatch):
    model = drawn(name)
    assert chosen(model, monkeypatch, **machine) == wanted
    assert chosen(model, monkeypatch, **machine) == wanted


@needs_runtime
@torch.inference_mode()
def test_the_check_sees_a_model_that_eight_bits_are_too_rough_for(monkeypatch):
    model = drawn("clip")
    for (
        block
    ) in model.image.blocks:  # one number in the middle a hundred times as large as the others
        block.mlp.expand.weight[:1] *= 100
        block.mlp.project.weight[:, :1] /= 100
    recipe = PixelRecipe(32)
    assert least_cosine(make_path("int8", model), model, probes(model, recipe)) < 0.9995
    assert chosen(model, monkeypatch) == "compiled"


def test_the_probes_are_always_the_same_and_like_pictures():
    model, recipe = drawn("clip"), PixelRecipe(224)
    first = probes(model, recipe)
    assert first.shape == (
        image_paths.PROBES,
        3,
        32,
        32,
    )  # of the model's size, whatever the recipe says
    assert torch.equal(first, probes(model, recipe))
    assert -1 <= first.min() < -0.5 < 0.5 < first.max() <= 1
    assert first.std((2, 3)).min() > 0.02


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A CLIP whose paths are taken however small it is."""
    monkeypatch.setattr(image_paths, "WORTH_COMPILING", 0)
    save_folder(tmp_path, drawn("clip"), Card(PixelRecipe(32, exact=True)), half=False)
    Tokenizer(train_bpe(["a cat", "一只猫"] * 3, 320), 12).save(tmp_path / "tokenizer.json")
    return tmp_path


def pictures(count):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@needs_runtime
def test_an_index_is_the_same_however_it_is_batched(folder):
    """As when it was cut off and went on."""
    shown, embedder = pictures(11), polysee.load(folder)
    whole = embedder.embed_pictures(shown)
    assert embedder.image_encoder.path() == "int8"
    parts = [
        polysee.load(folder).embed_pictures(part) for part in (shown[:9], shown[9:10], shown[10:])
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    exact = polysee.load(folder, dtype="float32").embed_pictures(shown)
    assert (whole * exact).sum(1).min() > 0.999
    assert np.abs(whole - exact).max() > 1e-5  # it was the fast path indeed
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-5)


@needs_runtime
def test_a_picture_alone_is_exact_and_many_are_fast(folder):
    exact, auto = polysee.load(folder, dtype="float32"), polysee.load(folder)
    pixels = auto.recipe.normalise(pictures(8))
    np.testing.assert_array_equal(auto.embed_pixels(pixels[:7]), exact.embed_pixels(pixels[:7]))
    assert np.abs(auto.embed_pixels(pixels) - exact.embed_pixels(pixels)).max() > 1e-5
    listed = list(pictures(8))
    np.testing.assert_array_equal(auto.embed_image(listed[:2]), exact.embed_image(listed[:2]))
    np.testing.assert_allclose(auto.embed_image(listed), auto.embed_pixels(pixels), atol=1e-6)
    np.testing.assert_array_equal(auto.embed_text(["a cat"]), exact.embed_text(["a cat"]))
    assert {weight.dtype for weight in auto.model.parameters()} == {torch.float32}


def test_float32_is_the_module_itself(folder):
    embedder = polysee.load(folder, dtype="float32")
    pixels = embedder.recipe.normalise(pictures(9))
    with torch.inference_mode():
        wanted = F.normalize(embedder.model.encode_image(pixels), dim=-1).numpy()
    np.testing.assert_array_equal(embedder.embed_pixels(pixels), wanted)
    assert embedder.image_encoder.path() == "exact"


@needs_runtime
def test_weights_that_changed_are_compiled_again(folder):
    embedder = polysee.load(folder)
    before = embedder.embed_pictures(pictures(2))
    with torch.no_grad():
        embedder.model.image_projection.weight.neg_()
    np.testing.assert_allclose(embedder.embed_pictures(pictures(2)), -before, atol=1e-6)


def test_a_model_may_be_loaded_in_inference_mode(folder):
    with torch.inference_mode():
        embedder = polysee.load(folder)
    wanted = polysee.load(folder).embed_pictures(pictures(2))
    np.testing.assert_allclose(embedder.embed_pictures(pictures(2)), wanted, atol=1e-6)


@needs_runtime
def test_int8_runs_both_towers_in_8_bits(folder):
    exact, small = polysee.load(folder, dtype="float32"), polysee.load(folder, dtype="int8")
    texts = ["a cat", "一只猫", "cat a cat a cat"]
    for got, wanted in (
        (small.embed_text(texts), exact.embed_text(texts)),
        (small.embed_pictures(pictures(1)), exact.embed_pictures(pictures(1))),
    ):
        assert (got * wanted).sum(1).min() > 0.99
        assert np.abs(got - wanted).max() > 1e-5
    alone = np.concatenate([small.embed_text([text]) for text in texts])
    np.testing.assert_allclose(small.embed_text(texts), alone, atol=1e-6)


def test_without_the_extra_auto_is_the_module_and_int8_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(image_paths, "runtime_is_installed", lambda: False)
    monkeypatch.setattr(image_paths, "has_bf16_units", lambda: False)
    exact = polysee.load(folder, dtype="float32").embed_pictures(pictures(9))
    np.testing.assert_array_equal(polysee.load(folder).embed_pictures(pictures(9)), exact)
    with pytest.raises(NotSupportedError, match=r"polysee\[fast\]"):
        polysee.load(folder, dtype="int8")


@needs_runtime
def test_int8_is_refused_where_it_cannot_run(folder, tmp_path):
    with pytest.raises(ConfigError, match="device must be cpu"):
        polysee.inference.encoders.TextEncoder(drawn("clip"), "int8", torch.device("cuda"))
    from polysee.models.gpt import Gpt, GptConfig

    save_folder(tmp_path / "gpt", Gpt(GptConfig(50, 16, 1, 2, 32, 8)), Card())
    with pytest.raises(ConfigError, match="pictures and text"):
        polysee.load(tmp_path / "gpt", dtype="int8")


def test_pixels_of_another_size_are_refused_by_the_module(folder):
    with pytest.raises(ConfigError, match="32x32"):
        polysee.load(folder).embed_pixels(torch.zeros(9, 3, 40, 40))
