"""`write`, `translate` and `eval translate` with the models that come with the package."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import polysee as package

SIZES = {"gpt-nano": 20e6, "translator-nano": 15e6}


@pytest.mark.parametrize("name", SIZES)
def test_the_bundled_model_is_listed_and_small(polysee, name):
    models = {m["id"]: m for m in polysee("models", "--json").document["models"]}
    model = models[f"polysee/{name}"]
    assert model["bytes"] <= SIZES[name]
    assert model["licence"] == "research and non-commercial use"


@pytest.mark.parametrize("prompt", ["Once upon a time", "一只狗在"])
def test_write_goes_on_in_the_language_of_the_prompt(polysee, prompt):
    done = polysee("write", prompt, "--seed", "1", "--max-tokens", "30", "--json")
    assert done.code == 0
    assert set(done.document) == {"text", "written", "seed"}
    assert done.document["text"] == prompt + done.document["written"]
    chinese = sum("\u4e00" <= c <= "\u9fff" for c in done.document["written"])
    assert (chinese > 0) == (prompt[0] == "一")
    assert polysee("write", prompt, "--seed", "1", "--max-tokens", "30").out.startswith(prompt)


def test_what_is_streamed_is_what_is_written():
    model = package.load("polysee/gpt-nano")
    settings = {"max_tokens": 25, "temperature": 0.7, "seed": 3}
    assert "".join(model.stream("一只狗", **settings)) == model.write(["一只狗"], **settings)[0]


@pytest.mark.parametrize(
    ("text", "to", "word"),
    [("I like cats.", "zh", "猫"), ("我喜欢猫。", "en", "cat"), ("I have a book.", "zh", "书")],
)
def test_translate_says_it_in_the_other_language(polysee, text, to, word):
    done = polysee("translate", text, "--to", to, "--json")
    assert done.code == 0
    assert set(done.document) == {"text"}
    assert word in done.document["text"]
    assert polysee("translate", text).out.strip() == done.document["text"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_eval_translate(polysee, tmp_path, lang):
    pairs = {"en": ["I like cats.", "Good morning."], "zh": ["我喜欢猫。", "早上好。"]}
    pq.write_table(pa.table(pairs), tmp_path / "pairs.parquet")
    request = ("eval", "translate", "--data", tmp_path / "pairs.parquet")
    done = polysee(*request, "--source", "en", "--target", "zh", "--lang", lang, "--json")
    assert done.code == 0
    assert set(done.document) >= {"chrf", "bleu", "count"}
    assert done.document["count"] == 2
    assert 20 < done.document["chrf"] <= 100
    assert "chrf" in polysee(*request, "--source", "zh", "--target", "en", "--lang", lang).out


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["--data", "absent.parquet"], "absent.parquet"),
        (["--source", "de"], "de"),
        (["--target", "fr"], "fr"),
        (["--model", "polysee/align-nano"], "polysee/align-nano cannot translate"),
    ],
)
def test_eval_translate_names_what_is_wrong(polysee, tmp_path, asked, reason):
    pq.write_table(
        pa.table({"en": ["a cat"], "zh": ["猫"], "fr": ["chat"]}), tmp_path / "p.parquet"
    )
    done = polysee("eval", "translate", "--data", tmp_path / "p.parquet", *asked, "--json")
    assert done.code == 2
    assert reason in done.document["error"]
