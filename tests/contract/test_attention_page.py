"""Every number on the page about attention is what the code computes."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "attention.md"


def show(matrix: torch.Tensor) -> None:
    """A matrix as the page prints it: two decimals a number."""
    for row in matrix.tolist():
        print("  ".join(f"{number:.2f}" for number in row))


def test_the_page_says_what_the_code_computes():
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    parser, names = doctest.DocTestParser(), {"show": show}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    said: list[str] = []
    for number, block in enumerate(blocks):
        # A printed empty line ends what is expected.
        example = parser.get_doctest(block, names, f"block {number}", str(PAGE), 0)
        runner.run(example, out=said.append, clear_globs=False)
        names.update(example.globs)
    assert not runner.failures, "".join(said)
    assert runner.tries > 30
    assert "0.33" in text


def test_the_weights_are_not_uniform():
    x = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    from polysee.layers.attention import attention_weights

    assert (attention_weights(x, x)[:, 2] > 0.36).all()
