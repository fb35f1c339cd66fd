"""Training of the judge of scenes: exact truth, questions about one place, a folder at the end."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from polysee.checkpoints.folder import Card, load_folder, save_folder
from polysee.datasets.scenes import (
    Background,
    Relation,
    Scene,
    Thing,
    scene_of,
    scenes_of,
    split_of,
)
from polysee.datasets.scenes_drawing import draw_scene, draw_scenes
from polysee.datasets.scenes_things import having
from polysee.datasets.scenes_truth import CONCEPTS, rearranged, truth_of
from polysee.errors import ConfigError
from polysee.inputs.pixels import PixelRecipe
from polysee.models.dvae import Dvae, DvaeConfig
from polysee.models.judge import Judge
from polysee.objectives.judge import answer, cells_shown, hardest_absent, present
from polysee.training.judge import JudgeTask, pulled, shares_of, spoiled
from polysee.training.judging import accuracy, decoys
from polysee.training.parts import Part
from polysee.training.recipe import Recipe
from polysee.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers

SMALL = {
    "kind": "judge", "image_size": 32, "hidden_size": 16, "num_layers": 1, "validation_pictures": 8,
}  # fmt: skip
FIGURES = {
    "present", "yes", "no", "all_present", "colour", "count", "size", "feeling", "relation"
}  # fmt: skip


def recipe(**task):
    values = {
        "name": "small-judge",
        "steps": 4,
        "batch_size": 4,
        "validate_every": 4,
        "optimiser": {"rate": 3e-3},
    }
    return Recipe.model_validate({**values, "task": {**SMALL, **task}})


def row(*names):
    things = tuple(Thing(name) for name in names)
    beside = tuple(Relation("left of", i, i + 1) for i in range(len(names) - 1))
    return Scene(things, beside, Background("plain", ("white",)), "noto")


def test_batches_depend_on_the_step_alone_and_can_be_shared():
    asked = recipe()
    first, again = (JudgeTask(asked, asked.task) for _ in range(2))
    batch, other = first.batch(7), again.batch(7)
    for key, value in batch.items():
        assert torch.equal(value, other[key]), key
    assert not torch.equal(batch["pixels"], first.batch(8)["pixels"])
    parts = [first.batch_part(7, Part(i, of=2))["concept"] for i in range(2)]
    assert torch.equal(torch.cat(parts), batch["concept"][[0, 2, 1, 3]])
    assert batch["shares"].shape == (4, 16, 4)


def test_a_recipe_ends_in_a_model_folder(tmp_path):
    folder = train(recipe(), folder=tmp_path / "run", progress=False)
    model, card = load_folder(folder)
    assert isinstance(model, Judge)
    assert model.config.concepts == CONCEPTS
    seeds = range(6)
    scenes = scenes_of("validation", seeds)
    found = accuracy(model, card.pixels, scenes, draw_scenes(scenes, seeds, 32))
    assert {"present", "yes", "no", "all_present", "count"} <= set(found) <= FIGURES
    assert all(0 <= value <= 1 for value in found.values())


@pytest.fixture
def coder(tmp_path):
    """A discrete VAE of fresh weights: what comes out of it is grey."""
    torch.manual_seed(0)
    sizes = DvaeConfig(image_size=32, patch_size=2, hidden_size=8, num_layers=1, levels=(3, 3))
    save_folder(tmp_path / "coder", Dvae(sizes), Card(PixelRecipe(32)))
    return str(tmp_path / "coder")


def test_so_many_pictures_are_seen_through_codes(coder):
    whole, some, none = (
        JudgeTask(asked, asked.task)
        for asked in (
            recipe(spoiled=0.0, blurred_by=coder, blurred=share) for share in (1.0, 0.5, 0.0)
        )
    )
    sharp, blurred, mixed = (
        torch.cat([task.batch(step)["pixels"] for step in range(4)]) for task in (none, whole, some)
    )
    assert (sharp - blurred).flatten(1).abs().amax(1).min() > 0.2
    kept, changed = (
        (mixed - pixels).flatten(1).abs().amax(1) < 0.02 for pixels in (sharp, blurred)
    )
    assert torch.equal(kept, ~changed)
    assert 3 <= int(kept.sum()) <= 13  # of 16, by lot
    assert {"validation_present", "validation_codes_present"} <= set(some.validate())
    assert "validation_codes_present" not in none.validate()


def test_things_are_shown_in_any_colour():
    plain, other = (
        JudgeTask(asked, asked.task)
        for asked in (recipe(spoiled=0.0, recoloured=share) for share in (0.0, 1.0))
    )
    before, after = plain.batch(3), other.batch(3)
    assert torch.equal(before["concept"], after["concept"])
    coloured = before["colour"] >= 0
    assert torch.equal(coloured, after["colour"] >= 0)
    assert 0 < coloured.any(1).sum() < len(coloured)
    turned = (before["colour"] != after["colour"]).any(1)
    changed = (before["pixels"] != after["pixels"]).flatten(1).any(1)
    assert torch.equal(changed, turned)  # pictures of things that have their own colour stay
    kept = {
        f"{thing.colour} {thing.concept}"
        for scene in map(other._scene, range(10**12, 10**12 + 300))
        for thing in scene.things
        if thing.colour and split_of(f"{thing.colour} {thing.concept}") != "training"
    }
    assert len(kept) > 3  # what no training scene shows
    assert not any(plain._scene(seed).split != "training" for seed in range(10**12, 10**12 + 100))


def test_things_stand_in_any_number():
    asked = recipe(spoiled=0.0, renumbered=1.0)
    task = JudgeTask(asked, asked.task)
    scenes = {seed: task._scene(seed) for seed in range(10**12, 10**12 + 300)}
    held_out = 0
    for seed, scene in scenes.items():
        beside = any(relation.kind == "left of" for relation in scene.relations)
        most = 1 if len(scene.things) > 2 or (scene.relations and not beside) else 5
        most = 3 if most > 1 and beside else most
        assert all(1 <= thing.count <= most for thing in scene.things), seed
        for thing in scene.things:
            assert thing.count == 1 or thing.concept not in having("sole")
            kept = thing.count > 1 and split_of(f"{thing.count} {thing.concept}") != "training"
            held_out += kept
    assert held_out > 3
    assert {thing.count for scene in scenes.values() for thing in scene.things} == {1, 2, 3, 4, 5}


def test_a_judge_goes_on_from_an_earlier_one(tmp_path):
    first = train(recipe(), folder=tmp_path / "run", progress=False)
    asked = recipe(start=str(first), image_size=64)
    task = JudgeTask(asked, asked.task)
    assert task.model.config.image_size == 32  # the sizes are the earlier one's
    assert task.batch(0)["pixels"].shape[-1] == 32
    assert_close(task.model.state_dict(), load_folder(first)[0].state_dict())


def test_what_is_no_judge_is_named(tmp_path, coder):
    asked = recipe(start=coder)
    with pytest.raises(ConfigError, match="coder: no judge"):
        JudgeTask(asked, asked.task)
    folder = train(recipe(), folder=tmp_path / "run", progress=False)
    asked = recipe(blurred_by=str(folder))
    with pytest.raises(ConfigError, match="turns pictures to codes"):
        JudgeTask(asked, asked.task)
    model, card = load_folder(folder)
    other = replace(model.config, colours=model.config.colours[::-1])
    save_folder(tmp_path / "other", Judge(other), card)
    asked = recipe(start=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="other things"):
        JudgeTask(asked, asked.task)


def test_a_few_steps_learn_a_few_scenes():
    asked = recipe(spoiled=0.0, rearranged=0.0)
    task = JudgeTask(asked, asked.task)
    batch = task.batch(0)
    optimiser = torch.optim.AdamW(task.model.parameters(), 0.01)
    for _ in range(120):
        optimiser.zero_grad()
        losses = task.losses(batch)
        sum(losses.values()).backward()
        optimiser.step()
    assert losses["cells"] < 0.5
    assert losses["relation"] < 0.1
    task.model.eval()
    seen = task.model.look(batch["pixels"])
    concept = batch["concept"]
    answers = task.model.ask(seen, concept.clamp(min=0))
    real = concept >= 0
    assert (answers.present[real] > 0).float().mean() > 0.9
    assert (answers.count.argmax(2)[real] == batch["count"][real]).float().mean() > 0.8


def test_the_owner_of_every_pixel_is_known():
    scene = row("dog", "cat")
    drawn = draw_scene(scene, 3)
    assert set(np.unique(drawn.owners)) == {0, 1, 2}
    for number, (left, top, right, low) in enumerate(drawn.boxes, 1):
        rows, columns = np.nonzero(drawn.owners == number)
        assert columns.min() >= round(left * 96) - 1
        assert columns.max() <= round(right * 96) + 1
        assert rows.min() >= round(top * 96) - 1
        assert rows.max() <= round(low * 96) + 1
    differing = (drawn.owners > 0) != drawn.seen
    assert differing.mean() < 0.03  # edges are soft
    shares = shares_of(drawn.owners[None], 4, 12)[0]
    assert shares.shape == (144, 4)
    assert shares[:, 2:].sum() == 0
    assert shares.sum(1).max() <= 1
    assert shares[:, 0].sum().item() == pytest.approx((drawn.owners == 1).mean() * 144, rel=1e-4)


def test_truth_tells_every_pair_of_a_row():
    truth = truth_of([row("dog", "cat", "car")])
    assert truth.relation[0, :3, :3].tolist() == [[-100, 2, 2], [8, -100, 2], [8, 8, -100]]
    assert truth.concept[0, 3] < 0
    assert (truth.size[0] == -100).all()


def test_two_things_can_be_put_side_by_side():
    worn = scene_of("training", 5)
    for seed in range(200):
        scene = scene_of("training", seed)
        if scene.relations and scene.relations[0].kind == "wearing" and len(scene.things) == 2:
            worn = scene
    other = rearranged(worn, random.Random(0))
    assert other.things == worn.things
    assert [r.kind for r in other.relations] == ["left of"]
    three = row("dog", "cat", "car")
    assert rearranged(three, random.Random(0)) == three


def test_decoys_are_near_and_not_there():
    truth = truth_of(scenes_of("training", range(30)))
    others = decoys(truth.concept)
    assert ((others >= 0) == (truth.concept >= 0)).all()
    assert not (others[:, :, None] == truth.concept[:, None])[others >= 0].any()
    assert np.array_equal(others, decoys(truth.concept))


def test_spoiling_is_of_each_picture_alone():
    pixels = PixelRecipe(16).normalise(
        np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3)).astype(np.uint8)
    )
    assert torch.equal(spoiled(pixels, 0.0, np.random.default_rng(1)), pixels)
    changes = (spoiled(pixels, 1.0, np.random.default_rng(1)) - pixels).abs().mean((1, 2, 3))
    assert changes.max() > 0.1
    assert changes.min() < changes.max() / 2


def test_pulling_moves_parts_a_little_and_some_pictures_not_at_all():
    pictures = np.zeros((40, 48, 36, 3), np.uint8)
    # In red each row is brighter than the one above it, in green each column than the one left of it.
    pictures[..., 0] += 5 * np.arange(48, dtype=np.uint8)[:, None]
    pictures[..., 1] += 5 * np.arange(36, dtype=np.uint8)
    assert np.array_equal(pulled(pictures, 1e-9, np.random.default_rng(0)), pictures)
    found = pulled(pictures, 3.0, np.random.default_rng(0))
    assert (found.shape, found.dtype) == (pictures.shape, np.uint8)
    moved = np.abs(found.astype(int) - pictures)[:, 4:-4, 4:-4] / 5  # pixels
    for axis in (0, 1):
        inside = moved[..., axis].reshape(40, -1)
        still = inside.max(1) == 0
        assert 4 <= still.sum() <= 20
        assert 1.5 < inside.max() < 4.5  # cubic curves swing a little beyond their nodes
        assert (inside[~still].max(1) > 2 * inside[~still].mean(1)).all()  # not all alike
    assert not moved[..., 2].any()
    straight, awry = (
        JudgeTask(asked, asked.task).batch(3)
        for asked in (recipe(spoiled=0.0, pulled=most) for most in (0.0, 4.0))
    )
    assert torch.equal(straight["shares"], awry["shares"])
    assert not torch.equal(straight["pixels"], awry["pixels"])


def test_losses_are_cross_entropies():
    log_chances = torch.tensor([[[0.7, 0.1, 0.2]]]).log()  # one cell, two concepts, nothing
    found = cells_shown(log_chances, torch.tensor([[1, -1]]), torch.tensor([[[0.25, 0.0]]]))
    expected = -(0.25 * np.log(0.1) + 0.75 * np.log(0.2))
    assert found.item() == pytest.approx(expected, rel=1e-5)
    assert hardest_absent(log_chances, torch.tensor([[0, -1]]), 1).tolist() == [[1]]
    logits = torch.tensor([[2.0, 9.0, -1.0]])
    there, asked = torch.tensor([[True, True, False]]), torch.tensor([[True, False, True]])
    yes, no = np.log1p(np.exp(-2.0)), np.log1p(np.exp(-1.0))
    assert present(logits, there, asked).item() == pytest.approx((yes + no) / 2, rel=1e-5)
    assert answer(torch.zeros(2, 4), torch.tensor([-100, -100])).item() == 0
    assert answer(torch.zeros(2, 4), torch.tensor([3, -100])).item() == pytest.approx(np.log(4))
