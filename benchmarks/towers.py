"""Pictures a second of image towers, by every path that this machine has, against `transformers` in one run.

    python -m benchmarks.towers --json
    python -m benchmarks.towers --only align-nano --rounds 3

ViT-B/32 of CLIP, batch 8, with random weights drawn by fan-in: what is timed does not depend on what was learnt, the
cosine does a little. The peer is `CLIPVisionModelWithProjection` in float32 on the same weights. Rounds go in turn,
through all paths, so that whatever else the machine does hits all; the best round of each counts. `auto` is the path
that `polysee.load` takes for such a model here. align-nano, batch 32, is compared with its own module. A text of one
sentence is timed, too, and the seconds until the first batch is done, with everything that has to be made for it.

The last line is JSON; `ratio` is over the peer, or over the plain module for align-nano, and `cosine` is to it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from torch import nn
from torch.nn import functional as F

import polysee
from polysee.checkpoints.huggingface.clip import IMAGE
from polysee.checkpoints.keymap import rename
from polysee.checkpoints.onnx.session import runtime_is_installed
from polysee.inference.image_paths import Path, choose_path, has_bf16_units, make_path
from polysee.inputs.pixels import PixelRecipe
from polysee.models.align import Align
from polysee.models.clip import Clip, ClipConfig

Encode = Callable[[torch.Tensor], torch.Tensor]
SENTENCE = "两只狗在海滩上奔跑"


def draw(model: nn.Module) -> None:
    """Weights by fan-in, so that activations are of order 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=weight[0].numel() ** -0.5, generator=generator)
            elif weight.ndim == 1:
                middle = 1.0 if name.endswith("norm.weight") else 0.0
                weight.normal_(middle, 0.1, generator=generator)


def peer_of(model: Clip) -> Encode:
    """`transformers` on the same weights."""
    import transformers

    sizes = transformers.CLIPVisionConfig(projection_dim=model.config.projection_size)
    peer = transformers.CLIPVisionModelWithProjection(sizes).eval()
    image = {key: value for key, value in model.state_dict().items() if key.startswith("image")}
    peer.load_state_dict(rename(image, IMAGE, "to_theirs"))
    return lambda pixels: peer(pixel_values=pixels).image_embeds


def ways(model: nn.Module) -> list[Path]:
    """Every path that can be had here."""
    found: list[Path] = ["exact"]
    if isinstance(model, Align):
        found.append("folded")
    elif has_bf16_units():
        found.append("bf16")
    return [*found, "compiled", "int8"] if runtime_is_installed() else found


@torch.inference_mode()
def measure(
    model: nn.Module, recipe: PixelRecipe, batch: int, rounds: int, peer: Encode | None
) -> dict[str, Any]:
    """Pictures a second of the peer and of all paths, in turn."""
    torch.manual_seed(0)
    pixels = torch.randn(batch, 3, recipe.image_size, recipe.image_size)
    runs: dict[str, Encode] = {} if peer is None else {"transformers": peer}
    ready = {}
    for way in ways(model):
        started = time.perf_counter()
        runs[way] = make_path(way, model)
        runs[way](pixels)
        ready[way] = round(time.perf_counter() - started, 2)
    base = next(iter(runs))
    wanted = runs[base](pixels)
    cosine = {
        name: float(F.cosine_similarity(run(pixels), wanted).min()) for name, run in runs.items()
    }
    speed = dict.fromkeys(runs, 0.0)
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run(pixels)
            speed[name] = max(speed[name], batch / (time.perf_counter() - started))
    auto = choose_path(model, recipe)[0]
    return {
        "auto": auto,
        "auto_ratio": round(speed[auto] / speed[base], 3),
        "auto_cosine": round(cosine[auto], 6),
        "pictures_per_second": {name: round(value, 2) for name, value in speed.items()},
        "ratio": {name: round(value / speed[base], 3) for name, value in speed.items()},
        "cosine": {name: round(value, 6) for name, value in cosine.items()},
        "seconds_to_first_batch": ready,
    }


def text_milliseconds(rounds: int) -> dict[str, float]:
    """One sentence by align-nano's text tower, as it stands and in 8 bits."""
    found = {}
    for dtype in ("float32", "int8") if runtime_is_installed() else ("float32",):
        embedder = polysee.load("polysee/align-nano", dtype=dtype, device="cpu")
        embedder.embed_text([SENTENCE])
        best = float("inf")
        for _ in range(10 * rounds):
            started = time.perf_counter()
            embedder.embed_text([SENTENCE])
            best = min(best, time.perf_counter() - started)
        found[dtype] = round(1000 * best, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("vit-b32", "align-nano"))
    given = parser.parse_args()
    result: dict[str, Any] = {"threads": torch.get_num_threads()}
    if given.only != "align-nano":
        clip = Clip(ClipConfig()).eval()
        draw(clip)
        result["vit-b32"] = measure(clip, PixelRecipe(224), 8, given.rounds, peer_of(clip))
    if given.only != "vit-b32":
        nano = polysee.load("polysee/align-nano", dtype="float32", device="cpu")
        result["align-nano"] = measure(nano.model, nano.recipe, 32, given.rounds, None)
        result["text_milliseconds"] = text_milliseconds(given.rounds)
    if not given.json:
        for name in ("vit-b32", "align-nano"):
            for way, speed in result.get(name, {}).get("pictures_per_second", {}).items():
                ratio, cosine = result[name]["ratio"][way], result[name]["cosine"][way]
                print(f"{name:10} {way:12} {speed:7.1f} pictures a second, {ratio:.2f}x, {cosine}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
