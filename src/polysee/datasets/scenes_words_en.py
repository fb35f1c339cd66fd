"""English for `scenes`."""

from __future__ import annotations

import random

from polysee.datasets.scenes import Background, Relation, Scene
from polysee.datasets.scenes_things import English, concepts

_NUMBERS = ("no", "one", "two", "three", "four", "five")
_COLOURS = {"purple": ("purple", "violet"), "grey": ("grey", "gray")}
_SIZES = {"big": ("big", "large"), "small": ("small", "little", "tiny")}
_FEELINGS = {
    "happy": ("happy", "smiling"), "laughing": ("laughing",), "loving": ("loving", "lovestruck"), "sad": ("sad",),
    "crying": ("crying",), "angry": ("angry",), "surprised": ("surprised", "astonished"),
    "scared": ("scared", "frightened"), "sleeping": ("sleeping",), "sick": ("sick",), "shy": ("shy", "blushing"),
    "worried": ("worried",),
}  # fmt: skip
# {a} is the subject, {b} the object.
_RELATIONS = {
    "on": ("{a} on {b}", "{a} on top of {b}", "{b} with {a} on it", "{b} with {a} on top"),
    "under": ("{a} under {b}", "{a} below {b}", "{b} above {a}", "{b} over {a}"),
    "left of": (
        "{a} to the left of {b}", "{a} left of {b}", "{b} to the right of {a}", "{b} right of {a}",
        "{a} on the left and {b} on the right", "{b} on the right and {a} on the left", "{a} next to {b}",
        "{a} and {b}",
    ),
    "in front of": ("{a} in front of {b}", "{b} behind {a}", "{b} with {a} in front of it"),
    "wearing": ("{a} wearing {b}", "{a} with {b}", "{a} that wears {b}", "{a} in {b}"),
    "holding": ("{a} holding {b}", "{a} that holds {b}", "{a} with {b}", "{b} held by {a}"),
}  # fmt: skip
_EXACT = 6  # of the ways to say "left of", those that say it
_PLACES = {
    "meadow": ("on the grass", "in a meadow", "on a lawn"), "beach": ("on the beach", "on the sand", "by the sea"),
    "snow": ("in the snow", "on a snowy day"), "night": ("at night", "under the night sky", "in the dark"),
    "room": ("in a room", "indoors"), "desert": ("in the desert", "among sand dunes"),
    "street": ("in the street", "on a city street", "on the road"),
    "sea": ("under water", "at the bottom of the sea", "in the sea"),
}  # fmt: skip


class EnglishWords:
    """One sentence about a scene."""

    def __init__(
        self, scene: Scene, draw: random.Random, detail: float, ground: bool = True
    ) -> None:
        self.scene, self.draw, self.detail, self.ground = scene, draw, detail, ground

    def sentence(self) -> str:
        """Example: "three red apples on a blue background"."""
        said = self._things()
        if not self.scene.relations and self.draw.random() < 0.15:
            said = self.draw.choice(("a picture of {0}", "a drawing of {0}")).format(said)
        if not self._wanted() or not self.ground:
            return said
        where = self._where(self.scene.background)
        if self.draw.random() < 0.15:
            return f"{where}, {said}"
        return f"{said} {where}"

    def _things(self) -> str:
        relations = self.scene.relations
        beside = [r for r in relations if r.kind == "left of"]
        if len(beside) > 1:
            return self._row([beside[0].subject, *(r.object for r in beside)])
        if not relations:
            return self.noun(0)
        if len(relations) == 1:
            return self._related(relations[0], self.noun(relations[0].subject))
        inner = next(r for r in relations if r.kind != "left of")
        group = self._related(inner, self.noun(inner.subject), subject_first=True)
        outer = beside[0]
        names = {inner.subject: group}
        first, second = (names.get(i) or self.noun(i) for i in (outer.subject, outer.object))
        return self._frame(outer).format(a=first, b=second)

    def _related(self, relation: Relation, subject: str, *, subject_first: bool = False) -> str:
        frame = self._frame(relation)
        if subject_first:  # "a dog wearing a hat", to which more is said
            frame = _RELATIONS[relation.kind][0]
        return frame.format(a=subject, b=self.noun(relation.object))

    def _frame(self, relation: Relation) -> str:
        frames = _RELATIONS[relation.kind]
        if relation.kind == "left of" and self.detail >= 1:
            frames = frames[:_EXACT]
        return self.draw.choice(frames)

    def _row(self, order: list[int]) -> str:
        backwards = self.draw.random() < 0.3
        nouns = [self.noun(i) for i in (order[::-1] if backwards else order)]
        joined = f"{', '.join(nouns[:-1])} and {nouns[-1]}"
        way = "from right to left" if backwards else "from left to right"
        return self.draw.choice((f"{way} {joined}", f"{joined} {way}"))

    def noun(self, index: int) -> str:
        """Example: "a big red hat", "two slices of pizza", "a crying face"."""
        thing, concept = self.scene.things[index], concepts()[self.scene.things[index].concept]
        size = self._one_of(_SIZES[thing.size]) if thing.size and self._wanted() else ""
        words = concept.english[:1] if size or self.detail >= 1 else concept.english
        word = self.draw.choices(words, [3] + [1] * (len(words) - 1))[0]
        colour = self._colour(thing.colour) if thing.colour and self._wanted() else ""
        feeling = ""
        if thing.feeling and (self._wanted() or "feels" in concept.roles):
            feeling = self._one_of(_FEELINGS[thing.feeling])
        if word.unit:
            return self._measured(word, thing.count, size, colour)
        head = word.one if thing.count == 1 else word.many
        return _counted(thing.count, " ".join(filter(None, (size, colour, feeling, head))))

    def _measured(self, word: English, count: int, size: str, colour: str) -> str:
        """ "a big slice of pizza", "two pairs of red socks"."""
        unit = word.unit if count == 1 else _plural(word.unit)
        inside = " ".join(filter(None, (colour, word.one)))
        if word.unit == "pair" and count == 1 and self.draw.random() < 0.4:
            return " ".join(filter(None, (size, inside)))  # "red sunglasses"
        if word.unit == "pair":
            return _counted(count, f"{unit} of {' '.join(filter(None, (size, inside)))}")
        return _counted(count, f"{' '.join(filter(None, (size, unit)))} of {inside}")

    def _where(self, background: Background) -> str:
        if background.place == "plain":
            colour = self._pale(background.colours[0])
            ground = _counted(1, f"{colour} background")
            return self._one_of((f"on {ground}", f"with {ground}"))
        if background.place == "gradient":
            top, low = (self._pale(colour) for colour in background.colours)
            frames = (
                "on a background from {0} to {1}",
                "on a background that fades from {0} to {1}",
            )
            return self._one_of(frames).format(top, low)
        return self._one_of(_PLACES[background.place])

    def _pale(self, colour: str) -> str:
        if colour in ("white", "pink") or self.draw.random() < 0.6:
            return colour
        return f"light {colour}"

    def _colour(self, colour: str) -> str:
        return self._one_of(_COLOURS.get(colour, (colour,)))

    def _one_of(self, words: tuple[str, ...]) -> str:
        return words[0] if self.draw.random() < 0.6 else self.draw.choice(words)

    def _wanted(self) -> bool:
        return self.draw.random() < self.detail


def _counted(count: int, words: str) -> str:
    if count > 1:
        return f"{_NUMBERS[count]} {words}"
    like_you = words.startswith(("uni", "UFO"))  # begins with a consonant's sound
    return f"{'an' if words[0].lower() in 'aeiou' and not like_you else 'a'} {words}"


def _plural(unit: str) -> str:
    return {"loaf": "loaves", "glass": "glasses", "box": "boxes", "bunch": "bunches"}.get(
        unit, f"{unit}s"
    )


def phrases() -> list[str]:
    """Everything that is said about things, with the places of the things in braces."""
    tables = (_COLOURS, _SIZES, _FEELINGS, _RELATIONS, _PLACES)
    found = [phrase for table in tables for ways in table.values() for phrase in ways]
    words = "a an two three four five of and picture drawing background light from to fades that on with left right"
    colours = "red orange yellow green blue purple pink brown black white grey"
    units = "pairs slices pieces loaves glasses boxes bunches portions"
    return [
        *(phrase.replace("{a}", "").replace("{b}", "") for phrase in found),
        words,
        colours,
        units,
    ]
