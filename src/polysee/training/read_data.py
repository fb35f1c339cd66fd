"""What the small text tower reads: what people say of pictures, and names of things.

Shapes: M texts, E projection size, N ImageNet's classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from polysee.datasets.drawings import drawings
from polysee.datasets.nouns import Noun, nouns
from polysee.datasets.pictures import Captioned
from polysee.datasets.teacher import centred_teacher_vectors
from polysee.inputs.prompts import is_chinese, sentences
from polysee.models.align import Align
from polysee.training.classes import move_to_like_classes
from polysee.training.recall import LANGUAGES

DRAWN = 0.5  # of a drawing's place, beside the name's own of length one
OFTEN = 100  # captions: pictures have shown where a name lies that so many of them say
MOST_WORDS, MOST_CHARACTERS = 3, 6  # of a name that captions are looked through for


def said_of(
    pictures: Sequence[Captioned], groups: np.ndarray, most: int, seed: int
) -> dict[str, int]:
    """Sentences of the pictures, each with its picture's group; of captions at most `most` a language, by lot."""
    owners: dict[str, int] = {}
    for place, (picture, group) in enumerate(zip(pictures, groups, strict=True)):
        for language in LANGUAGES:
            texts = np.array(list(dict.fromkeys(getattr(picture, language))), dtype=object)
            if picture.captioned and len(texts) > most:
                texts = np.random.default_rng([seed, place]).permutation(texts)[:most]
            owners.update(dict.fromkeys(texts, int(group)))
    return owners


def often_said(captions: Iterable[str], least: int = OFTEN) -> set[str]:
    """Words and runs of up to three words, without the s of plurals, or of up to six Chinese characters.

    Args:
        least: in so many captions they stand.
    Example:
        >>> sorted(often_said(["Two dogs", "a dog", "两只狗", "狗"], least=2))
        ['dog', '狗']
    """
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(set(_runs(caption)))
    return {run for run, count in counts.items() if count >= least}


def _runs(caption: str) -> Iterable[str]:
    if is_chinese(caption):
        for start in range(len(caption)):
            for end in range(start + 1, min(len(caption), start + MOST_CHARACTERS) + 1):
                yield caption[start:end]
        return
    words = re.findall(r"[^\W\d_]+", caption.lower())
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + MOST_WORDS) + 1):
            run = " ".join(words[start:end])
            yield run
            yield run.removesuffix("s")


@torch.no_grad()
def named_things(
    model: Align,
    vectors_of: Callable[[list[bytes]], torch.Tensor],
    seed: int,
    known: Collection[str] = (),
) -> tuple[list[str], torch.Tensor]:
    """Names in both languages, alone and in one sentence more by lot, and where a picture of such a thing lies.

    Where the teacher puts the name, moved towards the classes that the thing is like and towards its drawing.

    Args:
        vectors_of: encoded pictures to where they lie, (P, E) of unit length.
        known: names that pictures have taught: these stay where the teacher puts them.
    Shapes:
        returns: M texts, and their targets (M, E) of unit length
    """
    assert model.class_mixture is not None
    places = model.class_mixture.places.weight.T  # (N, E)
    drawn = _drawn(vectors_of)
    things = nouns()
    named = {name for thing in things for name in (*thing.english, *thing.chinese)}
    unlike = np.zeros(len(places))
    things += [Noun((en,), (zh,), unlike) for en, zh in drawn if not {en, zh} & named]
    by_name = {name: vector for both, vector in drawn.items() for name in both}
    kinds = torch.from_numpy(np.stack([thing.likeness for thing in things])).float()  # (things, N)
    seen = torch.stack([_seen(thing, by_name, places.shape[1]) for thing in things])  # (things, E)
    rows = [
        (place, sentences(name))
        for place, thing in enumerate(things)
        for name in (*thing.english, *thing.chinese)
    ]
    # To the teacher a name alone may mean much else; in a sentence of a picture it is a thing.
    asked = [said[min(1, len(said) - 1)] for _, said in rows]
    vectors = F.normalize(model.text_projection(centred_teacher_vectors(asked)), dim=1)
    draw = np.random.default_rng(seed)
    texts, targets = [], []
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        of = torch.tensor([place for place, _ in part])
        moved = move_to_like_classes(vectors[start : start + 4096], kinds[of], places)
        moved = F.normalize(moved + DRAWN * seen[of], dim=1)
        stays = torch.tensor([said[0].lower() in known for _, said in part])
        moved = torch.where(stays[:, None], vectors[start : start + 4096], moved)
        for (_, said), target in zip(part, moved, strict=True):
            for text in dict.fromkeys((said[0], said[int(draw.integers(len(said)))])):
                texts.append(text)
                targets.append(target)
    return texts, torch.stack(targets)


def _drawn(
    vectors_of: Callable[[list[bytes]], torch.Tensor],
) -> dict[tuple[str, str], torch.Tensor]:
    """For each pair of names, where its drawings lie from the middle of all drawings. Shapes: values (E,)"""
    art = drawings()
    vectors = vectors_of([one.image for one in art])
    vectors = vectors - vectors.mean(0)
    found: dict[tuple[str, str], torch.Tensor] = {}
    for one, vector in zip(art, vectors, strict=True):
        names = (one.english.lower(), one.chinese)
        found[names] = found.get(names, torch.zeros_like(vector)) + vector
    return {names: F.normalize(vector, dim=0) for names, vector in found.items()}


def _seen(thing: Noun, drawn: dict[str, torch.Tensor], size: int) -> torch.Tensor:
    """A thing's drawing by any of its names; zeros if there is none. Shapes: returns (E,)"""
    for name in (*thing.english, *thing.chinese):
        if name.lower() in drawn:
            return drawn[name.lower()]
    return torch.zeros(size)
