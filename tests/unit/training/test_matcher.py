"""Training of the matcher: twins in every group, towers left alone, a folder that draws the towers in again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polysee.checkpoints.bundled import bundled_folder
from polysee.checkpoints.folder import folder_hash, load_folder
from polysee.datasets.scenes import Background, Relation, Scene, Thing
from polysee.datasets.scenes_truth import CONCEPTS, NOT_ASKED
from polysee.errors import CheckpointError, ConfigError
from polysee.inference import load
from polysee.inference.matching import TOWERS, SceneMatcher
from polysee.models.matcher import Matcher
from polysee.training.matcher import MatcherTask, own_preferred
from polysee.training.matcher_data import GROUP, Group, owners_of_cells, pairs, training_groups
from polysee.training.matcher_truth import Told, agreeing, cells_of, pointing, token_owners
from polysee.training.recipe import Recipe
from polysee.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")  # how it talks of workers

SMALL = {
    "kind": "matcher", "groups": 6, "validation_pairs": 2, "image_size": 64, "cuts": (15, 20), "hidden_size": 16,
    "num_picture_layers": 1, "num_layers": 1, "num_heads": 2, "mlp_size": 16, "blurred": 0.5, "words_steps": 2,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def kept_elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYSEE_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


def recipe(**changes):
    values = {
        "name": "small-matcher", "steps": 2, "batch_size": 8, "validate_every": 2,
        "optimiser": {"rate": 3e-3},
    }  # fmt: skip
    task = {**SMALL, **{k: v for k, v in changes.items() if k not in values}}
    own = {k: v for k, v in changes.items() if k in values}
    return Recipe.model_validate({**values, **own, "task": task})


def task_of(asked):
    return MatcherTask(asked, asked.task)


@pytest.fixture(scope="module")
def task(kept_elsewhere):
    return task_of(recipe())


@pytest.fixture(scope="module")
def folder(kept_elsewhere, tmp_path_factory):
    return train(recipe(), folder=tmp_path_factory.mktemp("run"), progress=False)


def test_groups_of_training_hold_nothing_that_is_kept():
    groups = training_groups(1, 40, 0.5, 0.5)
    assert all(scene.split == "training" for group in groups for scene in group.scenes)
    assert {len(group.scenes) for group in groups} == {GROUP}
    assert 5 < sum(group.blurred for group in groups) < 35
    facts = [fact for group in groups for fact in group.facts]
    assert all(facts.count(fact) >= 5 for fact in ("relation", "count", "colour", "thing"))
    assert 2 < sum(group.strayed for group in groups) < sum(group.blurred for group in groups)
    assert groups == training_groups(1, 40, 0.5, 0.5)
    some = training_groups(1, 40, 0.5, 0.5, 0.5)
    assert [group.blurred for group in some] == [group.blurred for group in groups]
    assert any(group.drawn for group in some)
    assert any(group.strayed for group in some)
    assert not any(group.drawn and (group.strayed or not group.blurred) for group in some)


def test_pairs_are_of_held_out_combinations():
    found = pairs("colour", "test", 0, 10)
    assert all(group.scenes[0].split == "test" for group in found)
    assert all(group.scenes[1].split in ("test", "training") for group in found)


def test_batches_depend_on_the_step_alone(task):
    again = task_of(recipe())
    steps = (0, 4, 1)  # three batches an epoch
    batches = [task.batch(step) for step in steps]
    for step, batch in zip(steps[::-1], batches[::-1], strict=True):
        other = again.batch(step)
        assert all(torch.equal(batch[key], other[key]) for key in batch)
    assert batches[0]["maps"].shape == (8, 520, 4, 4)
    assert batches[0]["alike"].shape == (8, GROUP)
    assert batches[0]["concept"].shape == (8, 16)


def test_an_epoch_shows_every_group_once_in_other_words(task):
    seen = [task.batch(step)["maps"] for step in range(3)]
    assert len(torch.cat(seen).flatten(1).unique(dim=0)) == 6 * GROUP
    words = [task._told(task.shown.groups[0], epoch).texts for epoch in range(8)]
    assert len({tuple(texts) for texts in words}) > 3


def test_sentences_that_say_which_way_round_say_it_in_full(task, monkeypatch):
    monkeypatch.setattr(task, "task", task.task.model_copy(update={"full": 0.0}))
    for group in task.shown.groups:
        if "relation" in group.facts:
            turned = group.facts.index("relation") + 1
            for epoch in range(20):
                told = task._told(group, epoch).texts
                assert told[0] != told[turned]
                assert not any(w in told[0] for w in (" next to ", "旁边"))


def test_a_few_steps_learn_a_few_groups():
    torch.manual_seed(0)
    task = task_of(recipe(batch_size=24))
    batch = task.batch(0)
    optimiser = torch.optim.AdamW(task.model.parameters(), 0.003)
    first = None
    for _ in range(120):
        losses = task.losses(batch)
        first = first or {name: loss.item() for name, loss in losses.items()}
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    for name in ("twins", "tokens", "expected", "concept"):
        assert losses[name] < 0.6 * first[name], name
    assert losses["places"] < 0.8 * first["places"]  # a thing of many cells has many to point at
    assert all(p.grad is None for p in task.towers.parameters())


def test_words_know_where_they_put_things_before_pictures_come_in():
    lost = []
    for steps in (0, 150):
        torch.manual_seed(0)
        task = task_of(recipe(words_steps=steps))
        with torch.no_grad():
            lost.append(float(task.losses(task.batch(0))["expected"]))
    assert lost[1] < 0.6 * lost[0]


def test_what_cells_show_follows_the_owners():
    things = Thing("dog", count=2), Thing("car", colour="red")
    scene = Scene(things, (Relation("left of", 0, 1),), Background("beach"), "noto")
    owners = np.array([[[0, -1, 1, 1]]], np.int8)
    found = cells_of([Group(0, (scene,), ())], owners)
    dog, car = CONCEPTS.index("dog"), CONCEPTS.index("car")
    assert found["concept"].tolist() == [[dog, len(CONCEPTS), car, car]]
    assert found["colour"].tolist() == [[NOT_ASKED, NOT_ASKED, 0, 0]]
    assert found["count"].tolist() == [[1, NOT_ASKED, 0, 0]]


def test_tokens_know_their_thing(task):
    tokenizer = task.tokenizer
    text = "a dog and 一辆车"
    owners = [0] * 5 + [-1] * 5 + [1] * 3
    tokens, _ = tokenizer([text])
    found = token_owners(tokenizer, [Told("english", [text], [owners])], tokens.shape[1])
    about = {
        who: "".join(
            tokenizer.backend.id_to_token(int(t))
            for t, o in zip(tokens[0], found[0], strict=True)
            if o == who
        )
        for who in (0, 1)
    }
    assert "dog" in about[0]
    assert "and" not in about[0] + about[1]
    assert about[1]
    assert found[0, 0] == found[0, -1] == -1  # the marks of begin and end


def test_only_what_another_fact_says_disagrees():
    ground = Background("beach")
    scene = Scene((Thing("car", colour="red"),), (), ground, "noto")
    blue = replace(scene, things=(Thing("car", colour="blue"),))
    group = Group(0, (scene, blue, blue, scene), ("colour", "relation"))
    tokens = torch.tensor([[1, 5, 9, 7], [1, 5, 8, 7], [1, 5, 8, 7], [1, 5, 9, 7]])  # a red car
    things = torch.tensor([[-1, 0, 0, 0]] * 4)
    found = agreeing([group], tokens, torch.ones(4, 4, dtype=torch.bool), things)
    assert found[0, 1].tolist() == [1, -1, 0, -1]
    assert found[1, 0].tolist() == [1, -1, 0, -1]
    assert (found[range(4), range(4)] == 1).all()
    assert found[0, 2].tolist() == found[2, 0].tolist() == [-1, 0, 0, 0]  # turned round
    assert (found[:3, 3] == -1).all()
    assert (found[3, :3] == -1).all()


def test_tokens_about_nothing_point_nowhere():
    owners = np.array([[[0, -1, 1]]], np.int8)
    found = pointing(torch.tensor([[-1, 0, 1]]), owners)
    assert found[0].tolist() == [[False] * 3, [True, False, False], [False, False, True]]


def test_a_cell_is_whose_most_of_it_is():
    owners = np.zeros((4, 4), np.uint8)
    owners[:2, :2] = [[1, 2], [2, 0]]
    owners[3, 3] = 1
    assert owners_of_cells(owners, 2).tolist() == [1, -1, -1, 0]
    assert owners_of_cells(np.zeros((4, 4), np.uint8), 2).tolist() == [-1] * 4


def test_own_sentences_are_counted_for_both_pictures():
    scores = np.array([[[-1.0, -2.0], [-2.0, -1.0]], [[-2.0, -1.0], [-1.0, -1.0]]])
    assert own_preferred(scores).tolist() == [[True, True], [False, False]]


def test_the_folder_holds_the_matcher_alone(folder):
    model, card = load_folder(folder)
    assert isinstance(model, Matcher)
    assert model.config.towers == folder_hash(bundled_folder(TOWERS))
    assert (model.config.channels, model.config.grid_size) == (520, 4)
    assert card.pixels.image_size == 64
    assert model.map_deviation.min() > 0


def test_the_folder_matches_pictures_of_any_size(folder):
    matcher = load(folder, device="cpu")
    assert isinstance(matcher, SceneMatcher)
    rows = np.random.default_rng(0).integers(256, size=(3, 40, 40, 3), dtype=np.uint8)
    scores = matcher.scores(rows, "一只狗")
    assert len(scores) == 3
    assert all(score < 0 for score in scores)
    cells = matcher.look(rows)
    more = matcher.agreement(cells, [["一只狗", "a red car on the beach"]] * 3)
    known = matcher.recognised(cells, "一只狗")
    np.testing.assert_allclose(more[:, 0] + 3 * known, scores, atol=1e-4)


def test_training_goes_on_from_a_matcher(folder):
    earlier, _ = load_folder(folder)
    task = task_of(recipe(start=str(folder), strayed=0.5, words_steps=0))
    for name, value in task.model.matcher.state_dict().items():
        assert torch.equal(value, earlier.state_dict()[name].float()), name
    assert any(group.strayed for group in task.shown.groups)
    again = task_of(recipe(start=str(folder), words_steps=0))
    told_apart = [
        not np.array_equal(one, other)
        for one, other in zip(task.shown.maps, again.shown.maps, strict=True)
    ]
    assert told_apart == [group.strayed for group in task.shown.groups]
    third = task_of(recipe(start=str(folder), drawn=0.5, words_steps=0))
    told_apart = [
        not np.array_equal(one, other)
        for one, other in zip(third.shown.maps, again.shown.maps, strict=True)
    ]
    assert told_apart == [group.drawn for group in third.shown.groups]
    assert any(told_apart)


def test_eyes_learn_by_themselves_and_share_the_work(folder):
    before, _ = load_folder(folder)
    blind = task_of(recipe(start=str(folder), num_pixel_layers=1)).model.matcher
    maps = torch.rand(2, 520, 4, 4)
    with torch.no_grad():
        assert torch.equal(blind.eval().look(maps), before.look(maps))  # they see nothing yet
    asked = recipe(start=str(folder), num_pixel_layers=1, eyes_steps=3, words_steps=0)
    made = []
    for _ in range(2):
        torch.manual_seed(0)  # as a run does
        made.append(task_of(asked).model.matcher)
    seeing, again = made
    assert seeing.eyes[-1].weight.any()
    assert torch.equal(seeing.eyes[-1].weight, again.eyes[-1].weight)
    halved = {"map.3.weight", "map.3.bias"}
    for name, value in seeing.state_dict().items():
        if not name.startswith("eyes"):
            assert torch.equal(value * (1 + (name in halved)), before.state_dict()[name]), name


def test_eyes_that_can_see_learn_more_and_leave_the_tower_its_share(folder, tmp_path):
    task_of(recipe(start=str(folder), num_pixel_layers=1, eyes_steps=3, words_steps=0)).save(
        tmp_path / "seeing"
    )
    before, _ = load_folder(tmp_path / "seeing")
    asked = recipe(start=str(tmp_path / "seeing"), num_pixel_layers=1, eyes_steps=1, words_steps=0)
    after = task_of(asked).model.matcher.state_dict()
    moved = {name for name, value in before.state_dict().items() if not value.equal(after[name])}
    assert moved
    assert all(name.startswith("eyes") for name in moved)


def test_other_towers_are_refused(folder, tmp_path):
    model, card = load_folder(folder)
    config = replace(model.config, towers="0" * 16)
    with pytest.raises(CheckpointError, match="train it again"):
        SceneMatcher(
            Matcher(config), card, id="", hash="", folder=tmp_path, device=torch.device("cpu")
        )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_size": 6}, "multiple of 4"),
        ({"batch_size": 28}, "6 groups at most"),
        ({"towers": "polysee/bert-nano"}, "not a model of pictures and text"),
        ({"blurred_by": "polysee/align-nano"}, "pictures to codes"),
        ({"start": "polysee/scene-judge"}, "no matcher"),
        ({"start": "polysee/scene-matcher"}, "image_size"),
        ({"eyes_steps": 1}, "no eyes"),
    ],
)
def test_what_does_not_fit_is_named(changes, reason):
    with pytest.raises(ConfigError, match=reason):
        task_of(recipe(**changes))
