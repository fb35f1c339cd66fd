"""Draw how the text tower of a model attends: `docs/images/attention.png`.

    python -m benchmarks.attention_maps
    python -m benchmarks.attention_maps --model FOLDER --text "a dog" --out maps.png

The weights are those that the model computes: hooks take every block's queries and keys, and `attention_weights` makes
of them what `attention` uses without handing it out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

import polysee
from polysee.layers.attention import Attention, attention_weights

OUT = Path(__file__).parents[1] / "docs" / "images" / "attention.png"
TEXT = "a black cat is sleeping on a red sofa next to a window"
CELL, MARGIN, GAP, LETTERS = 22, 88, 22, 13


@torch.no_grad()
def attention_maps(model: torch.nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    """The weights of every block over one text, each (H, T, T)."""
    layers = [module for module in model.modules() if isinstance(module, Attention)]
    found: dict[torch.nn.Module, torch.Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda module, _, output: found.update({module: output}))
        for layer in layers
        for part in (layer.query, layer.key)
    ]
    try:
        model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        attention_weights(layer._split(found[layer.query]), layer._split(found[layer.key]))[0]
        for layer in layers
    ]


def draw(maps: list[tuple[str, torch.Tensor]], words: list[str]) -> Image.Image:
    """The maps side by side, in rows of two, with the words along both edges."""
    side = CELL * len(words)
    width, height = MARGIN + side + GAP, MARGIN + side + GAP
    rows = (len(maps) + 1) // 2
    picture = Image.new("RGB", (2 * width, rows * height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(LETTERS)
    for number, (title, weights) in enumerate(maps):
        left = number % 2 * width + MARGIN
        top = number // 2 * height + MARGIN
        pen.text((left, top - MARGIN + 4), title, fill="black", font=font)
        for t, word in enumerate(words):
            pen.text((left - 6, top + (t + 0.5) * CELL), word, fill="black", font=font, anchor="rm")
            _upright(picture, word, left + t * CELL, top - 4, font)
            for s in range(len(words)):
                shade = round(255 * (1 - float(weights[t, s]) ** 0.7))  # small weights still show
                corner = (left + s * CELL, top + t * CELL)
                far = (corner[0] + CELL - 2, corner[1] + CELL - 2)
                pen.rectangle((corner, far), fill=(shade, min(255, shade + 20), 255))
    return picture


def _upright(
    picture: Image.Image, word: str, left: int, bottom: int, font: ImageFont.ImageFont
) -> None:
    """Write a word from below upwards."""
    strip = Image.new("RGB", (MARGIN - 22, CELL), "white")
    ImageDraw.Draw(strip).text((0, CELL / 2), word, fill="black", font=font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    picture.paste(turned, (left, bottom - turned.height))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="polysee/align-nano")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    model = polysee.load(given.model)
    tokens, _ = model.tokenizer([given.text])
    words = [
        model.tokenizer.backend.decode([t], skip_special_tokens=False).strip()
        for t in tokens[0].tolist()
    ]
    maps = attention_maps(model.model.text, tokens)
    # Of the first and the last block, the two heads that differ most from looking at everything alike.
    chosen = []
    for name, weights in (("first block", maps[0]), ("last block", maps[-1])):
        spread = (weights * weights.clamp(min=1e-9).log()).sum(-1).mean(-1)  # minus the entropy
        for head in sorted(spread.topk(2).indices.tolist()):
            chosen.append((f"{name}, head {head + 1} of {len(weights)}", weights[head]))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw(chosen, words).save(given.out)
    print(given.out)


if __name__ == "__main__":
    main()
