"""What a step of alignment looks at: pictures, what people say of them, and ImageNet's names.

Shapes: B batch, M texts, N names, D hidden size, C channels, Y/X rows/columns of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from polysee.datasets.activations import Activations
from polysee.datasets.pictures import Captioned
from polysee.datasets.tables import read_rows
from polysee.datasets.teacher import centred_teacher_vectors
from polysee.inputs.prompts import CHINESE, ENGLISH
from polysee.models.align import Align

CROP = 2  # rows and columns of a map that a random crop may cost
ALIKE = 0.8  # cosine from which two sentences, to the teacher, may speak of one picture
NAME_TEMPLATES = (ENGLISH[:2], CHINESE[:2])


class TeacherReader:
    """Texts as the teacher's vectors: `read` on the way into a batch, `encode` within the step."""

    def __init__(self, model: Align, texts: Sequence[str]) -> None:
        self.model = model
        unique = list(dict.fromkeys(texts))
        self.place = {text: index for index, text in enumerate(unique)}
        self.vectors = centred_teacher_vectors(unique)

    def read(self, texts: Sequence[str]) -> torch.Tensor:
        """Shapes: returns (M, D)."""
        return self.vectors[[self.place[text] for text in texts]]

    def encode(self, read: torch.Tensor) -> torch.Tensor:
        return self.model.text_projection(read)

    def alike(self, read: torch.Tensor, owners: torch.Tensor, pictures: int) -> torch.Tensor:
        """Which texts may be true of which picture: too like one of its own to be held false.

        Shapes:
            read: (M, D); owners: (P,), the pictures of the first P texts
            returns: (pictures, M) bool
        """
        near = (read[: len(owners)] @ read.T > ALIKE).float()  # (P, M)
        return torch.zeros(pictures, len(read)).index_add_(0, owners, near) > 0


class SaidTexts:
    """The sentences of one language, by picture and all together."""

    def __init__(self, pictures: Sequence[Captioned], language: str, groups: np.ndarray) -> None:
        sentences = [getattr(picture, language) for picture in pictures]
        self.counts = np.array([len(some) for some in sentences])
        self.first = np.cumsum(self.counts) - self.counts
        self.texts = [text for some in sentences for text in some]
        self.groups = np.repeat(groups, self.counts)
        self.captions = np.flatnonzero(np.repeat([p.captioned for p in pictures], self.counts))

    def own(self, rows: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
        """For each picture `count` of its sentences, by lot; -1 where it has none. Shapes: returns (B, count)."""
        chosen = draw.random((len(rows), count)) * self.counts[rows, None]
        found = self.first[rows, None] + chosen.astype(np.int64)
        return np.where(self.counts[rows, None] > 0, found, -1)

    def others(self, count: int, draw: np.random.Generator) -> np.ndarray:
        """Captions of any pictures, by lot. Shapes: returns (count,)."""
        return draw.choice(self.captions, count, replace=False)


def text_batch(
    said: SaidTexts,
    reader: TeacherReader,
    rows: np.ndarray,
    groups: np.ndarray,
    sizes: tuple[int, int],
    draw: np.random.Generator,
) -> dict[str, Any]:
    """Sentences of the pictures `rows` and of others, and which belong to which.

    Args:
        sizes: sentences of each picture, sentences of others.
    Shapes:
        returns: read, M texts; right and kept (B, M) bool: belongs to the picture; may be counted for or against it
    """
    own = said.own(rows, sizes[0], draw)
    owners = np.nonzero(own >= 0)[0]  # of the first texts
    texts = np.concatenate([own[own >= 0], said.others(sizes[1], draw)])
    right = torch.from_numpy(groups[rows][:, None] == said.groups[texts][None])  # (B, M)
    read = reader.read([said.texts[text] for text in texts])
    kept = right | ~reader.alike(read, torch.from_numpy(owners), len(rows))
    return {"read": read, "right": right, "kept": kept}


def class_names() -> list[tuple[list[str], list[str]]]:
    """What each of ImageNet's classes is called, in English and in Chinese."""
    rows = read_rows("names/imagenet-1k.parquet")
    return [(row["names_en"], row["names_zh"]) for row in rows]


def name_texts() -> list[str]:
    """Every sentence that `Names` may say."""
    return [
        template.format(name)
        for both in class_names()
        for names, templates in zip(both, NAME_TEMPLATES, strict=True)
        for name in names
        for template in templates
    ]


class Names:
    """ImageNet's names in both languages, and what its classifier finds in pictures."""

    def __init__(self, activations: Activations) -> None:
        self.activations = activations
        self.names = class_names()

    def batch(
        self, rows: np.ndarray, reader: TeacherReader, most: int, draw: np.random.Generator
    ) -> dict[str, Any]:
        """The names that matter for these pictures and some others, and how likely the classifier finds each.

        Shapes:
            returns: read, N texts; chosen (N,), their classes; said (B, N), their probabilities;
                classes and probabilities (B, 10), what the classifier said
        """
        classes, probabilities = (
            self.activations.classes[rows],
            self.activations.probabilities[rows],
        )
        weight: np.ndarray = np.bincount(
            classes.ravel(), probabilities.ravel().astype(np.float32), minlength=len(self.names)
        )
        weight = weight + draw.uniform(0, 0.05, len(weight))  # beyond those that matter, any
        chosen = np.argsort(-weight)[:most]
        texts = []
        for index in chosen:
            chinese = int(draw.random() < 0.5)
            template = str(draw.choice(NAME_TEMPLATES[chinese]))
            texts.append(template.format(draw.choice(self.names[index][chinese])))
        column = np.full(len(self.names), -1)
        column[chosen] = np.arange(len(chosen))
        said = np.zeros((len(rows), len(chosen)), np.float32)
        row, place = np.nonzero(column[classes] >= 0)
        said[row, column[classes[row, place]]] = probabilities[row, place]
        return {
            "read": reader.read(texts),
            "chosen": torch.from_numpy(chosen),
            "said": torch.from_numpy(said),
            "classes": torch.from_numpy(classes.astype(np.int64)),
            "probabilities": torch.from_numpy(probabilities.astype(np.float32)),
        }


def random_maps(maps: np.ndarray, rows: np.ndarray, draw: np.random.Generator) -> torch.Tensor:
    """A version of each picture by lot, perhaps mirrored, cut to one random size at a random place.

    The upper part of the tower takes any size, so the kept maps serve for more views than were computed. (Padding at
    stride 2 is not symmetric, so a mirrored map is only nearly that of the mirrored picture.)

    Shapes:
        maps: (pictures, V, Y, X, C)
        returns: (B, C, Y', X')
    """
    size_y, size_x = (side - int(draw.integers(0, CROP + 1)) for side in maps.shape[2:4])
    found = np.empty((len(rows), size_y, size_x, maps.shape[-1]), np.float32)
    for place, row in enumerate(rows):
        top = int(draw.integers(0, maps.shape[2] - size_y + 1))
        left = int(draw.integers(0, maps.shape[3] - size_x + 1))
        view = maps[row, draw.integers(0, maps.shape[1]), top : top + size_y, left : left + size_x]
        found[place] = view[:, ::-1] if draw.random() < 0.5 else view
    return torch.from_numpy(found).permute(0, 3, 1, 2)


def one_text_each(
    said: SaidTexts, reader: TeacherReader, draw: np.random.Generator
) -> tuple[np.ndarray, torch.Tensor]:
    """One sentence of every picture that has any, embedded in order of length.

    Shapes:
        returns: pictures (P,), vectors (P, E) of unit length
    """
    pictures = np.flatnonzero(said.counts)
    texts = said.own(pictures, 1, draw)[:, 0]
    order = sorted(range(len(texts)), key=lambda i: len(said.texts[texts[i]]))
    vectors = [
        reader.encode(reader.read([said.texts[texts[i]] for i in order[start : start + 64]]))
        for start in range(0, len(order), 64)
    ]
    return pictures[order], F.normalize(torch.cat(vectors), dim=1)
