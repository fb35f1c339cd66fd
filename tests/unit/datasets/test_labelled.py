"""A person's own pictures: what is read, what is named and left out, what is refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.datasets.labelled import Example, Examples, read_examples
from polysee.datasets.varied import LEAST_AREA, PictureReader, varied
from polysee.errors import DataError
from polysee.inputs.pixels import PixelRecipe

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


@pytest.fixture
def folder(tmp_path, draw):
    for name, colour in COLOURS.items():
        for number in range(4):
            draw(tmp_path / "data" / name / f"{number}.png", colour, seed=number)
    return tmp_path / "data"


@pytest.fixture
def parquet(folder, tmp_path):
    def write(**columns):
        pictures = [path.read_bytes() for path in sorted(folder.rglob("*.png"))]
        table = {"image": pictures, **columns}
        pq.write_table(pa.table(table), tmp_path / "data.parquet")
        return tmp_path / "data.parquet"

    return write


def reasons(found: Examples) -> dict[str, str]:
    return {remark.path: remark.reason for remark in found.failed}


def test_folders_are_classes(folder, draw):
    draw(folder / "red" / "deep" / "er.png", COLOURS["red"], seed=9)
    found = read_examples(folder)
    assert found.classes == [("blue",), ("green",), ("red",)]
    assert found.failed == []
    counts = np.bincount([example.label for example in found.examples])
    assert counts.tolist() == [4, 4, 5]
    for example in found.examples:
        assert f"/{found.classes[example.label][0]}/" in example.name.replace("\\", "/")


def test_names_with_underscores_and_in_chinese(tmp_path, draw):
    draw(tmp_path / "buddha_statue" / "a.png", (1, 2, 3))
    draw(tmp_path / "cat" / "a.png", (3, 2, 1))
    assert read_examples(tmp_path).classes == [("buddha statue",), ("cat",)]


def test_what_cannot_be_used_is_named(folder, draw):
    (folder / "red" / "cut.png").write_bytes((folder / "red" / "0.png").read_bytes()[:200])
    (folder / "red" / "none.jpg").write_bytes(b"")
    (folder / "empty").mkdir()
    draw(folder / "astray.png", (0, 0, 0))
    (folder / "green" / "red.png").write_bytes((folder / "red" / "1.png").read_bytes())
    (folder / "red" / "again.png").write_bytes((folder / "red" / "2.png").read_bytes())
    found = read_examples(folder)
    said = reasons(found)
    assert "cut short" in said[str(folder / "red" / "cut.png")]
    assert said[str(folder / "red" / "none.jpg")] == "an empty file"
    assert said[str(folder / "empty")] == "holds no picture"
    assert said[str(folder / "astray.png")] == "lies in no class's folder"
    assert len(said) == 5
    twice = [path for path, reason in said.items() if "has another label" in reason]
    assert len(twice) == 1
    assert len(found.examples) == 12  # a copy in its own class counts once, and is no fault
    assert found.classes == [("blue",), ("green",), ("red",)]


def test_a_class_whose_pictures_are_all_damaged_is_no_class(folder):
    for path in (folder / "green").iterdir():
        path.write_bytes(b"no picture")
    found = read_examples(folder)
    assert found.classes == [("blue",), ("red",)]
    assert len(found.failed) == 4
    assert {example.label for example in found.examples} == {0, 1}


def test_useless_data_is_refused(tmp_path, draw):
    with pytest.raises(DataError, match="no such data set"):
        read_examples(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no pictures"):
        read_examples(tmp_path)
    draw(tmp_path / "one" / "a.png", (1, 2, 3))
    with pytest.raises(DataError, match=r"one class only \(one\)"):
        read_examples(tmp_path)
    (tmp_path / "one" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of its 1 pictures can be used.*an empty file"):
        read_examples(tmp_path)
    with pytest.raises(DataError, match="has no columns"):
        read_examples(tmp_path, ["label"])


def test_labels_of_unequal_language(tmp_path, draw):
    draw(tmp_path / "猫" / "a.png", (1, 2, 3))
    draw(tmp_path / "dog" / "a.png", (3, 2, 1))
    with pytest.raises(DataError, match="two languages, such as 猫 and dog"):
        read_examples(tmp_path)


def test_parquet_with_labels_in_both_languages(parquet):
    english = ["blue"] * 4 + ["green"] * 4 + ["red"] * 3 + [None]
    chinese = ["蓝色"] * 4 + ["绿色"] * 4 + ["红色"] * 4
    found = read_examples(parquet(en=english, zh=chinese), ["en", "zh"])
    assert found.classes == [("blue", "蓝色"), ("green", "绿色"), ("red", "红色")]
    assert len(found.examples) == 11  # a row without a name is no example
    assert isinstance(found.examples[0].source, bytes)
    with pytest.raises(DataError, match="two languages"):
        read_examples(parquet(en=chinese[:4] + english[4:]), ["en"])


def test_parquet_with_captions(parquet):
    said = [["a blue one", "blue"]] + [["x", " "]] * 10 + [[]]
    found = read_examples(parquet(captions=said), captions="captions")
    assert found.classes == []
    assert found.examples[0].captions == ("a blue one", "blue")
    assert found.examples[1].captions == ("x",)
    assert len(found.examples) == 11
    single = read_examples(parquet(caption=["a"] * 12), captions="caption")
    assert single.examples[5].captions == ("a",)


def test_captions_of_the_same_picture_come_together(folder, tmp_path):
    picture = next(folder.rglob("*.png")).read_bytes()
    table = pa.table({"image": [picture] * 3, "caption": ["one", "two", "one"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    (example,) = read_examples(tmp_path / "rows.parquet", captions="caption").examples
    assert example.captions == ("one", "two")


@pytest.mark.parametrize(
    ("labels", "captions", "said"),
    [
        ([], None, "name the column"),
        (["label"], "caption", "name the column"),
        (["nothing"], None, "no column 'nothing'; it holds image, label, number"),
        (["number"], None, "labels must be words"),
        ([], "number", "holds no captions"),
    ],
)
def test_wrong_columns_are_named(parquet, labels, captions, said):
    file = parquet(label=["a"] * 12, number=list(range(12)))
    with pytest.raises(DataError, match=said):
        read_examples(file, labels, captions)


def test_every_class_is_held_out_in_the_same_share():
    labels = [0] * 20 + [1] * 5 + [2]
    examples = [Example(str(i), str(i), label) for i, label in enumerate(labels)]
    learnt, held_out = Examples(examples, [], []).split(0.2, seed=3)
    assert sorted(int(e.name) for e in (*learnt, *held_out)) == list(range(26))
    assert np.bincount([e.label for e in held_out]).tolist() == [4, 1]
    again = Examples(examples, [], []).split(0.2, seed=3)
    assert again == (learnt, held_out)
    assert Examples(examples, [], []).split(0.2, seed=4)[1] != held_out


def test_pictures_vary_by_the_step_alone(folder):
    found = read_examples(folder).examples
    read = PictureReader(found, PixelRecipe(image_size=16), mirrored=True, seed=1)
    plain = read([0, 3])
    assert plain.shape == (2, 3, 16, 16)
    assert (plain == read([0, 3])).all()
    first, second = read([0, 3], 7), read([0, 3], 8)
    assert (first == read([0, 3], 7)).all()
    assert (first != second).any()
    assert (first[1:] == read([3], 7)).all()  # whatever else is in the batch


def test_most_of_a_picture_is_shown(folder):
    image = read_examples(folder).examples[0].read()
    mirrored = 0
    for seed in range(50):
        shown = varied(image, np.random.default_rng(seed), mirrored=False)
        share = shown.width * shown.height / (image.width * image.height)
        assert LEAST_AREA * 0.95 <= share <= 1.0 + 1e-6
        both = varied(image, np.random.default_rng(seed), mirrored=True)
        mirrored += both.tobytes() != shown.tobytes()
    assert 15 <= mirrored <= 35
