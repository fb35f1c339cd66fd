"""Our language models against their references, at `assert_close`'s own tolerances in float32.

GPT-2 and BERT against `transformers`, through the folders that either side writes; the Transformer against
`torch.nn.Transformer`, since no class of `transformers` has exactly the form of 2017.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import transformers
from torch import nn
from torch.testing import assert_close

from polysee.checkpoints.folder import export_folder, load_folder
from polysee.layers.attention import Cache, positions_of
from polysee.models.bert import Bert, BertClassifier, BertMaskedLM
from polysee.models.gpt import Gpt, GptConfig
from polysee.models.transformer import Transformer, TransformerConfig, sinusoids

TINY_GPT = {
    "vocab_size": 60, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 24,
    "bos_token_id": 1, "eos_token_id": 1,
}  # fmt: skip
TINY_BERT = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 24,
}  # fmt: skip
# As published, but for the number of layers, which repeat: hfl/chinese-roberta-wwm-ext, and bert-base-uncased.
PUBLISHED_BERT = {"chinese": {"vocab_size": 21128}, "english": {}}
BERT_HEADS = {
    "bare": (transformers.BertModel, Bert),
    "masked": (transformers.BertForMaskedLM, BertMaskedLM),
    "pre-training": (transformers.BertForPreTraining, BertMaskedLM),
    "classifier": (transformers.BertForSequenceClassification, BertClassifier),
}
SIDES = ("left", "right")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def moved(tmp_path, drawn) -> Callable[[nn.Module], nn.Module]:
    """Draw the reference's weights, load its folder as ours; what ours exports is the reference, bit by bit."""

    def move(theirs: nn.Module) -> nn.Module:
        drawn(theirs)
        if (
            theirs.config.vocab_size > 1000
        ):  # logits are sums over more numbers: keep them of order 1
            theirs.get_input_embeddings().weight.mul_(0.1)
        theirs.eval().save_pretrained(tmp_path / "theirs")
        ours, _ = load_folder(tmp_path / "theirs")
        special = {name: getattr(theirs.config, name) for name in ("bos_token_id", "eos_token_id")}
        export_folder(tmp_path / "ours", ours, **special)
        kind = type(theirs)
        if kind is transformers.BertForPreTraining:  # of its two heads, one is of no use to us
            kind = transformers.BertForMaskedLM
        again = kind.from_pretrained(tmp_path / "ours")
        for name, tensor in again.state_dict().items():
            assert torch.equal(theirs.state_dict()[name], tensor), name
        for name, value in again.config.to_dict().items():
            if name not in ("architectures", "dtype", "_name_or_path", "transformers_version"):
                assert value == theirs.config.to_dict()[name], name
        return ours

    return move


def a_batch(vocab_size: int, length: int, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Three texts: a full one, a half one, one of two tokens; what is under the padding is noise."""
    draw = torch.Generator().manual_seed(2)
    tokens = torch.randint(2, vocab_size, (3, length), generator=draw)
    mask = torch.arange(length) < torch.tensor([length, length // 2, 2])[:, None]
    return tokens, mask if side == "right" else mask.flip(1)


def order_one(output: torch.Tensor) -> None:
    """Outputs are neither tiny nor huge, and differ from input to input: else the comparison says nothing."""
    assert 0.1 < output.std().item() < 20
    assert 0.1 < (output[0] - output[1]).std().item() < 20


@pytest.fixture
def tiny_gpt(moved):
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**TINY_GPT))
    return theirs, moved(theirs)


@pytest.mark.parametrize("side", SIDES)
def test_gpt2(tiny_gpt, side):
    theirs, ours = tiny_gpt
    assert isinstance(ours, Gpt)
    tokens, mask = a_batch(60, 24, side)
    wanted = theirs(tokens, attention_mask=mask.long()).logits
    order_one(wanted)
    assert_close(ours(tokens, mask)[mask], wanted[mask])
    places = positions_of(mask)
    wanted = theirs(tokens, attention_mask=mask.long(), position_ids=places).logits
    assert_close(ours(tokens, mask, positions=places)[mask], wanted[mask])
    assert_close(ours(tokens), theirs(tokens).logits)


def test_gpt2_with_a_cache_is_gpt2_without(tiny_gpt):
    theirs, ours = tiny_gpt
    tokens, mask = a_batch(60, 24, "left")
    wanted = theirs(tokens, attention_mask=mask.long(), position_ids=positions_of(mask)).logits
    caches = [Cache() for _ in ours.blocks]
    for start, end in ((0, 9), (9, 10), (10, 11), (11, 24)):
        places = positions_of(mask[:, :end])[:, start:]
        got = ours(tokens[:, start:end], mask[:, :end], positions=places, caches=caches)
        seen = mask[:, start:end]
        assert_close(got[seen], wanted[:, start:end][seen])


@pytest.mark.slow
def test_gpt2_of_the_published_size(moved):
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1))
    ours = moved(theirs)
    assert ours.config == GptConfig(num_layers=1)
    tokens, mask = a_batch(50257, 10, "right")
    assert_close(ours(tokens, mask)[mask], theirs(tokens, attention_mask=mask.long()).logits[mask])


def test_files_of_the_bare_gpt2_and_old_ones_are_read(tiny_gpt, tmp_path):
    from safetensors.torch import load_file, save_file

    _, ours = tiny_gpt
    path = tmp_path / "theirs" / "model.safetensors"
    state = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    state["h.0.attn.bias"] = torch.ones(24, 24).tril()[None, None]
    state["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    state["lm_head.weight"] = state["wte.weight"].clone()
    save_file(state, path)
    again, _ = load_folder(tmp_path / "theirs")
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("head", BERT_HEADS)
def test_bert(moved, head, side):
    their_class, our_class = BERT_HEADS[head]
    labels = {"num_labels": 3} if head == "classifier" else {}
    theirs = their_class(transformers.BertConfig(**TINY_BERT, **labels))
    ours = moved(theirs)
    assert isinstance(ours, our_class)
    compare_bert(theirs, ours, 60, 24, side)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_BERT)
def test_bert_of_the_published_size(moved, name):
    sizes = {**PUBLISHED_BERT[name], "num_hidden_layers": 1}
    theirs = transformers.BertForMaskedLM(transformers.BertConfig(**sizes))
    compare_bert(theirs, moved(theirs), sizes.get("vocab_size", 30522), 10, "right")


def compare_bert(theirs, ours, vocab_size: int, length: int, side: str) -> None:
    tokens, mask = a_batch(vocab_size, length, side)
    segments = (torch.arange(length) > length // 3).long().expand(3, -1)
    for types in (None, segments):
        wanted = theirs(tokens, mask.long(), types)
        if isinstance(ours, BertClassifier):
            order_one(wanted.logits)
            assert_close(ours(tokens, mask, types), wanted.logits)
        elif isinstance(ours, BertMaskedLM):
            logits = wanted.get("logits", wanted.get("prediction_logits"))
            order_one(logits)
            assert_close(ours(tokens, mask, types)[mask], logits[mask])
        else:
            order_one(wanted.last_hidden_state)
            hidden = ours(tokens, mask, types)
            assert_close(hidden[mask], wanted.last_hidden_state[mask])
            assert_close(ours.pool(hidden), wanted.pooler_output)


def test_old_endings_of_berts_norms_are_read(moved, tmp_path):
    from safetensors.torch import load_file, save_file

    ours = moved(transformers.BertForMaskedLM(transformers.BertConfig(**TINY_BERT)))
    path = tmp_path / "theirs" / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    state = {}
    for key, value in load_file(path).items():
        for new, name in old.items():
            key = key.replace(new, name)
        state[key] = value
    save_file(state, path)
    again, _ = load_folder(tmp_path / "theirs")
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


TORCH_TO_OURS = {
    "self_attn.out_proj": "attention.output", "multihead_attn.out_proj": "cross_attention.output",
    "linear1": "mlp.expand", "linear2": "mlp.project", "norm1": "attention_norm",
}  # fmt: skip


def from_torch(layer: nn.Module) -> dict[str, torch.Tensor]:
    """One layer of `torch.nn.Transformer` under our names."""
    decoder = hasattr(layer, "multihead_attn")
    last = {"norm2": "cross_norm", "norm3": "mlp_norm"} if decoder else {"norm2": "mlp_norm"}
    state = {}
    for key, value in layer.state_dict().items():
        name, kind = key.rsplit(".", 1)
        if kind.startswith("in_proj_"):
            part = {"self_attn": "attention", "multihead_attn": "cross_attention"}[name]
            for word, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[f"{part}.{word}.{kind.removeprefix('in_proj_')}"] = piece
        else:
            state[f"{(TORCH_TO_OURS | last)[name]}.{kind}"] = value
    return state


@pytest.fixture(params=["tiny", "base"])
def transformers_of_2017(request, drawn):
    """`torch.nn.Transformer` without the normalisation that it adds after the last layer, and ours."""
    sizes = {"hidden_size": 32, "num_heads": 4, "mlp_size": 48} if request.param == "tiny" else {}
    config = TransformerConfig(vocab_size=60, num_layers=2, dropout=0.0, **sizes)
    shape = {
        "d_model": config.hidden_size, "nhead": config.num_heads, "dim_feedforward": config.mlp_size,
        "dropout": 0.0, "batch_first": True,
    }  # fmt: skip
    theirs = nn.Transformer(
        **shape,
        custom_encoder=nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**shape), config.num_layers, enable_nested_tensor=False
        ),
        custom_decoder=nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**shape), config.num_layers
        ),
    ).eval()
    drawn(theirs)
    ours = Transformer(config).eval()
    drawn(ours)
    for blocks, layers in (
        (ours.encoder, theirs.encoder.layers),
        (ours.decoder, theirs.decoder.layers),
    ):
        for block, layer in zip(blocks, layers, strict=True):
            block.load_state_dict(from_torch(layer))
    return theirs, ours


@pytest.mark.parametrize("side", SIDES)
def test_the_transformer(transformers_of_2017, side):
    theirs, ours = transformers_of_2017
    source, source_mask = a_batch(60, 12, side)
    # On the left, the reference has rows that may attend to nothing, and they spoil the others with NaN.
    target, target_mask = a_batch(60, 9, "right")
    size = ours.config.hidden_size

    def embedded(tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1])
        return ours.token.weight[tokens] * size**0.5 + sinusoids(places, size)

    wanted = theirs(
        embedded(source),
        embedded(target),
        tgt_mask=torch.ones(9, 9, dtype=torch.bool).triu(1),
        src_key_padding_mask=~source_mask,
        memory_key_padding_mask=~source_mask,
        tgt_key_padding_mask=~target_mask,
    )
    order_one(wanted)
    memory = ours.encode(source, source_mask)
    hidden = ours.decode(target, memory, target_mask, source_mask)
    assert_close(hidden[target_mask], wanted[target_mask])
    logits = ours(source, target, source_mask, target_mask)
    assert_close(logits[target_mask], (wanted @ ours.token.weight.T)[target_mask])
    caches = [(Cache(), Cache()) for _ in ours.decoder]
    parts = [
        ours.decode(
            target[:, i : i + 1], memory, target_mask[:, : i + 1], source_mask, caches=caches
        )
        for i in range(9)
    ]
    assert_close(torch.cat(parts, 1)[target_mask], wanted[target_mask])


def test_sinusoids_are_the_papers():
    found = sinusoids(torch.arange(50), 6)
    for place in (0, 1, 49):
        for i in range(3):
            angle = torch.tensor(place / 10000 ** (2 * i / 6))
            assert_close(found[place, 2 * i], angle.sin(), atol=1e-5, rtol=1e-5)
            assert_close(found[place, 2 * i + 1], angle.cos(), atol=1e-5, rtol=1e-5)


def another_epsilon(model: nn.Module) -> None:
    model.blocks[1].mlp_norm.eps = 1e-3


def exact_gelu(model: nn.Module) -> None:
    model.blocks[1].mlp.activation = nn.functional.gelu


def keys_and_values_exchanged(model: nn.Module) -> None:
    attention = model.blocks[0].attention
    attention.key, attention.value = attention.value, attention.key


def positions_shifted(model: nn.Module) -> None:
    model.position.weight.copy_(model.position.weight.roll(1, 0))


@pytest.mark.parametrize(
    "harm", [another_epsilon, exact_gelu, keys_and_values_exchanged, positions_shifted],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_parity_sees_one_broken_part_of_gpt2(tiny_gpt, harm):
    theirs, ours = tiny_gpt
    tokens, _ = a_batch(60, 24, "right")
    harmed = copy.deepcopy(ours)
    harm(harmed)
    with pytest.raises(AssertionError, match="not close"):
        assert_close(harmed(tokens), theirs(tokens).logits)
