"""Tokens a second of GPT-2's smallest shape, against `transformers` on the same weights, in one run.

    python -m benchmarks.decode --json
    python -m benchmarks.decode --model FOLDER          # with the agreement of another trained GPT

One text of 32 tokens, 128 new ones, greedy, batch 1. The peer is `generate` with its cache in float32. Rounds go in
turn, peer and ours, so that whatever else the machine does hits both; the best round of each counts. The last line is
JSON: `fp32_ratio` (ours at equal float32 over the peer), `best_ratio` (the fastest of ours over the peer), and
`agreement`: how often the 8-bit path guesses the token that float32 guesses, over texts that the trained gpt-nano wrote
in float32 after 20 prompts, with teacher forcing; random weights agree about nothing. It is null without OpenVINO.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ["HF_HUB_OFFLINE"] = "1"

import torch

import polysee
from polysee.checkpoints.huggingface.gpt2 import GPT2
from polysee.generation import Decoding, GptWriter, generate
from polysee.inference.openvino_gpt import OpenvinoGpt
from polysee.models.gpt import PRESETS, Gpt

PROMPT, NEW = 32, 128
PROMPTS = (
    "Once upon a time", "The little dog", "One day, a girl", "In the garden", "Tom and his friend",
    "It was raining", "The big red ball", "Mom said", "There was a cat", "The sun was",
    "从前有一个", "小明", "今天天气", "妈妈说", "有一只猫", "公园里", "他们一起", "在学校", "早上", "晚上",
)  # fmt: skip


def paths(model: Gpt) -> dict[str, Callable[[torch.Tensor], GptWriter]]:
    """Every way that ours has, by name."""
    found: dict[str, Callable[[torch.Tensor], GptWriter]] = {
        "torch fp32": lambda tokens: GptWriter(model, tokens)
    }
    if find_spec("openvino") is not None:
        threads = torch.get_num_threads()
        for name, bits in (("openvino fp32", 32), ("openvino int8", 8)):
            found[name] = OpenvinoGpt(model, bits=bits, threads=threads).writer
    return found


def measure(rounds: int, new: int) -> dict[str, float]:
    """Tokens a second of the peer and of every path of ours."""
    import transformers

    torch.manual_seed(0)
    peer = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    model = Gpt(PRESETS["gpt2"]).eval()
    model.load_state_dict(
        GPT2.to_ours({k: v for k, v in peer.state_dict().items() if k != "lm_head.weight"})
    )
    tokens = torch.randint(PRESETS["gpt2"].vocab_size, (1, PROMPT))

    def theirs() -> list[int]:
        found = peer.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=new, min_new_tokens=new,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip
        return found[0, PROMPT:].tolist()

    runs: dict[str, Callable[[], list[int]]] = {"transformers fp32": theirs}
    for name, writer in paths(model).items():
        runs[name] = lambda writer=writer: generate(writer(tokens), Decoding(new))[0]
    wanted = theirs()
    best: dict[str, float] = {}
    with torch.inference_mode():
        for name, run in runs.items():
            written = run()  # warm; and at equal float32 it is the same text
            if "int8" not in name and written != wanted:
                print(f"{name} wrote another text than the peer", file=sys.stderr)
        for _ in range(rounds):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                best[name] = max(best.get(name, 0.0), new / (time.perf_counter() - started))
    return best


@torch.inference_mode()
def agreement(model: str | Path, new: int = 60) -> float:
    """How often the 8-bit path guesses float32's token, over texts that float32 wrote."""
    loaded = polysee.load(model, dtype="float32")
    fast = OpenvinoGpt(loaded.model)
    same = total = 0
    for prompt in PROMPTS:
        tokens, _ = loaded.tokenizer.prompts([prompt])
        text = generate(GptWriter(loaded.model, tokens), Decoding(new, end=loaded.tokenizer.end))[0]
        whole = torch.cat([tokens, torch.tensor([text], dtype=torch.long)], 1)
        exact = loaded.model(whole)[0, tokens.shape[1] - 1 : -1].argmax(-1).tolist()
        writer = fast.writer(tokens)
        guesses = [writer.begin().argmax().item()]
        guesses += [writer.step(torch.tensor([token])).argmax().item() for token in text[:-1]]
        same += sum(a == b for a, b in zip(guesses[: len(text)], exact, strict=True))
        total += len(text)
    return same / total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=NEW)
    parser.add_argument(
        "--model", default="polysee/gpt-nano", help="a trained GPT, for the agreement"
    )
    given = parser.parse_args()
    speeds = measure(given.rounds, given.tokens)
    peer = speeds["transformers fp32"]
    exact = max(
        speed for name, speed in speeds.items() if "fp32" in name and name != "transformers fp32"
    )
    fastest = max(speed for name, speed in speeds.items() if name != "transformers fp32")
    if not given.json:
        for name, speed in speeds.items():
            print(f"{name:18} {speed:6.1f} tokens a second, {speed / peer:.2f}x")
    result = {
        "fp32_ratio": round(exact / peer, 3),
        "best_ratio": round(fastest / peer, 3),
        "agreement": round(agreement(given.model), 4) if find_spec("openvino") else None,
        "tokens_per_second": {name: round(speed, 2) for name, speed in speeds.items()},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
