"""Ask a judge about pictures, and measure how often it is right.

Shapes: B pictures, Y/X rows/columns, C channels, M things asked about in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from polysee.datasets.scenes import Scene
from polysee.datasets.scenes_things import concepts
from polysee.datasets.scenes_truth import CONCEPTS, NOT_ASKED, truth_of
from polysee.inputs.pixels import PixelRecipe
from polysee.models.judge import Judge

ATTRIBUTES = ("colour", "count", "size", "feeling")
_BATCH = 32


@dataclass(frozen=True)
class Judged:
    """The likeliest answers, as numbers of `datasets.scenes_truth`; of what was not asked about they mean nothing.

    Args:
        present: (B, M) bool.
        colour, count, size, feeling: (B, M).
        relation: (B, M, M), how the first stands to the second.
    """

    present: np.ndarray
    colour: np.ndarray
    count: np.ndarray
    size: np.ndarray
    feeling: np.ndarray
    relation: np.ndarray


@torch.no_grad()
def judged(model: Judge, pixels: PixelRecipe, pictures: np.ndarray, concept: np.ndarray) -> Judged:
    """Ask about some concepts.

    Shapes:
        pictures: (B, Y, X, C) uint8
        concept: (B, M), numbers of concepts; below 0 for no question
    """
    device = model.concept.weight.device
    parts = []
    for rows in np.array_split(np.arange(len(pictures)), max(1, -(-len(pictures) // _BATCH))):
        seen = model.look(pixels.normalise(pictures[rows]).to(device))
        asked = torch.from_numpy(concept[rows]).to(device)
        answers = model.ask(seen, asked.clamp(min=0))
        kinds = [getattr(answers, name).argmax(2) for name in ATTRIBUTES]
        relation = model.relate(answers, all_pairs(asked)).argmax(2)
        square = relation.unflatten(1, (asked.shape[1], asked.shape[1]))
        parts.append([x.cpu().numpy() for x in (answers.present > 0, *kinds, square)])
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def all_pairs(concept: torch.Tensor) -> torch.Tensor:
    """Every question before every other: (B, M) to (B, M M, 2), row after row."""
    number = torch.arange(concept.shape[1], device=concept.device)
    return torch.cartesian_prod(number, number).expand(len(concept), -1, -1)


def accuracy(
    model: Judge, pixels: PixelRecipe, scenes: Sequence[Scene], pictures: np.ndarray
) -> dict[str, float]:
    """The share of right answers about pictures of known scenes, for each kind of question that they give rise to.

    Of "present", half the questions are about what is there ("yes"), and half about what might be taken for it ("no");
    "all_present" counts the pictures of which everything is found.

    Shapes:
        pictures: (B, Y, X, C) uint8
    """
    truth = truth_of(scenes)
    found = judged(model, pixels, pictures, truth.concept)
    there = truth.concept >= 0
    figures = {}
    for name in (*ATTRIBUTES, "relation"):
        wanted = getattr(truth, name)
        hits = (getattr(found, name) == wanted)[wanted != NOT_ASKED]
        if hits.size:
            figures[name] = float(hits.mean())
    figures["yes"] = float(found.present[there].mean())
    figures["all_present"] = float((found.present | ~there).all(1).mean())
    said = judged(model, pixels, pictures, decoys(truth.concept)).present
    figures["no"] = float(1 - said[there].mean())
    figures["present"] = (figures["yes"] + figures["no"]) / 2
    return figures


def decoys(concept: np.ndarray, seed: int = 0) -> np.ndarray:
    """For each concept one that is not in the picture, by lot among those of its size and of some role of its.

    Shapes:
        concept: (B, M), below 0 for none
        returns: (B, M), with the same rows below 0
    """
    draw = np.random.default_rng(seed)
    others = concept.copy()
    for row, column in np.argwhere(concept >= 0):
        near = _near(int(concept[row, column])) - set(concept[row])
        others[row, column] = draw.choice(
            sorted(near or set(range(len(CONCEPTS))) - set(concept[row]))
        )
    return others


def _near(number: int) -> set[int]:
    own = concepts()[CONCEPTS[number]]
    return {
        other
        for other, concept in enumerate(concepts().values())
        if concept.size == own.size and (concept.roles & own.roles or concept.roles == own.roles)
    }
