"""What the text tower reads: sentences by lot, and names where their pictures lie."""

from __future__ import annotations

import functools
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from polysee.datasets.drawings import GROUND, Drawing, on_ground
from polysee.datasets.nouns import Noun
from polysee.datasets.pictures import Captioned
from polysee.datasets.stamps import Stamp
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig
from polysee.training import read_data
from polysee.training.read_data import named_things, often_said, said_of

SIZE, CLASSES = 16, 3


def picture(captions, captioned=True):
    return Captioned(b"", tuple(captions), (), "", captioned)


def test_captions_are_chosen_by_lot_and_names_are_all_kept():
    many = [f"caption {n}" for n in range(5)]
    pictures = [picture(many), picture(["a", "b", "c", "d"], captioned=False), picture(["e", "e"])]
    owners = said_of(pictures, np.array([7, 8, 9]), 3, seed=0)
    assert sum(group == 7 for group in owners.values()) == 3
    assert [text for text, group in owners.items() if group == 8] == ["a", "b", "c", "d"]
    assert owners["e"] == 9
    assert owners == said_of(pictures, np.array([7, 8, 9]), 3, seed=0)
    others = [said_of(pictures, np.array([7, 8, 9]), 3, seed=seed) for seed in range(1, 6)]
    assert any(set(other) != set(owners) for other in others)


@pytest.fixture
def model():
    text = BertConfig(vocab_size=9, hidden_size=SIZE, num_layers=1, num_heads=2, mlp_size=SIZE)
    model = Align(AlignConfig(EfficientNetConfig(0.25, 0.25), text, SIZE)).eval()
    torch.manual_seed(0)
    hidden = model.config.image.hidden_size
    places = F.normalize(torch.randn(CLASSES, SIZE), dim=1)
    model.add_classes(torch.randn(2, hidden), torch.randn(CLASSES, 2), torch.zeros(CLASSES), places)
    return model


@pytest.fixture
def things(monkeypatch):
    """A class, something like it, something like nothing; two drawings, of which one has a name of its own."""
    classes = np.array([[1.0, 0, 0], [0.8, 0.2, 0], [0, 0, 0]])
    names = [(("Zebra",), ("斑马",)), (("okapi",), ("霍加狓",)), (("quark",), ())]
    nouns = [Noun(*both, row, 1.0) for both, row in zip(names, classes, strict=True)]
    monkeypatch.setattr(read_data, "WordNet", lambda: None)
    monkeypatch.setattr(read_data, "nouns", lambda wordnet: list(nouns))
    monkeypatch.setattr(
        read_data, "word_pairs", lambda wordnet: [("water", "水"), ("quark", "夸克")]
    )
    art = [Drawing("zebra", "斑马", b"0"), Drawing("yin yang", "太极图", b"1")]
    monkeypatch.setattr(read_data, "drawings", lambda: art)
    photographs = [Stamp("menorah", b"0"), Stamp("water", b"1")]
    monkeypatch.setattr(read_data, "stamps", lambda wordnet: photographs)


@functools.cache
def place(text):
    return F.normalize(torch.randn(SIZE), dim=0)


def embed(texts):
    return torch.stack([place(text) for text in texts])


def agreed_on(*asked):
    """Where the first lies, and half-way the others."""
    own, *others = embed(list(asked))
    near = [torch.exp((own @ other - 1) / read_data.NEAR) * other for other in others]
    return F.normalize(own + F.normalize(sum(near), dim=0), dim=0)


def look(images):
    return F.normalize(torch.randn(2, SIZE, generator=torch.Generator().manual_seed(1)), dim=1)[
        [int(image) for image in images]
    ]


def test_every_name_is_read_alone_and_a_drawing_names_a_thing_of_its_own(model, things):
    texts, targets = named_things(model, embed, look, seed=0)
    assert {
        "Zebra",
        "斑马",
        "okapi",
        "霍加狓",
        "quark",
        "yin yang",
        "太极图",
        "water",
        "水",
    } <= set(texts)
    assert len(texts) == len(targets) == 3 * 11
    torch.testing.assert_close(targets.norm(dim=1), torch.ones(len(texts)))
    for text, target in zip(texts, targets, strict=True):
        for other, same in zip(texts, targets, strict=True):
            if "okapi" in text and "okapi" in other:
                torch.testing.assert_close(target, same)


def test_names_lie_by_the_class_that_they_are_like_and_by_their_drawing(model, things):
    texts, targets = named_things(model, embed, look, seed=0)
    target = dict(zip(texts, targets, strict=True))
    places = model.class_mixture.places.weight.T.detach()
    away = F.normalize(places - places.mean(0), dim=1)[0]
    okapi = agreed_on("a photo of an okapi", "一张霍加狓的照片")
    assert target["okapi"] @ away > okapi @ away
    drawn = read_data._drawn(look)
    assert target["yin yang"] @ drawn["yin yang", "太极图"] > 0
    cut_out = read_data._cut_out(look, None)
    assert (
        target["menorah"] @ cut_out["menorah"] > place("a photo of a menorah") @ cut_out["menorah"]
    )
    asked = agreed_on("a photo of a water", "一张水的照片")
    shown = F.normalize(asked + read_data.SEEN * cut_out["water"], dim=0)
    for word in ("water", "水"):  # a translation is shown by the same photograph
        torch.testing.assert_close(target[word], shown)
    torch.testing.assert_close(drawn["zebra", "斑马"], -drawn["yin yang", "太极图"])


def test_a_word_lies_between_the_languages_and_by_the_nearest_of_its_translations(model, things):
    target = dict(zip(*named_things(model, embed, look, seed=0), strict=True))
    torch.testing.assert_close(target["夸克"], agreed_on("一张夸克的照片", "a photo of a quark"))
    torch.testing.assert_close(target["夸克"], target["quark"])
    one, near, far = F.normalize(torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 1]]), dim=1)
    vectors = torch.stack([one, near, far, far])
    moved = read_data.agreed(vectors, torch.tensor([[0, 1], [0, 2]]))
    torch.testing.assert_close(moved[0], F.normalize(one + near, dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved[3], far)


def test_of_the_dictionarys_words_a_share_is_read_and_all_names_of_things(model, things):
    texts, targets = named_things(model, embed, look, seed=0)
    fewer, theirs = named_things(model, embed, look, seed=0, share=0)
    assert "夸克" in texts
    assert "夸克" not in fewer  # though "quark", for it, is a name of a thing
    assert "okapi" in fewer
    target, own = (dict(zip(*both, strict=True)) for both in ((texts, targets), (fewer, theirs)))
    torch.testing.assert_close(own["okapi"], target["okapi"])


def test_a_name_that_pictures_have_taught_stays_where_the_languages_agree(model, things):
    moved = dict(zip(*named_things(model, embed, look, seed=0), strict=True))
    stays = dict(zip(*named_things(model, embed, look, 0, {"okapi"}), strict=True))
    okapi = agreed_on("a photo of an okapi", "一张霍加狓的照片")
    torch.testing.assert_close(stays["okapi"], okapi)
    assert not torch.allclose(stays["okapi"], moved["okapi"])
    torch.testing.assert_close(stays["Zebra"], moved["Zebra"])


def test_a_name_whose_look_is_told_moves_all_the_same_and_is_read_in_every_sentence(
    model, things, monkeypatch
):
    okapi = Noun(("okapi",), ("霍加狓",), np.array([0.8, 0.2, 0]), 1.0, told=True)
    monkeypatch.setattr(read_data, "nouns", lambda wordnet: [okapi])
    texts, targets = named_things(model, embed, look, 0, {"okapi"})
    agreed_place = agreed_on("a photo of an okapi", "一张霍加狓的照片")
    assert not torch.allclose(dict(zip(texts, targets, strict=True))["okapi"], agreed_place)
    assert sum("okapi" in text for text in texts) == len(read_data.sentences("okapi"))


def test_what_captions_often_say_is_counted_once_a_caption_and_without_plurals():
    captions = ["Cell phones on a phone", "a cell phone", "两部手机", "手机和手机壳"]
    said = often_said(captions, least=2)
    assert {"cell phone", "phone", "手机"} <= said
    assert not {"phones", "on", "手机壳"} & said


def test_a_drawing_lies_on_a_plain_ground_with_a_margin():
    drawing = Image.new("RGBA", (32, 32), (255, 0, 0, 255))
    drawing.putpixel((0, 0), (0, 0, 0, 0))
    written = io.BytesIO()
    drawing.save(written, "PNG")
    whole = Image.open(io.BytesIO(on_ground(written.getvalue())))
    assert whole.size == (40, 40)
    assert whole.mode == "RGB"
    assert whole.getpixel((0, 0)) == whole.getpixel((4, 4)) == GROUND
    assert whole.getpixel((20, 20)) == (255, 0, 0)
