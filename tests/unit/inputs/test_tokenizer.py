"""Any text becomes tokens."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.errors import CheckpointError, ConfigError
from polysee.inputs.tokenizer import LONGEST_TOKEN, SPECIAL_TOKENS, Tokenizer, train_bpe

LENGTH = 12
TEXTS = [
    "a cat sits on the mat",
    "一只坐在沙发上的猫",
    "the dog, and the cat!",
    "两只狗",
    "红色的汽车",
] * 3
BACKEND = train_bpe(TEXTS, vocab_size=320)
PAD, BEGIN, END = (BACKEND.token_to_id(token) for token in SPECIAL_TOKENS[:3])
ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)  # lone surrogates too


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(BACKEND, LENGTH)


@settings(deadline=None, max_examples=150)
@given(st.lists(ANY, min_size=1, max_size=4))
def test_any_text_begins_and_ends_as_it_should(texts):
    tokenizer = Tokenizer(BACKEND, LENGTH)
    tokens, mask = tokenizer(texts)
    assert tokens.shape == mask.shape
    assert tokens.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert tokens.shape[1] <= LENGTH
    assert tokens.max() < BACKEND.get_vocab_size()
    assert mask[:, :2].all()
    lengths = mask.sum(1)
    assert lengths.max() == tokens.shape[1]
    assert torch.equal(mask, torch.arange(tokens.shape[1]) < lengths[:, None])
    assert (tokens[:, 0] == BEGIN).all()
    assert (tokens[torch.arange(len(texts)), lengths - 1] == END).all()
    assert (tokens[~mask] == PAD).all()


@settings(deadline=None, max_examples=80)
@given(ANY)
def test_a_text_is_the_same_alone_and_in_company(text):
    tokenizer = Tokenizer(BACKEND, LENGTH)
    (alone,), _ = tokenizer([text])
    together, mask = tokenizer(["a cat", text, "一只坐在沙发上的猫"])
    assert together[1][mask[1]].tolist() == alone.tolist()


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t", "\x00\x01\x1b[31m", "\ud800", "\udfff\ud83d", "🐱👩‍👩‍👧🏳️‍🌈", "ก็", "ﷺ" * 40, "é\u0301" * 30,
     "\u202eabc", "a" * 10_000, "猫" * 10_000],
)  # fmt: skip
def test_texts_that_break_others(tokenizer, text):
    tokens, mask = tokenizer([text])
    assert 2 <= mask.sum() <= LENGTH
    assert tokens[0, -1] == END


def test_truncation_keeps_the_end_and_the_beginning(tokenizer):
    text = "the cat and the dog and the cat and the dog and the cat"
    whole = Tokenizer(train_bpe(TEXTS, vocab_size=320), 100)([text])[0][0].tolist()
    assert len(whole) > LENGTH
    assert tokenizer([text])[0][0].tolist() == [*whole[: LENGTH - 1], END]


def test_a_text_without_end_is_read_no_further_than_it_counts(tokenizer):
    encode, lengths = tokenizer.backend.encode_batch, []

    class Watched:
        @staticmethod
        def encode_batch(texts):
            lengths.extend(map(len, texts))
            return encode(texts)

    short, long = "the cat and the dog " * 100, "the cat and the dog " * 250_000
    expected = tokenizer([short])[0]
    tokenizer.backend = Watched()
    assert torch.equal(tokenizer([long])[0], expected)
    assert max(lengths) <= LONGEST_TOKEN * tokenizer.context_length


def test_no_byte_is_unknown():
    decoded = [
        BACKEND.decode(BACKEND.encode(chr(code)).ids) for code in (0x41, 0x732B, 0x1F431, 0x0E01)
    ]
    assert [text.strip() for text in decoded] == ["a", "猫", "🐱", "ก"]


def test_case_width_and_spaces_do_not_matter(tokenizer):
    tokens, mask = tokenizer(["A  CAT", " a cat ", "ａ ｃａｔ"])
    assert mask.all()
    assert (tokens == tokens[0]).all()


def test_a_word_is_the_same_token_wherever_it_stands(tokenizer):
    first, later = (tokenizer([text])[0][0].tolist() for text in ("cat", "the cat"))
    assert first[1:] == later[-len(first[1:]) :]
    alone, inside = (tokenizer([text])[0][0].tolist() for text in ("猫", "坐在沙发上的猫"))
    assert alone[1:] == inside[-len(alone[1:]) :]


def test_nothing_gives_nothing(tokenizer):
    tokens, mask = tokenizer([])
    assert tokens.shape == mask.shape
    assert len(tokens) == 0
    assert tokens.dtype == torch.int64


def test_one_string_is_not_a_batch_of_letters(tokenizer):
    with pytest.raises(ConfigError, match="list of strings"):
        tokenizer("a cat")


def test_the_file_gives_the_same_tokens(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    BACKEND.save(str(path))
    again = Tokenizer.load(path, LENGTH)
    for one, other in zip(again(TEXTS), tokenizer(TEXTS), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_a_special_token_in_a_text_is_text(special, tmp_path):
    BACKEND.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json", 40)
    plain, *rest = tokenizer([f"a cat {special} the dog", f"{special}", f" {special}{special}a"])[0]
    numbers = [BACKEND.token_to_id(token) for token in SPECIAL_TOKENS]
    for row in (plain, *rest):
        inner = [token for token in row.tolist() if token in numbers]
        assert inner[:2] == [BEGIN, END]  # one of each, and then what fills up
        assert set(inner[2:]) <= {PAD}
        assert special in tokenizer.backend.decode(row.tolist())
    end = tokenizer(["the dog"])[0][0].tolist()[1:]
    assert [token for token in plain.tolist() if token != PAD][-len(end) :] == end  # read on


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"\xff\xfe garbage", b'{"model": {"type": "BPE"}}']
)
def test_a_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.load(path, LENGTH)
