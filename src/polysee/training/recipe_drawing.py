"""The tasks of recipes that train models to draw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polysee.datasets.scenes_art import Style
from polysee.training.strict import Strict


class TrainDvae(Strict):
    """A discrete VAE on the made scenes of `datasets.scenes`.

    Args:
        start: the run, or the model folder, of such a VAE, or of a DALL-E with one, to go on from; its sizes are kept,
            but that its decoder gets `more_layers` where it has fewer, which change nothing at first. With
            `rates: {encoder: 0}` only the decoder learns, and pictures keep their codes.
        more_layers: how many more residual blocks than the encoder's the decoder has at each scale.
        quantizer: "fsq" rounds to `levels`; "gumbel" chooses among `num_codes` learnt vectors, as in DALL-E.
        divergence: weight of the divergence of "gumbel" from codes that are equally likely; DALL-E's is 6.6 a picture
            of many more codes.
        temperatures: of "gumbel", at the first and from the middle of training on.
        things: how much more the pixels of things count than those of the background.
        perceptual: weight of how far a picture is from what it was to `seen_by`; 0 for pixels alone.
        seen_by: an ALIGN, whose image tower's first blocks look.
        validation_pictures: of combinations that training never shows.
    """

    kind: Literal["dvae"]
    start: str | None = None
    image_size: int = Field(96, ge=16)
    patch_size: int = Field(4, ge=1)
    hidden_size: int = Field(192, ge=8)
    num_layers: int = Field(2, ge=1)
    more_layers: int = Field(1, ge=1)
    quantizer: Literal["fsq", "gumbel"] = "fsq"
    levels: tuple[Annotated[int, Field(ge=2)], ...] = (7, 5, 5, 5, 5)
    num_codes: int = Field(1024, ge=2)
    divergence: float = Field(1e-4, ge=0)
    temperatures: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (1.0, 0.1)
    things: float = Field(1.0, ge=1)
    perceptual: float = Field(0.0, ge=0)
    seen_by: str = "polysee/align-nano"
    validation_pictures: int = Field(500, ge=1)


class TrainDalle(Strict):
    """A DALL-E on the made scenes of `datasets.scenes` and the codes of a discrete VAE.

    Args:
        start: the run, or the model folder, of a discrete VAE with `levels`, which is kept as it is; or of a DALL-E to
            go on from, whose sizes and vocabulary are kept.
        start_vectors: a run or a model folder whose text tower says what a token means before training begins; see
            `training.start_vectors`.
        style: of the art, one alone; both without it.
        patterns, last_pattern, reach: what of the picture each layer sees; see `models.dalle`.
        layouts: give a DALL-E that has none layouts between text and picture, and one that has them what colours change
            of the looks of things; see `models.layout`.
        more_layouts: how many more sentences of each batch are shown with their layout alone, which costs little; half
            of them are about three things or four, which are the hardest to lay out.
        unconditional: the share of pictures that are shown without a text, so that drawing can be guided; of the
            others as many are shown without their layout.
        detail: the chance that an attribute, or the background, is said; see `datasets.scenes_words`.
        things: how much more the codes of things count than those of the background.
        alone: the share of pictures that are to show one thing by itself, beside those that do anyway: what a word
            means is learnt from them first.
        difficult: the share of pictures that are to show more than two kinds of things, several of one beside
            another, something that is small, worn, held or stands before another, or one of our colours.
        tokenizer_scenes: how many scenes the vocabulary is learnt from.
        validation_pictures: of combinations that training never shows.
    """

    kind: Literal["dalle"]
    start: str
    start_vectors: str | None = None
    style: Style | None = None
    vocab_size: int = Field(2000, ge=300)
    context_length: int = Field(48, ge=8)
    hidden_size: int = Field(320, ge=8)
    num_layers: int = Field(8, ge=1)
    num_heads: int = Field(5, ge=1)
    mlp_size: int = Field(1280, ge=8)
    patterns: tuple[Literal["full", "row", "column", "neighbourhood"], ...] = ("full",)
    last_pattern: Literal["full", "row", "column", "neighbourhood"] = "full"
    reach: int = Field(3, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    layouts: bool = False
    more_layouts: int = Field(0, ge=0)
    unconditional: float = Field(0.1, ge=0, lt=1)
    detail: float = Field(0.7, ge=0, le=1)
    things: float = Field(1.0, ge=1)
    alone: float = Field(0.0, ge=0, le=1)
    difficult: float = Field(0.0, ge=0, le=1)
    tokenizer_scenes: int = Field(6000, ge=10)
    validation_pictures: int = Field(200, ge=1)


class TrainJudge(Strict):
    """A judge of scenes on made scenes of seeds that no other recipe draws.

    Args:
        start: a judge to go on from: a bundled model, an earlier run, or a folder; the sizes are then its own. None
            for fresh weights.
        blurred_by: a model that turns pictures to codes and back, as drawn ones come from codes; None for none.
        blurred: the share of pictures that go that way.
        image_size, patch_size, hidden_size, num_layers: see `models.judge`.
        rearranged: the share of scenes of two things that are put side by side instead.
        recoloured: the share of scenes whose things have any colours, where they can have any: some combinations are
            kept from all other training, and a judge has to know a thing in these too.
        renumbered: likewise the share of scenes whose things stand there in any number.
        spoiled: how much pictures are blurred at most, and a tenth of that noisy: made ones are not as clean.
        pulled: how many pixels parts of a picture are pulled out of place along either axis, smoothly, at most: a thing
            drawn awry is still that thing.
        absent: how many concepts that are not there each picture is asked about; half of them the likeliest.
        validation_pictures: of combinations that training never shows.
    """

    kind: Literal["judge"]
    start: str | None = None
    blurred_by: str | None = None
    blurred: float = Field(0.5, ge=0, le=1)
    image_size: int = Field(96, ge=16)
    patch_size: int = Field(4, ge=1)
    hidden_size: int = Field(128, ge=8)
    num_layers: int = Field(3, ge=1)
    rearranged: float = Field(0.3, ge=0, le=1)
    recoloured: float = Field(0.0, ge=0, le=1)
    renumbered: float = Field(0.0, ge=0, le=1)
    spoiled: float = Field(0.6, ge=0, le=1)
    pulled: float = Field(0.0, ge=0)
    absent: int = Field(6, ge=2)
    validation_pictures: int = Field(500, ge=1)
