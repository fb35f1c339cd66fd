"""Training of the discrete VAE: batches by step alone, both quantizers, a folder at the end."""

from __future__ import annotations

import logging

import pytest
import torch

from polysee.checkpoints.folder import load_folder
from polysee.errors import ConfigError
from polysee.objectives.dvae import feature_distance
from polysee.training.dvae import DvaeTask, measure
from polysee.training.parts import Part
from polysee.training.recipe import Recipe
from polysee.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers

SMALL = {
    "kind": "dvae", "image_size": 32, "hidden_size": 16, "num_layers": 1, "levels": (5, 5, 5),
    "num_codes": 32, "validation_pictures": 6,
}  # fmt: skip


def recipe(**task):
    values = {
        "name": "small-dvae",
        "steps": 4,
        "batch_size": 4,
        "validate_every": 2,
        "optimiser": {"rate": 3e-3},
    }
    return Recipe.model_validate({**values, "task": {**SMALL, **task}})


def test_batches_depend_on_the_step_alone_and_can_be_shared():
    asked = recipe()
    first, again = (DvaeTask(asked, asked.task) for _ in range(2))
    batch = first.batch(7)
    assert torch.equal(batch["pixels"], again.batch(7)["pixels"])
    assert not torch.equal(batch["pixels"], first.batch(8)["pixels"])
    parts = [first.batch_part(7, Part(i, of=2))["pixels"] for i in range(2)]
    assert torch.equal(torch.cat(parts), batch["pixels"][[0, 2, 1, 3]])
    assert batch["pixels"].shape == (4, 3, 32, 32)
    assert batch["seen"].any()
    assert not batch["seen"].all()


@pytest.mark.parametrize("quantizer", ["fsq", "gumbel"])
def test_a_recipe_ends_in_a_model_folder(quantizer, tmp_path, caplog):
    asked = recipe(quantizer=quantizer, things=2.0)
    with caplog.at_level(logging.INFO):
        folder = train(asked, folder=tmp_path / "run", progress=False)
    model, card = load_folder(folder)
    assert card.licence == "Apache-2.0"
    task = DvaeTask(asked, asked.task)
    found = measure(model, card.pixels, *task.held_out)
    assert set(found) == {
        "validation_psnr",
        "validation_psnr_things",
        "code_usage",
        "code_perplexity",
    }
    assert found["validation_psnr"] > 3
    assert 0 < found["code_usage"] <= 1
    assert "code_perplexity" in caplog.text


def test_things_can_count_more():
    even, more = (DvaeTask(r, r.task) for r in (recipe(), recipe(things=3.0)))
    more.model.load_state_dict(even.model.state_dict())
    batch = even.batch(0)
    batch["seen"][:] = True
    ratio = more.losses(batch)["squared_error"] / even.losses(batch)["squared_error"]
    assert ratio.item() == pytest.approx(3.0)


def test_what_a_network_sees_of_a_picture_can_count_beside_its_pixels():
    asked = recipe(perceptual=0.5)
    task = DvaeTask(asked, asked.task)
    batch = task.batch(0)
    found = task.losses(batch)
    assert set(found) == {"squared_error", "perceptual"}
    found["perceptual"].backward()
    assert task.model.decoder.pixels.weight.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in task.look.tower.parameters())
    seen = task.look(batch["pixels"])
    assert [tuple(x.shape[-2:]) for x in seen] == [(16, 16), (8, 8), (4, 4)]
    assert all(feature_distance(x, x) == 0 for x in seen)
    distance = torch.stack(
        [*map(feature_distance, task.look(task.model(batch["pixels"]).pixels), seen)]
    )
    assert found["perceptual"].item() == pytest.approx(0.5 * distance.mean().item(), rel=1e-4)
    other = recipe(perceptual=0.5, seen_by="polysee/gpt-nano")
    with pytest.raises(ConfigError, match="not an ALIGN"):
        DvaeTask(other, other.task)


def test_a_run_may_go_on_from_an_earlier_one_its_codes_kept(tmp_path):
    first = train(recipe(), folder=tmp_path / "first", progress=False)
    asked = recipe(start=str(first)).model_copy(
        update={"optimiser": recipe().optimiser.model_copy(update={"rates": {"encoder": 0}})}
    )
    second = train(asked, folder=tmp_path / "second", progress=False)
    (before, _), (after, _) = load_folder(first), load_folder(second)
    changed = {
        n for n, v in after.state_dict().items() if not torch.equal(v, before.state_dict()[n])
    }
    assert changed
    assert all(name.startswith("decoder.") for name in changed)


@pytest.mark.parametrize("quantizer", ["fsq", "gumbel"])
def test_a_decoder_may_grow_and_is_as_it_was_at_first(quantizer, tmp_path):
    two = recipe(quantizer=quantizer, more_layers=2)
    first = train(two, folder=tmp_path / "first", progress=False)
    before, _ = load_folder(first)
    asked = recipe(quantizer=quantizer, start=str(first), more_layers=3)
    task = DvaeTask(asked, asked.task)
    assert len(task.model.decoder.fine) == len(before.decoder.fine) + 1
    assert len(task.model.encoder.fine) == len(before.encoder.fine)
    pixels = task.batch(0)["pixels"]
    with torch.no_grad():
        torch.testing.assert_close(task.model.eval()(pixels).pixels, before(pixels).pixels)
    fewer = recipe(quantizer=quantizer, start=str(first), more_layers=1)
    assert DvaeTask(fewer, fewer.task).model.config == before.config


def test_a_start_of_another_size_is_named(tmp_path):
    first = train(recipe(), folder=tmp_path / "first", progress=False)
    asked = recipe(start=str(first), image_size=64)
    with pytest.raises(ConfigError, match="not a discrete VAE of pictures of 64 pixels"):
        DvaeTask(asked, asked.task)
