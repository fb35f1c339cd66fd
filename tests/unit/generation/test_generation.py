"""Writing: the cache, seeds, streams, lists of choices, the ends of texts."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.testing import assert_close

from polysee.errors import ConfigError
from polysee.generation import (
    Decoding,
    GptWriter,
    TransformerWriter,
    Trie,
    beam_search,
    choice_scores,
    generate,
    stream,
)
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.transformer import Transformer, TransformerConfig

VOCABULARY, END = 12, 0


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that guesses differ from token to token."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.5)
    return model.eval()


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def gpt():
    return lively(Gpt(GptConfig(VOCABULARY, 16, 2, 2, 32, 16)))


@pytest.fixture(scope="module")
def transformer():
    return lively(Transformer(TransformerConfig(VOCABULARY, 16, 2, 2, 32, 16)))


@pytest.fixture(params=["gpt", "transformer"])
def writer(request, gpt, transformer):
    """Makes a fresh writer of two unequal texts, or of one of them."""
    tokens = torch.tensor([[5, 3, 2, 7], [9, 9, 4, 6]])
    mask = torch.tensor([[True] * 4, [False, False, True, True]])

    def make(rows=(0, 1)):
        rows = list(rows)
        if request.param == "gpt":
            return GptWriter(gpt, tokens[rows], mask[rows])
        return TransformerWriter(transformer, tokens[rows], mask[rows], start=[1])

    return make


def said(model, tokens: list[int]) -> torch.Tensor:
    return model(torch.tensor([tokens]))[0, -1].log_softmax(-1)


def test_greedy_with_a_cache_is_greedy_without(gpt):
    prompt = [5, 3, 2]
    text = generate(GptWriter(gpt, torch.tensor([prompt])), Decoding(10))[0]
    for token in text:
        assert token == said(gpt, prompt).argmax()
        prompt.append(token)
    assert len(text) == 10


def test_a_text_is_the_same_alone_and_in_company(writer):
    for decoding in (Decoding(8, end=END), Decoding(8, beams=3, end=END)):
        together = generate(writer(), decoding)
        alone = [generate(writer([row]), decoding)[0] for row in (0, 1)]
        assert together == alone
    drawn = generate(writer(), Decoding(8, temperature=1.0, seed=4))
    assert drawn[0] == generate(writer([0]), Decoding(8, temperature=1.0, seed=4))[0]
    assert drawn[1] == generate(writer([1]), Decoding(8, temperature=1.0, seed=5))[0]


def test_seeds(writer):
    texts = [generate(writer(), Decoding(8, temperature=2.0, seed=seed)) for seed in (3, 3, 40)]
    assert texts[0] == texts[1] != texts[2]


def test_a_stream_gives_what_is_written_in_the_end(writer):
    decoding = Decoding(8, temperature=1.0, end=END)
    whole = generate(writer(), decoding)
    steps = list(stream(writer(), decoding))
    for row, text in enumerate(whole):
        assert [step[row] for step in steps if step[row] is not None] == text
    assert all(len(step) == 2 for step in steps)


def test_it_stops_where_it_is_told(writer):
    whole = generate(writer(), Decoding(8))
    stopped = generate(writer(), Decoding(8), stop=lambda text: len(text) == 3)
    assert stopped == [text[:3] for text in whole]
    end = whole[0][3]
    ended = generate(writer(), Decoding(8, end=end))
    assert ended[0] == whole[0][: whole[0].index(end)]


def test_the_context_is_filled_and_no_more(gpt):
    tokens = torch.tensor([[5, 3, 2, 7]])
    text = generate(GptWriter(gpt, tokens), Decoding(100))[0]
    assert len(text) == 16 - 4 + 1  # the last token is guessed, and not read
    assert generate(GptWriter(gpt, tokens), Decoding(100, beams=2))[0]
    with pytest.raises(ConfigError, match=r"prompt has 16 tokens; the model reads 16"):
        GptWriter(gpt, torch.zeros(1, 16, dtype=torch.long))
    with pytest.raises(ConfigError, match="empty prompt"):
        GptWriter(gpt, torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ConfigError, match="empty prompt"):
        GptWriter(gpt, tokens, torch.zeros(1, 4, dtype=torch.bool))


def test_wide_enough_beams_find_the_likeliest_text(gpt):
    """Every text of three tokens is tried."""
    prompt = [5, 3]
    texts = torch.tensor(list(itertools.product(range(VOCABULARY), repeat=3)))
    guesses = gpt(torch.cat([torch.tensor([prompt]).expand(len(texts), -1), texts], 1))
    scores = guesses[:, 1:-1].log_softmax(-1).gather(2, texts[..., None]).sum((1, 2))
    found = beam_search(GptWriter(gpt, torch.tensor([prompt])), Decoding(3, beams=VOCABULARY**2))
    assert found[0] == texts[scores.argmax()].tolist()


CHOICES = [[4, 5], [4, 5, 6], [7], [4, 8, 2]]


@pytest.mark.parametrize("beams", [1, 2, 5])
def test_what_is_written_is_on_the_list(writer, beams):
    trie = Trie(CHOICES, end=END)
    for text in generate(writer(), Decoding(8, beams=beams, end=END), trie=trie):
        assert text in CHOICES


@pytest.mark.parametrize("beams", [1, 3])
def test_a_list_without_an_end_token(writer, beams):
    choices = [[4, 5], [7], [4, 8, 2]]
    for text in generate(writer(), Decoding(8, beams=beams), trie=Trie(choices)):
        assert text in choices


def test_wide_enough_beams_take_the_likeliest_choice(writer):
    for row in (0, 1):
        scores = choice_scores(writer([row]), CHOICES, END)
        decoding = Decoding(8, beams=8, end=END, length_penalty=0.0)
        found = generate(writer([row]), decoding, trie=Trie(CHOICES, END))[0]
        assert found == CHOICES[int(scores.argmax())]


def test_scores_of_choices_are_exact(gpt):
    prompt = [5, 3, 2]
    scores = choice_scores(GptWriter(gpt, torch.tensor([prompt])), CHOICES, END)
    for choice, score in zip(CHOICES, scores, strict=True):
        text, total = list(prompt), 0.0
        for token in [*choice, END]:
            total += said(gpt, text)[token].item()
            text.append(token)
        assert_close(score.item(), total, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("choices", [[], [[]], [[1], [1, 2]]])
def test_lists_that_cannot_be_chosen_from(choices):
    with pytest.raises(ConfigError, match="choice"):
        Trie(choices)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_tokens", 0), ("temperature", -1.0), ("temperature", float("nan")), ("top_k", -1), ("top_p", 0.0),
     ("top_p", 1.5), ("repetition_penalty", 0.0), ("beams", 0)],
)  # fmt: skip
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ConfigError, match=name):
        Decoding(**{name: value})


def test_beams_are_not_drawn():
    with pytest.raises(ConfigError, match="beams"):
        Decoding(beams=2, temperature=1.0)
