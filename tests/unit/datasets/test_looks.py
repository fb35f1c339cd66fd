"""The table of what things look like, and whose word counts where several things have one name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from polysee.datasets import nouns as nouns_module
from polysee.datasets.looks import LOOKS, looks
from polysee.datasets.nouns import SURE, like_classes, nouns
from polysee.errors import DataError
from polysee.inputs.prompts import is_chinese

CLASSES = {"zebra": 0, "hartebeest": 1, "electric fan": 2}


def written(folder, *lines):
    path = folder / "looks.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_line_tells_names_sureness_and_shares_of_classes(tmp_path):
    path = written(
        tmp_path, "okapi|forest giraffe\t霍加狓\t2\tzebra 3, hartebeest 1", "x\t\t1\tzebra 1"
    )
    okapi, nameless = looks(CLASSES, path)
    assert okapi.names == ("okapi", "forest giraffe", "霍加狓")
    assert okapi.sureness == 2
    np.testing.assert_allclose(okapi.classes, [0.75, 0.25, 0])
    assert nameless.chinese == ()


@pytest.mark.parametrize(
    "line",
    [
        "okapi\t霍加狓\t2",
        "okapi\t霍加狓\t2\tgiraffe 1",
        "okapi\t霍加狓\t2\tzebra",
        "okapi\t霍加狓\t4\tzebra 1",
    ],
)
def test_a_wrong_line_is_named(tmp_path, line):
    with pytest.raises(DataError, match=r"looks\.tsv, line 2"):
        looks(CLASSES, written(tmp_path, "a\tb\t1\tzebra 1", line))


def test_the_table_holds_each_name_once_in_its_language():
    lines = [line.split("\t") for line in LOOKS.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 3000
    every = Counter()
    for english, chinese, sureness, classes in lines:
        assert sureness in {"1", "2", "3"}
        assert 1 <= len(classes.split(", ")) <= 12
        assert all(1 <= int(one.rsplit(" ", 1)[1]) <= 9 for one in classes.split(", ")), english
        assert not any(is_chinese(name) for name in english.split("|"))
        every.update(name.lower() for name in (*english.split("|"), *chinese.split("|")) if name)
    assert [name for name, count in every.items() if count > 1] == []
    assert lines == sorted(lines, key=lambda line: line[0].split("|")[0].lower())


def test_a_class_keeps_its_name_then_who_knows_the_look_then_wordnet(tmp_path, monkeypatch):
    rows = [{"wnid": "n1", "names_en": ["zebra"], "names_zh": ["斑马"]},
            {"wnid": "n2", "names_en": ["gazelle"], "names_zh": ["瞪羚"]}]  # fmt: skip
    monkeypatch.setattr(nouns_module, "read_rows", lambda *_: rows)
    monkeypatch.setattr(nouns_module, "Likeness", lambda *_: lambda numbers: np.array([0.3, 1.0]))
    path = written(tmp_path, "okapi|zebra\t霍加狓\t3\tzebra 1")
    monkeypatch.setattr(nouns_module, "looks", lambda classes: looks(classes, path))
    word = like_classes(("okapi", "gerenuk"), (), np.array([0.3, 1.0]))
    monkeypatch.setattr(
        nouns_module,
        "_words",
        lambda wordnet, likeness, named: [word] if "okapi" not in named else [],
    )
    found = nouns(None)
    assert [thing.names for thing in found] == [
        ("zebra", "斑马"),
        ("gazelle", "瞪羚"),
        ("okapi", "霍加狓"),
    ]
    assert found[2].share == SURE[2]
    np.testing.assert_allclose(found[2].classes, [1, 0])


def test_the_liker_a_class_the_larger_its_share():
    some = [like_classes(("x",), (), np.array([alike, 0.1])) for alike in (0.3, 0.5, 0.7, 0.9)]
    shares = [thing.share for thing in some]
    assert shares[0] == 0
    assert shares == sorted(set(shares))
    for thing in some:
        assert np.isclose(thing.classes.sum(), 1)
        assert thing.classes[0] > 0.9
