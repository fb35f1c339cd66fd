"""Draw the codes of pictures, one after the other, steered by a text; first their layout, where a model writes one.

Shapes: B pictures, T text tokens, P places of a layout, N codes of a picture, K codes that there are, Z size of
a code's vector, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional as F

from polysee.errors import ConfigError
from polysee.generation.sampling import COLDEST, Decoding, Sampler
from polysee.generation.stepping import Map, Stepper
from polysee.layers.attention import Cache
from polysee.models.dalle import Dalle
from polysee.models.layout import END

MOST_GUIDANCE = 100.0
# What suits models of made scenes.
OWN_GUIDANCE = 2.0
OWN_DECODING = Decoding(temperature=0.5, top_p=0.95)
_TRIES = 8  # layouts, of which one goes with the codes that stand already
_GROUNDS = 64  # headers, of which one goes with the codes that stand already
_FIRMLY = 2.0  # times the guidance of what is drawn: what is shown settles by it
_FAR = 2**40  # from the seeds of one try to those of the next


class Text(NamedTuple):
    """A text for every picture: tokens (B, T) int64, mask (B, T) bool with True for a real token."""

    tokens: torch.Tensor
    mask: torch.Tensor


class Given(NamedTuple):
    """Codes that stand already: codes (B, N) int64, fixed (B, N) bool with True for those that are kept.

    The first `start` of every picture are kept, and read at once; others one by one, so that what is drawn between them
    does not depend on the batch.
    """

    codes: torch.Tensor
    fixed: torch.Tensor
    start: int = 0


class Steps(NamedTuple):
    """A model's weights for one token after the other, copied: later changes to the model are not seen.

    Attributes:
        blocks: what reads.
        code: what guesses the next code.
        layout: what guesses the next token of a layout; None where the model writes none.
    """

    blocks: Stepper
    code: Map
    layout: Map | None

    @classmethod
    def of(cls, model: Dalle) -> Steps:
        layout = None if model.layout is None else Map(model.layout.output)
        return cls(Stepper(model.blocks, model.norm), Map(model.code_output), layout)


def draw_codes(
    model: Dalle,
    text: Text,
    decoding: Decoding,
    *,
    guidance: float = 1.0,
    settled: bool = False,
    away_from: Text | None = None,
    given: Given | None = None,
    layout: torch.Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
    steps: Steps | None = None,
) -> torch.Tensor:
    """Draw pictures; row i is drawn with the seed `decoding.seed` + i, whatever else is in the batch.

    Args:
        decoding: temperature, `top_k`, `top_p` and seed; the rest has no meaning here.
        guidance: how much further than the text says to go from what would be drawn without it. Ho and Salimans 2022
            (https://arxiv.org/abs/2207.12598), who do so in diffusion; 1 is the text alone.
        settled: where there is guidance, return at each place what `_settled` makes of the chances of all codes there,
            guided twice as far: so what chance brought in is read on, but not seen.
        away_from: what not to draw, in the place of no text at all.
        given: codes that are kept; the others are drawn as what came before them wants it.
        layout: to draw by; None for what the model writes itself, where it writes any.
        progress: called with the number of codes drawn and their number in all.
        steps: `Steps.of(model)`, where several drawings share it; made here when None.
    Shapes:
        layout: (B, P) int64
        returns: (B, N) int64
    Raises:
        ConfigError: a text is too long, or the guidance is no number from 0 to 100.
    """
    if not 0 <= guidance <= MOST_GUIDANCE:
        raise ConfigError(f"guidance is out of range: {guidance}")
    other = _other(text, away_from) if guidance != 1 else None
    with torch.inference_mode():
        count, total = len(text.tokens), model.config.picture_length
        codes = torch.zeros(count, 0, dtype=torch.long, device=text.tokens.device)
        sampler = Sampler(decoding, count, text.tokens.device)
        steps = Steps.of(model) if steps is None else steps
        if layout is None:
            layout = _layout(model, text, decoding, away_from, guidance, given, steps)
        painter = _Painter(model, text, layout, other, steps)
        hidden = painter.last
        if given is not None and given.start:
            codes = given.codes[:, : given.start]
            if given.start < total:
                hidden = painter.read(codes)
        shown, vectors = codes, model.dvae.code_vectors()
        while codes.shape[1] < total:
            logits = steps.code(hidden)
            drawn = sampler(_guided(logits, count, guidance), [[]] * count)[:, None]  # (B, 1)
            seen = drawn
            if settled and other is not None:
                firmly = _guided(logits, count, _FIRMLY * guidance)
                seen = _settled(firmly, decoding.temperature, vectors)[:, None]
            if given is not None:
                place = slice(codes.shape[1], codes.shape[1] + 1)
                fixed, stands = given.fixed[:, place], given.codes[:, place]
                drawn, seen = (torch.where(fixed, stands, code) for code in (drawn, seen))
            codes, shown = torch.cat([codes, drawn], dim=1), torch.cat([shown, seen], dim=1)
            if codes.shape[1] < total:
                hidden = painter.read(drawn)
            if progress is not None:
                progress(codes.shape[1], total)
        return shown


@torch.inference_mode()
def draw_layout(
    model: Dalle,
    text: Text,
    decoding: Decoding,
    *,
    guidance: float = 1.0,
    away_from: Text | None = None,
    ground: torch.Tensor | None = None,
    end: int | None = None,
    steps: Steps | None = None,
) -> torch.Tensor:
    """Write down what a picture of each text shows and where; of tokens only those that can stand at a place are drawn.

    Args as of `draw_codes`, and:
        ground: what stands in the header behind the style, where that is known.
        end: of how many tokens alone; the rest says that there is nothing more.
        steps: `Steps.of(model)`, where several drawings share it; made here when None.
    Shapes:
        ground: (any,) int64, at most as many as there are
        returns: (B, P) int64
    Raises:
        ConfigError: the model writes no layouts.
    """
    if model.layout is None:
        raise ConfigError("this model draws without a layout")
    config, count = model.layout.config, len(text.tokens)
    legal = config.legal().to(text.tokens.device)
    sampler = Sampler(decoding, count, text.tokens.device)
    other = _other(text, away_from) if guidance != 1 else None
    texts = [text] if other is None else [text, other]
    steps = Steps.of(model) if steps is None else steps
    assert steps.layout is not None
    reading = _Reading(model, torch.cat([model.read_text(*one) for one in texts]), steps)
    layout = torch.zeros(count, 0, dtype=torch.long, device=text.tokens.device)
    ended = torch.zeros(count, dtype=torch.bool, device=text.tokens.device)
    hidden = reading.last
    for place in range(config.length):
        logits = _guided(steps.layout(hidden), count, guidance).masked_fill(
            ~legal[place], -torch.inf
        )
        token = sampler(logits, [[]] * count).masked_fill(ended, END)  # (B,)
        if ground is not None and 0 < place <= len(ground):
            token = ground[place - 1].expand(count)
        ended = ended | (token == END)
        layout = torch.cat([layout, token[:, None]], dim=1)
        if bool(ended.all()) or place + 1 == end:
            return F.pad(layout, (0, config.length - place - 1), value=END)
        if place + 1 < config.length:
            hidden = reading(model.layout.read(token[:, None], place).repeat(len(texts), 1, 1))
    return layout


def _layout(
    model: Dalle,
    text: Text,
    decoding: Decoding,
    away_from: Text | None,
    guidance: float,
    given: Given | None,
    steps: Steps,
) -> torch.Tensor | None:
    """The layouts to draw by: where codes stand already, of several the one that makes those likeliest."""
    if model.layout is None:
        return None
    tries = _TRIES if given is not None and bool(given.fixed.any()) else 1
    decodings = [
        replace(decoding, seed=(decoding.seed + number * _FAR) % 2**63) for number in range(tries)
    ]
    # Guided away from no text at all, a layout has more of everything that is named than was asked for.
    guidance = 1.0 if away_from is None else guidance
    ground = None if given is None or tries == 1 else _ground_of(model, text, given, steps)
    layouts = [
        draw_layout(
            model, text, d, guidance=guidance, away_from=away_from, ground=ground, steps=steps
        )
        for d in decodings
    ]
    if given is None or tries == 1:
        return layouts[0]
    losses = [_loss(model, text, given.codes, layout) for layout in layouts]  # (B, N) each
    best = torch.stack([(loss * given.fixed).sum(1) for loss in losses]).argmin(0)  # (B,)
    return torch.stack(layouts)[best, torch.arange(len(best), device=best.device)]


def _ground_of(model: Dalle, text: Text, given: Given, steps: Steps) -> torch.Tensor:
    """What stands in a layout's header behind the style, as it makes the first picture's given codes likeliest.

    Of many that the model writes by itself, in layouts without any piece: what is drawn over the ground is as odd in
    all of them.

    Shapes:
        returns: (H - 1,) int64, for a header of H
    """
    assert model.layout is not None
    header = len(model.layout.config.header)
    untold = Text(text.tokens, torch.zeros_like(text.mask))
    many = Text(*(part[:1].expand(_GROUNDS, -1) for part in untold))
    free = Decoding(temperature=1.0, seed=0)
    found = draw_layout(model, many, free, end=header, steps=steps).unique(dim=0)
    alike = Text(*(part[:1].expand(len(found), -1) for part in text))
    loss = _loss(model, alike, given.codes[:1].expand(len(found), -1), found)
    return found[(loss * given.fixed[:1]).sum(1).argmin(), 1:header]


@torch.inference_mode()
def told_by(model: Dalle, text: Text, codes: torch.Tensor) -> torch.Tensor:
    """How much a text tells of pictures: the mean over codes of log p(code | text) - log p(code | no text), in nats.

    By Bayes' rule the sum of these is log p(text | picture), less what the text is worth by itself: so of several
    pictures the one that the text fits best has the most.

    Shapes:
        codes: (B, N) int64
        returns: (B,)
    """
    untold = Text(text.tokens, torch.zeros_like(text.mask))
    return (_loss(model, untold, codes) - _loss(model, text, codes)).mean(1)


def _loss(
    model: Dalle, text: Text, codes: torch.Tensor, layout: torch.Tensor | None = None
) -> torch.Tensor:
    """-log p of each code after those before it: (B, N)."""
    logits = model(*text, codes, layout).codes
    return F.cross_entropy(logits.movedim(2, 1), codes, reduction="none")


def _guided(logits: torch.Tensor, count: int, guidance: float) -> torch.Tensor:
    """Go on from what would be guessed without the text: (B or 2 B, any) to (B, any), `count` being B."""
    if len(logits) == count:
        return logits
    wanted, other = logits.chunk(2)
    return other + guidance * (wanted - other)


def _settled(logits: torch.Tensor, temperature: float, vectors: torch.Tensor) -> torch.Tensor:
    """The codes whose vectors are nearest to the mean of all codes' vectors, by their chances; the likeliest at
    temperature 0.

    Shapes:
        logits: (B, K); vectors: (K, Z)
        returns: (B,) int64
    """
    if temperature < COLDEST:
        return logits.argmax(1)
    # In double, which not every device has: which of two is nearer is not left to rounding.
    chances, known = (logits.cpu().double() / temperature).softmax(1), vectors.cpu().double()
    distances = torch.cdist(chances @ known, known, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.argmin(1).to(logits.device)


class _Reading:
    """The model with what it has read.

    Attributes:
        last: (rows, D), what is known after all that was given at first.
    """

    def __init__(self, model: Dalle, read: torch.Tensor, steps: Steps) -> None:
        self.model = model
        self.caches = [Cache() for _ in model.blocks]
        self.last = model.hidden(read, self.caches)[:, -1]
        self._step = steps.blocks
        config = model.config
        self._masks = [
            None  # a token that is new sees all before it
            if config.pattern(layer) == "full"
            else model.mask_of(layer).to(read.device)
            for layer in range(config.num_layers)
        ]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Read on, (rows, any, D), and say what is known after the last: (rows, D)."""
        if x.shape[1] > 1:
            return self.model.hidden(x, self.caches)[:, -1]
        place = len(self.caches[0])
        masks = [
            None if mask is None else mask[place : place + 1, : place + 1] for mask in self._masks
        ]
        return self._step(x[:, 0], self.caches, masks)


class _Painter:
    """The model with the texts and layouts, and below them the texts to be kept away from, that have no layout.

    Attributes:
        last: what is known before the first code: (B, D), twice B where there are other texts.
    """

    def __init__(
        self,
        model: Dalle,
        text: Text,
        layout: torch.Tensor | None,
        other: Text | None,
        steps: Steps,
    ) -> None:
        self.model, self.twice = model, other is not None
        parts = [model.read_prefix(*text, layout)]
        if other is not None:
            parts.append(model.read_prefix(*other))
        self._reading = _Reading(model, torch.cat([read for read, _ in parts]), steps)
        places = torch.cat([places for _, places in parts])
        self._places = places[:, 1:] + model.code_places()[:-1]  # added up once, not at each step
        self.last = self._reading.last
        self._drawn = 0

    def read(self, codes: torch.Tensor) -> torch.Tensor:
        """Read codes (B, any), not the picture's last, and say what is known after them."""
        start, end = self._drawn, self._drawn + codes.shape[1]
        self._drawn = end
        codes = codes.repeat(2, 1) if self.twice else codes
        return self._reading(self.model.code(codes) + self._places[:, start:end])


def _other(text: Text, away_from: Text | None) -> Text:
    if away_from is not None:
        return away_from
    return Text(text.tokens, torch.zeros_like(text.mask))
