"""Beam search: several texts are followed at once, and the likeliest of them is taken.

Sutskever et al. 2014, section 3.2 (https://arxiv.org/abs/1409.3215); texts of different lengths are compared by
log-probability over length to a power, Wu et al. 2016, section 7 (https://arxiv.org/abs/1609.08144).

Shapes: B texts, K beams, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from polysee.generation.choosing import Trie
from polysee.generation.sampling import Decoding, penalise_repetition
from polysee.generation.writers import Writer


@dataclass
class _Search:
    """The beams of one text: those that go on, with their log-probabilities, and the best that ended."""

    decoding: Decoding
    trie: Trie | None
    running: list[list[int]]
    scores: list[float]
    ended: list[tuple[float, list[int]]] = field(default_factory=list)
    done: bool = False

    def advance(self, candidates: list[tuple[float, int, int]]) -> list[int]:
        """Go on with the best candidates: (log-probability, beam, token), best first. Returns their beams."""
        beams = self.decoding.beams
        going: list[tuple[float, int, list[int]]] = []
        for rank, (score, beam, token) in enumerate(candidates):
            if score == -torch.inf or len(going) == beams:
                break
            text = [*self.running[beam], token]
            if token == self.decoding.end:
                if rank < beams:
                    self._end(score, text[:-1], len(text))
            elif self.trie is not None and not self.trie.allowed(text):
                self._end(score, text, len(text))
            else:
                going.append((score, beam, text))
        if not going:
            self.done = True
            return [0] * beams
        # Where too few go on, as under a trie, the rest are copies that count for nothing.
        going += [(-torch.inf, *going[0][1:])] * (beams - len(going))
        self.scores, parents, self.running = map(list, zip(*going, strict=True))
        if len(self.ended) >= beams:  # can none that goes on still be better than those that ended?
            best = self.scores[0] / len(self.running[0]) ** self.decoding.length_penalty
            self.done = self.ended[-1][0] >= best
        return parents

    def finish(self) -> list[int]:
        """The best text; beams that never ended count as they are."""
        if not self.done:
            for score, text in zip(self.scores, self.running, strict=True):
                self._end(score, text, len(text))
        return self.ended[0][1] if self.ended else self.running[0]

    def _end(self, score: float, text: list[int], length: int) -> None:
        self.ended.append((score / length**self.decoding.length_penalty, text))
        self.ended.sort(key=lambda pair: -pair[0])
        del self.ended[self.decoding.beams :]


@torch.inference_mode()
def beam_search(writer: Writer, decoding: Decoding, *, trie: Trie | None = None) -> list[list[int]]:
    """Write the likeliest text after each prompt, as far as `decoding.beams` texts at once can find it.

    Returns:
        The new tokens of each text, without its end token.
    """
    prompts, beams = writer.prompt, decoding.beams
    logits = writer.begin()  # (B, V)
    rows = torch.arange(len(prompts), device=logits.device).repeat_interleave(beams)
    writer.select(rows)
    logits = logits[rows]  # (B K, V)
    # At first all beams of a text are the same: only one of them counts.
    first = [0.0, *[-torch.inf] * (beams - 1)]
    searches = [_Search(decoding, trie, [[] for _ in range(beams)], list(first)) for _ in prompts]
    steps = min(decoding.max_tokens, writer.room + 1)
    for step in range(steps):
        parents, tokens = _advance(_guesses(logits, searches, prompts), searches, beams)
        if step == steps - 1 or all(search.done for search in searches):
            break
        writer.select(torch.tensor(parents, device=logits.device))
        logits = writer.step(torch.tensor(tokens, device=logits.device))
    return [search.finish() for search in searches]


def _guesses(
    logits: torch.Tensor, searches: list[_Search], prompts: list[list[int]]
) -> torch.Tensor:
    """The log-probability of every beam with every token after it, (B, K, V)."""
    said = logits.float().log_softmax(-1)
    decoding, trie = searches[0].decoding, searches[0].trie
    penalty, beams = decoding.repetition_penalty, decoding.beams
    written = [text for search in searches for text in search.running]
    if penalty != 1:
        whole = [prompts[i // beams] + text for i, text in enumerate(written)]
        said = penalise_repetition(said, whole, penalty)
    if trie is not None:
        said = trie.limit(said, written)
    scores = torch.tensor([search.scores for search in searches], device=said.device)
    return said.unflatten(0, (-1, beams)) + scores[:, :, None]


def _advance(
    guesses: torch.Tensor, searches: list[_Search], beams: int
) -> tuple[list[int], list[int]]:
    """Move every search on; the rows of the batch that the new beams go on from, and their tokens."""
    vocabulary = guesses.shape[-1]
    count = min(2 * beams, beams * vocabulary)  # enough to go on with, were every other one an end
    values, places = guesses.flatten(1).topk(count)
    parents: list[int] = []
    tokens: list[int] = []
    for i, search in enumerate(searches):
        chosen = [0] * beams  # what has ended keeps its rows of the batch, and nobody looks at them
        if not search.done:
            found = zip(values[i].tolist(), places[i].tolist(), strict=True)
            chosen = search.advance([(score, *divmod(at, vocabulary)) for score, at in found])
        parents.extend(i * beams + beam for beam in chosen)
        tokens.extend(text[-1] if text else 0 for text in search.running)
    return parents, tokens
