"""Writing on and translating: what is refused, what is passed on, what the commands print."""

from __future__ import annotations

import json

import pytest
import torch

from polysee.apps.texts import check_text, translate_text, write_text
from polysee.checkpoints.folder import Card, save_folder
from polysee.cli.main import run
from polysee.errors import ConfigError, NotSupportedError
from polysee.inputs.vocabularies import train_language_bpe
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.transformer import Transformer, TransformerConfig

TEXTS = ["the cat sat on the mat", "一只猫坐在垫子上", "two dogs ran far away"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A writer and a translator with weights by lot."""
    backend = train_language_bpe(TEXTS, 330, ["<en>", "<zh>"])
    size = backend.get_vocab_size()
    draw = torch.Generator().manual_seed(3)
    models = {
        "writer": Gpt(GptConfig(size, 32, 2, 2, 64, 40)),
        "translator": Transformer(TransformerConfig(size, 32, 2, 2, 64, 40)),
    }
    home = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
        save_folder(home / name, model, Card(), half=False)
        backend.save(str(home / name / "tokenizer.json"))
    return home


def test_a_seed_writes_the_same_text_and_another_seed_another(folders):
    def written(seed):
        draft = write_text(
            "the cat", model=folders / "writer", seed=seed, temperature=1.0, max_tokens=12
        )
        return draft.seed, "".join(draft.pieces)

    assert written(5) == written(5)
    assert written(5) != written(6)
    assert len({written(None)[0] for _ in range(3)}) > 1


def test_a_space_at_the_end_of_a_prompt_is_not_read(folders):
    drafts = [write_text(t, model=folders / "writer", seed=0) for t in ("the cat", "the cat ")]
    assert drafts[0].prompt == drafts[1].prompt
    assert "".join(drafts[0].pieces) == "".join(drafts[1].pieces)


def test_lines_are_translated_each_by_itself_into_the_other_language(folders):
    model = folders / "translator"
    both = translate_text("the cat\n\n two dogs ", model=model)
    alone = [translate_text(text, "zh", model=model) for text in ("the cat", "two dogs")]
    assert both == f"{alone[0]}\n\n{alone[1]}"
    assert translate_text("一只猫", model=model) == translate_text("一只猫", "en", model=model)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        (" \n\t", "the text is empty"),
        ("a\x1b[31mb", "character 2 of the text (U+001B) is a control character"),
        ("\x00", "character 1 of the text (U+0000)"),
        ("猫\ud800", "character 2 of the text (U+D800) is half a character"),
    ],
)
def test_what_is_no_text_is_refused_and_named(text, reason):
    with pytest.raises(ConfigError) as refused:
        check_text(text)
    assert reason in str(refused.value)


@pytest.mark.parametrize(("text", "to"), [("the cat", "en"), ("一只猫", "zh"), ("12", None)])
def test_a_text_that_is_in_that_language_already_is_refused(text, to):
    with pytest.raises(ConfigError, match="there is nothing to put into"):
        translate_text(text, to)


def test_a_text_over_the_context_is_told_its_length(folders):
    with pytest.raises(ConfigError, match=r"the prompt has \d+ tokens; the model reads 40"):
        list(write_text("mat " * 60, model=folders / "writer").pieces)
    with pytest.raises(ConfigError, match=r"a text has \d+ tokens; the model reads 40"):
        translate_text("mat " * 60, model=folders / "translator")


def test_each_command_wants_its_own_kind_of_model(folders):
    with pytest.raises(NotSupportedError, match="cannot write on"):
        write_text("the cat", model=folders / "translator")
    with pytest.raises(NotSupportedError, match="cannot translate"):
        translate_text("the cat", model=folders / "writer")


def test_write_prints_what_its_json_holds(folders, capsys):
    request = ["write", "the", "cat", "--seed", "3", "--model", str(folders / "writer")]
    request += ["--max-tokens", "10"]
    assert run([*request, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"text", "written", "seed"}
    assert document["seed"] == 3
    assert document["text"] == "the cat" + document["written"]
    assert run(request) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("the cat")
    assert "\x1b" not in shown


def test_translate_prints_one_text(folders, capsys):
    request = ["translate", "the cat", "--to", "zh", "--model", str(folders / "translator")]
    assert run([*request, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"text"}


@pytest.mark.parametrize(
    ("request_", "english", "chinese"),
    [
        (["write", ""], "the text is empty", "没有文字"),
        (["write", "a\x07b"], "control character", "控制字符"),
        (["write", "a\udcffb"], "half a character", "不完整的字符"),
        (["write", "a", "--temperature", "nan"], "temperature", "temperature"),
        (["write", "a", "--top-p", "0"], "top_p is out of range", "top_p 超出范围"),
        (["write", "mat " * 60], "the prompt has", "开头有"),
        (["translate", "a cat", "--to", "en"], "no Chinese", "没有中文"),
        (["translate", "a cat", "--to", "tlh"], "'--to'", "'--to'"),
        (["translate", "mat " * 60], "a text has", "文字有"),
    ],
)
def test_a_wrong_request_is_told_in_both_languages(folders, capsys, request_, english, chinese):
    model = folders / ("writer" if request_[0] == "write" else "translator")
    for lang, said in (("en", english), ("zh", chinese)):
        assert run([*request_, "--model", str(model), "--lang", lang, "--json"]) == 2
        shown = capsys.readouterr()
        assert said in json.loads(shown.out)["error"]
        assert said in shown.err
