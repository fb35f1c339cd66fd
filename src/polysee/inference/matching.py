"""What `polysee.load` returns for a matcher, and which matcher puts drawings in order.

Shapes: P pictures, Y/X rows/columns, C channels, N sentences asked about each, G cells, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from polysee.checkpoints.bundled import bundled_folder, bundled_models
from polysee.checkpoints.folder import Card, folder_hash, load_folder, load_folder_tokenizer
from polysee.checkpoints.json_files import read_json
from polysee.datasets.scenes_truth import CONCEPTS
from polysee.datasets.scenes_words import name_of, things_named
from polysee.errors import CheckpointError
from polysee.models.align import Align
from polysee.models.matcher import Matcher, all_agree, mean_of_real
from polysee.training.matcher_data import pixels_of, reader

BUNDLED_MATCHER = "polysee/scene-matcher"
TOWERS = "polysee/align-nano"
_BATCH = 32
_CERTAIN = 3.0  # of 2 to 10 about as good, on held-out drawings
_MANY = 64  # pictures, from which on it is worth the seconds to make the tower faster


class SceneMatcher:
    """Says how well sentences fit pictures of the made world, in either language.

    Attributes:
        model: the bare module, float32, in eval mode.
    Raises:
        CheckpointError: it was trained over other towers than the bundled ones.
    """

    def __init__(
        self, model: Matcher, card: Card, *, id: str, hash: str, folder: Path, device: torch.device
    ) -> None:
        below = bundled_folder(TOWERS)
        if model.config.towers != folder_hash(below):
            raise CheckpointError(
                f"{folder}: it reads other towers than {TOWERS} has now;"
                " train it again: polysee train recipes/dalle-nano/4-matcher.yaml"
            )
        towers, _ = load_folder(below)
        assert isinstance(towers, Align)
        tokenizer = load_folder_tokenizer(below, towers.config.text.context_length)
        assert tokenizer is not None
        self.model, self.text = model.to(device), towers.text.to(device)
        self.card, self.tokenizer = card, tokenizer
        self.id, self.hash, self.folder, self.device = id, hash, folder, device
        config, tower = model.config, towers.image.to(device)
        self._plain = reader(tower, config.cuts, config.image_size, fast=False)
        self._fast = reader(tower, config.cuts, config.image_size, fast=device.type == "cpu")
        self._seen = 0
        self._named: torch.Tensor | None = None

    def scores(self, pictures: np.ndarray, text: str) -> list[float]:
        """How well each picture fits a sentence, at most 0: `agreement`, and three times `recognised`.

        Shapes:
            pictures: (P, Y, X, C) uint8, of any size
        """
        cells = self.look(pictures)
        agrees = self.agreement(cells, [[text]] * len(pictures))[:, 0]
        return (agrees + _CERTAIN * self.recognised(cells, text)).tolist()

    @torch.inference_mode()
    def look(self, pictures: np.ndarray) -> torch.Tensor:
        """What the cells of pictures show, the same for every sentence.

        Shapes:
            pictures: (P, Y, X, C) uint8, of any size
            returns: (P, G, D)
        """
        self._seen += len(pictures)
        read = self._fast if self._seen > _MANY else self._plain
        parts = (pixels_of(some, self.card.pixels).to(self.device) for some in _parts(pictures))
        return torch.cat([self.model.look(read(some)) for some in parts])

    @torch.inference_mode()
    def agreement(self, cells: torch.Tensor, texts: Sequence[Sequence[str]]) -> np.ndarray:
        """How well each of its N sentences fits each picture: the log-probability that all of it agrees.

        Args:
            cells: of `look`.
            texts: for each picture, as many as for the others.
        Shapes:
            returns: (P, N) float32
        """
        found = []
        for rows in _parts(np.arange(len(cells))):
            asked = [text for row in rows for text in texts[row]]
            tokens, mask = (x.to(self.device) for x in self.tokenizer(asked))
            states = self.text(tokens, mask).unflatten(0, (len(rows), -1))
            mask = mask.unflatten(0, (len(rows), -1))
            some = cells[torch.from_numpy(rows)].to(self.device)
            said = self.model.compare(some, self.model.listen(states, mask), mask)
            found.append(all_agree(said.tokens, mask).cpu().numpy())
        return np.concatenate(found)

    @torch.inference_mode()
    def recognised(self, cells: torch.Tensor, text: str) -> np.ndarray:
        """How surely the cells of each picture that would show a thing show it, and no other of the made world: the
        log-probability, summed over the things that a sentence names.

        Agreement alone asks whether there might be a dog; of several drawings the best is that where it can be nothing
        else.

        Args:
            cells: of `look`.
        Shapes:
            returns: (P,), at most 0
        """
        names = self._all_names()
        asked = [[CONCEPTS.index(name) for name in meant] for meant in things_named(text)]
        total = np.zeros(len(cells), np.float32)
        for rows in _parts(np.arange(len(cells))):
            some = cells[torch.from_numpy(rows)].to(self.device)
            sought = self.model.sought(some, names.expand(len(some), -1, -1))  # (P, A, G)
            chances = sought.log_softmax(1)
            for numbers in asked:
                where = sought[:, numbers].softmax(2)
                total[rows] += (where * chances[:, numbers]).sum(2).amax(1).cpu().numpy()
        return total

    def _all_names(self) -> torch.Tensor:
        """What asks for each of the A things of the made world, (A, D): by its English name, whatever a sentence is in.

        On held-out drawings these did better than Chinese names, or the mean of both.
        """
        if self._named is None:
            tokens, mask = self.tokenizer([name_of(concept, "english") for concept in CONCEPTS])
            mask = mask.to(self.device)
            self._named = self.model.named(
                mean_of_real(self.text(tokens.to(self.device), mask), mask)
            )
        return self._named


def bundled_matcher(device: str = "auto") -> SceneMatcher | None:
    """The bundled matcher; None where there is none, or where it reads other towers than are there now."""
    from polysee.inference.loading import load

    if BUNDLED_MATCHER not in bundled_models():
        return None
    config = read_json(bundled_folder(BUNDLED_MATCHER) / "config.json")
    if config.get("towers") != folder_hash(bundled_folder(TOWERS)):
        return None
    matcher = load(BUNDLED_MATCHER, device=device)  # type: ignore[arg-type]
    assert isinstance(matcher, SceneMatcher)
    return matcher


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, -(-len(rows) // _BATCH)))
