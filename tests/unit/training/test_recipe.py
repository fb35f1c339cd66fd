"""A recipe is checked before anything starts, and what is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from polysee.errors import ConfigError
from polysee.training.recipe import read_recipe

ROOT = Path(__file__).parents[3]
GOOD = {
    "name": "tiny",
    "steps": 10,
    "batch_size": 4,
    "optimiser": {"rate": 0.001},
    "task": {"kind": "distil"},
}


@pytest.fixture
def read(tmp_path):
    def written(values: object):
        path = tmp_path / "recipe.yaml"
        path.write_text(
            values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8"
        )
        return read_recipe(path)

    return written


def changed(place: str, value: object) -> dict:
    *parents, key = place.split(".")
    values = yaml.safe_load(yaml.safe_dump(GOOD))
    part = values
    for parent in parents:
        part = part[parent]
    part[key] = value
    return values


def test_what_is_not_said_has_a_default(read):
    recipe = read(GOOD)
    assert (recipe.seed, recipe.precision, recipe.optimiser.warmup_steps) == (0, "32-true", 100)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("stepz", 10),
        ("optimiser.learning_rate", 0.1),
        ("task.temperature", 0.1),
        ("steps", 0),
        ("steps", "many"),
        ("batch_size", 1),
        ("name", "../../etc"),
        ("name", "Has Spaces"),
        ("precision", "int4"),
        ("ema_decay", 1.0),
        ("optimiser.rate", -1),
        ("optimiser.rates", {"image": -0.1}),
        ("optimiser.betas", [0.9]),
        ("task.kind", "pretrain"),
        ("task.vocab_size", 10),
    ],
)
def test_a_wrong_key_or_value_is_named(read, place, value):
    with pytest.raises(ConfigError) as raised:
        read(changed(place, value))
    assert place.split(".")[-1].removesuffix("kind") in str(raised.value)
    assert "recipe.yaml" in str(raised.value)


@pytest.mark.parametrize("key", ["name", "steps", "batch_size", "optimiser", "task"])
def test_a_missing_key_is_named(read, key):
    with pytest.raises(ConfigError, match=f"{key}.*required"):
        read({name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize(
    "text", ["", "- 1\n- 2\n", "steps: [", "just words", "\x00", "a: 2024-99-99", "[" * 5000]
)
def test_what_is_no_recipe_is_said_to_be_none(read, text):
    with pytest.raises(ConfigError, match=r"recipe\.yaml"):
        read(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(ConfigError):
        read_recipe(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match=r"latin\.yaml"):
        read_recipe(tmp_path / "latin.yaml")


RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_here_is_valid_and_says_what_to_expect(path):
    read_recipe(path)
    assert path.read_text(encoding="utf-8").startswith("#")


def test_there_are_recipes():
    assert RECIPES
