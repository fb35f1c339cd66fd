"""Make ImageNet's classifier a part of a picture's vector, without training: it is there already.

And let a name for anything else point to the classes that such a thing is like, as its picture does.

Shapes: P pictures, D features of the tower, N classes, E projection size.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from polysee.checkpoints.efficientnet import imagenet_lite2
from polysee.datasets.teacher import centred_teacher_vectors
from polysee.models.align import Align
from polysee.training.see_data import class_names

SHARE = 0.6  # of a sure class's place, beside the projection of length one
CENTRE = 0.8  # of what pictures have in common that is taken off each


@torch.no_grad()
def add_imagenet_classes(model: Align, features: torch.Tensor, rank: int, window: int) -> None:
    """Give the model ImageNet's classifier, each class placed where the text side puts its names.

    Args:
        features: (P, D), of pictures such as will be looked at.
        rank: of the classifier's weight.
        window: see `models.align.AlignConfig.class_window`.
    """
    _, weight, bias = imagenet_lite2()
    reduce, classify, bias = low_rank(weight, bias, features, rank)
    model.add_classes(reduce, classify, bias, SHARE * _places(model), window)


@torch.no_grad()
def centre_pictures(model: Align, vectors: torch.Tensor) -> None:
    """Take off every picture's vector most of what all pictures have in common: it speaks for some names only.

    The classes' probabilities sum to one, so what is taken off every place is taken off every picture.

    Args:
        vectors: (P, E), of unit length, where pictures lie.
    """
    assert model.class_mixture is not None
    model.class_mixture.places.weight.sub_(CENTRE * vectors.mean(0)[:, None])


def low_rank(
    weight: torch.Tensor, bias: torch.Tensor, features: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The classifier of this rank whose answers on `features` are nearest to the full one's.

    The singular value decomposition is of the weight as it acts on decorrelated features; so what pictures do not
    vary in costs nothing.

    Shapes:
        weight: (N, D), bias: (N,)
        returns: reduce (rank, D), classify (N, rank), bias (N,)
    """
    centre = features.mean(0)
    centred = features - centre
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    deviations = values.clamp(min=1e-6).sqrt()  # (D,)
    left, sizes, right = torch.linalg.svd(weight @ (vectors * deviations), full_matrices=False)
    reduce = right[:rank] @ (vectors / deviations).T
    classify = left[:, :rank] * sizes[:rank]
    return reduce, classify, bias + (weight - classify @ reduce) @ centre


def _places(model: Align) -> torch.Tensor:
    """The mean direction of each class's names, both languages alike. Shapes: returns (N, E), unit length."""
    names = class_names()
    texts = list(dict.fromkeys(name for both in names for some in both for name in some))
    vectors = F.normalize(model.text_projection(centred_teacher_vectors(texts)), dim=1)
    row = {text: place for place, text in enumerate(texts)}
    means = [[vectors[[row[name] for name in some]].mean(0) for some in both] for both in names]
    joined = [F.normalize(torch.stack(both), dim=1).sum(0) for both in means]
    return F.normalize(torch.stack(joined), dim=1)


def move_to_like_classes(
    vectors: torch.Tensor, classes: torch.Tensor, shares: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Each name between where the teacher puts it and where the classes lie that its thing is taken for.

    A picture of an okapi lies near gazelles and zebras, for the tower knows nothing nearer; the teacher, who has seen
    no picture, may put the word elsewhere.

    Shapes:
        vectors: (M, E), of unit length; classes: (M, N), of sum one; shares: (M,)
        places: (N, E), all as far from their middle
        returns: (M, E), of unit length
    """
    among = F.normalize(classes @ (places - places.mean(0)), dim=1)
    return F.normalize(vectors + shares[:, None] * among, dim=1)
