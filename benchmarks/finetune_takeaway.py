"""What low-rank fine-tuning of bert-nano on 200 labelled takeaway reviews gains, and how long it takes.

    python -m benchmarks.finetune_takeaway                # three draws of 200
    python -m benchmarks.finetune_takeaway --seeds 0

bert-nano has seen no takeaway review. The 200 are the first of a seeded shuffle of the train split; a fifth of them
says when to stop. Before and after are judged on the whole validation split by
`polysee finetune lm --task classify`, as anyone would run it. The last line is JSON; seconds are of the whole command,
imports and the report page included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from polysee.datasets.tables import read_table

REVIEWS = 200


def measure(model: str, method: str, seed: int) -> dict[str, Any]:
    """Run the command on one draw."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        train, test = (read_table(f"text/takeaway-reviews-zh/{s}") for s in ("train", "validation"))
        rows = np.random.default_rng(seed).permutation(len(train))[:REVIEWS]
        pq.write_table(train.take(rows), folder / "train.parquet")
        pq.write_table(test, folder / "test.parquet")
        command = [
            sys.executable, "-c", "from polysee.cli.main import main; main()", "finetune", "lm",
            "--model", model, "--task", "classify", "--method", method, "--seed", str(seed), "--json",
            "--data", str(folder / "train.parquet"), "--test", str(folder / "test.parquet"),
            "--out", str(folder / "model"),
        ]  # fmt: skip
        started, used = time.perf_counter(), os.times()
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
        seconds, after = time.perf_counter() - started, os.times()
        found = json.loads(done.stdout)
    cpu = after.children_user - used.children_user + after.children_system - used.children_system
    return {
        "seed": seed,
        "count": found["count"],
        "before": found["before"]["accuracy"],
        "after": found["after"]["accuracy"],
        "intervals": {when: both["accuracy"] for when, both in found["intervals"].items()},
        "gain": found["gain"],
        "gain_interval": found["gain_interval"],
        "steps": found["steps"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="polysee/bert-nano")
    parser.add_argument("--method", default="lora", choices=("lora", "full"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    runs = []
    for seed in arguments.seeds:
        run = measure(arguments.model, arguments.method, seed)
        runs.append(run)
        low, high = run["gain_interval"]["low"], run["gain_interval"]["high"]
        print(
            f"seed {seed}: {run['before']:.1%} -> {run['after']:.1%}, gain {100 * run['gain']:+.1f} points"
            f" [{100 * low:+.1f}, {100 * high:+.1f}] on {run['count']}, {run['seconds']} s"
        )
    print(json.dumps({"model": arguments.model, "method": arguments.method, "runs": runs}))


if __name__ == "__main__":
    main()
