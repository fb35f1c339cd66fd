"""What is known of made scenes and the sentences about them, token by token and cell by cell.

Shapes: P pictures, in groups of K; T tokens of a sentence, G cells of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch

from polysee.datasets.scenes import MOST_THINGS, Scene
from polysee.datasets.scenes_truth import COLOUR_NAMES, CONCEPTS, NOT_ASKED
from polysee.datasets.scenes_words import Language
from polysee.inputs.tokenizer import Tokenizer
from polysee.training.matcher_data import GROUP, Group


class Told(NamedTuple):
    """The sentences of a group, and which thing each of their characters is about; -1 for none."""

    language: Language
    texts: list[str]
    owners: list[list[int]]


def token_owners(tokenizer: Tokenizer, told: Sequence[Told], length: int) -> torch.Tensor:
    """Which thing each token is about, by its first letter; -1 for none.

    Shapes:
        returns: (P, T) int64, of `length` tokens
    """
    found = torch.full((sum(len(one.texts) for one in told), length), -1)
    texts = [
        (text, owners) for one in told for text, owners in zip(one.texts, one.owners, strict=True)
    ]
    encoded = tokenizer.backend.encode_batch([text for text, _ in texts])
    for row, ((text, owners), encoding) in enumerate(zip(texts, encoded, strict=True)):
        for column, (begin, end) in enumerate(encoding.offsets):
            letters = [i for i in range(begin, end) if not text[i].isspace()]
            if letters:
                found[row, column] = owners[letters[0]]
    return found


def pointing(things: torch.Tensor, owners: np.ndarray) -> torch.Tensor:
    """Which cells of its own picture each token is about.

    Shapes:
        things: (P, T), below 0 for none; owners: (groups, K, G) int8, below 0 for none
        returns: (P, T, G) bool
    """
    cells = torch.from_numpy(owners).flatten(0, 1)[:, None]  # (P, 1, G)
    return (things[..., None] == cells) & (cells >= 0)


def agreeing(
    groups: Sequence[Group], tokens: torch.Tensor, mask: torch.Tensor, things: torch.Tensor
) -> torch.Tensor:
    """Which tokens of each sentence agree with each picture of its group, where that is plain.

    A twin's words for the thing that is another disagree unless the picture's own sentence says them of it, too; the
    rest of its words agree. Where things are turned round, the words for them disagree, since they are not where they
    are said to be, and it is not plain what the others do. Of another scene only the whole sentence is judged.

    Shapes:
        tokens, mask, things: (P, T)
        returns: (P, K, T) int64: 1 for yes, 0 for no, -1 where it is not plain
    """
    found = torch.full((len(tokens), GROUP, tokens.shape[1]), -1)
    for number, group in enumerate(groups):
        first = number * GROUP
        turned = [i + 1 for i, fact in enumerate(group.facts) if fact == "relation"]
        for i in range(GROUP):
            found[first + i, i] = 1
        for i, j in permutations(range(len(group.facts) + 1), 2):
            picture, sentence = first + i, first + j
            if i in turned or j in turned:
                if 0 in (i, j):  # they differ in this fact alone
                    moved = torch.tensor(_moved(group.scenes[i], group.scenes[j]))
                    found[picture, j, torch.isin(things[sentence], moved)] = 0
                continue
            found[picture, j] = 1
            both = zip(group.scenes[i].things, group.scenes[j].things, strict=True)
            for index, (shown, told) in enumerate(both):
                if shown != told:
                    true = tokens[picture, things[picture] == index]
                    about = things[sentence] == index
                    shared = torch.isin(tokens[sentence], true)
                    found[picture, j, about & shared] = -1
                    found[picture, j, about & ~shared] = 0
    return found.masked_fill(~mask.unflatten(0, (-1, GROUP)).repeat_interleave(GROUP, 0), -1)


def _moved(one: Scene, other: Scene) -> list[int]:
    """The things that stand to each other in another way."""
    changed = set(one.relations) ^ set(other.relations)
    ends = {index for relation in changed for index in (relation.subject, relation.object)}
    things = zip(one.things, other.things, strict=True)
    return sorted(ends | {index for index, (a, b) in enumerate(things) if a != b})


def cells_of(groups: list[Group], owners: np.ndarray) -> dict[str, torch.Tensor]:
    """What each cell shows: which concept, or last none; which colour and number, where a thing is.

    Shapes:
        owners: (groups, K, G) int8, below 0 for none
        returns: (P, G) int64 each
    """
    scenes = [scene for group in groups for scene in group.scenes]
    whose = torch.from_numpy(owners).flatten(0, 1).long()  # (P, G)
    empty = {"concept": len(CONCEPTS), "colour": NOT_ASKED, "count": NOT_ASKED}
    tables = {
        key: torch.tensor([_row(s, key, value) for s in scenes]) for key, value in empty.items()
    }
    return {key: table.gather(1, whose % table.shape[1]) for key, table in tables.items()}


_NUMBER = {name: number for number, name in enumerate(CONCEPTS)}


def _row(scene: Scene, key: str, empty: int) -> list[int]:
    """What is true of each thing; behind them, of none."""
    found = []
    for thing in scene.things:
        if key == "concept":
            found.append(_NUMBER[thing.concept])
        elif key == "colour":
            found.append(COLOUR_NAMES.index(thing.colour) if thing.colour else NOT_ASKED)
        else:
            found.append(thing.count - 1)
    return found + [empty] * (MOST_THINGS + 1 - len(found))
