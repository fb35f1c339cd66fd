"""Models are made without numbers before a file gives them theirs, and quickly."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from polysee.checkpoints.weights import shapes_alone
from polysee.layers.initialise import initialise


def test_a_module_has_shapes_and_no_numbers():
    with shapes_alone():
        made = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm(3))
        made.apply(initialise)
        nn.init.trunc_normal_(nn.Parameter(torch.empty(3)), std=0.02)
        nn.init.xavier_uniform_(nn.Parameter(torch.empty(3, 3)))
    assert {parameter.device.type for parameter in made.parameters()} == {"meta"}
    assert made[1].weight.shape == (3, 4)
    assert isinstance(made[1].weight, nn.Parameter)


def test_modules_made_later_are_drawn():
    with shapes_alone():
        nn.Linear(2, 2)
    torch.manual_seed(0)
    drawn = nn.Linear(4, 4).weight
    assert drawn.device.type == "cpu"
    assert drawn.detach().std() > 0.1


def test_loading_needs_no_compiler():
    code = (
        "import sys, polysee\npolysee.load('polysee/gpt-nano', dtype='float32')\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
