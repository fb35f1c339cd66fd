"""`polysee.load` on a folder, and what it returns."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import polysee
from polysee.checkpoints.background import BACKGROUND, save_background, unit
from polysee.checkpoints.folder import CARD, CONFIG, TOKENIZER, WEIGHTS, Card, save_folder
from polysee.errors import CheckpointError, ConfigError, MediaError, NotSupportedError
from polysee.inference.embedder import NEAREST
from polysee.inputs.pixels import PixelRecipe
from polysee.models.bert import Bert, BertConfig
from polysee.models.vit import ViT, ViTConfig

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def embedder(folder):
    return polysee.load(folder)


@pytest.fixture
def image():
    draw = np.random.default_rng(0)
    return Image.fromarray(draw.integers(0, 256, (40, 60, 3), dtype=np.uint8))


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_an_absent_device_is_named(folder):
    with pytest.raises(ConfigError, match="no device 'cuda'"):
        polysee.load(folder, device="cuda")
    with pytest.raises(ConfigError, match="unknown device 'tpu'"):
        polysee.load(folder, device="tpu")


def test_what_is_loaded(embedder, folder):
    assert embedder.embedding_size == 24
    assert embedder.recipe == PixelRecipe(64)
    assert embedder.folder == folder
    assert embedder.id == str(folder.absolute())
    assert len(bytes.fromhex(embedder.hash)) == 8
    assert not embedder.model.training
    assert {value.dtype for value in embedder.model.parameters()} == {torch.float32}


def test_a_picture_is_the_same_however_it_is_given(embedder, image, tmp_path):
    path = tmp_path / "猫.png"
    path.write_bytes(encoded(image))
    vectors = embedder.embed_image([path, str(path), path.read_bytes(), image, np.asarray(image)])
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 24)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors, vectors[[0] * 5], **CLOSE)
    resized = embedder.recipe.resize(image)[None]
    np.testing.assert_allclose(embedder.embed_pictures(resized)[0], vectors[0], **CLOSE)
    pixels = embedder.recipe.normalise(resized)
    np.testing.assert_allclose(embedder.embed_pixels(pixels)[0], vectors[0], **CLOSE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "I;16", "1"])
def test_a_picture_in_memory_is_read_as_its_file_would_be(embedder, image, mode):
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image = image if image.mode == mode else image.convert(mode)
    vectors = embedder.embed_image([image, encoded(image)])
    np.testing.assert_allclose(vectors[0], vectors[1], **CLOSE)


def test_batches_do_not_matter(embedder, image):
    images = [image.rotate(angle) for angle in range(0, 350, 50)]
    whole = embedder.embed_image(images, batch_size=7)
    np.testing.assert_allclose(embedder.embed_image(images, batch_size=2), whole, **CLOSE)
    assert np.abs(whole[0] - whole[3]).max() > 1e-2
    texts = ["a cat", "一只坐在沙发上的猫", "", "a red car on a sofa", "猫"]
    whole = embedder.embed_text(texts)
    assert (whole.shape, whole.dtype) == ((5, 24), np.float32)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embedder.embed_text(texts, batch_size=1), whole, **CLOSE)
    assert np.abs(whole[0] - whole[1]).max() > 1e-2


def test_nothing_gives_nothing(embedder):
    for vectors in (embedder.embed_image([]), embedder.embed_text([])):
        assert vectors.shape == (0, 24)
        assert vectors.dtype == np.float32


def test_one_where_a_list_belongs_is_refused(embedder, image):
    for one in (image, "cat.jpg", encoded(image)):
        with pytest.raises(ConfigError, match="must be a list"):
            embedder.embed_image(one)
    with pytest.raises(ConfigError, match="must be a list"):
        embedder.embed_text("a cat")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=lambda array: f"{array.shape} {array.dtype}",
)  # fmt: skip
def test_arrays_of_another_form_are_refused(embedder, array):
    with pytest.raises(ConfigError, match="uint8"):
        embedder.embed_image([array])


def test_a_file_that_is_no_picture_is_named(embedder, tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(MediaError, match=r"notes\.jpg"):
        embedder.embed_image([tmp_path / "notes.jpg"])


def test_classify_is_a_softmax_over_the_labels(embedder, image):
    labels = ["猫", "狗", "car"]
    probabilities = embedder.classify(image, labels)
    assert (probabilities.shape, probabilities.dtype) == ((3,), np.float32)
    similarity = embedder.embed_labels(labels) @ embedder.embed_image([image])[0]
    assert embedder.scale == pytest.approx(10, rel=1e-3)  # one over the temperature
    wanted = np.exp(10 * similarity) / np.exp(10 * similarity).sum()
    np.testing.assert_allclose(probabilities, wanted, rtol=1e-3)
    np.testing.assert_allclose(embedder.classify(image, ["猫"]), [1])
    np.testing.assert_allclose(
        embedder.classify(image, labels[::-1]), probabilities[::-1], rtol=1e-4
    )
    with pytest.raises(ConfigError, match="labels"):
        embedder.classify(image, [])


def test_a_label_that_lies_near_every_picture_gives_way(folder, image):
    plain = polysee.load(folder)
    picture, labels = plain.embed_image([image]), plain.embed_labels(["猫", "狗"])
    np.testing.assert_array_equal(plain.compare(picture, labels), picture @ labels.T)
    near = unit(np.sign(labels[1:]))  # to the second
    save_background(folder, {"pictures": np.concatenate([np.repeat(near, NEAREST, 0), -near])})
    fair = polysee.load(folder)
    compared = fair.compare(picture, labels)
    given_away = near @ labels.T / 2
    assert given_away[0, 1] > given_away[0, 0]
    np.testing.assert_allclose(compared, picture @ labels.T - given_away, atol=5e-3)  # eight bits
    odds = np.exp(fair.scale * (compared[0, 0] - compared[0, 1]))
    assert fair.classify(image, ["猫", "狗"])[0] == pytest.approx(odds / (1 + odds), rel=1e-3)
    np.testing.assert_array_equal(fair.choose(picture, labels), plain.choose(picture, labels))


def test_a_background_of_another_model_is_named(folder, image):
    save_background(folder, {"pictures": np.eye(5, dtype=np.float32)})
    with pytest.raises(CheckpointError, match=r"calibration\.safetensors is of another model"):
        polysee.load(folder).classify(image, ["cat", "dog"])
    (folder / BACKGROUND).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"calibration\.safetensors is damaged"):
        polysee.load(folder).classify(image, ["cat", "dog"])


def test_a_label_is_the_mean_of_its_sentences(embedder):
    sentences = embedder.embed_text(["my cat", "the cat"])
    mean = sentences.mean(0) / np.linalg.norm(sentences.mean(0))
    np.testing.assert_allclose(
        embedder.embed_labels(["cat"], ["my {}", "the {}"])[0], mean, **CLOSE
    )
    own = embedder.embed_text(["a photo of a cat"])
    np.testing.assert_allclose(embedder.embed_labels(["cat"]), own, **CLOSE)


def test_config_and_weights_alone_are_a_model(folder, image):
    (folder / TOKENIZER).unlink()
    (folder / CARD).unlink()
    embedder = polysee.load(folder)
    assert embedder.recipe == PixelRecipe()
    assert embedder.embed_image([image]).shape == (1, 24)
    with pytest.raises(NotSupportedError, match=r"tokenizer\.json"):
        embedder.embed_text(["a cat"])
    with pytest.raises(NotSupportedError, match=r"tokenizer\.json"):
        embedder.classify(image, ["a", "b"])


@pytest.mark.parametrize("name", [CONFIG, CARD, TOKENIZER, WEIGHTS])
def test_the_hash_tells_every_change(folder, name, tmp_path):
    before = polysee.load(folder).hash
    copied = shutil.copytree(folder, tmp_path / "elsewhere")
    assert polysee.load(copied).hash == before
    path = copied / name
    if name == WEIGHTS:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    else:
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(values, indent=1), encoding="utf-8")
    assert polysee.load(copied).hash != before


@pytest.mark.parametrize("option", [{"dtype": "float16"}, {"device": "tpu"}])
def test_unknown_options_are_named(folder, option):
    with pytest.raises(ConfigError, match=next(iter(option.values()))):
        polysee.load(folder, **option)


def test_float32_is_close_to_auto(folder, image):
    exact = polysee.load(folder, dtype="float32").embed_image([image])
    assert (exact * polysee.load(folder).embed_image([image])).sum() >= 0.999


def test_a_model_without_two_towers_says_so(tmp_path):
    save_folder(tmp_path, Bert(BertConfig(9, 8, 1, 2, 16, 8)), Card())
    with pytest.raises(NotSupportedError, match="pictures and text"):
        polysee.load(tmp_path).embed_text(["a cat"])
    save_folder(tmp_path, ViT(ViTConfig(16, 8, 16, 1, 2, 24)), Card())
    with pytest.raises(NotSupportedError, match="pictures and text"):
        polysee.load(tmp_path)


def remove(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def garbage(path):
    path.write_bytes(b"\x80garbage\xff\x00")


def empty(path):
    path.write_bytes(b"")


def change(key, value):
    def changed(path):
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**values, key: value}), encoding="utf-8")

    return changed


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        (CONFIG, remove, r"no config\.json"),
        (CONFIG, garbage, r"config\.json"),
        (CONFIG, empty, r"config\.json"),
        (CONFIG, change("polysee_family", "gpt-5"), "gpt-5"),
        (CONFIG, change("polysee_family", ["align"]), "align"),
        (CONFIG, change("colour", "red"), "colour"),
        (CONFIG, change("projection_size", "24"), "projection_size"),
        (CONFIG, change("image", 3), "image"),
        (CONFIG, change("text", {"num_heads": 0}), "num_heads"),
        (WEIGHTS, remove, r"no model\.safetensors"),
        (WEIGHTS, cut, r"model\.safetensors"),
        (WEIGHTS, garbage, r"model\.safetensors"),
        (WEIGHTS, empty, r"model\.safetensors"),
        (TOKENIZER, garbage, r"tokenizer\.json"),
        (TOKENIZER, cut, r"tokenizer\.json"),
        (CARD, garbage, r"polysee\.json"),
        (CARD, change("pixels", 3), r"polysee\.json"),
        (CARD, change("pixels", {"image_size": "big"}), "image_size"),
        (CARD, change("pixels", {"resample": "nearest"}), "nearest"),
        (CARD, change("pixels", {"mean": [0.5, "x", 0.5]}), "mean"),
        (CARD, change("pixels", {"size": 64}), "size"),
        (CARD, change("templates", [1]), "templates"),
        (CARD, change("templates", 5), "templates"),
        (CARD, change("templates", "a {}"), "templates"),
        (CARD, change("colour", 1), "colour"),
    ],
)
def test_a_damaged_folder_is_named(folder, name, harm, said):
    harm(folder / name)
    with pytest.raises(CheckpointError, match=said):
        polysee.load(folder)


def test_a_folder_that_is_none(tmp_path):
    for model in (tmp_path / "nothing", "polysee/none", tmp_path):
        with pytest.raises(CheckpointError):
            polysee.load(model)


def test_a_pickle_is_never_opened(folder):
    """A folder in the old form, whose pickle would run its code when it is read."""

    class Run:
        def __reduce__(self):
            return (exec, ("raise SystemExit('a pickle was run')",))

    torch.save(Run(), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        polysee.load(folder)
    torch.save(Run(), folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"not a readable safetensors"):
        polysee.load(folder)
