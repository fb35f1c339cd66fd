"""How long a drawing takes: beside DALLE-pytorch in one run, and as a whole command.

    DALLE_PYTORCH=FOLDER python -m benchmarks.draw_speed
    python -m benchmarks.draw_speed --json              # without the peer: whole commands alone

`DALLE_PYTORCH` names a folder with lucidrains/DALLE-pytorch; nothing of it is kept. Its classes need `einops`,
`rotary-embedding-torch` and `axial-positional-embedding`; what else its package imports is not used here, and is stood
in for. Peer and ours have the same sizes: those of the bundled dalle-nano (96 x 96 pixels, 12 x 12 codes, 48 text
tokens, width, layers and heads); the peer's weights are random, which costs it no time.

One picture, drawn code by code and decoded to 96 x 96 pixels, batch 1, float32: with guidance, which is what
`polysee draw` does, and without. With guidance the peer runs its model twice a code, with its cache; without, its
`generate_images` forgets to hand the cache on, which is mended here in its favour. Rounds go in turn, peer and ours, so
that whatever else the machine does hits both; the best round of each counts.

Then `polysee draw` is run as a person runs it: the whole command for one picture, and for a sheet of 9. The last line
is JSON: `guided_ratio` and `plain_ratio` (our seconds over the peer's; null without the peer); `first_picture`,
`sheet_of_9` and of it `first_of_9` in seconds, and the processor's seconds of both commands, which say more where other
programs run beside.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import polysee
from polysee.inference.drawing import ImageGenerator, Steering

MODEL, PROMPT = "polysee/dalle-nano", "a dog wearing a hat"
GUIDANCE = {"guided": 3.0, "plain": 1.0}
UNUSED = {  # what the peer imports at the top, and which of it
    "pkg_resources": ("get_distribution",),
    "taming": (),
    "taming.models": (),
    "taming.models.vqgan": ("VQModel", "GumbelVQ"),
    "omegaconf": ("OmegaConf",),
    "requests": (),
}


def peer_of(folder: str, ours: ImageGenerator) -> Any:
    """The peer's DALL-E of our sizes, with random weights."""
    for name, parts in UNUSED.items():
        if name.split(".")[0] in sys.modules or find_spec(name.split(".")[0]) is None:
            stand_in = sys.modules.setdefault(name, ModuleType(name))
            for part in parts:
                setattr(stand_in, part, None)
    sys.path.insert(0, folder)
    from dalle_pytorch import DALLE, DiscreteVAE  # type: ignore[import-not-found]

    class Cached(DALLE):  # type: ignore[misc]
        def forward_with_cond_scale(
            self, *parts: Any, cond_scale: float = 1, cache: Any = None, **named: Any
        ) -> Any:
            if cond_scale == 1:
                return self(*parts, cache=cache, **named)
            return super().forward_with_cond_scale(
                *parts, cond_scale=cond_scale, cache=cache, **named
            )

    config = ours.model.config
    size = config.dvae.hidden_size
    layers = (config.dvae.image_size // config.dvae.grid_size).bit_length() - 1
    torch.manual_seed(0)
    vae = DiscreteVAE(
        image_size=128, num_layers=layers, num_tokens=config.dvae.num_codes, codebook_dim=size,
        hidden_dim=size,
    )  # fmt: skip
    vae.image_size = (
        config.dvae.image_size
    )  # it asks for a power of 2, which none of its layers needs
    return Cached(
        dim=config.hidden_size, vae=vae, num_text_tokens=config.vocab_size,
        text_seq_len=config.context_length, depth=config.num_layers, heads=config.num_heads,
        dim_head=config.hidden_size // config.num_heads,
    ).eval()  # fmt: skip


def side_by_side(folder: str, rounds: int) -> dict[str, float]:
    """Seconds a picture of both, by name, the best of some rounds."""
    ours = polysee.load(MODEL, device="cpu")
    peer = peer_of(folder, ours)
    config = ours.model.config
    text = torch.randint(1, config.vocab_size, (1, config.context_length))

    def draw(guidance: float) -> torch.Tensor:
        codes = ours.draw_codes(PROMPT, 1, Steering(seed=7, guidance=guidance))
        return torch.from_numpy(ours.pictures_of(codes)).permute(0, 3, 1, 2)

    def theirs(guidance: float) -> torch.Tensor:
        return peer.generate_images(text.clone(), cond_scale=guidance, use_cache=True)

    runs: dict[str, tuple[Callable[[float], torch.Tensor], float]] = {
        f"{who} {kind}": (run, guidance)
        for kind, guidance in GUIDANCE.items()
        for who, run in (("peer", theirs), ("ours", draw))
    }
    best: dict[str, float] = {}
    wanted = (1, 3, config.dvae.image_size, config.dvae.image_size)
    for round_ in range(rounds + 1):
        for name, (run, guidance) in runs.items():
            started = time.perf_counter()
            assert tuple(run(guidance).shape) == wanted, name
            if round_:  # the first warms up
                best[name] = min(best.get(name, 1e9), time.perf_counter() - started)
    return best


def whole_command(count: int) -> tuple[float, float, float]:
    """Of `polysee draw -n COUNT`: seconds until a picture is there, until the end, and of the processor."""
    command = Path(sys.executable).with_name("polysee")
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "out"
        arguments = [
            "draw",
            PROMPT,
            "-n",
            str(count),
            "--seed",
            "7",
            "--out",
            str(out),
            "--offline",
        ]
        started, spent = time.perf_counter(), _of_children()
        process = subprocess.Popen(
            [command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        first = None
        while process.poll() is None:
            if first is None and (out / "000007.png").exists():
                first = time.perf_counter() - started
            time.sleep(0.02)
        whole = time.perf_counter() - started
        if process.returncode:
            sys.exit(f"polysee draw ended with {process.returncode}")
        return whole if first is None else first, whole, _of_children() - spent


def _of_children() -> float:
    """Seconds of the processor that processes took which are over; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    folder = os.environ.get("DALLE_PYTORCH")
    if not folder:
        print(
            "SKIPPED the peer: DALLE_PYTORCH must name a folder with lucidrains/DALLE-pytorch",
            file=sys.stderr,
        )
    seconds = side_by_side(folder, given.rounds) if folder else {}
    whole_command(1)  # the first after set-up writes byte code
    found: dict[str, Any] = {
        f"{kind}_ratio": round(seconds[f"ours {kind}"] / seconds[f"peer {kind}"], 3)
        if seconds
        else None
        for kind in GUIDANCE
    }
    _, one, one_cpu = whole_command(1)
    first_of_9, sheet, sheet_cpu = whole_command(9)
    commands = {
        "first_picture": one,
        "first_picture_cpu": one_cpu,
        "first_of_9": first_of_9,
        "sheet_of_9": sheet,
        "sheet_of_9_cpu": sheet_cpu,
    }
    found |= {name: round(value, 2) for name, value in commands.items()}
    if not given.json:
        for name, value in seconds.items():
            print(f"{name:12} {value:6.2f} s a picture")
        for name, value in commands.items():
            print(f"{name:17} {value:6.2f} s")
    found |= {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
