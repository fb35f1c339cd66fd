"""What align-nano's pretrained parts are worth: the same two towers from fresh weights, on the same pictures.

    python -m benchmarks.from_nothing [--epochs 3] [--side 128]

EfficientNet-Lite2 and the small BERT get fresh weights; the tokenizer stays. They learn from the pictures that
`recipes/align-nano/2-see.yaml` learns from (Flickr8k, the COCO subset, VOC, part of Tiny ImageNet), with the same
sentences in both languages, by the contrastive loss of `polysee finetune clip --method full`. Then Flickr8k's and
Caltech-101's validation parts, as in align-nano's card. No ImageNet weights, no text teacher. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from polysee.checkpoints.bundled import bundled_folder
from polysee.checkpoints.folder import TOKENIZER, load_folder, save_folder
from polysee.datasets.pictures import captioned_pictures
from polysee.models.align import Align
from polysee.training.recipe import See, read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "align-nano" / "2-see.yaml"
NAME, BATCH, HELD_OUT = "from-nothing-photos", 96, 0.02
RETRIEVAL = ("eval", "retrieval", "--data", "captions/flickr8k/validation.parquet", "--captions")
ZERO_SHOT = ("eval", "zero-shot", "--data", "photos/caltech-101/validation.parquet", "--labels")
EVALUATIONS = {
    "flickr8k_en": (*RETRIEVAL, "captions_en"),
    "flickr8k_zh": (*RETRIEVAL, "captions_zh"),
    "caltech_en": (*ZERO_SHOT, "label_en"),
    "caltech_zh": (*ZERO_SHOT, "label_zh"),
}


def write_fresh(folder: Path, side: int) -> None:
    """The bundled model's shape with fresh weights, for pictures of `side` pixels."""
    bundled = bundled_folder("polysee/align-nano")
    known, card = load_folder(bundled)
    assert isinstance(known, Align)
    torch.manual_seed(0)
    # Statistics move ten times as fast as where hundreds of thousands of steps follow.
    image = replace(known.config.image, norm_momentum=0.1)
    model = Align(replace(known.config, image=image, classes=0, class_rank=0))
    pixels = replace(card.pixels, image_size=side, side=None)
    save_folder(folder, model, replace(card, pixels=pixels, origin="fresh weights"), half=False)
    shutil.copy(bundled / TOKENIZER, folder)


def write_pictures(path: Path) -> int:
    """A parquet of pictures, each with all of its sentences; returns how many pictures."""
    recipe = read_recipe(RECIPE)
    assert isinstance(recipe.task, See)
    pictures = captioned_pictures(recipe.seed, recipe.task.tiny_pictures)
    columns = {
        "image": [picture.image for picture in pictures],
        "captions": [[*picture.english, *picture.chinese] for picture in pictures],
    }
    pq.write_table(pa.table(columns), path)
    return len(pictures)


def write_recipe(path: Path, start: Path, data: Path, steps: int, rate: float) -> None:
    """What `polysee finetune clip` would do, but that batch normalisation gathers statistics, of which it has none."""
    recipe = {
        "name": NAME, "steps": steps, "batch_size": BATCH, "validate_every": max(1, steps // 6),
        "checkpoint_every": max(1, steps // 6),
        "optimiser": {"rate": rate, "weight_decay": 0.01, "warmup_steps": min(100, steps // 5)},
        "task": {
            "kind": "finetune", "start": str(start), "data": str(data), "captions": "captions", "method": "full",
            "hold_statistics": False, "held_out": HELD_OUT, "patience": 100,
        },
    }  # fmt: skip
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")


def run(*arguments: str) -> str:
    """One command; what it prints."""
    command = [sys.executable, "-c", "from polysee.cli.main import main; main()", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return done.stdout


def figures(report: dict[str, Any]) -> dict[str, float]:
    """Those that align-nano's card holds."""
    if "top1" in report:
        return {name: report[name] for name in ("top1", "mean_per_class")}
    return {"R@10": report["text_to_image"]["R@10"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rate", type=float, default=5e-4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        fresh, data, recipe = (
            Path(home) / name for name in ("fresh", "pictures.parquet", "r.yaml")
        )
        write_fresh(fresh, given.side)
        count = write_pictures(data)
        steps = round(given.epochs * count * (1 - HELD_OUT) / BATCH)
        write_recipe(recipe, fresh, data, steps, given.rate)
        os.environ["POLYSEE_RUNS"] = home
        started = time.perf_counter()
        run("train", str(recipe))
        seconds = round(time.perf_counter() - started)
        found: dict[str, Any] = {
            "pictures": count,
            "side": given.side,
            "steps": steps,
            "seconds": seconds,
        }
        for name, arguments in EVALUATIONS.items():
            model = str(Path(home) / NAME / "model")
            found[name] = figures(json.loads(run(*arguments, "--model", model, "--json")))
            print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
