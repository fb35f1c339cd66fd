"""Fine-tuning tiny language models: what is learnt, what stays, what comes of it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.testing import assert_close

import polysee
from polysee.apps.finetune_language import Asked, finetune_language, make_recipe
from polysee.checkpoints.folder import (
    CARD,
    CONFIG,
    TOKENIZER,
    Card,
    load_folder,
    save_folder,
)
from polysee.cli.report_language import write_report
from polysee.datasets.labelled_texts import LabelledTexts
from polysee.errors import ConfigError, DataError, NotSupportedError
from polysee.models.bert import Bert, BertConfig
from polysee.training.finetune_language import SortTask, make_task, split_labelled
from polysee.training.parts import Part

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


def asked(language_models, reviews, out, **changes):
    values = {
        "model": str(language_models / "bert"), "data": reviews / "train.parquet", "task": "classify",
        "test": reviews / "test.parquet", "out": out, "epochs": 12, "rate": 2e-2, "patience": 12,
    }  # fmt: skip
    return Asked(**{**values, **changes})


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_bert_learns_to_sort_and_keeps_its_labels(language_models, reviews, tmp_path, method):
    report = finetune_language(asked(language_models, reviews, tmp_path / "out", method=method))
    assert report.continued
    assert report.labels == ["negative", "positive"]
    assert (report.learnt, report.stopping, report.judged, report.tested) == (64, 16, 60, True)
    assert report.compared.after.values["top1"] > 0.9
    assert report.compared.before.values["top1"] < 0.75
    assert report.confusion[1].sum() == 60
    assert report.mistaken == 60 - np.trace(report.confusion[1])
    model = polysee.load(tmp_path / "out")
    assert model.classify(["房间 很好 干净"])[0, 1] > 0.5
    assert model.unsure_below == 0.6
    assert f"fine-tuned ({method}) on train.parquet" in (tmp_path / "out" / CARD).read_text()
    assert not (tmp_path / "out" / ".run").exists()


def test_names_of_other_labels_get_a_head_of_their_own(language_models, reviews, tmp_path):
    report = finetune_language(
        asked(language_models, reviews, tmp_path / "out", label="mark", method="full")
    )
    assert not report.continued
    assert report.labels == ["bad", "fine"]
    assert report.compared.after.values["top1"] > 0.9
    model = polysee.load(tmp_path / "out")
    assert model.labels == ("bad", "fine")
    assert model.unsure_below == 0.0  # it was of other labels


def test_lora_moves_no_embedding_and_leaves_no_trace(language_models, reviews, tmp_path):
    finetune_language(asked(language_models, reviews, tmp_path / "out", epochs=2))
    before, after = (
        load_folder(folder)[0].state_dict()
        for folder in (language_models / "bert", tmp_path / "out")
    )
    assert before.keys() == after.keys()
    assert_close(after["bert.embeddings.token.weight"], before["bert.embeddings.token.weight"])
    moved = "bert.blocks.0.mlp.expand.weight"
    assert not torch.equal(after[moved], before[moved])


def test_a_bare_bert_becomes_a_classifier(language_models, reviews, tmp_path):
    found = load_folder(language_models / "bert")[0].bert
    sizes = {name: getattr(found.config, name) for name in BertConfig.__dataclass_fields__}
    bare = Bert(BertConfig(**{**sizes, "pooler": False}))
    bare.load_state_dict(found.state_dict(), strict=False)
    save_folder(tmp_path / "bare", bare, Card(), half=False)
    words = (language_models / "bert" / TOKENIZER).read_bytes()
    (tmp_path / "bare" / TOKENIZER).write_bytes(words)
    report = finetune_language(
        asked(language_models, reviews, tmp_path / "out", model=str(tmp_path / "bare"), epochs=1)
    )
    assert report.labels == ["0", "1"]


def test_a_gpt_learns_to_write(language_models, reviews, tmp_path):
    report = finetune_language(
        asked(
            language_models, reviews, tmp_path / "out", model=str(language_models / "gpt"), task="generate",
            data=reviews / "texts.txt", test=None, separator="\n", epochs=12, method="full", batch_size=4,
        )
    )  # fmt: skip
    before, after = report.loss
    assert after < before - 1
    assert report.judged == report.stopping == 40
    assert len(report.written) == 4
    assert polysee.load(tmp_path / "out").write(["the room"], max_tokens=4)[0]
    page = write_report(tmp_path / "report.html", report).read_text(encoding="utf-8")
    assert f"{np.exp(after):.1f}" in page
    assert "<svg" in page


def test_the_page_shows_mistakes_and_both_tables(language_models, reviews, tmp_path):
    report = finetune_language(asked(language_models, reviews, tmp_path / "out", epochs=1))
    assert report.mistakes
    page = write_report(tmp_path / "report.html", report).read_text(encoding="utf-8")
    assert page.count('class="matrix"') == 2
    assert report.mistakes[0].text in page
    assert f"{100 * report.compared.after.values['top1']:.1f}" in page


def test_it_stops_early_and_keeps_the_best(language_models, reviews, tmp_path):
    report = finetune_language(
        asked(language_models, reviews, tmp_path / "out", epochs=40, patience=1, rate=0.5)
    )
    assert len(report.history) < 40
    assert report.steps == report.history[-1][0]


def test_a_run_that_was_cut_off_ends_with_the_same_weights(language_models, reviews, tmp_path):
    whole = asked(language_models, reviews, tmp_path / "whole", epochs=3)
    finetune_language(whole)
    from polysee.training.run import train

    cut = asked(language_models, reviews, tmp_path / "cut", epochs=3)
    recipe = make_recipe(cut, language_models / "bert")
    run = tmp_path / "cut" / ".run"
    run.mkdir(parents=True)
    (run / "recipe.json").write_text(recipe.model_dump_json(indent=2), encoding="utf-8")
    task = make_task(recipe, recipe.task)

    class Cut(Exception):
        pass

    losses = task.losses
    calls = []

    def cut_off(batch):
        calls.append(batch)
        if len(calls) > 6:
            raise Cut
        return losses(batch)

    task.losses = cut_off
    with pytest.raises(Cut):
        train(recipe, task=task, folder=run, progress=False)
    assert (run / "last.ckpt").exists()
    report = finetune_language(cut)
    assert len(report.history) == 3
    for name, value in load_folder(tmp_path / "whole")[0].state_dict().items():
        assert_close(load_folder(tmp_path / "cut")[0].state_dict()[name], value)


def test_every_part_of_a_batch_is_another_part(language_models, reviews, tmp_path):
    recipe = make_recipe(asked(language_models, reviews, tmp_path), language_models / "bert")
    task = make_task(recipe, recipe.task)
    assert isinstance(task, SortTask)
    whole = task.batch(3)["truth"]
    parts = [task.batch_part(3, Part(number, of=2))["truth"] for number in range(2)]
    assert torch.equal(torch.stack(parts, 1).flatten(), whole)


def test_what_is_wrong_is_named(language_models, reviews, tmp_path):
    def ask(**changes):
        return finetune_language(asked(language_models, reviews, tmp_path / "out", **changes))

    with pytest.raises(DataError, match=r"absent.parquet: no such data set"):
        ask(data=tmp_path / "absent.parquet")
    with pytest.raises(DataError, match="no column words; there are text, label, mark"):
        ask(text="words")
    with pytest.raises(NotSupportedError, match="is no BERT"):
        ask(model=str(language_models / "gpt"))
    with pytest.raises(NotSupportedError, match="needs a GPT"):
        ask(task="generate", data=reviews / "texts.txt")
    pq.write_table(pa.table({"text": ["a"], "label": ["fine"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="'fine' is none of the labels negative, positive"):
        ask(test=tmp_path / "other.parquet", epochs=1)
    one = pa.table({"text": ["a", "b"], "label": ["x", "x"]})
    pq.write_table(one, tmp_path / "one.parquet")
    with pytest.raises(DataError, match="all texts have one label, 'x'"):
        ask(data=tmp_path / "one.parquet")
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / CONFIG).write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="there is a model already"):
        ask()


def test_a_share_of_every_label_is_held_out():
    found = LabelledTexts([str(i) for i in range(20)], [0] * 15 + [1] * 4 + [2], ("a", "b", "c"))
    learnt, held = split_labelled(found, 0.2, seed=0)
    assert sorted(held.numbers) == [0, 0, 0, 1]
    assert sorted(learnt.texts + held.texts) == sorted(found.texts)
    with pytest.raises(DataError, match="too few"):
        split_labelled(LabelledTexts(["a"], [0], ("x", "y")), 0.2, seed=0)
