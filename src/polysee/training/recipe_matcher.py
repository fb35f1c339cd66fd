"""The task of a recipe that trains a matcher."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polysee.training.strict import Strict


class TrainMatcher(Strict):
    """A matcher of sentences and pictures, from fresh weights, on made scenes and their twins.

    Args:
        start: a matcher to go on from: a bundled model, an earlier run, or a folder; its sizes are then kept, and have
            to be those of the recipe. None for fresh weights.
        towers: a model folder, or a bundled model, whose towers are read; they are kept as they are.
        blurred_by: a model that turns pictures to codes and back, as drawn ones come from codes; None for none.
        blurred: the share of groups that go that way; `drawn`: of those, the share that are drawn by that model from
            beginning to end, as `polysee draw` does: a quarter of a second a picture; `strayed`: of the others, the
            share of which some codes are drawn anew by that model, each after true ones: as drawings are, or worse.
        groups: of four pictures: a scene, two twins of it, and another scene. What the tower says of them is computed
            once and kept.
        words_steps: how long it is learnt where words put their things, before pictures come in.
        eyes_steps: how long its own eyes learn what cells show, of 32 pictures a step that are drawn for it, before
            the rest goes on: of those, 20 gone astray where any are to be `strayed`, and 6 more through codes. A
            matcher that had none gets them, of `num_pixel_layers`.
        cells: how much it counts what each cell shows, beside which sentence is whose.
        tokens: likewise which tokens agree; `places`, where they point; `expected`, where words alone put their thing.
        full: the share of groups whose sentences say all they can; of the others, each attribute by lot.
        groundless: the share of groups whose sentences do not say before what, as people often leave it out.
        cuts, image_size, hidden_size, num_picture_layers, num_pixel_layers, num_text_layers, num_layers, num_heads,
            mlp_size, dropout: see `models.matcher`.
        validation_pairs: of twins, for each kind of fact; of combinations that training never shows.
    """

    kind: Literal["matcher"]
    start: str | None = None
    towers: str = "polysee/align-nano"
    blurred_by: str | None = "polysee/dalle-nano"
    blurred: float = Field(0.35, ge=0, le=1)
    strayed: float = Field(0.0, ge=0, le=1)
    drawn: float = Field(0.0, ge=0, le=1)
    groups: int = Field(2500, ge=1)
    words_steps: int = Field(0, ge=0)
    eyes_steps: int = Field(0, ge=0)
    cells: float = Field(0.5, ge=0)
    tokens: float = Field(1.0, ge=0)
    places: float = Field(0.5, ge=0)
    expected: float = Field(4.0, ge=0)
    full: float = Field(0.6, ge=0, le=1)
    groundless: float = Field(0.0, ge=0, le=1)
    cuts: tuple[int, int] = (15, 20)
    image_size: int = Field(192, ge=32, multiple_of=32)
    hidden_size: int = Field(128, ge=8)
    num_picture_layers: int = Field(2, ge=1)
    num_pixel_layers: int = Field(0, ge=0)
    num_text_layers: int = Field(1, ge=1)
    num_layers: int = Field(2, ge=1)
    num_heads: int = Field(4, ge=1)
    mlp_size: int = Field(256, ge=8)
    dropout: float = Field(0.1, ge=0, lt=1)
    validation_pairs: int = Field(100, ge=1)
