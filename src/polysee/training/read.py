"""Teach the small text tower to find what the teacher would find: align-nano's recipe after the pictures'.

Shapes: B batch, E projection size, P pictures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer as Backend
from torch.nn import functional as F

from polysee.checkpoints.folder import TOKENIZER, load_folder, save_folder
from polysee.datasets.activations import Activations, lower_activations
from polysee.datasets.pictures import Captioned, captioned_pictures, validation_pictures
from polysee.datasets.teacher import centred_teacher_vectors
from polysee.datasets.texts import bilingual_texts
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.align import Align
from polysee.objectives.contrastive import contrastive_many
from polysee.objectives.distillation import cosine_distillation, soft_label_distillation
from polysee.training.classes import add_imagenet_classes, centre_pictures
from polysee.training.distil import TaughtTexts
from polysee.training.folders import start_folder
from polysee.training.kept_states import KeptStates
from polysee.training.module import limited_scale
from polysee.training.read_data import agreed, named_things, often_said, said_of, translated
from polysee.training.recall import recall_at_10
from polysee.training.recipe import Read, Recipe
from polysee.training.vocabulary import shorten_bpe, shorten_embedding


class ReadTask:
    """The picture tower and both projections stay as they are (locked-image tuning, Zhai et al. 2022).

    A text's vector is to point where the teacher's points once projected; to rank pictures as that one ranks them; and
    a caption's to be nearer to its own picture than to others. What it says of made scenes may be held fast meanwhile.
    """

    def __init__(self, recipe: Recipe, task: Read) -> None:
        self.recipe, self.task = recipe, task
        self.start = start_folder(task.start)
        model, card = load_folder(self.start)
        assert isinstance(model, Align)
        self.card = replace(card, pixels=replace(card.pixels, image_size=task.image_size))
        self.model: Align = model
        whole = Backend.from_file(str(self.start / TOKENIZER))
        self.backend = shorten_bpe(whole, task.vocab_size)
        shorten_embedding(model, task.vocab_size)
        self.tokenizer = Tokenizer(self.backend, task.text_length)
        pictures = captioned_pictures(recipe.seed, task.tiny_pictures)
        self.groups = np.unique([p.group for p in pictures], return_inverse=True)[1]
        self.validation = validation_pictures()
        kept, held_out = (
            self._kept([p.image for p in some]) for some in (pictures, self.validation)
        )
        if task.class_rank and model.class_mixture is None:
            pooled = torch.from_numpy(kept.pooled.astype(np.float32))
            add_imagenet_classes(model, pooled, task.class_rank, task.class_window)
            centre_pictures(model, self._vectors(kept))
        self.images, self.validation_images = self._vectors(kept), self._vectors(held_out)
        self.owners, self.taught = self._texts(pictures)
        self.kept = KeptStates(model.text, self.tokenizer, recipe.seed) if task.scenes else None

    def batch(self, step: int) -> dict[str, Any]:
        rows = self.taught.order(step, self.recipe.batch_size)
        tokens, mask, target = self.taught.rows(rows)
        owners = self.owners[rows]
        draw = np.random.default_rng([self.recipe.seed, step])
        own = np.flatnonzero(np.isin(self.groups, owners[owners >= 0]))
        own = draw.permutation(own)[: self.task.pictures // 2]  # a class's name owns very many
        others = draw.choice(len(self.groups), self.task.pictures - len(own), replace=False)
        pictures = np.unique(np.concatenate([own, others]))
        right = self.groups[pictures][:, None] == owners[None]  # (P, B)
        found: dict[str, Any] = {
            "text": (tokens, mask),
            "target": target,
            "images": self.images[pictures],
            "right": torch.from_numpy(right),
        }
        if self.kept is not None:
            found["kept"] = self.kept.batch(step, self.task.scenes)
        return found

    def losses(self, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        images, target = batch["images"], batch["target"]
        scale = limited_scale(self.model.log_scale).detach()
        text = self.model.encode_text(*batch["text"])  # (B, E)
        wanted = (scale * target @ images.T).softmax(1)  # (B, P)
        logits = scale * F.normalize(text, dim=1) @ images.T
        pairs = contrastive_many(images, text, scale, batch["right"])
        losses = {
            "cosine": self.task.cosine * cosine_distillation(text, target),
            "ranking": soft_label_distillation(logits, wanted),
            "pairs": self.task.pairs * pairs,
        }
        if self.kept is not None:
            losses["kept"] = self.task.kept * self.kept.lost(self.model.text, *batch["kept"])
        return losses

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Text-to-picture R@10 over Flickr8k's validation pictures, in both languages."""
        return recall_at_10(
            self.validation_images,
            self.validation,
            lambda t: self.model.encode_text(*self.tokenizer(t)),
        )

    def save(self, folder: Path) -> None:
        save_folder(folder, self.model, self.card, half=False)
        self.backend.no_truncation()
        self.backend.no_padding()
        self.backend.save(str(folder / TOKENIZER))

    @torch.no_grad()
    def _texts(self, pictures: list[Captioned]) -> tuple[np.ndarray, TaughtTexts]:
        """What is read, with each text's group of pictures, -1 for none; what validation reads is left out."""
        task, seed = self.task, self.recipe.seed
        held_out = {text for p in self.validation for text in (*p.english, *p.chinese)}
        named: list[str] = []
        places = torch.zeros(0, self.model.config.projection_size)
        if task.nouns:
            captions = {t for p in pictures if p.captioned for t in (*p.english, *p.chinese)}
            known = often_said(captions - held_out)
            named, places = named_things(
                self.model,
                self._embed,
                lambda images: self._vectors(self._kept(images)),
                seed,
                known,
                task.words,
            )
        owners = said_of(pictures, self.groups, task.sentences, seed)
        owners = {text: group for text, group in owners.items() if text not in held_out}
        others = set(bilingual_texts(seed)[: task.texts]) - held_out - set(named) - set(owners)
        texts = [*owners, *sorted(others)]
        said = agreed(self._embed(texts), translated(texts, owners))
        taught = TaughtTexts(texts + named, torch.cat([said, places]), self.tokenizer, seed)
        texts += named
        return np.array([owners.get(text, -1) for text in texts]), taught

    @torch.no_grad()
    def _embed(self, texts: list[str]) -> torch.Tensor:
        """Where the teacher puts each text and, for `own`, the tower as it starts.

        Shapes:
            returns: (texts, E), of unit length
        """
        taught = F.normalize(self.model.text_projection(centred_teacher_vectors(texts)), dim=1)
        if not self.task.own:
            return taught
        order = sorted(range(len(texts)), key=lambda row: len(texts[row].encode()))
        own = torch.empty_like(taught)
        self.model.eval()
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            own[rows] = self.model.encode_text(*self.tokenizer([texts[row] for row in rows]))
        return F.normalize(taught + self.task.own * F.normalize(own, dim=1), dim=1)

    @torch.no_grad()
    def _vectors(self, kept: Activations) -> torch.Tensor:
        """Where the pictures lie. Shapes: returns (P, E), of unit length"""
        tower = self.model.image
        parts = torch.from_numpy(kept.maps[:, 0]).split(64)
        seen = (tower.upper(part.permute(0, 3, 1, 2).float(), len(tower.blocks)) for part in parts)
        return F.normalize(torch.cat([self.model.project_image(one) for one in seen]), dim=1)

    def _kept(self, images: list[bytes]) -> Activations:
        """What the tower gives for each picture, before its head."""
        tower = self.model.image
        return lower_activations(tower, images, self.card.pixels, len(tower.blocks), 0)
