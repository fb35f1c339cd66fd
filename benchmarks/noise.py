"""What noise in the captions costs: CLIP and ALIGN from nothing, with 0, 20 and 40 % of the captions exchanged.

    python -m benchmarks.noise                  # the recipes' own steps: about an hour and a half
    python -m benchmarks.noise --steps 200      # a quick look

ALIGN was trained on a billion captions that nobody had cleaned, and its authors argue that scale makes up for noise;
here the question is asked of two small models. Each recipe is trained once for every share; "align-unsmoothed" is
ALIGN without its label smoothing, to see whether that is what helps. The last line printed is JSON; before it stands
the same as a table. Intervals are Wilson's, 95 %, over the validation pictures: they tell how sure the figure of this
one run is, not how much another seed would differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from polysee.checkpoints.folder import TOKENIZER, load_folder
from polysee.datasets.shapes import draw_scenes, validation_scenes
from polysee.evaluation.metrics import wilson
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.align import Align
from polysee.models.clip import Clip
from polysee.training.from_nothing import CONTEXT_LENGTH, VALIDATION_SEED, first_found
from polysee.training.recipe import FromNothing, Recipe, read_recipe
from polysee.training.run import train

RECIPES = Path(__file__).parents[1] / "recipes" / "from-nothing"
MODELS = ("clip", "align", "align-unsmoothed")
LANGUAGES = ("english", "chinese")


def variant(model: str, share: float, steps: int | None, seed: int) -> Recipe:
    """A recipe with another share of exchanged captions, and fewer steps where asked."""
    recipe = read_recipe(RECIPES / f"{model.removesuffix('-unsmoothed')}.yaml")
    changes: dict[str, Any] = {"shuffled": share}
    if model.endswith("-unsmoothed"):
        changes["smoothing"] = 0.0
    steps = steps or recipe.steps
    optimiser = recipe.optimiser.model_copy(
        update={"warmup_steps": min(recipe.optimiser.warmup_steps, steps // 4)}
    )
    return recipe.model_copy(
        update={
            "name": f"noise-{model}-{round(100 * share)}",
            "seed": seed,
            "steps": steps,
            "validate_every": steps,
            "optimiser": optimiser,
            "task": recipe.task.model_copy(update=changes),
        }
    )


def measure(recipe: Recipe) -> dict[str, Any]:
    """Train, load what was saved, and look for the validation pictures with it."""
    started = time.perf_counter()
    folder = train(recipe, resume=False, progress=sys.stderr.isatty())
    seconds = time.perf_counter() - started
    model, _ = load_folder(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER, CONTEXT_LENGTH)
    assert isinstance(recipe.task, FromNothing)
    assert isinstance(model, Clip | Align)
    scenes = validation_scenes(recipe.task.validation_pictures, VALIDATION_SEED)
    found = first_found(model, tokenizer, scenes, draw_scenes(scenes, VALIDATION_SEED))
    count = len(scenes)
    return {
        "steps": recipe.steps,
        "seconds": round(seconds, 1),
        "count": count,
        **{name: round(value, 4) for name, value in found.items()},
        "intervals": {
            language: vars(wilson(round(found[f"validation_{language}_r1"] * count), count))
            for language in LANGUAGES
        },
    }


def table(runs: list[dict[str, Any]]) -> str:
    """The runs as Markdown: a row a model and language, a column a share."""
    shares = sorted({run["shuffled"] for run in runs})
    head = ["model", "sentences in", *(f"{share:.0%} exchanged" for share in shares)]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for model in dict.fromkeys(run["model"] for run in runs):
        for language in LANGUAGES:
            cells = [model, language]
            for share in shares:
                run = next(r for r in runs if (r["model"], r["shuffled"]) == (model, share))
                between, right = run["intervals"][language], run[f"validation_{language}_r1"]
                low, high = 100 * between["low"], 100 * between["high"]
                cells.append(f"{100 * right:.1f} % ({low:.1f}-{high:.1f})")
            lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, help="of every run; the recipe's own when absent")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.0, 0.2, 0.4])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POLYSEE_RUNS"] = folder
        for model in given.models:
            for share in given.shares:
                found = measure(variant(model, share, given.steps, given.seed))
                runs.append({"model": model, "shuffled": share, **found})
                print(f"{model}, {share:.0%}: {found}", file=sys.stderr, flush=True)
    print(table(runs))
    print(json.dumps({"seed": given.seed, "runs": runs}))


if __name__ == "__main__":
    main()
