"""Training of DALL-E over a discrete VAE: batches by step, the VAE untouched, a folder that draws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

import polysee
from polysee.checkpoints.bundled import bundled_folder
from polysee.checkpoints.folder import TOKENIZER, Card, load_folder, save_folder
from polysee.datasets.scenes import Background, Relation, Scene, Thing
from polysee.errors import ConfigError
from polysee.inference.drawing import ImageGenerator
from polysee.inputs.pixels import PixelRecipe
from polysee.models.dalle import Dalle
from polysee.models.dvae import Dvae, DvaeConfig
from polysee.training.dalle import DalleTask, _is_difficult
from polysee.training.layouts import tints_of_things
from polysee.training.parts import Part
from polysee.training.recipe import Recipe
from polysee.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers

SMALL = {
    "kind": "dalle", "vocab_size": 400, "hidden_size": 16, "num_layers": 2, "num_heads": 2, "mlp_size": 32,
    "context_length": 96, "patterns": ("row", "column"), "last_pattern": "neighbourhood", "tokenizer_scenes": 20,
    "validation_pictures": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def dvae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dvae")
    torch.manual_seed(0)
    save_folder(folder, Dvae(DvaeConfig(32, 4, 16, 1, (4, 3))), Card(PixelRecipe(32)), half=False)
    return folder


def recipe(start, **task):
    values = {
        "name": "small-dalle",
        "steps": 4,
        "batch_size": 4,
        "validate_every": 4,
        "optimiser": {"rate": 3e-3},
    }
    return Recipe.model_validate({**values, "task": {**SMALL, "start": str(start), **task}})


def test_batches_depend_on_the_step_alone_and_can_be_shared(dvae):
    asked = recipe(dvae, unconditional=0.5)
    first, again = (DalleTask(asked, asked.task) for _ in range(2))
    batch, other = first.batch(5), again.batch(5)
    for key, value in batch.items():
        assert torch.equal(value, other[key]), key
    assert batch["pixels"].shape == (4, 3, 32, 32)
    assert first.codes_of(batch["pixels"]).shape == (4, 16)
    assert first.batch(6)["tokens"].shape != batch["tokens"].shape or not torch.equal(
        first.batch(6)["tokens"], batch["tokens"]
    )
    parts = [first.batch_part(5, Part(i, of=2))["pixels"] for i in range(2)]
    assert torch.equal(torch.cat(parts), batch["pixels"][[0, 2, 1, 3]])
    told = torch.cat([first.batch(step)["mask"].any(1) for step in range(8)])
    assert told.any()
    assert not told.all()


def test_a_recipe_ends_in_a_folder_that_draws(dvae, tmp_path):
    asked = recipe(dvae)
    task = DalleTask(asked, asked.task)
    folder = train(asked, task=task, folder=tmp_path / "run", progress=False)
    before, _ = load_folder(dvae)
    for name, value in before.state_dict().items():
        assert torch.equal(task.model.dvae.state_dict()[name], value), name
    found = task.validate()
    told = {f"validation_{name}" for name in ("english", "chinese", "without_text")}
    assert set(found) == told | {f"{name}_things" for name in told}
    assert all(0 < value < 6 for value in found.values())
    generator = polysee.load(folder)
    assert isinstance(generator, ImageGenerator)
    assert generator.draw("一只戴着帽子的狗", 2).shape == (2, 32, 32, 3)


def test_codes_of_things_count_more_and_scenes_may_be_of_one_thing_alone(dvae):
    asked = recipe(dvae, things=3.0, alone=1.0)
    task = DalleTask(asked, asked.task)
    batch = task.batch(2)
    assert 1 <= batch["weight"].min() < 1.1
    assert 2 < batch["weight"].max() <= 3
    first = asked.seed * 10**9
    scenes = [task._scene(seed) for seed in range(first, first + 50)]
    assert {(len(s.things), s.things[0].count) for s in scenes} == {(1, 1)}
    assert len({s.things[0].concept for s in scenes}) > 30


def test_scenes_may_be_the_difficult_ones(dvae):
    asked = recipe(dvae, alone=0.5, difficult=0.5)
    task = DalleTask(asked, asked.task)
    first = asked.seed * 10**9
    scenes = [task._scene(seed) for seed in range(first, first + 60)]
    alone = [s for s in scenes if len(s.things) == 1 and s.things[0].count == 1]
    hard = ("holding", "in front of")
    found = {
        "together": [s for s in scenes if any(r.kind in hard for r in s.relations)],
        "painted": [s for s in scenes if any(thing.colour for thing in s.things)],
        "many": [s for s in scenes if len(s.things) > 2],
    }
    assert len(alone) > 20
    assert min(map(len, found.values())) > 3
    assert all(s in alone or _is_difficult(s) for s in scenes)
    assert {s.split for s in scenes} == {"training"}


@pytest.mark.parametrize(
    ("things", "kind", "difficult"),
    [
        ((Thing("dog"),), None, False),
        ((Thing("dog", count=3),), None, False),
        ((Thing("dog", size="big"), Thing("cat")), "left of", False),
        ((Thing("dog"), Thing("sofa")), "on", False),
        ((Thing("dog"), Thing("top hat")), "wearing", True),
        ((Thing("dog"), Thing("kite")), "holding", True),
        ((Thing("dog"), Thing("sofa")), "in front of", True),
        ((Thing("dog", size="small"),), None, True),
        ((Thing("dog", count=2), Thing("cat")), "left of", True),
        ((Thing("top hat", colour="red"),), None, True),
        ((Thing("dog"), Thing("cat"), Thing("cow")), "left of", True),
    ],
)
def test_what_is_small_worn_hidden_painted_or_many_is_difficult(things, kind, difficult):
    beside = tuple(Relation(kind, i, i + 1) for i in range(len(things) - 1))
    assert _is_difficult(Scene(things, beside, Background("plain", ("blue",)), "noto")) == difficult


def test_a_model_that_draws_goes_on_from_where_it_is(drawing_folder, tmp_path):
    asked = recipe(drawing_folder)
    task = DalleTask(asked, asked.task)
    known, _ = load_folder(drawing_folder)
    assert task.model.config == known.config  # not the recipe's sizes
    before = {name: value.clone() for name, value in known.state_dict().items()}
    folder = train(asked, task=task, folder=tmp_path / "run", progress=False)
    after, _ = load_folder(folder)
    moved = {name for name, value in after.state_dict().items() if not value.equal(before[name])}
    assert "code.weight" in moved
    assert not any(name.startswith("dvae.") for name in moved)
    assert (folder / TOKENIZER).read_bytes() == (drawing_folder / TOKENIZER).read_bytes()


def test_a_start_that_cannot_draw_is_named():
    asked = recipe(bundled_folder("polysee/gpt-nano"))
    with pytest.raises(ConfigError, match="neither a discrete VAE"):
        DalleTask(asked, asked.task)


def test_sentences_are_shown_with_their_layout_alone(dvae, tmp_path):
    asked = recipe(dvae, layouts=True)
    task = DalleTask(asked, asked.task)
    task.save(tmp_path / "laid")
    asked = recipe(tmp_path / "laid", more_layouts=6)
    task = DalleTask(asked, asked.task)
    batch = task.batch(3)
    assert len(batch["more_tokens"]) == len(batch["more_mask"]) == len(batch["more_layout"]) == 6
    halves = [task.batch_part(3, Part(i, of=2))["more_layout"] for i in range(2)]
    assert torch.equal(torch.cat(halves), batch["more_layout"][[0, 2, 4, 1, 3, 5]])
    assert not torch.equal(task.batch(4)["more_layout"], batch["more_layout"])
    plain = {key: value for key, value in batch.items() if not key.startswith("more")}
    with torch.no_grad():
        less, more = task.losses(plain), task.losses(batch)
        whole = task.model(
            *(batch[key] for key in ("tokens", "mask")),
            task.codes_of(batch["pixels"]),
            batch["layout"],
        )
        alone = task.model.guess_layout(batch["tokens"], batch["mask"], batch["layout"])
    assert_close(alone, whole.layout)
    assert less["picture"] == more["picture"]
    assert less["layout"] != more["layout"]
    none = recipe(dvae, more_layouts=6)
    assert "more_layout" not in DalleTask(none, none.task).batch(0)


def test_layouts_come_to_a_model_that_had_none(dvae, tmp_path):
    asked = recipe(dvae)
    task = DalleTask(asked, asked.task)
    task.save(tmp_path / "plain")
    asked = recipe(tmp_path / "plain", layouts=True, unconditional=0.3)
    task = DalleTask(asked, asked.task)
    assert task.model.layout is not None
    batch = task.batch(0)
    laid = torch.cat([task.batch(step)["layout"][:, 0] != 0 for step in range(10)])
    told = torch.cat([task.batch(step)["mask"].any(1) for step in range(10)])
    assert laid.any()
    assert (told & ~laid).any()
    assert not (laid & ~told).any()
    assert {"text", "picture", "layout"} == set(task.losses(batch))
    folder = train(asked, task=task, folder=tmp_path / "run", progress=False)
    found = task.validate()
    assert 0 < found["validation_chinese_layout"] < 7
    assert "validation_without_text_layout" not in found
    generator = polysee.load(folder)
    assert isinstance(generator, ImageGenerator)
    assert generator.model.layout is not None
    assert generator.draw("一只戴着帽子的狗", 2).shape == (2, 32, 32, 3)
    again = recipe(folder)
    kept = DalleTask(again, again.task).model
    for name, value in kept.state_dict().items():
        assert torch.equal(generator.model.state_dict()[name], value), name


@torch.no_grad()
def test_what_colours_change_comes_to_a_model_that_did_not_know(dvae, tmp_path):
    asked = recipe(dvae, layouts=True)
    old = DalleTask(asked, asked.task)
    plain = replace(old.model.config.layout, tinted=())
    model = Dalle(replace(old.model.config, layout=plain)).eval()
    save_folder(tmp_path, model, Card(PixelRecipe(32)), half=False)
    old.tokenizer.save(tmp_path / TOKENIZER)
    asked = recipe(tmp_path, layouts=True)
    new = DalleTask(asked, asked.task).model
    assert new.layout is not None
    assert new.layout.config.tinted
    kept = new.state_dict()
    changed = {n for n, value in model.state_dict().items() if not value.equal(kept[n])}
    assert changed == {"layout.colour.weight"}
    assert new.layout.colour.weight.unique(dim=0).shape[0] == 1
    known, maps = tints_of_things(new.layout.config, new.dvae, PixelRecipe(32))
    assert_close(new.layout.tint.weight, known)
    assert_close(new.layout.tints.weight, maps)
