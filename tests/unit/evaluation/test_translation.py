"""Scores of translations: those of sacrebleu, with intervals around them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sacrebleu

from polysee.errors import DataError
from polysee.evaluation.translation import evaluate_translation, score

PAIRS = {
    "en": ["I like cats.", "It is raining.", "Where is the station?", "", None],
    "zh": ["我喜欢猫。", "下雨了。", "车站在哪里？", "空", "无"],
}


class FromList:
    """Answers from a list, and says what it was asked."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def write(self, texts, *, to, beams):
        self.asked += [(text, to) for text in texts]
        return [self.answers[text] for text in texts]


@pytest.fixture
def data(tmp_path):
    pq.write_table(pa.table(PAIRS), tmp_path / "pairs.parquet")
    return tmp_path / "pairs.parquet"


def test_every_pair_is_translated_and_compared_in_its_own_row(data):
    right = dict(zip(PAIRS["en"][:3], PAIRS["zh"][:3], strict=True))
    translator = FromList(right)
    result = evaluate_translation(translator, data, "en", "zh")
    assert result.chrf == pytest.approx(100)
    assert result.bleu == pytest.approx(100)
    assert result.count == 3  # a pair that lacks a side is none
    assert {to for _, to in translator.asked} == {"zh"}


def test_scores_are_sacrebleus(data):
    answers = dict(zip(PAIRS["zh"][:3], ["I like dogs.", "It rains.", "Where is it?"], strict=True))
    result = evaluate_translation(FromList(answers), data, "zh", "en")
    said, truth = list(answers.values()), [PAIRS["en"][:3]]
    assert result.chrf == pytest.approx(sacrebleu.corpus_chrf(said, truth).score)
    assert result.bleu == pytest.approx(sacrebleu.corpus_bleu(said, truth).score)


def test_chinese_is_cut_into_characters_for_bleu():
    said, truth = ["我喜欢狗和猫。"], ["我喜欢猫和狗。"]
    wanted = sacrebleu.corpus_bleu(said, [truth], tokenize="zh").score
    assert score(said, truth, "zh").bleu == pytest.approx(wanted)


def test_intervals_hold_the_score_and_shrink_with_more_sentences():
    said = ["I like dogs.", "It is raining.", "Where is it?", "He left."]
    truth = ["I like cats.", "It is raining.", "Where is the station?", "She stayed at home."]
    few, many = score(said, truth, "en"), score(said * 25, truth * 25, "en")
    for name in ("chrf", "bleu"):
        assert few.intervals[name].low < getattr(few, name) < few.intervals[name].high
        widths = [r.intervals[name].high - r.intervals[name].low for r in (few, many)]
        assert widths[1] < widths[0] / 2


@pytest.mark.parametrize(
    ("columns", "reason"), [(("en", "fr"), "fr"), (("en", "number"), "holds no sentences")]
)
def test_columns_that_cannot_be_compared_are_named(tmp_path, columns, reason):
    table = pa.table({"en": ["a cat"], "number": [3]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    with pytest.raises(DataError, match=reason):
        evaluate_translation(FromList({}), tmp_path / "pairs.parquet", *columns)
