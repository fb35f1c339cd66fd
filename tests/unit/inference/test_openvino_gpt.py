"""The path of OpenVINO writes what the module writes."""

from __future__ import annotations

import copy
from importlib.util import find_spec

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from polysee.checkpoints.quantise import quantise
from polysee.generation import Decoding, GptWriter, generate
from polysee.inference.openvino_gpt import COMPARED, OpenvinoGpt
from polysee.models.gpt import Gpt, GptConfig

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed: pip install 'polysee[fast]'"
)


@pytest.fixture(scope="module", params=["tanh_gelu", "gelu"])
def gpt(request):
    torch.manual_seed(0)
    model = Gpt(GptConfig(50, 64, 3, 4, 128, 40, activation=request.param)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return model


PROMPT = torch.tensor([[5, 3, 8, 13, 2], [4, 4, 4, 9, 7]])
MASK = torch.tensor([[True] * 5, [False, False, False, True, True]])


@pytest.mark.parametrize("bits", [32, 8])
def test_logits(gpt, bits):
    fast, slow = (
        OpenvinoGpt(gpt, bits=bits, threads=1).writer(PROMPT, MASK),
        GptWriter(gpt, PROMPT, MASK),
    )
    with torch.inference_mode():
        pairs = [(fast.begin(), slow.begin())]
        for token in ([1, 2], [30, 31], [7, 7]):
            pairs.append((fast.step(torch.tensor(token)), slow.step(torch.tensor(token))))
        fast.select(torch.tensor([1, 1, 0]))
        slow.select(torch.tensor([1, 1, 0]))
        pairs.append((fast.step(torch.tensor([1, 2, 3])), slow.step(torch.tensor([1, 2, 3]))))
    for got, wanted in pairs:
        if bits == 32:
            assert_close(got, wanted, atol=1e-4, rtol=1e-4)  # sums in another order
        assert F.cosine_similarity(got, wanted).min() > 0.999


def test_the_likeliest_tokens_are_exact(gpt):
    """A model whose blocks do nothing: what is left of 8 bits is in the last product."""
    bare = copy.deepcopy(gpt)
    with torch.no_grad():
        for block in bare.blocks:
            for last in (block.attention.output, block.mlp.project):
                last.weight.zero_()
                last.bias.zero_()
    found = OpenvinoGpt(bare, bits=8, threads=1).writer(PROMPT[:1]).begin()[0]
    with torch.inference_mode():
        wanted = GptWriter(bare, PROMPT[:1]).begin()[0]
    first = wanted.topk(COMPARED - 8).indices
    assert_close(found[first], wanted[first], atol=1e-4, rtol=1e-4)
    assert (found - wanted).abs().max() > 1e-3  # the others are rough


@pytest.mark.parametrize("settings", [{}, {"beams": 3}, {"temperature": 1.0, "seed": 2}], ids=str)
def test_texts(gpt, settings):
    decoding = Decoding(20, end=0, **settings)
    fast = OpenvinoGpt(gpt, bits=32, threads=1)
    for _ in range(2):  # each text begins anew
        found = generate(fast.writer(PROMPT, MASK), decoding)
        with torch.inference_mode():
            assert found == generate(GptWriter(gpt, PROMPT, MASK), decoding)


def test_eight_bits_are_off_by_half_a_step_at_most():
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    rows, scale = quantise(weight, bits=8)
    assert ((rows * scale - weight).abs() <= scale / 2 + 1e-7).all()
