"""CLIP and ALIGN from nothing: batches, exchanged captions, measuring, and that they learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import polysee
from polysee.datasets.shapes import FAMILY, IMAGE_SIZE, draw_scenes, training_scenes
from polysee.datasets.shapes_words import describe
from polysee.errors import ConfigError
from polysee.training.from_nothing import FromNothingTask, baselines, first_found, shuffled
from polysee.training.parts import Part
from polysee.training.recipe import FromNothing, Optimiser, Recipe, read_recipe
from polysee.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


def recipe(model="clip", steps=3, batch_size=16, **task):
    task = {"pictures": 64, "validation_pictures": 20, **task}
    return Recipe(
        name=f"test-{model}",
        steps=steps,
        batch_size=batch_size,
        validate_every=steps,
        checkpoint_every=steps,
        optimiser=Optimiser(rate=1e-3, warmup_steps=1),
        task=FromNothing(kind="from-nothing", model=model, **task),
    )


def made(model="clip", **options):
    given = recipe(model, **options)
    return FromNothingTask(given, given.task)


@pytest.fixture(scope="module")
def clip():
    return made()


@pytest.mark.parametrize("model", ["clip", "align"])
def test_a_trained_folder_loads_and_searches(model, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYSEE_RUNS", str(tmp_path))
    embedder = polysee.load(train(recipe(model), progress=False))
    words = embedder.embed_text(["a red star", "一颗红色的星星"])
    pictures = embedder.embed_pictures(draw_scenes(training_scenes(4, 0), 0))
    assert words.shape == (2, embedder.embedding_size)
    assert pictures.shape == (4, embedder.embedding_size)
    assert embedder.recipe.image_size == IMAGE_SIZE


def test_batches_hold_whole_families_and_depend_on_the_step_alone(clip):
    for step in (0, 3, 7):
        batch, again = clip.batch(step), clip.batch(step)
        assert batch["pixels"].shape == (16, 3, IMAGE_SIZE, IMAGE_SIZE)
        assert torch.equal(batch["pixels"], again["pixels"])
        assert torch.equal(batch["text"][0], again["text"][0])
        assert torch.equal(batch["keys"], again["keys"])
    assert not torch.equal(clip.batch(0)["pixels"], clip.batch(1)["pixels"])


def test_the_parts_of_several_processes_make_up_the_batch(clip):
    whole = clip.batch(5)
    parts = [clip.batch_part(5, Part(number, of=4)) for number in range(4)]
    for name in ("pixels", "keys"):
        joined = torch.stack([part[name] for part in parts], dim=1).flatten(0, 1)
        assert torch.equal(joined, whole[name])
    said = [tokens[mask].tolist() for tokens, mask in zip(*whole["text"], strict=True)]
    for number, part in enumerate(parts):
        own = [tokens[mask].tolist() for tokens, mask in zip(*part["text"], strict=True)]
        assert own == said[number::4]
    with pytest.raises(ConfigError, match="16 cannot be divided among 3"):
        clip.batch_part(5, Part(0, of=3))


def test_chunks_change_nothing(clip):
    batch = clip.batch(0)
    found = []
    for size in (0, 5):
        task = made(chunk_size=size)
        task.model.load_state_dict(clip.model.state_dict())
        task.losses(batch)["contrastive"].backward()
        found.append([p.grad for p in task.model.parameters()])
    for whole, chunked in zip(*found, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-5, atol=1e-6)


def test_an_epoch_shows_every_picture_once(clip):
    steps = len(clip.pictures) // clip.recipe.batch_size
    seen = torch.cat([clip.batch(step)["pixels"] for step in range(steps)]).flatten(1)
    assert len(torch.unique(seen, dim=0)) == len(clip.pictures)


def test_a_batch_smaller_than_a_family_is_one_family():
    task = made(batch_size=2)
    assert len(task.batch(0)["pixels"]) == FAMILY
    assert len(task.batch(1000)["pixels"]) == FAMILY


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 1.0])
def test_as_many_captions_are_exchanged_as_asked(share):
    owners = shuffled(500, share, seed=3)
    assert sorted(owners) == list(range(500))
    assert (owners != np.arange(500)).sum() == round(share * 500)
    assert (shuffled(500, share, seed=3) == owners).all()


def test_exchanged_captions_tell_of_another_picture():
    task = made(shuffled=0.5)
    own = [a is b for a, b in zip(task.scenes, task.told, strict=True)]
    assert sum(own) == 32
    assert made(shuffled=0.0).told == task.scenes
    assert made(shuffled=0.5).told == task.told


def test_the_scale_is_held(clip):
    kept = clip.model.log_scale.detach().clone()
    with torch.no_grad():
        clip.model.log_scale.fill_(20.0)
    clip.losses(clip.batch(0))["contrastive"].backward()
    assert clip.model.log_scale.exp().item() == pytest.approx(100, rel=1e-5)
    with torch.no_grad():
        clip.model.log_scale.copy_(kept)
    clip.model.zero_grad()


def test_baselines_by_hand():
    family = next(
        training_scenes(400, 0)[i : i + FAMILY]
        for i in range(0, 400, FAMILY)
        if training_scenes(400, 0)[i].relation != "alone"
    )
    assert baselines(family) == {"chance_r1": 0.25, "words_r1": 0.25}
    alone = [scene for scene in training_scenes(400, 0) if scene.relation == "alone"][:FAMILY]
    assert baselines(alone)["words_r1"] == 1.0


class Exact(torch.nn.Module):
    """Knows every validation picture and sentence: the best that there is."""

    def __init__(self, scenes, pictures, tokenizer, wrong=0):
        super().__init__()
        self.log_scale = torch.nn.Parameter(torch.zeros(()))
        self.pictures = {picture.tobytes(): i for i, picture in enumerate(pictures)}
        self.texts = {}
        for language in ("english", "chinese"):
            for i, scene in enumerate(scenes):
                tokens, mask = tokenizer([describe(scene, language, f"held-out-{i}")])
                shift = 1 if language == "chinese" and i < wrong else 0
                self.texts[tuple(tokens[mask].tolist())] = (i + shift) % len(scenes)
        self.eye = torch.eye(len(scenes))

    def encode_image(self, pixels):
        bytes_ = ((pixels * 0.5 + 0.5) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return torch.stack([self.eye[self.pictures[p.numpy().tobytes()]] for p in bytes_])

    def encode_text(self, tokens, mask):
        rows = [tuple(t[m].tolist()) for t, m in zip(tokens, mask, strict=True)]
        return torch.stack([self.eye[self.texts[row]] for row in rows])


def test_recall_of_a_model_that_knows_all_and_one_that_errs(clip):
    scenes, pictures = clip.held_out, clip.held_out_pictures
    found = first_found(
        Exact(scenes, pictures, clip.tokenizer, wrong=5), clip.tokenizer, scenes, pictures
    )
    assert found["validation_english_r1"] == 1.0
    assert found["validation_chinese_r1"] == pytest.approx(15 / 20)
    assert found["chance_r1"] == pytest.approx(1 / 20)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["clip", "align"])
def test_it_learns_a_few_pictures_by_heart(model):
    torch.manual_seed(0)
    task = made(model, pictures=16)
    adam = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    losses = []
    task.model.train()
    for step in range(60):
        adam.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 20)
        loss = task.losses(task.batch(step))["contrastive"]
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.model.parameters(), 1.0)
        adam.step()
        losses.append(loss.item())
    assert np.mean(losses[:5]) > 2.5  # near log(16) = 2.77
    assert np.mean(losses[-5:]) < 1.8


@pytest.mark.parametrize("name", ["clip", "align"])
def test_the_recipes_are_valid(name):
    path = Path(__file__).parents[3] / "recipes" / "from-nothing" / f"{name}.yaml"
    assert read_recipe(path).task.model == name


def test_an_impossible_share_is_named(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: x\nsteps: 1\nbatch_size: 4\noptimiser: {rate: 1.0e-3}\n"
        "task: {kind: from-nothing, model: clip, shuffled: 1.5}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="shuffled"):
        read_recipe(path)
