"""After a new align-nano: scene-matcher learns to hear in its text tower what it heard in the former one.

    python -m recipes.listen_again FORMER [--revision N]

FORMER is the folder of the align-nano that the bundled scene-matcher reads, such as one from an earlier commit. Only
the parts of the matcher that read texts learn, from made sentences alone: for each token they are to give what they
gave before. The picture tower has to be the same, and so have the tokens. Some minutes on two cores; `make matcher`
trains everything anew instead, in hours.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional as F

from polysee.checkpoints.bundled import BUNDLED
from polysee.checkpoints.folder import (
    TOKENIZER,
    folder_hash,
    load_folder,
    load_folder_tokenizer,
    save_folder,
)
from polysee.datasets.scenes_things import concepts
from polysee.datasets.scenes_words import name_of
from polysee.inputs.tokenizer import Tokenizer
from polysee.models.align import Align
from polysee.models.bert import Bert
from polysee.models.matcher import Matcher, mean_of_real
from polysee.training.kept_states import KeptStates

STEPS, BATCH, RATE = 1500, 64, 1e-3
HELD_OUT = 20  # batches, of other scenes
SEED, OTHER_SEED = 11, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("former", type=Path)
    parser.add_argument("--towers", type=Path, default=BUNDLED / "align-nano")
    parser.add_argument("--matcher", type=Path, default=BUNDLED / "scene-matcher")
    parser.add_argument("--out", type=Path, help="a folder; the matcher's own by default")
    parser.add_argument("--revision")
    given = parser.parse_args()
    matcher, card = load_folder(given.matcher)
    assert isinstance(matcher, Matcher)
    if matcher.config.towers != folder_hash(given.former):
        raise SystemExit(f"{given.matcher} reads other towers than {given.former}")
    former, towers = same_but_for_texts(given.former, given.towers)
    tokenizer = load_folder_tokenizer(given.towers, towers.config.text.context_length)
    assert tokenizer is not None
    heard = listen_again(matcher, former.text, towers.text, tokenizer)
    learnt = Matcher(replace(matcher.config, towers=folder_hash(given.towers)))
    learnt.load_state_dict(heard.state_dict())
    save_folder(
        given.out or given.matcher, learnt, replace(card, revision=given.revision or card.revision)
    )


def same_but_for_texts(former: Path, towers: Path) -> tuple[Align, Align]:
    """Both models, whose picture towers and tokens have to be the same."""
    models = [load_folder(folder)[0].eval() for folder in (former, towers)]
    one, other = (model.state_dict() for model in models)
    changed = [
        name
        for name in one
        if name.startswith("image.") and not torch.equal(one[name], other[name])
    ]
    if changed or (former / TOKENIZER).read_bytes() != (towers / TOKENIZER).read_bytes():
        raise SystemExit(
            "another picture tower, or other tokens: train it again, with make matcher"
        )
    return tuple(models)  # type: ignore[return-value]


def listen_again(matcher: Matcher, former: Bert, text: Bert, tokenizer: Tokenizer) -> Matcher:
    """A copy of the matcher that hears in `text` what it heard in `former`."""
    before, now = matcher.eval(), copy.deepcopy(matcher).eval()
    heard = Hearing(before, former)
    sentences, others = (KeptStates(former, tokenizer, seed) for seed in (SEED, OTHER_SEED))
    names = tokenizer(
        [
            name_of(concept, language)
            for concept in concepts()
            for language in ("english", "chinese")
        ]
    )
    parts = (now.text, now.text_blocks, now.text_norm, now.expect)
    learning = [now.order, *(parameter for part in parts for parameter in part.parameters())]
    optimiser = torch.optim.AdamW(learning, RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    print(f"at first: {_apart(heard, Hearing(now, text), others):.5f} of the variance")
    for step in range(STEPS):
        loss = heard.apart(Hearing(now, text), sentences.batch(step, BATCH), names)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 250 == 249:
            print(f"step {step + 1}: {_apart(heard, Hearing(now, text), others):.5f}")
    return now


class Hearing:
    """What a matcher makes of sentences, and of names, through a text tower."""

    def __init__(self, matcher: Matcher, text: Bert) -> None:
        self.matcher, self.text = matcher, text

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shapes: tokens (B, T), mask (B, T), returns (real tokens, D + 4)."""
        with torch.no_grad():
            states = self.text(tokens, mask)[None]
        hidden, expected = self.matcher.listen(states, mask[None])
        return torch.cat([hidden[0][mask], 2 * expected[0][mask]], dim=1)

    def named(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shapes: tokens (B, T), mask (B, T), returns (B, D)."""
        with torch.no_grad():
            states = mean_of_real(self.text(tokens, mask), mask)
        return self.matcher.text_norm(self.matcher.text(states))

    def apart(
        self,
        other: Hearing,
        sentences: tuple[torch.Tensor, torch.Tensor],
        names: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """How far another hearing of the same is from this one, as a share of this one's variance."""
        with torch.no_grad():
            said, named = self(*sentences), self.named(*names)
        return (
            F.mse_loss(other(*sentences), said) / said.var()
            + F.mse_loss(other.named(*names), named) / named.var()
        )


@torch.no_grad()
def _apart(one: Hearing, other: Hearing, sentences: KeptStates) -> float:
    """Of sentences that were not learnt from."""
    found = []
    for step in range(HELD_OUT):
        batch = sentences.batch(step, BATCH)
        said = one(*batch)
        found.append((F.mse_loss(other(*batch), said) / said.var()).item())
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
