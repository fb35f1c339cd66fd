"""The two snippets that every tutorial shows stand in the guide, and run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "finetune.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


def run(snippet: str, monkeypatch) -> dict[str, object]:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {"__name__": "snippet"}
    exec(compile(snippet, "docs/finetune.md", "exec"), names)
    return names


def test_there_are_two():
    assert len(SNIPPETS) == 2


def test_zero_shot(monkeypatch, capsys):
    names = run(SNIPPETS[0], monkeypatch)
    logits, probabilities = names["logits_per_image"], names["probabilities"]
    np.testing.assert_allclose(
        probabilities, torch.from_numpy(logits).softmax(1).numpy(), rtol=1e-4, atol=1e-6
    )
    assert probabilities.argmax() == 0
    assert capsys.readouterr().out.count("%") == 3
    one = names["clip"].choose(names["picture"], names["words"][2:])
    assert one == 1.0  # a car: softmax over one text


def test_a_lightning_module_that_fine_tunes(monkeypatch, capsys):
    torch.manual_seed(0)
    names = run(SNIPPETS[1], monkeypatch)
    before = names["polysee"].load("polysee/align-nano", dtype="float32").model.state_dict()
    after = names["clip"].model.state_dict()
    moved = {
        name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])
    }
    assert {"image", "text"} <= moved
    tuned, batch = names["tuned"], (names["pixels"], names["target"])
    tuned.log = lambda *_, **__: None  # there is no trainer now
    with torch.no_grad():
        loss = tuned.training_step(batch, 0)
        tuned.model.load_state_dict(before)
        assert loss < tuned.training_step(batch, 0)
    chances = capsys.readouterr().out.rsplit("[", 1)[1].rstrip("]\n").split()
    assert np.argmax([float(chance) for chance in chances]) == 1


def test_what_is_said_of_adamw():
    import transformers

    assert not hasattr(transformers, "AdamW")
    assert torch.optim.AdamW
