"""`polysee draw`, as a script outside the project uses it; the model is tiny and draws noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polysee.datasets.scenes_words import unknown_words
from polysee.inference import load
from polysee.inference.drawing import enlarged

KEYS = {
    "files", "sheet", "seed", "seconds", "scores", "unknown_words", "held_back", "negative",
}  # fmt: skip


@pytest.fixture
def draw(polysee, drawing_folder, tmp_path):
    def call(prompt, *options, out=tmp_path / "out", json=True):
        shape = ["--json"] if json else []
        return polysee("draw", prompt, "--model", drawing_folder, "--out", out, *options, *shape)

    return call


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(("lang", "example"), [("en", "Example"), ("zh", "例子")])
def test_it_helps_with_an_example(polysee, lang, example):
    done = polysee("draw", "--help", "--lang", lang)
    assert done.code == 0
    assert example in done.out
    for option in (
        "--seed",
        "--guidance",
        "--style",
        "--negative",
        "--init",
        "--keep",
        "--vary",
        "--rerank",
        "--json",
    ):
        assert option in done.out


def test_pictures_and_a_sheet_are_written_and_say_what_they_are(draw, polysee):
    done = draw("a dog wearing a hat", "-n", "3", "--seed", "7")
    assert done.code == 0
    assert set(done.document) == KEYS
    assert done.document["seed"] == 7
    assert done.document["unknown_words"] == []
    assert [Path(f).name for f in done.document["files"]] == [
        "000007.png",
        "000008.png",
        "000009.png",
    ]
    for file in (*done.document["files"], done.document["sheet"]):
        said = polysee("inspect", file, "--json").document
        assert said["text"]["seed"] >= 7
        assert said["tc260"]["Label"] == "1"
        assert said["watermark"] == {"model": "tiny-dalle"}
    assert pixels(done.document["files"][0]).shape == (512, 512, 3)


def test_a_seed_gives_the_same_picture_alone_and_among_others(draw, tmp_path):
    three = draw("两只猫", "-n", "3", "--seed", "7").document["files"]
    one = draw("两只猫", "--seed", "8", out=tmp_path / "one").document
    assert one["sheet"] is None
    assert np.array_equal(pixels(one["files"][0]), pixels(three[1]))
    assert not np.array_equal(pixels(three[0]), pixels(three[1]))


@pytest.mark.parametrize(
    "options",
    [
        ["--style", "noto"], ["--style", "fluent"], ["--negative", "a red hat"], ["--guidance", "0.5"],
        ["--temperature", "0"], ["--label"],
    ],
    ids=str,
)  # fmt: skip
def test_every_wish_changes_the_picture(draw, options, tmp_path):
    free = (
        "--temperature",
        "1",
    )  # a model that knows nothing draws the likeliest, whatever is wished
    plain = draw("a dog", *free).document["files"][0]
    other = draw("a dog", *free, *options, out=tmp_path / "other").document["files"][0]
    assert not np.array_equal(pixels(plain), pixels(other))


def test_a_picture_is_finished_below_what_is_kept(draw, tmp_path):
    ramp = np.tile(np.linspace(0, 255, 512).astype(np.uint8)[:, None, None], (1, 512, 3))
    Image.fromarray(ramp).save(tmp_path / "first.png")
    file = draw("a dog", "--init", tmp_path / "first.png", "--keep", "0.5").document["files"][0]
    drawn = pixels(file).astype(int)
    # The watermark alone stands between the kept part and what was given.
    assert np.abs(drawn[:256] - ramp[:256]).mean() < 2
    assert np.abs(drawn[256:] - ramp[256:]).mean() > 8


def test_a_variation_keeps_some_of_a_picture(draw, tmp_path):
    first = draw("a dog", out=tmp_path / "first").document["files"][0]
    same, near, far = (
        pixels(
            draw("a cat", "--init", first, "--vary", share, out=tmp_path / share).document["files"][
                0
            ]
        )
        for share in ("0", "0.3", "1")
    )
    changes = [np.abs(picture.astype(int) - same).mean() for picture in (near, far)]
    assert 0.5 < changes[0] < changes[1]
    two = draw("a cat", "-n", "2", "--init", first, "--vary", "0.3", out=tmp_path / "two")
    assert np.array_equal(pixels(two.document["files"][0]), near)


def test_nothing_is_written_over(draw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious.txt").write_text("precious")
    (out / "000000.png").write_text("a photograph")
    (out / "000001.png").symlink_to(tmp_path / "precious.txt")
    (out / "sheet.png").mkdir()
    first = draw("a dog", "-n", "2").document
    names = [Path(file).name for file in (*first["files"], first["sheet"])]
    assert names == ["000000-2.png", "000001-2.png", "sheet-2.png"]
    assert (out / "000000.png").read_text() == "a photograph"
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert draw("a dog", "-n", "2").document["files"] == first["files"]  # the same once more
    assert Path(draw("a cat").document["files"][0]).name == "000000-3.png"


@pytest.mark.parametrize(
    "prompt", ["一名男性交警", "一条林阴道", "一只狗在做爱心便当", "男性交易员"]
)
def test_harmless_words_that_hold_others_are_drawn(draw, prompt):
    assert draw(prompt).code == 0


@pytest.mark.parametrize(
    ("prompt", "wanted", "excluded"),
    [("a dog without a hat", "a dog", "hat"), ("没戴帽子的狗", "狗", "戴帽子")],
)
def test_what_a_prompt_says_is_not_there_is_told_apart(draw, tmp_path, prompt, wanted, excluded):
    wish = ("--seed", "5", "--guidance", "9")
    said = draw(prompt, *wish, "--negative", "red")
    assert said.code == 0
    assert said.document["negative"] == f"red, {excluded}"
    apart = draw(wanted, *wish, "--negative", f"red, {excluded}", out=tmp_path / "apart")
    first, other = (Path(done.document["files"][0]) for done in (said, apart))
    assert np.array_equal(pixels(first), pixels(other))
    plain = draw(wanted, *wish, out=tmp_path / "plain").document
    assert plain["negative"] is None
    assert not np.array_equal(pixels(first), pixels(Path(plain["files"][0])))


def test_unknown_words_of_what_is_not_to_be_drawn_are_named(draw):
    assert draw("a dog", "--negative", "a samovar").document["unknown_words"] == ["samovar"]


def test_hardly_any_temperature_is_none(draw, tmp_path):
    cold, none = (
        draw("a dog", "--temperature", t, out=tmp_path / t).document["files"][0]
        for t in ("1e-320", "0")
    )
    assert np.array_equal(pixels(cold), pixels(none))


def test_pictures_are_enlarged_without_overshooting():
    step = np.zeros((96, 96, 3), np.uint8) + 60
    step[:, 48:] = 200
    large = enlarged(step)
    assert large.shape == (512, 512, 3)
    assert (large.min(), large.max()) == (60, 200)
    row = large[256, :, 0].astype(int)
    assert ((row > 70) & (row < 190)).sum() <= 3  # bicubic alone takes seven
    assert abs(int(np.argmax(row > 130)) - 256) <= 1


def test_the_best_come_first_on_request(draw, tmp_path):
    ranked = draw("a dog", "-n", "10", "--rerank", out=tmp_path / "ranked").document
    assert len(ranked["scores"]) == 10
    assert ranked["scores"] == sorted(ranked["scores"], reverse=True)
    assert ranked["files"] != sorted(ranked["files"])
    best = Image.fromarray(pixels(ranked["files"][0])).resize((256, 256), Image.Resampling.LANCZOS)
    corner = pixels(ranked["sheet"])[8:264, 8:264].astype(int)
    assert np.abs(corner - np.asarray(best)).mean() < 4  # each has its own watermark


def test_without_a_matcher_the_model_that_drew_ranks(drawing_folder, tmp_path, monkeypatch):
    from polysee.apps import draw_by
    from polysee.apps.draw import draw_pictures

    monkeypatch.setattr(draw_by, "bundled_matcher", lambda device: None)
    plain, ranked = (
        draw_pictures(
            "a dog", tmp_path / str(rerank), model=drawing_folder, count=10, rerank=rerank
        )
        for rerank in (False, True)
    )
    assert plain.scores != sorted(plain.scores, reverse=True)
    assert ranked.scores == sorted(ranked.scores, reverse=True)
    named = dict(zip([f.name for f in plain.files], plain.scores, strict=True))
    assert [named[f.name] for f in ranked.files] == ranked.scores


def test_the_matcher_ranks_by_what_it_sees(drawing_folder, tmp_path):
    from polysee.apps.draw import draw_pictures
    from polysee.inference.drawing import Steering
    from polysee.inference.matching import bundled_matcher

    matcher = bundled_matcher("cpu")
    if matcher is None:
        pytest.skip("it is not bundled")
    found = draw_pictures("两只猫", tmp_path, model=drawing_folder, count=3, rerank=True)
    pictures = load(drawing_folder).draw("两只猫", 3, Steering(seed=0))
    scores = matcher.scores(pictures, "两只猫")
    assert found.scores == pytest.approx(sorted(scores, reverse=True), abs=1e-3)
    order = np.argsort(scores)[::-1]
    assert [f.name for f in found.files] == [f"{seed:06d}.png" for seed in order]


def test_what_is_drawn_outlives_an_interruption(drawing_folder, tmp_path, monkeypatch):
    from polysee.apps.draw import draw_pictures

    def stop(done, total):
        if len(list(tmp_path.glob("*.png"))) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_pictures("a dog", tmp_path, model=drawing_folder, count=12, progress=stop)
    assert sorted(f.name for f in tmp_path.iterdir()) == [f"{i:06d}.png" for i in range(9)]
    assert all(pixels(f).shape == (512, 512, 3) for f in tmp_path.iterdir())


def test_a_bundled_model_that_is_absent_is_named(polysee, tmp_path):
    from polysee.checkpoints.bundled import bundled_models

    if "polysee/dalle-nano" in bundled_models():
        pytest.skip("it is here")
    done = polysee("draw", "a dog", "--out", tmp_path / "out")
    assert done.code == 2
    assert "no such model comes with this copy" in done.err
    assert "recipes/" in done.err
    assert not (tmp_path / "out").exists()


def test_people_read_files_and_unknown_words(draw):
    done = draw("a dog riding a zeppelin", json=False)
    assert done.code == 0
    assert "000000.png" in done.out
    assert "zeppelin" in done.err


@pytest.mark.parametrize(
    ("prompt", "options", "reason"),
    [
        ("  ", [], "empty prompt"),
        ("cat " * 60, [], "too long"),
        ("a dog", ["--style", "oil"], "unknown style 'oil'"),
        ("a dog", ["--guidance", "nan"], "guidance"),
        ("a dog", ["--init", "none.png"], "none.png"),
        ("a dog", ["-n", "100"], "64"),
        ("a naked man", [], "not drawn here: naked"),
        ("血腥的场面", [], "血腥"),
        ("a dog", ["--keep", "2"], "keep"),
        ("a dog", ["--vary", "-1"], "vary"),
        ("a dog", ["--vary", "0.3"], "--init"),
        ("a dog", ["--keep", "0.3"], "--init"),
        ("a dog", ["--init", "none.png", "--keep", "0.3", "--vary", "0.3"], "not both"),
        ("a dog", ["--guidance", "1e308"], "guidance"),
        ("a dog", ["--seed", str(2**64)], "seed"),
        ("a dog", ["--seed", str(2**63 - 2), "-n", "3"], "for 3 pictures"),
        ("狗", ["--seed", str(2**63 - 2), "-n", "3", "--lang", "zh"], "画 3 张时从 0 到"),
        ("裸體的女人", [], "裸體"),
        ("性交易场所", [], "性交"),
        ("赤裸裸的女人", [], "赤裸"),
        ("不要帽子", [], "say what to draw"),
        ("！？……", [], "empty prompt"),
        ("\u200b", [], "empty prompt"),
        ("狗\x01", [], "control character"),
        ("a dog", ["--negative", "狗\x1b"], "control character"),
        ("a dog", ["--negative", "cat " * 60], "--negative: the prompt is too long"),
    ],
)
def test_what_is_wrong_is_said(draw, prompt, options, reason):
    done = draw(prompt, *options)
    assert done.code == 2
    assert reason in done.document["error"] + done.err


def test_where_nothing_can_be_written_nothing_is_drawn(draw, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/deeper"):
        done = draw("a dog", out=tmp_path / out)
        assert done.code == 2
        assert "cannot be made: not a directory" in done.document["error"]
    assert (tmp_path / "file").read_text() == "mine"


def test_prompts_are_read_as_people_type_them(draw, tmp_path):
    """In traditional characters, with digits and emoji, in several words, politely."""
    plain = draw("两只狗和一个苹果", out=tmp_path / "plain")
    typed = draw("請幫我畫2隻🐶", "和一個🍎", "--negative", "  ", out=tmp_path / "typed")
    assert typed.document["unknown_words"] == []
    first, other = (Path(done.document["files"][0]) for done in (plain, typed))
    assert np.array_equal(pixels(first), pixels(other))
    assert draw("100个📈", out=tmp_path / "odd").document["unknown_words"] == ["100", "📈"]


def test_a_model_that_does_not_draw_is_named(polysee, tmp_path):
    done = polysee("draw", "a dog", "--model", "polysee/align-nano", "--out", tmp_path, "--json")
    assert done.code == 2
    assert "does not draw" in done.document["error"]


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a dog wearing a hat", []),
        ("Two RED cars on a light blue background", []),
        ("一只戴着帽子的狗", []),
        ("草地上有三只很大的大象", []),
        ("a cat to the left of a tree in the snow", []),
        ("a wombat and a samovar", ["wombat", "samovar"]),
        ("一只蝾螈在沙发上", ["蝾螈"]),
        ("T恤", []),
    ],
)
def test_words_that_no_scene_says_are_known_to_be_unknown(prompt, unknown):
    assert unknown_words(prompt) == unknown
