"""Distillation: a small student imitates a large teacher.

Shapes: B batch, E projection size, N classes.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def cosine_distillation(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """One minus the mean cosine between what both say of the same input.

    Shapes:
        student, teacher: (B, E)
        returns: ()
    """
    return 1 - F.cosine_similarity(student, teacher, dim=-1).mean()


def relational_distillation(
    student: torch.Tensor, teacher: torch.Tensor, scale: float = 20.0
) -> torch.Tensor:
    """Kullback-Leibler divergence between how both rank a batch's rows by likeness to each row.

    Park et al. 2019 (https://arxiv.org/abs/1904.05068) distil distances; this is the softmax form, which weighs near
    neighbours most.

    Shapes:
        student: (B, E), teacher: (B, E2)
        returns: ()
    """
    student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
    itself = torch.eye(len(student), dtype=torch.bool, device=student.device)
    said = (scale * student @ student.T).masked_fill(itself, -1e4).log_softmax(-1)
    wanted = (scale * teacher @ teacher.T).masked_fill(itself, -1e4).log_softmax(-1)
    return F.kl_div(said, wanted, reduction="batchmean", log_target=True)


def soft_label_distillation(
    logits: torch.Tensor, teacher_probabilities: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of the student's logits with the teacher's probabilities.

    Hinton et al. 2015, section 2 (https://arxiv.org/abs/1503.02531).

    Shapes:
        logits, teacher_probabilities: (B, N)
        returns: ()
    """
    return -(teacher_probabilities * logits.log_softmax(-1)).sum(-1).mean()
