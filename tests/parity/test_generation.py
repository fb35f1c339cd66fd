"""Our decoding loops against `transformers`' `generate`, on random weights."""

from __future__ import annotations

import pytest
import torch
import transformers
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from polysee.checkpoints.folder import load_folder
from polysee.checkpoints.keymap import KeyMap
from polysee.generation import Decoding, GptWriter, TransformerWriter, generate
from polysee.generation.sampling import keep_top_k, keep_top_p, penalise_repetition
from polysee.models.transformer import Transformer, TransformerConfig

END = 23  # a token that these weights like, so that texts end at different places
SIZES = {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def gpts(drawn, tmp_path):
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(**SIZES, bos_token_id=0, eos_token_id=END, pad_token_id=0)
    )
    drawn(theirs)
    theirs.transformer.wte.weight.mul_(
        0.5
    )  # less sure of itself, so that what is compared is not one loop
    theirs.eval().save_pretrained(tmp_path)
    return theirs, load_folder(tmp_path)[0]


def prompts() -> tuple[torch.Tensor, torch.Tensor]:
    """Three prompts of unequal length, padded on the left."""
    draw = torch.Generator().manual_seed(5)
    tokens = torch.randint(2, 40, (3, 7), generator=draw)
    mask = torch.arange(7) >= torch.tensor([0, 3, 6])[:, None]
    return tokens * mask, mask


def written(theirs, tokens, mask, **options) -> list[list[int]]:
    """What the reference writes: new tokens up to the end."""
    found = theirs.generate(
        tokens, attention_mask=mask.long(), max_new_tokens=20, do_sample=options.pop("do_sample", False), **options
    )  # fmt: skip
    rows = [row[tokens.shape[1] :].tolist() for row in found]
    return [row[: row.index(END)] if END in row else row for row in rows]


@pytest.mark.parametrize("beams", [1, 2, 4])
@pytest.mark.parametrize(
    "options", [{}, {"repetition_penalty": 1.6}, {"length_penalty": 2.0}], ids=str
)
def test_greedy_and_beams(gpts, beams, options):
    theirs, ours = gpts
    if beams == 1 and "length_penalty" in options:
        pytest.skip("one beam has no lengths to compare")
    tokens, mask = prompts()
    if "repetition_penalty" in options:  # the reference counts padding among what is repeated
        tokens, mask = tokens[:1], mask[:1]
    decoding = Decoding(20, beams=beams, end=END, **options)
    got = generate(GptWriter(ours, tokens, mask), decoding)
    assert got == written(theirs, tokens, mask, num_beams=beams, **options)
    assert len({len(text) for text in got}) > 1 or len(got) == 1


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.6}, {"temperature": 1.5, "top_k": 20, "top_p": 0.9,
                "repetition_penalty": 1.3}], ids=str,
)  # fmt: skip
def test_the_same_seed_draws_the_same_text(gpts, options):
    theirs, ours = gpts
    tokens, mask = prompts()
    for seed in range(4):
        torch.manual_seed(seed)
        their_options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **options}
        wanted = written(theirs, tokens[:1], mask[:1], do_sample=True, **their_options)
        decoding = Decoding(20, seed=seed, end=END, **{"temperature": 1.0, **options})
        assert generate(GptWriter(ours, tokens[:1], mask[:1]), decoding) == wanted


def test_filters():
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 50, generator=draw)
    logits[0, :10] = logits[0, 0]  # equals
    texts = torch.randint(0, 50, (6, 12), generator=draw)
    for k in (1, 5, 50):
        assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(texts, logits))
    for p in (0.01, 0.5, 0.9, 0.999):
        wanted = TopPLogitsWarper(p)(texts, logits)
        found = keep_top_p(logits, p)
        assert torch.equal(found[1:], wanted[1:])
        assert torch.equal(found.isinf().sum(1), wanted.isinf().sum(1))
    many = torch.randn(3, 2000, generator=draw)
    for p in (0.05, 0.6, 0.999):  # of few tokens, and of more than are sorted at first
        for spread in (0.1, 5.0):
            assert torch.equal(
                keep_top_p(spread * many, p), TopPLogitsWarper(p)(None, spread * many)
            )
    flat = torch.zeros(
        2, 600
    )  # all are sorted for the first row, of which few would do for the second
    flat[1, 300:340] = 9.0
    kept = keep_top_p(flat, 0.5).isfinite()
    assert torch.equal(kept[1:], keep_top_p(flat[1:], 0.5).isfinite())
    assert kept.sum(1).tolist() == [300, 21]
    for penalty in (0.8, 1.0, 1.7):
        wanted = RepetitionPenaltyLogitsProcessor(penalty)(texts, logits.clone())
        assert torch.equal(penalise_repetition(logits, texts.tolist(), penalty), wanted)


MARIAN = KeyMap(
    (
        ("token", "model.shared"),
        *(
            (f"{ours}.{{}}.{a}", f"model.{ours}.layers.{{}}.{b}")
            for ours in ("encoder", "decoder")
            for a, b in (
                *((f"attention.{o}", f"self_attn.{t}_proj")
                  for o, t in (("query", "q"), ("key", "k"), ("value", "v"), ("output", "out"))),
                *((f"cross_attention.{o}", f"encoder_attn.{t}_proj")
                  for o, t in (("query", "q"), ("key", "k"), ("value", "v"), ("output", "out"))),
                ("attention_norm", "self_attn_layer_norm"),
                ("cross_norm", "encoder_attn_layer_norm"),
                ("mlp.expand", "fc1"),
                ("mlp.project", "fc2"),
                ("mlp_norm", "final_layer_norm"),
            )
        ),
    ),
    unused=("final_logits_bias", "lm_head", "model.encoder.embed", "model.decoder.embed"),
)  # fmt: skip


@pytest.fixture
def translators(drawn):
    """Marian, whose positions have all sines before all cosines, and ours, its numbers put in the paper's order."""
    size = 32
    theirs = transformers.MarianMTModel(
        transformers.MarianConfig(
            vocab_size=40, d_model=size, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, activation_function="relu",
            scale_embedding=True, max_position_embeddings=64, pad_token_id=0, eos_token_id=END,
            decoder_start_token_id=0, forced_eos_token_id=None,
        )
    )  # fmt: skip
    positions = theirs.model.encoder.embed_positions.weight.clone()
    drawn(theirs)
    theirs.final_logits_bias.zero_()
    for half in (theirs.model.encoder, theirs.model.decoder):
        half.embed_positions.weight.copy_(positions)
    theirs.model.shared.weight.mul_(0.4)
    order = torch.arange(size).view(2, -1).T.flatten()
    ours = Transformer(TransformerConfig(40, size, 2, 4, 48, 64)).eval()
    state = MARIAN.to_ours(theirs.state_dict())
    for name, value in state.items():
        if value.ndim == 1:
            state[name] = value[order] if len(value) == size and not inner(name) else value
        elif name.endswith(("output.weight", "project.weight")):
            state[name] = value[order]
        else:
            state[name] = value[:, order]
    ours.load_state_dict(state)
    return theirs.eval(), ours


def inner(name: str) -> bool:
    return name.endswith(("query.bias", "key.bias", "value.bias"))


@pytest.mark.parametrize("beams", [1, 3])
def test_the_encoder_decoder(translators, beams):
    theirs, ours = translators
    draw = torch.Generator().manual_seed(3)
    source = torch.randint(2, 40, (3, 9), generator=draw)
    mask = torch.arange(9) < torch.tensor([9, 4, 1])[:, None]
    start = torch.zeros(3, 1, dtype=torch.long)
    wanted = theirs(source, mask.long(), start).logits
    torch.testing.assert_close(ours(source, start, mask), wanted)
    found = theirs.generate(
        source, attention_mask=mask.long(), max_new_tokens=20, num_beams=beams, do_sample=False
    )[:, 1:]
    rows = [row[: row.index(END)] if END in row else row for row in found.tolist()]
    writer = TransformerWriter(ours, source, mask, start=[0])
    got = generate(writer, Decoding(20, beams=beams, end=END))
    assert got == rows
    assert max(map(len, got)) > 1
