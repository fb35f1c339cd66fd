"""What the small text tower reads: what people say of pictures, and names of things.

Shapes: M texts, E projection size, N ImageNet's classes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from polysee.datasets.dictionary import word_pairs
from polysee.datasets.drawings import drawings
from polysee.datasets.nouns import Noun, nouns
from polysee.datasets.pictures import Captioned
from polysee.datasets.stamps import stamps
from polysee.datasets.wordnet import WordNet
from polysee.inputs.prompts import is_chinese, sentences
from polysee.models.align import Align
from polysee.training.classes import move_to_like_classes
from polysee.training.recall import LANGUAGES

SEEN = 0.5  # of the place of a thing's pictures, beside the name's own of length one
NEAR = 0.1  # by how much more a translation's cosine is, for it to count e times as much
OFTEN = 100  # captions: pictures have shown where a name lies that so many of them say
MOST_WORDS, MOST_CHARACTERS = 3, 6  # of a name that captions are looked through for
SENTENCES = 2  # around a name, beside the name alone; around one whose look is told, all there are

Name = TypeVar("Name", str, tuple[str, str])
Embed: TypeAlias = Callable[[list[str]], torch.Tensor]
"""Texts to where they are to lie. Shapes: returns (texts, E), of unit length."""
Look: TypeAlias = Callable[[list[bytes]], torch.Tensor]
"""Encoded pictures to where they lie. Shapes: returns (pictures, E), of unit length."""


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
    embed: Embed,
    look: Look,
    seed: int,
    known: Collection[str] = (),
    share: float = 1.0,
) -> tuple[list[str], torch.Tensor]:
    """Names and words in both languages, alone and in sentences by lot, and where a picture of such a thing lies.

    Where both languages' words for it lie, moved towards the classes that it is taken for and towards its pictures.

    Args:
        known: names that pictures have taught: these stay where the languages agree.
        share: how many, by lot, of the dictionary's other words that are among them; all help the languages agree.
    Shapes:
        returns: M texts, and their targets (M, E) of unit length
    """
    assert model.class_mixture is not None
    places = model.class_mixture.places.weight.T  # (N, E)
    wordnet = WordNet()
    drawn, cut_out = _drawn(look), _cut_out(look, wordnet)
    things = nouns(wordnet)
    named = {name for thing in things for name in thing.names}
    none = np.zeros(len(places))
    things += [Noun((en,), (zh,), none, 0) for en, zh in drawn if not {en, zh} & named]
    things += [Noun((name,), (), none, 0) for name in cut_out if name not in named]
    rows = [(name, thing) for thing in things for name in thing.names]
    pairs = [(en, zh) for thing in things for en in thing.english for zh in thing.chinese]
    pairs = list(dict.fromkeys(pairs + word_pairs(wordnet)))
    words = dict.fromkeys(name for name, _ in rows)
    others = dict.fromkeys(word for pair in pairs for word in pair if word not in words)
    read = np.random.default_rng(seed).random(len(others)) < share
    some = [word for word, taken in zip(others, read, strict=True) if taken]
    rows += [(word, Noun((word,), (), none, 0)) for word in some]
    row_of = {word: row for row, word in enumerate([*words, *others])}
    vectors = agreed(
        embed([_asked(word) for word in row_of]),
        torch.tensor([[row_of[en], row_of[zh]] for en, zh in pairs]),
    )
    by_name = {name: vector for both, vector in drawn.items() for name in both}
    shown = [(en, zh) for en, zh in pairs if en in cut_out and en not in named]
    for name, word in [*zip(cut_out, cut_out, strict=True), *shown]:
        vector = by_name.get(word, torch.zeros(places.shape[1])) + cut_out[name]
        by_name[word] = F.normalize(vector, dim=0)
    targets = []
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        said = vectors[[row_of[name] for name, _ in part]]
        moved = _shown(said, [thing for _, thing in part], places, by_name)
        stays = torch.tensor([name.lower() in known and not thing.told for name, thing in part])
        targets.append(torch.where(stays[:, None], said, moved))
    return _in_sentences(rows, torch.cat(targets), seed)


def _asked(name: str) -> str:
    """A name alone may mean much else; in a sentence of a picture it is a thing."""
    said = sentences(name)
    return said[min(1, len(said) - 1)]


def _in_sentences(
    named: Sequence[tuple[str, Noun]], targets: torch.Tensor, seed: int
) -> tuple[list[str], torch.Tensor]:
    """Each name alone and in some sentences by lot; all are to lie where it does."""
    draw = np.random.default_rng(seed)
    texts, rows = [], []
    for row, (name, thing) in enumerate(named):
        alone, *around = sentences(name)
        most = len(around) if thing.told else SENTENCES
        some = [around[place] for place in draw.permutation(len(around))[:most]]
        texts += [alone, *some]
        rows += [row] * (1 + len(some))
    return texts, targets[rows]


def agreed(vectors: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Each word half-way between where it lies and where its translations do: the languages err differently.

    Of several translations those that lie near count more, for the others are of another meaning.

    Shapes:
        vectors: (W, E), of unit length
        pairs: (pairs, 2), rows of words that may mean the same
        returns: (W, E), of unit length; a word without a translation stays
    """
    one, other = torch.cat([pairs, pairs.flip(1)]).T
    near = ((vectors[one] * vectors[other]).sum(1, keepdim=True) - 1) / NEAR
    among = torch.zeros_like(vectors).index_add_(0, one, near.exp() * vectors[other])
    return F.normalize(vectors + F.normalize(among, dim=1), dim=1)


def translated(texts: Sequence[str], owners: Mapping[str, int]) -> torch.Tensor:
    """Which sentences in different languages are of the same group of pictures. Shapes: returns (pairs, 2), rows"""
    said: defaultdict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for row, text in enumerate(texts):
        if text in owners:
            said[owners[text]][is_chinese(text)].append(row)
    pairs = [pair for both in said.values() for pair in product(*both)]
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2)


def _drawn(look: Look) -> dict[tuple[str, str], torch.Tensor]:
    """For each pair of names, where its drawings lie. Shapes: values (E,), of unit length"""
    art = drawings()
    return _by_name(
        [(one.english.lower(), one.chinese) for one in art], [one.image for one in art], look
    )


def _cut_out(look: Look, wordnet: WordNet) -> dict[str, torch.Tensor]:
    """For each English name, where its photographs on a plain ground lie. Shapes: values (E,), of unit length"""
    found = stamps(wordnet)
    return _by_name([one.name for one in found], [one.image for one in found], look)


def _by_name(names: Sequence[Name], images: list[bytes], look: Look) -> dict[Name, torch.Tensor]:
    """Away from the middle of all that are of the same make."""
    vectors = look(images)
    vectors = vectors - vectors.mean(0)
    found: dict[Name, torch.Tensor] = {}
    for name, vector in zip(names, vectors, strict=True):
        found[name] = found.get(name, torch.zeros_like(vector)) + vector
    return {name: F.normalize(vector, dim=0) for name, vector in found.items()}


def _shown(
    vectors: torch.Tensor,
    things: Sequence[Noun],
    places: torch.Tensor,
    drawn: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Vectors moved towards the classes that each thing is like, and towards its drawing by any of its names.

    Shapes:
        vectors: (M, E), of unit length, of M things; places: (N, E)
        returns: (M, E), of unit length
    """
    classes = torch.from_numpy(np.stack([thing.classes for thing in things])).float()
    shares = torch.tensor([thing.share for thing in things], dtype=torch.float32)
    none = torch.zeros(vectors.shape[1])
    by_thing = [(drawn.get(name.lower()) for name in thing.names) for thing in things]
    seen = [next((vector for vector in some if vector is not None), none) for some in by_thing]
    moved = move_to_like_classes(vectors, classes, shares, places)
    return F.normalize(moved + SEEN * torch.stack(seen), dim=1)
