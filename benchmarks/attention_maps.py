"""Draw how a text tower attends, and how a translator looks at what it translates: `docs/images/attention.png`, `.svg`.

    python -m benchmarks.attention_maps
    python -m benchmarks.attention_maps --model FOLDER --text "a dog" --out maps.png
    python -m benchmarks.attention_maps --translate "I have two dogs." --out map.svg

The weights are those that the model computes: hooks take every block's queries and keys, and `attention_weights` makes
of them what `attention` uses without handing it out.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from tokenizers import Tokenizer as Backend

import polysee
from polysee.inputs.prompts import is_chinese
from polysee.layers.attention import Attention, attention_weights

OUT = Path(__file__).parents[1] / "docs" / "images" / "attention.png"
TEXT = "a black cat is sleeping on a red sofa next to a window"
CELL, MARGIN, GAP, LETTERS = 22, 88, 22, 13


@torch.no_grad()
def attention_maps(model: torch.nn.Module, *tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """The weights of every attention layer, by its name, over one text or a pair: each (H, T, S)."""
    layers = {name: part for name, part in model.named_modules() if isinstance(part, Attention)}
    found: dict[torch.nn.Module, torch.Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda module, _, output: found.update({module: output}))
        for layer in layers.values()
        for part in (layer.query, layer.key)
    ]
    try:
        model(*tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: attention_weights(layer._split(found[layer.query]), layer._split(found[layer.key]))[0]
        for name, layer in layers.items()
    }


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


def pieces(backend: Backend, tokens: list[int]) -> list[str]:
    return [backend.decode([token], skip_special_tokens=False).strip() for token in tokens]


def draw_pair(weights: torch.Tensor, read: list[str], written: list[str]) -> str:
    """One map as SVG, which shows the letters of any script: what is written from above, what is read along it."""
    width, height = MARGIN + CELL * len(read) + GAP, MARGIN + CELL * len(written) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="{LETTERS}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for s, word in enumerate(read):
        place = f"translate({MARGIN + (s + 0.7) * CELL:.1f} {MARGIN - 6}) rotate(-60)"
        parts.append(f'<text transform="{place}">{escape(word)}</text>')
    for t, word in enumerate(written):
        top = MARGIN + t * CELL
        parts.append(
            f'<text x="{MARGIN - 6}" y="{top + 0.7 * CELL:.1f}" text-anchor="end">{escape(word)}</text>'
        )
        for s in range(len(read)):
            parts.append(
                f'<rect x="{MARGIN + s * CELL}" y="{top}" width="{CELL - 2}" height="{CELL - 2}" fill="#1d4ed8" '
                f'fill-opacity="{float(weights[t, s]):.2f}"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def translation_map(name: str, text: str) -> str:
    """Where the last block of the decoder looks while it writes, the mean of its heads."""
    model = polysee.load(name, dtype="float32")
    to = "en" if is_chinese(text) else "zh"
    tokenizer = model.tokenizer
    said = model.write([text], to=to, beams=4)[0]
    source = [*tokenizer.encode(text, begin=False), tokenizer.end]
    target = [tokenizer.backend.token_to_id(f"<{to}>"), *tokenizer.encode(said, begin=False)]
    maps = attention_maps(model.model, torch.tensor([source]), torch.tensor([target]))
    weights = [maps[name] for name in maps if name.endswith("cross_attention")][-1].mean(0)
    # The row of a token is what was looked at while the next one was chosen.
    written = [*pieces(tokenizer.backend, target)[1:], "(end)"]
    return draw_pair(weights, [*pieces(tokenizer.backend, source)[:-1], "(end)"], written)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=None, help="align-nano, or translator-nano to translate")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--translate", metavar="TEXT", help="draw the map of its translation")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.translate:
        out = given.out or OUT.with_suffix(".svg")
        found = translation_map(given.model or "polysee/translator-nano", given.translate)
        out.write_text(found, encoding="utf-8")
        print(out)
        return
    draw_tower(given.model or "polysee/align-nano", given.text, given.out or OUT)


def draw_tower(name: str, text: str, out: Path) -> None:
    """The maps of a text tower over an English sentence."""
    model = polysee.load(name)
    tokens, _ = model.tokenizer([text])
    words = pieces(model.tokenizer.backend, tokens[0].tolist())
    maps = list(attention_maps(model.model.text, tokens).values())
    # Of the first and the last block, the two heads that differ most from looking at everything alike.
    chosen = []
    for title, weights in (("first block", maps[0]), ("last block", maps[-1])):
        spread = (weights * weights.clamp(min=1e-9).log()).sum(-1).mean(-1)  # minus the entropy
        for head in sorted(spread.topk(2).indices.tolist()):
            chosen.append((f"{title}, head {head + 1} of {len(weights)}", weights[head]))
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(chosen, words).save(out)
    print(out)


if __name__ == "__main__":
    main()
