"""The made world of emoji: what is said is what is drawn, nothing is cut off, and what is held out is never shown."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from polysee.datasets import scenes_art
from polysee.datasets.scenes import (
    KINDS,
    PLACES,
    Background,
    Relation,
    Scene,
    Thing,
    scene_of,
    scenes_of,
    split_of,
)
from polysee.datasets.scenes_art import COLOURS, STYLES, sprite
from polysee.datasets.scenes_drawing import IMAGE_SIZE, draw_scene, draw_scenes
from polysee.datasets.scenes_layout import LATTICE, Placement
from polysee.datasets.scenes_things import concepts, having
from polysee.datasets.scenes_words import LANGUAGES, describe
from polysee.datasets.scenes_words_en import _COLOURS as COLOURS_EN
from polysee.datasets.scenes_words_en import _SIZES as SIZES_EN
from polysee.datasets.scenes_words_zh import _COLOURS as COLOURS_ZH
from polysee.datasets.tables import data_folder

TRAINING = scenes_of("training", range(1200))
VALIDATION = scenes_of("validation", range(300))
TEST = scenes_of("test", range(300))
WHITE = Background("plain", ("white",))
NUMBERS_EN, NUMBERS_ZH = ("", "a", "two", "three", "four", "five"), "零一两三四五"


def pair(kind, first, second, style="noto", background=WHITE):
    return Scene((Thing(first), Thing(second)), (Relation(kind, 0, 1),), background, style)


def middle(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def test_there_are_many_concepts_and_all_have_art_in_both_styles():
    assert len(concepts()) >= 250
    for concept in concepts().values():
        for picture in concept.pictures:
            for style in STYLES:
                assert min(sprite(picture, style).size) > 20, (picture, style)


def test_every_concept_has_words_in_both_languages():
    for concept in concepts().values():
        assert all(word.one and word.many for word in concept.english)
        for word in concept.chinese:
            assert re.fullmatch(r"[\u4e00-\u9fffT]+", word.word), word
            assert re.fullmatch(r"[\u4e00-\u9fff]+", word.measures), word


def test_what_is_worn_and_sat_on_is_known_to_the_layout():
    from polysee.datasets import scenes_layout

    assert set(having("hat")) == set(scenes_layout._HATS)
    assert set(having("wears")) == set(scenes_layout._EYES)
    assert scenes_layout._SEATS.keys() <= set(having("seat"))


def test_scenes_hold_all_that_the_world_has():
    things = [thing for scene in TRAINING for thing in scene.things]
    assert {len(scene.things) for scene in TRAINING} == {1, 2, 3, 4}
    assert {thing.count for thing in things} == {1, 2, 3, 4, 5}
    assert {thing.colour for thing in things} == {None, *COLOURS}
    assert {thing.size for thing in things} == {None, "big", "small"}
    assert {scene.style for scene in TRAINING} == set(STYLES)
    assert {scene.background.place for scene in TRAINING} == {"plain", "gradient", *PLACES}
    assert {r.kind for scene in TRAINING for r in scene.relations} == set(KINDS)
    assert len({thing.feeling for thing in things}) > 9
    assert len({thing.concept for thing in things}) > 0.98 * len(concepts())


def test_the_splits_share_no_fact_that_is_kept():
    seen = {fact for scene in TRAINING for fact in scene.facts}
    for scenes, split in ((VALIDATION, "validation"), (TEST, "test")):
        other = {"validation": "test", "test": "validation"}[split]
        for scene in scenes:
            kept = {split_of(fact) for fact in scene.facts}
            assert split in kept
            assert other not in kept
            assert any(fact not in seen for fact in scene.facts)
    assert {split_of(fact) for fact in seen} == {"training"}


def test_every_part_of_a_kept_fact_is_learnt_elsewhere():
    """A wolf, and red hats, are in training; it is their combination that is not."""
    shown = Counter(thing.concept for scene in TRAINING for thing in scene.things)
    asked = Counter(thing.concept for scene in VALIDATION for thing in scene.things)
    assert sum(asked[name] for name in asked if name not in shown) <= 0.02 * asked.total()


def test_a_seed_gives_the_same_scene_picture_and_words_in_another_process():
    code = (
        "import hashlib\n"
        "from polysee.datasets.scenes import scene_of\n"
        "from polysee.datasets.scenes_drawing import draw_scene\n"
        "from polysee.datasets.scenes_words import describe\n"
        "scene = scene_of('training', 11)\n"
        "picture = hashlib.sha256(draw_scene(scene, 3).image.tobytes()).hexdigest()\n"
        "print(scene.facts, picture, ascii(describe(scene, 'chinese', 4)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "5", "PATH": ""},
    )  # fmt: skip
    scene = scene_of("training", 11)
    picture = hashlib.sha256(draw_scene(scene, 3).image.tobytes()).hexdigest()
    said = f"{scene.facts} {picture} {describe(scene, 'chinese', 4)!a}"
    assert run.stdout.strip() == said


def test_a_style_changes_the_art_alone():
    noto, fluent = (scene_of("training", 5, style) for style in STYLES)
    assert (noto.style, fluent.style) == STYLES
    assert noto.things == fluent.things
    assert not np.array_equal(draw_scene(noto, 0).image, draw_scene(fluent, 0).image)


def test_nothing_is_cut_off_or_too_small_to_see():
    for seed, scene in enumerate(TRAINING[:400]):
        for thing, box in zip(scene.things, draw_scene(scene, seed).boxes, strict=True):
            left, top, right, low = box
            assert min(left, top) >= 0, (seed, thing, box)
            assert max(right, low) <= 1, (seed, thing, box)
            assert max(right - left, low - top) > 0.08, (seed, thing, box)


def test_pictures_of_any_size_show_the_same():
    scene = TRAINING[3]
    small, large = draw_scene(scene, 1, 64), draw_scene(scene, 1, 128)
    assert small.boxes == large.boxes
    assert small.image.shape == (64, 64, 3)
    halved = large.image.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(halved - small.image).mean() < 4
    assert small.seen.shape == (64, 64)
    pictures = draw_scenes(TRAINING[:2], [0, 1])
    assert pictures.shape == (2, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert np.array_equal(pictures[1], draw_scene(TRAINING[1], 1).image)


def test_what_is_seen_covers_the_things():
    scene = Scene((Thing("apple", colour="red"),), (), WHITE, "noto")
    drawn = draw_scene(scene, 0)
    red = np.abs(drawn.image.astype(int) - COLOURS["red"]).max(2) < 30
    assert red.sum() > 200
    assert drawn.seen[red].all()
    assert drawn.seen.mean() < 0.5


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(6))
def test_relations_hold_in_the_picture(style, seed):
    left, right = draw_scene(pair("left of", "dog", "tree", style), seed).boxes
    assert left[2] <= right[0]
    cat, sofa = draw_scene(pair("on", "cat", "sofa", style), seed).boxes
    assert middle(cat)[1] < middle(sofa)[1]
    assert sofa[0] <= middle(cat)[0] <= sofa[2]
    house, rainbow = draw_scene(pair("under", "house", "rainbow", style), seed).boxes
    assert rainbow[3] < house[1]
    car, castle = draw_scene(pair("in front of", "car", "castle", style), seed).boxes
    assert car[3] > castle[3]
    assert castle[0] < middle(car)[0] < castle[2]


def test_what_is_held_stands_on_the_lattice_in_one_of_few_sizes():
    seen = 0
    for seed, scene in enumerate(scenes_of("training", range(900))):
        if not any(relation.kind == "holding" for relation in scene.relations):
            continue
        pieces = Placement(scene, random.Random(seed)).pieces
        paw = next(i for i, piece in enumerate(pieces) if piece.thing is None)
        held = pieces[paw - 1]
        sides = max(held.width, held.height), held.x - held.width / 2, held.bottom
        assert all(abs(12 * side - round(12 * side)) < 1e-6 for side in sides), (seed, sides)
        assert abs(pieces[paw].x - held.x) < 0.5 * held.width
        seen += 1
    assert seen > 50


def test_of_more_than_two_in_a_row_every_second_stands_further_back_and_all_in_order():
    seen = 0
    for seed, scene in enumerate(scenes_of("training", range(400))):
        beside = [r for r in scene.relations if r.kind == "left of"]
        if len(scene.things) < 3:
            continue
        boxes = draw_scene(scene, seed).boxes
        for relation in beside:
            left, right = boxes[relation.subject], boxes[relation.object]
            assert middle(right)[0] - middle(left)[0] > 0.12, (seed, left, right)
            assert abs(right[3] - left[3]) > 0.1, (seed, left, right)
        if len(beside) == len(scene.things) - 1:  # nobody holds or wears anything
            wide = [max(box[2] - box[0], box[3] - box[1]) for box in boxes]
            assert min(wide) > (0.32 if len(boxes) == 3 else 0.24), (seed, wide)
        seen += 1
    assert seen > 50


def test_nothing_has_the_colour_of_what_is_behind_it():
    behind = Counter()
    for scene in scenes_of("training", range(3000)):
        hidden = scene.background.hides
        assert not any(thing.colour in hidden for thing in scene.things), scene
        behind.update([scene.background.place] if hidden else [])
    assert set(behind) == {"plain", "gradient", "night", "snow", "sea", "meadow", "desert"}


def test_rows_of_training_show_nothing_that_is_kept_even_apart():
    seen = 0
    for scene in scenes_of("training", range(2000)):
        names = [thing.concept for thing in scene.things]
        if len(names) < 3 or any(r.kind != "left of" for r in scene.relations):
            continue
        for first, second in itertools.combinations(names, 2):
            assert split_of(f"{first} left of {second}") == "training", (first, second)
            seen += 1
    assert seen > 300


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("wearer", having("wears"))
def test_hats_sit_on_heads_and_glasses_before_eyes(style, wearer):
    head, hat = draw_scene(pair("wearing", wearer, "top hat", style), 0).boxes
    height = head[3] - head[1]
    moved = 0.5 / LATTICE + 0.001  # the most that the lattice moves it by
    assert hat[1] < head[1] + 0.1 * height, "above the head"
    assert head[1] - 0.12 * height < hat[3] < head[1] + 0.47 * height + moved, "on it"
    assert abs(middle(hat)[0] - middle(head)[0]) < moved
    head, specs = draw_scene(pair("wearing", wearer, "glasses", style), 0).boxes
    assert head[1] <= specs[1]
    assert specs[3] < head[1] + 0.8 * (head[3] - head[1])


@pytest.mark.parametrize("name", having("tint"))
def test_colours_are_seen(name):
    """At least a sixth of the picture is of the colour, but for its light and shade."""
    for style in STYLES:
        for colour, rgb in COLOURS.items():
            picture = np.asarray(sprite(concepts()[name].picture, style, colour)).astype(int)
            seen = picture[..., 3] > 128
            near = np.abs(picture[..., :3] - rgb).max(2) < 60
            share = (near & seen).sum() / seen.sum()
            assert share > 0.15, (name, style, colour, share)


def test_counts_are_told_apart():
    for count in range(2, 6):
        scene = Scene((Thing("die", count=count),), (), Background("plain", ("blue",)), "noto")
        seen = draw_scene(scene, count).seen
        assert blobs(seen) == count


def blobs(seen):
    """How many parts hang together."""
    left, found = set(zip(*np.nonzero(seen), strict=True)), 0
    while left:
        found += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_at_full_detail_everything_is_said(language):
    for seed, scene in enumerate(VALIDATION + TEST):
        said = describe(scene, language, seed, detail=1.0)
        for thing in scene.things:
            concept = concepts()[thing.concept]
            if language == "english":
                words = concept.english[0]
                assert words.one in said or words.many in said, (said, thing)
                assert thing.count == 1 or NUMBERS_EN[thing.count] in said
                assert not thing.size or any(word in said for word in SIZES_EN[thing.size]), said
                names = COLOURS_EN.get(thing.colour, (thing.colour,))
                assert not thing.colour or any(name in said for name in names), (said, thing)
            else:
                assert concept.chinese[0].word in said, (said, thing)
                assert thing.count == 1 or NUMBERS_ZH[thing.count] in said
                assert not thing.size or {"big": "大", "small": "小"}[thing.size] in said
                names = COLOURS_ZH[thing.colour] if thing.colour else ()
                assert not names or any(name in said for name in names), (said, thing)


def test_less_detail_says_less_and_every_seed_words_it_anew():
    scene = pair("wearing", "dog", "cap", background=Background("beach"))
    for language in LANGUAGES:
        bare = {describe(scene, language, seed, detail=0.0) for seed in range(60)}
        full = {describe(scene, language, seed, detail=1.0) for seed in range(60)}
        assert len(bare) >= 4
        assert len(full) >= 8
        assert not any("beach" in said or "沙滩" in said for said in bare)
    assert "一只戴着帽子的狗" in {
        describe(scene, "chinese", seed, detail=0.0) for seed in range(400)
    }
    assert "a dog wearing a hat" in {describe(scene, "english", s, detail=0.0) for s in range(400)}


def test_sentences_are_well_formed():
    for seed, scene in enumerate(TRAINING):
        english, chinese = (describe(scene, language, seed) for language in LANGUAGES)
        assert not re.search(r"\ba [aeio]|\ban [^aeiouA]|  |\bon on\b|{|}|None", english), english
        assert not re.search(r"的的|一一|[a-su-zA-SU-Z{} ]|大大|小小|很大的大小", chinese), chinese
        assert english == english.strip()


@pytest.mark.parametrize(
    ("thing", "english", "chinese"),
    [
        (Thing("pizza", count=2), "two slices of pizza", {"两块披萨", "两片披萨"}),
        (Thing("mouse", count=3), "three mice", {"三只老鼠"}),
        (Thing("coffee", size="big"), "a big cup of coffee", {"一大杯咖啡"}),
        (Thing("elephant", size="big"), "a big elephant", {"一头很大的大象", "一只很大的大象"}),
        (Thing("car", colour="red"), "a red car", {"一辆红色的汽车", "一辆红汽车", "一辆红色汽车"}),
        (Thing("jeans", count=2, colour="blue"), "two pairs of blue jeans", {"两条蓝色的牛仔裤"}),
        (Thing("orange"), "an orange", {"一个橘子"}),
    ],
)  # fmt: skip
def test_numbers_measure_words_and_plurals(thing, english, chinese):
    scene = Scene((thing,), (), Background("meadow"), "noto")
    ways = {describe(scene, "english", seed, detail=1.0) for seed in range(80)}
    assert any(english in way for way in ways)
    ways = {describe(scene, "chinese", seed, detail=1.0) for seed in range(80)}
    for wanted in chinese:
        assert any(wanted in way for way in ways), (wanted, ways)


def test_the_truth_is_plain_values():
    scene = pair("wearing", "dog", "top hat")
    truth = json.loads(json.dumps(scene.truth()))
    assert truth["things"][0]["concept"] == "dog"
    assert truth["relations"] == [{"kind": "wearing", "subject": 0, "object": 1}]
    assert truth["split"] in ("training", "validation", "test")


@pytest.mark.data
def test_the_shipped_art_is_that_of_the_data(tmp_path):
    source = data_folder() / "art" / "art.parquet"
    if not source.is_file():
        pytest.skip(f"no {source}: set POLYSEE_DATA")
    script = Path(__file__).parents[3] / "recipes" / "data" / "scenes_art.py"
    made = tmp_path / "art.parquet"
    subprocess.run([sys.executable, script, source, made], check=True)
    shipped = pq.read_table(scenes_art._ART).to_pylist()
    assert pq.read_table(made).to_pylist() == shipped
