"""A small GPT on tinyshakespeare against nanoGPT's own command for a laptop's CPU, in one run.

    NANOGPT=FOLDER python -m benchmarks.shakespeare

`NANOGPT` names a folder with karpathy/nanoGPT; it is copied, and nothing of it is kept. Its README's command for a CPU
(4 layers, width 128, 64 characters of context, 2,000 steps of 12 x 64 characters) is run with a learning rate of 4e-3.
Ours is `recipes/language/shakespeare.yaml`, of the same shape; its steps are set so that the whole command takes about
as long as the peer's, and once more with half of that. Whole commands are timed, start to end. Both models are measured
in the same way over the whole validation text, the last tenth: windows of 64 characters side by side, nats a character.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, load_folder
from polysee.datasets.language import read_texts
from polysee.inputs.tokenizer import Tokenizer
from polysee.training.language import split_rows
from polysee.training.recipe import read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "language" / "shakespeare.yaml"
COMMAND = (
    "config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --log_interval=1 --block_size=64 "
    "--batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0 "
    "--learning_rate=4e-3"
)
TRAIN = (
    "import sys\nfrom pathlib import Path\nfrom polysee.training.recipe import read_recipe\n"
    "from polysee.training.run import train\n"
    "recipe = read_recipe(sys.argv[1])\nsteps = int(sys.argv[2])\n"
    "recipe = recipe.model_copy(update={'steps': steps, 'validate_every': steps, 'checkpoint_every': steps})\n"
    "train(recipe, folder=Path(sys.argv[3]), resume=False, progress=False)\n"
)


def texts() -> tuple[str, str]:
    """What both learn from, and what both are measured on."""
    task = read_recipe(RECIPE).task
    rows, held = split_rows(read_texts(task.data, task.columns), task.held_out)
    return rows[0][0], held[0][0]


@torch.no_grad()
def loss_of(guess: Any, tokens: torch.Tensor, width: int = 64) -> float:
    """Nats a character; `guess` makes logits (B, T, V) of tokens (B, T)."""
    count = (len(tokens) - 1) // width
    windows = tokens[torch.arange(count)[:, None] * width + torch.arange(width + 1)]
    total = sum(
        F.cross_entropy(
            guess(some[:, :-1]).flatten(0, 1), some[:, 1:].flatten(), reduction="sum"
        ).item()
        for some in windows.split(128)
    )
    return total / (count * width)


def peer(folder: Path, home: Path) -> dict[str, float]:
    """Run the peer's command on the same characters; its seconds, and its loss by our measure."""
    shutil.copytree(folder, home, ignore=shutil.ignore_patterns(".git", "out*"))
    learnt, held = texts()
    alphabet = sorted(set(learnt + held))
    number = {character: i for i, character in enumerate(alphabet)}
    data = home / "data" / "shakespeare_char"
    for name, text in (("train", learnt), ("val", held)):
        np.array([number[c] for c in text], dtype=np.uint16).tofile(data / f"{name}.bin")
    meta = {"vocab_size": len(alphabet), "itos": dict(enumerate(alphabet)), "stoi": number}
    (data / "meta.pkl").write_bytes(pickle.dumps(meta))
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "train.py", *COMMAND.split()],
        cwd=home,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - started
    sys.path.insert(0, str(home))
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    kept = torch.load(home / "out-shakespeare-char" / "ckpt.pt", weights_only=True)
    network = GPT(GPTConfig(**kept["model_args"])).eval()
    network.load_state_dict(kept["model"])

    def guess(tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens.contiguous()  # it takes views of its targets
        return network(tokens, tokens)[0]  # without targets it gives the last guess alone

    tokens = torch.tensor([number[c] for c in held])
    return {"seconds": seconds, "loss": loss_of(guess, tokens)}


def ours(steps: int, folder: Path) -> dict[str, float]:
    """Train the recipe with so many steps; its seconds, and its loss."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", TRAIN, str(RECIPE), str(steps), str(folder)], check=True)
    seconds = time.perf_counter() - started
    model, _ = load_folder(folder / "model")
    tokenizer = Tokenizer.load(folder / "model" / TOKENIZER, 64)
    tokens = torch.tensor(tokenizer.encode(texts()[1]))
    return {"steps": steps, "seconds": seconds, "loss": loss_of(model, tokens)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole = read_recipe(RECIPE).steps
    parser.add_argument("--steps", type=int, default=whole, help="of ours in equal time")
    parser.add_argument("--half", type=int, default=round(0.445 * whole), help="of ours in half")
    given = parser.parse_args()
    folder = os.environ.get("NANOGPT")
    if not folder:
        sys.exit("NANOGPT must name a folder with karpathy/nanoGPT")
    with tempfile.TemporaryDirectory() as home:
        found = {
            "peer": peer(Path(folder), Path(home) / "peer"),
            "half": ours(given.half, Path(home) / "half"),
            "equal": ours(given.steps, Path(home) / "equal"),
        }
    for name, run in found.items():
        share = run["seconds"] / found["peer"]["seconds"]
        print(
            f"{name:6} {run['seconds']:6.1f} s ({share:.2f} of the peer's)  loss {run['loss']:.3f}"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
