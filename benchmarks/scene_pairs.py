"""How often the true sentence is preferred to its twin's, which differs in one fact, on scenes never trained.

    python -m benchmarks.scene_pairs --pairs 500

prints JSON. For each kind of fact (a relation turned round, a number, a colour, a thing) as many pairs of
scenes are drawn from combinations that are held out; each sentence says all that can be said. Both pictures of
a pair are asked, so a sentence that is likely by itself gains nothing: blind, half are right. `matcher` is
polysee/scene-matcher, `through_codes` the same of pictures that polysee/dalle-nano turned to codes and back, as
those that it draws, `cosine` the similarity of align-nano's two embeddings. `by` splits the matcher's figures
of relations by what they were, and of numbers by how far the two lie apart. 95 % intervals are over pairs,
drawn again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from benchmarks.pictures import present
from PIL import Image

from polysee.datasets.scenes import Split
from polysee.datasets.scenes_drawing import draw_scene
from polysee.datasets.scenes_twins import FACTS, Fact
from polysee.datasets.scenes_words import LANGUAGES, describe
from polysee.evaluation.metrics import bootstrap
from polysee.inference import Embedder, load
from polysee.inference.matching import BUNDLED_MATCHER, TOWERS, SceneMatcher
from polysee.training.matcher import own_preferred
from polysee.training.matcher_data import Group, pairs
from polysee.training.through_codes import ThroughCodes, load_through_codes

FIRST_SEED = 6_000_000  # no other scenes of the held-out parts are near


def measure(
    matcher: SceneMatcher,
    embedder: Embedder,
    codes: ThroughCodes | None,
    *,
    count: int,
    split: Split = "validation",
) -> dict[str, Any]:
    """Everything that is printed."""
    found: dict[str, Any] = {"matcher": matcher.hash, "split": split, "pairs_of_each": count}
    for fact in FACTS:
        groups = pairs(fact, split, FIRST_SEED, count)
        drawn = [[draw_scene(s, g.seed).image for s in g.scenes] for g in groups]
        pictures = np.stack([one for two in drawn for one in two])
        told = {
            language: [[describe(s, language, g.seed, 1.0) for s in g.scenes] for g in groups]
            for language in LANGUAGES
        }
        cells = matcher.look(pictures)
        right = {k: by_matcher(matcher, cells, texts) for k, texts in told.items()}
        own: dict[str, Any] = {"matcher": shares(right), "by": _split(fact, groups, right)}
        if codes is not None:
            parts = np.array_split(pictures, -(-len(pictures) // 32))
            cells = matcher.look(np.concatenate([codes(some) for some in parts]))
            right = {k: by_matcher(matcher, cells, texts) for k, texts in told.items()}
            own["through_codes"] = shares(right)
        images = embedder.embed_image([Image.fromarray(one) for one in pictures])
        own["cosine"] = shares({k: by_cosine(embedder, images, v) for k, v in told.items()})
        found[fact] = own
    return found


def by_matcher(
    matcher: SceneMatcher, cells: torch.Tensor, texts: Sequence[Sequence[str]]
) -> np.ndarray:
    """Shapes: cells (2 N, G, D), texts N pairs; returns (N, 2) bool, of each picture."""
    asked = [pair for pair in texts for _ in range(2)]
    return own_preferred(matcher.agreement(cells, asked).reshape(-1, 2, 2))


def by_cosine(embedder: Embedder, images: np.ndarray, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Shapes: images (2 N, E), texts N pairs; returns (N, 2) bool, of each picture."""
    said = embedder.embed_text([text for pair in texts for text in pair])
    size = images.shape[1]
    scores = images.reshape(-1, 2, size) @ said.reshape(-1, 2, size).swapaxes(1, 2)
    return own_preferred(scores)


def shares(right: dict[str, np.ndarray]) -> dict[str, Any]:
    """The share of pictures in each language and in both, with its interval."""
    both = np.concatenate(list(right.values()), axis=1)
    return {name: _share(values) for name, values in {**right, "both": both}.items()}


def _share(right: np.ndarray) -> dict[str, float]:
    """Shapes: right (N, answers to each pair) bool."""
    groups = np.arange(len(right)).repeat(right.shape[1])
    interval = bootstrap(right.ravel().astype(float), groups)
    return {"right": float(right.mean()), **vars(interval), "pairs": len(right)}


def _split(
    fact: Fact, groups: Sequence[Group], right: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    both = np.concatenate(list(right.values()), axis=1)
    keys = np.array([_key(fact, group) for group in groups])
    return {key: _share(both[keys == key]) for key in sorted(set(keys.tolist())) if key}


def _key(fact: Fact, group: Group) -> str:
    one, other = group.scenes
    if fact == "relation":
        kinds = {r.kind for r in one.relations}
        beside = {r.kind for r in other.relations}
        return "left of" if "left of" in kinds else "/".join(sorted(kinds | beside))
    if fact == "count":
        apart = (abs(a.count - b.count) for a, b in zip(one.things, other.things, strict=True))
        return str(max(apart))
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--matcher", default=BUNDLED_MATCHER)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--codes", default="polysee/dalle-nano", help="none to leave it out")
    given = parser.parse_args()
    matcher, embedder = load(given.matcher), load(TOWERS)
    codes = None if given.codes == "none" else load_through_codes(given.codes)
    present(measure(matcher, embedder, codes, count=given.pairs, split=given.split))


if __name__ == "__main__":
    main()
