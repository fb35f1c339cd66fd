"""Fine-tuning tiny models of every two-tower family: what changes, what stays, what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

import polysee
from polysee.apps.finetune import Asked, finetune, make_recipe, read_data
from polysee.checkpoints.folder import TOKENIZER, Card, load_folder, save_folder
from polysee.checkpoints.labels import Labels, load_labels, save_labels
from polysee.checkpoints.registry import FAMILIES
from polysee.errors import CheckpointError, ConfigError, DataError
from polysee.inference.classifier import Classifier
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.align import AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.chinese_clip import ChineseClipConfig
from polysee.models.clip import ClipConfig, ClipTextConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.models.siglip import SiglipConfig, SiglipTextConfig
from polysee.models.vit import ViTConfig
from polysee.training.finetune import FinetuneTask
from polysee.training.parts import Part

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
CHINESE = {"red": "红色", "green": "绿色", "blue": "蓝色"}
VOCABULARY, CONTEXT = 320, 16
VIT = ViTConfig(16, 8, 24, 2, 2, 48)
BERT = BertConfig(VOCABULARY, 24, 1, 2, 48, CONTEXT)
CONFIGS = {
    "align": AlignConfig(EfficientNetConfig(0.25, 0.25, lite=True), BERT, 24, "mean", 0.1),
    "clip": ClipConfig(VIT, ClipTextConfig(VOCABULARY, 24, 1, 2, 48, CONTEXT, end_token=2), 24),
    "chinese-clip": ChineseClipConfig(VIT, BERT, 24),
    "siglip": SiglipConfig(
        replace(VIT, class_token=False), SiglipTextConfig(VOCABULARY, 24, 1, 2, 48, CONTEXT)
    ),
}


@pytest.fixture(scope="session")
def towers(tmp_path_factory):
    """Model folders with fresh weights, one a family."""
    backend = train_bpe(["a photo of a red green blue", "一张红色绿色蓝色的照片"] * 5, VOCABULARY)
    home = tmp_path_factory.mktemp("towers")
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        model = FAMILIES[name].module(config)
        size = 32 if name == "align" else 16
        if name == "align":
            # Fresh convolutions let nothing of a picture through; statistics of random pictures do.
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 1.0
            model.train().image(torch.randn(8, 3, size, size))
        save_folder(home / name, model, Card(PixelRecipe(size), origin="drawn"), half=False)
        Tokenizer(backend, CONTEXT, fill=name == "siglip").save(home / name / TOKENIZER)
    return home


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """A folder a colour, with twelve noisy pictures in each."""
    from PIL import Image

    home = tmp_path_factory.mktemp("colours")
    for name, colour in COLOURS.items():
        (home / name).mkdir()
        for seed in range(12):
            noise = np.random.default_rng([seed, *colour]).integers(-25, 25, (20, 24, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(home / name / f"{seed}.png")
    return home


@pytest.fixture(scope="session")
def captioned(colours, tmp_path_factory):
    rows = [
        (path.read_bytes(), path.parent.name, CHINESE[path.parent.name])
        for path in sorted(colours.rglob("*.png"))
    ]
    images, english, chinese = zip(*rows, strict=True)
    file = tmp_path_factory.mktemp("captioned") / "data.parquet"
    table = {
        "image": images, "en": english, "zh": chinese,
        "captions": [[f"a {name} picture", f"all {name}"] for name in english],
    }  # fmt: skip
    pq.write_table(pa.table(table), file)
    return file


def asked(towers: Path, data: Path, out: Path, model: str = "clip", **options) -> Asked:
    given = {"epochs": 1, "batch_size": 8, "method": "full", **options}
    return Asked(model=str(towers / model), data=data, out=out, **given)


def task_of(request: Asked) -> FinetuneTask:
    data = read_data(request)
    recipe = make_recipe(request, Path(request.model), len(data.found.examples))
    torch.manual_seed(0)
    return FinetuneTask(recipe, recipe.task, data.found)


def stepped(task: FinetuneTask, rate: float = 0.01) -> set[str]:
    """Take two steps; say which weights have moved."""
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in task.model.parameters() if p.requires_grad], lr=rate)
    task.model.train()
    for step in range(2):
        optimiser.zero_grad()
        torch.stack(list(task.losses(task.batch(step)).values())).sum().backward()
        for name, parameter in task.model.named_parameters():
            assert parameter.requires_grad == (parameter.grad is not None), name
        optimiser.step()
    after = task.model.state_dict()
    return {name for name, value in before.items() if not torch.equal(after[name], value)}


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("locked", [False, True])
def test_full_moves_what_is_not_locked(family, locked, towers, colours, tmp_path):
    task = task_of(asked(towers, colours, tmp_path, family, locked_image=locked))
    moved = stepped(task)
    text = {name for name in moved if name.startswith("text")}
    assert text
    assert bool(moved - text - {"log_scale"}) != locked
    assert "bias" not in moved
    assert not [name for name in moved if "running" in name or "tracked" in name]


def test_fresh_towers_gather_statistics_where_that_is_asked(towers, colours, tmp_path):
    task = task_of(asked(towers, colours, tmp_path, "align"))
    task.task = task.task.model_copy(update={"hold_statistics": False})
    assert any("running_mean" in name for name in stepped(task))


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("locked", [False, True])
def test_lora_moves_its_additions_alone_and_leaves_no_trace(
    family, locked, towers, colours, tmp_path
):
    task = task_of(asked(towers, colours, tmp_path, family, method="lora", locked_image=locked))
    moved = stepped(task, rate=1.0)
    assert {name.rpartition(".")[2] for name in moved} == {"up", "down"}
    assert bool([name for name in moved if not name.startswith("text")]) != locked
    task.save(tmp_path / "out")
    model, card = load_folder(tmp_path / "out")
    start, _ = load_folder(towers / family)
    assert model.state_dict().keys() == start.state_dict().keys()
    assert "fine-tuned (lora) on" in card.origin
    tokens, mask = task.tokenizer(["a red picture"])
    with torch.no_grad():
        task.model.eval()
        assert_close(model.encode_text(tokens, mask), task.towers.encode_text(tokens, mask))
        assert not torch.allclose(
            model.encode_text(tokens, mask), start.encode_text(tokens, mask), atol=1e-4
        )


@pytest.mark.parametrize("family", CONFIGS)
def test_a_probe_starts_as_the_names_have_it(family, towers, colours, tmp_path):
    task = task_of(asked(towers, colours, tmp_path, family, method="probe"))
    embedder = polysee.load(towers / family, dtype="float32")
    pictures = embedder.embed_image([example.source for example in task.judged])
    words = embedder.embed_labels([names[0] for names in task.classes])
    with torch.no_grad():
        logits = task.objective.classify(torch.from_numpy(pictures))
    assert_close(
        logits, torch.from_numpy(pictures @ words.T) * embedder.scale, rtol=1e-4, atol=1e-4
    )
    assert {name.partition(".")[0] for name in stepped(task)} == {"classify"}


def test_parts_make_up_the_batch_and_chunks_change_nothing(towers, captioned, tmp_path):
    request = asked(towers, captioned, tmp_path, captions="captions")
    task = task_of(request)
    whole = task.batch(3)
    parts = [task.batch_part(3, Part(number, of=2)) for number in range(2)]
    joined = torch.stack([part["image"] for part in parts], dim=1).flatten(0, 1)
    assert torch.equal(joined, whole["image"])
    found = []
    for size in (0, 3):
        task = task_of(replace(request, chunk_size=size))
        task.model.double()  # where sums taken in another order are off by next to nothing
        batch = task.batch(0)
        batch["image"] = batch["image"].double()
        task.losses(batch)["contrastive"].backward()
        found.append([p.grad for p in task.model.parameters()])
    for one, other in zip(*found, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def learnt(towers, colours, tmp_path_factory):
    out = tmp_path_factory.mktemp("learnt") / "model"
    request = asked(towers, colours, out, rate=3e-3, epochs=12, patience=12, test=colours)
    return finetune(request, read_data(request))


def test_it_learns_colours_and_says_so(learnt):
    compared = learnt.compared
    assert compared.before.values["top1"] < 0.7
    assert compared.after.values["top1"] > 0.9
    assert compared.gain == pytest.approx(
        compared.after.values["top1"] - compared.before.values["top1"]
    )
    assert compared.gain_interval.low > 0.1
    before, after = learnt.confusion
    assert before.sum() == after.sum() == learnt.judged == 36
    assert np.trace(after) / 36 == pytest.approx(compared.after.values["top1"])
    assert learnt.tested
    assert (learnt.learnt, learnt.stopping) == (30, 6)
    assert learnt.history[-1][0] == learnt.steps
    assert learnt.classes == ["blue", "green", "red"]


def test_what_comes_of_it_is_a_model_as_any_other(learnt, colours):
    embedder = polysee.load(learnt.model)
    chances = embedder.classify(colours / "red" / "0.png", ["blue", "green", "red"])
    assert chances.argmax() == 2
    assert Classifier.of(embedder).names == ["blue", "green", "red"]
    assert sorted(path.name for path in learnt.model.iterdir()) == [
        "config.json", "labels.json", "model.safetensors", "polysee.json", "tokenizer.json",
    ]  # fmt: skip


def test_a_model_is_not_written_over(learnt, towers, colours):
    with pytest.raises(ConfigError, match="there is a model already"):
        read_data(asked(towers, colours, learnt.model))


def test_a_probe_is_kept_beside_the_model(towers, captioned, tmp_path):
    request = asked(
        towers, captioned, tmp_path / "out", method="probe", labels=("zh", "en"), epochs=40
    )
    report = finetune(request, read_data(request))
    assert report.compared.after.values["top1"] == 1.0
    assert report.classes == sorted(CHINESE.values())
    embedder = polysee.load(report.model)
    classifier = Classifier.of(embedder)
    rows = pq.read_table(captioned).to_pylist()
    chances = classifier.choose(embedder.embed_image([row["image"] for row in rows]))
    assert_close(chances.sum(1), np.ones(len(rows), np.float32))
    said = [classifier.names[i] for i in chances.argmax(1)]
    assert np.mean([a == row["zh"] for a, row in zip(said, rows, strict=True)]) > 0.9
    before = load_file(towers / "clip" / "model.safetensors")
    after = load_file(report.model / "model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert load_labels(report.model).names[0] == ("红色", "red")


def test_captions(towers, captioned, tmp_path):
    request = asked(towers, captioned, tmp_path / "out", captions="captions", rate=3e-3, epochs=10)
    report = finetune(request, read_data(request))
    assert report.compared.main == "R@5"
    assert set(report.compared.after.values) == {"R@1", "R@5", "R@10"}
    assert report.compared.after.values["R@5"] > report.compared.before.values["R@5"]
    assert report.confusion is None
    assert load_labels(report.model) is None
    for mistake in report.mistakes:
        assert mistake.truth in mistake.picture.captions
        assert int(mistake.said) > 1


def test_it_stops_early_and_keeps_the_best(towers, colours, tmp_path):
    request = asked(towers, colours, tmp_path / "out", rate=3e-3, epochs=40, patience=2)
    report = finetune(request, read_data(request))
    scores = [score for _, score in report.history]
    best = int(np.argmax(scores))
    assert len(scores) == best + 3 < 40
    assert report.compared.after.values["top1"] == pytest.approx(scores[best], abs=0.1)


def test_cut_off_it_goes_on_and_ends_the_same(towers, colours, tmp_path, monkeypatch):
    options = {"rate": 3e-3, "epochs": 4, "patience": 9}
    request = asked(towers, colours, tmp_path / "undisturbed", **options)
    undisturbed = finetune(request, read_data(request))
    request = asked(towers, colours, tmp_path / "cut", **options)
    batch_part, steps = FinetuneTask.batch_part, []

    def breaks(task, step, part):
        if step == 9:
            raise InterruptedError
        return batch_part(task, step, part)

    def counted(task, step, part):
        steps.append(step)
        return batch_part(task, step, part)

    monkeypatch.setattr(FinetuneTask, "batch_part", breaks)
    with pytest.raises(InterruptedError):
        finetune(request, read_data(request))
    assert (tmp_path / "cut" / ".run" / "last.ckpt").exists()
    monkeypatch.setattr(FinetuneTask, "batch_part", counted)
    report = finetune(request, read_data(request))
    assert steps[0] == 8
    assert report.history == undisturbed.history
    assert not (tmp_path / "cut" / ".run").exists()
    one, other = (load_file(r.model / "model.safetensors") for r in (undisturbed, report))
    assert all(torch.equal(one[name], value) for name, value in other.items())


def test_something_else_asked_begins_anew(towers, colours, tmp_path):
    from polysee.apps.finetune import resumes

    first = make_recipe(asked(towers, colours, tmp_path), towers / "clip", 36)
    second = make_recipe(asked(towers, colours, tmp_path, rate=0.5), towers / "clip", 36)
    assert [resumes(tmp_path / ".run", recipe) for recipe in (first, first, second)] == [
        False, True, False,
    ]  # fmt: skip


def test_what_does_not_fit_is_said(towers, colours, captioned, tmp_path, draw):
    request = asked(towers, captioned, tmp_path, captions="captions", method="probe")
    with pytest.raises(ConfigError, match="labels, not captions"):
        make_recipe(request, towers / "clip", 36)
    draw(tmp_path / "test" / "red" / "a.png", (255, 0, 0))
    draw(tmp_path / "test" / "purple" / "a.png", (255, 0, 255))
    with pytest.raises(DataError, match="purple is not among"):
        read_data(asked(towers, colours, tmp_path / "out", test=tmp_path / "test"))


def test_labels_in_a_folder(tmp_path):
    assert load_labels(tmp_path) is None
    head = Labels((("a",), ("b",)), torch.ones(2, 3), torch.zeros(2))
    save_labels(tmp_path, head)
    again = load_labels(tmp_path)
    assert again.names == head.names
    assert_close(again.weight, head.weight)
    (tmp_path / "labels.json").write_text(json.dumps({"labels": [["a"]]}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="each of 1 labels"):
        load_labels(tmp_path)
    (tmp_path / "classifier.safetensors").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="not a readable"):
        load_labels(tmp_path)
    (tmp_path / "labels.json").write_text('{"labels": "a"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="lists of names"):
        load_labels(tmp_path)
