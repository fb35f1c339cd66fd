"""Every command, as a script outside the project uses it: keys, exit codes, languages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.cli.main import run

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURES = {
    "tabby-cat.jpg": ("cat", "猫"),
    "ginger-kitten.jpg": ("cat", "猫"),
    "cup-of-coffee.jpg": ("coffee", "咖啡"),
    "giraffes.jpg": ("giraffe", "长颈鹿"),
    "lighthouse.jpg": ("lighthouse", "灯塔"),
    "boats-at-sunset.jpg": ("sunset", "日落"),
}
CATS = ("tabby-cat.jpg", "ginger-kitten.jpg", "猫.jpg")  # the last is a copy of the first
COMMANDS = [
    "index", "search", "duplicates", "classify", "write", "translate", "eval zero-shot", "eval retrieval",
    "eval translate", "models", "models download", "models export", "train", "finetune clip",
    "sentiment", "eval classify", "finetune lm", "draw", "inspect", "eval drawing",
]  # fmt: skip
SEARCH_KEYS = {
    "hits", "excluded", "dates", "excluded_dates", "places", "excluded_places", "seconds", "model_seconds",
}  # fmt: skip
INDEX_KEYS = {
    "added", "unchanged", "moved", "removed", "failed", "warned", "seconds", "model_seconds",
}  # fmt: skip


Polysee = Callable[..., Any]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name in PICTURES:
        (folder / name).write_bytes((SAMPLES / name).read_bytes())
    # The same content under a second name, in a folder of its own.
    (folder / "copies").mkdir()
    (folder / "copies" / "猫.jpg").write_bytes((SAMPLES / "tabby-cat.jpg").read_bytes())
    return folder


@pytest.fixture(scope="module")
def library(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "polysee"
    assert run(["index", str(pictures), "--library", str(folder), "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = pa.table(
        {
            "image": [(SAMPLES / name).read_bytes() for name in PICTURES],
            "label_en": [english for english, _ in PICTURES.values()],
            "label_zh": [chinese for _, chinese in PICTURES.values()],
            "captions_en": [[f"a {en}", f"a photo of a {en}"] for en, _ in PICTURES.values()],
            "caption_zh": [f"一张{chinese}的照片" for _, chinese in PICTURES.values()],
        }
    )
    file = tmp_path_factory.mktemp("data") / "pictures.parquet"
    pq.write_table(table, file)
    return file


def paths(hits: Sequence[dict[str, Any]]) -> list[str]:
    return [Path(hit["path"]).name for hit in hits]


# Help, languages, requests that are wrong


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("lang", "example"), [("en", "Example"), ("zh", "例子")])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_helps_with_an_example_in_both_languages(
    polysee, command, lang, example, flag
):
    done = polysee(*command.split(), flag, "--lang", lang)
    assert done.code == 0
    assert example in done.out
    for option in ("--json", "--lang", "--device", "--dtype", "--offline"):
        assert option in done.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_chinese_help_is_chinese_and_whole(polysee, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    done = polysee(*command.split(), "--help", "--lang", "zh")
    assert "选项" in done.out
    words = "Usage|Options|OPTIONS|Arguments|Commands|default:|required|Show this"
    assert not re.search(words, done.out)
    assert not re.search(r"…\s*│", done.out)  # a line that is cut off
    assert "Options" in polysee(*command.split(), "--help", "--lang", "en").out


def test_a_group_helps_in_the_language_that_is_asked_for(polysee):
    done = polysee("eval", "--lang", "zh", "--help")
    assert done.code == 0
    assert "zero-shot" in done.out
    assert "用 parquet" in done.out


def test_the_program_lists_its_commands(polysee):
    done = polysee("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command.split()[0]}\b", done.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["search", "--nothing"],
        ["search", "--top", "0", "cat"],
        ["search", "--device", "abacus", "cat"],
        ["search", "--lang", "tlh", "cat"],
        ["classify", "cat.jpg"],
        ["eval", "zero-shot", "--data", "absent.parquet", "--labels", "label_en"],
        ["eval", "retrieval", "--labels", "x"],
        ["train", "absent.yaml"],
        ["index"],
    ],
)
def test_a_wrong_request_is_told_and_exits_with_2(polysee, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    done = polysee(*arguments, "--json")
    assert done.code == 2
    assert set(done.document) == {"error"}
    assert done.document["error"] in done.err
    assert "Traceback" not in done.err


def test_errors_speak_the_users_language(polysee, tmp_path):
    assert polysee("search", "cat", "--library", tmp_path / "none").err.startswith("Error: ")
    chinese = polysee("search", "cat", "--library", tmp_path / "none", "--lang", "zh")
    assert chinese.err.startswith("错误：")
    assert chinese.code == 2


# duplicates


def test_duplicates_are_grouped(polysee, library, tmp_path):
    page = tmp_path / "page.html"
    done = polysee("duplicates", "--library", library, "--json", "--html", page)
    assert done.code == 0
    assert set(done.document) == {"groups"}
    (group,) = done.document["groups"]
    assert set(group) == {"class", "paths", "contents"}
    assert group["class"] == "identical"
    assert {Path(path).name for path in group["paths"]} == {"tabby-cat.jpg", "猫.jpg"}
    assert "猫.jpg" in page.read_text(encoding="utf-8")
    said = polysee("duplicates", "--library", library, "--lang", "zh")
    assert "完全相同" in said.out
    none = polysee("duplicates", "--library", library, "--folder", tmp_path)
    assert none.code == 3
    assert polysee("duplicates", "--library", tmp_path / "none", "--json").code == 2


# index


def test_index_counts_what_it_did(polysee, pictures, tmp_path):
    done = polysee("index", pictures, "--library", tmp_path / "library", "--json")
    assert done.code == 0
    assert set(done.document) == INDEX_KEYS
    assert done.document["added"] == len(PICTURES) + 1
    assert done.document["unchanged"] == done.document["moved"] == done.document["removed"] == 0
    assert done.document["failed"] == done.document["warned"] == []
    assert 0 < done.document["model_seconds"] <= done.document["seconds"]
    again = polysee("index", pictures, "--library", tmp_path / "library", "--json").document
    assert (again["added"], again["unchanged"]) == (0, len(PICTURES) + 1)


def test_index_names_what_it_cannot_read(polysee, pictures, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes((pictures / "tabby-cat.jpg").read_bytes())
    (folder / "cut.jpg").write_bytes((pictures / "tabby-cat.jpg").read_bytes()[:2000])
    done = polysee("index", folder, "--library", tmp_path / "library", "--json")
    assert done.code == 1
    assert done.document["added"] == 1
    assert [set(item) for item in done.document["failed"]] == [{"path", "reason"}]
    assert done.document["failed"][0]["path"] == str(folder / "cut.jpg")
    assert "cut.jpg" in done.err
    assert "cat.jpg" not in done.err


# search


def test_search_finds_and_says_how_sure_it_is(polysee, library, pictures):
    done = polysee("search", "a", "giraffe", "--library", library, "--json")
    assert done.code == 0
    assert set(done.document) == SEARCH_KEYS
    first = done.document["hits"][0]
    assert set(first) >= {"path", "score", "relevance", "kind", "also"}
    assert first["path"] == str(pictures / "giraffes.jpg")
    assert first["kind"] == "image"
    assert 0 <= first["relevance"] <= 1
    assert -1 <= first["score"] <= 1


def test_words_are_one_query(polysee, library):
    apart = polysee("search", "a", "cup", "of", "coffee", "--library", library, "--json")
    quoted = polysee("search", "a cup of coffee", "--library", library, "--json")
    assert apart.document["hits"] == quoted.document["hits"]


def test_chinese_finds_the_same(polysee, library):
    hits = polysee("search", "猫", "--library", library, "--json").document["hits"]
    assert paths(hits)[0] in CATS


def test_one_content_is_one_hit(polysee, library, pictures):
    hits = polysee("search", "cat", "--all", "--library", library, "--json").document["hits"]
    assert len(hits) == len(PICTURES)
    cat = next(hit for hit in hits if "tabby-cat.jpg" in hit["path"] or "猫" in hit["path"])
    assert {cat["path"], *cat["also"]} == {
        str(pictures / "tabby-cat.jpg"),
        str(pictures / "copies" / "猫.jpg"),
    }


def test_all_shows_everything_and_top_bounds_it(polysee, library):
    everything = polysee("search", "cat", "--all", "--library", library, "--json").document["hits"]
    relevance = [hit["relevance"] for hit in everything]
    assert relevance == sorted(relevance, reverse=True)
    two = polysee("search", "cat", "--all", "--top", 2, "--library", library, "--json").document
    assert two["hits"] == everything[:2]


def test_nothing_found_is_3(polysee, library, tmp_path):
    done = polysee("search", "cat", "--folder", tmp_path, "--library", library, "--json")
    assert done.code == 3
    assert done.document["hits"] == []


@pytest.mark.parametrize("everything", [[], ["--all"]])
def test_it_is_said_when_nothing_is_left_to_look_among(polysee, library, tmp_path, everything):
    done = polysee("search", "cat", "--folder", tmp_path, "--library", library, *everything)
    assert done.code == 3
    assert "folder" in done.err
    assert "--all" not in done.err


@pytest.mark.parametrize("model", ["polysee/dalle-nano", "polysee/scene-judge", "polysee/gpt-nano"])
def test_a_model_of_another_kind_is_named(polysee, pictures, model):
    done = polysee(
        "classify",
        pictures / next(iter(PICTURES)),
        "--labels",
        "cat,dog",
        "--model",
        model,
        "--json",
    )
    assert done.code == 2
    assert f"{model}: not a model of pictures and text" in done.document["error"]


def test_exclusions_are_named(polysee, library):
    said = polysee("search", "animals without cats", "--library", library, "--json")
    assert said.document["excluded"] == ["cats"]
    flagged = polysee("search", "animals", "--not", "cat", "--library", library, "--json")
    assert flagged.document["excluded"] == ["cat"]
    assert "cat" not in " ".join(paths(flagged.document["hits"]))


def test_a_picture_finds_itself_first(polysee, library, pictures):
    lighthouse = pictures / "lighthouse.jpg"
    done = polysee("search", "--image", lighthouse, "--library", library, "--json")
    assert paths(done.document["hits"])[0] == "lighthouse.jpg"


def test_asking_for_nothing_is_2(polysee, library):
    assert polysee("search", "--library", library, "--json").code == 2
    assert polysee("search", "  ", "--library", library, "--json").code == 2


def test_the_table_is_for_people(polysee, library):
    done = polysee("search", "giraffe", "--library", library)
    assert done.code == 0
    assert re.match(r" *\d+% .*giraffes\.jpg", done.out.splitlines()[0])


@pytest.mark.parametrize("command", ["search", "duplicates"])
def test_a_page_is_written_over_no_photograph(polysee, library, tmp_path, command):
    photo = tmp_path / "my-photo.jpg"
    before = (SAMPLES / "tabby-cat.jpg").read_bytes()
    photo.write_bytes(before)
    words = ["giraffe"] if command == "search" else []
    done = polysee(command, *words, "--html", photo, "--library", library)
    assert done.code == 2
    assert "my-photo.jpg" in done.err
    assert photo.read_bytes() == before
    page = tmp_path / "page.html"
    for _ in range(2):  # a page of ours may be written again
        assert polysee(command, *words, "--html", page, "--library", library).code == 0


def test_a_page_tells_when_and_where_it_looked(polysee, library, tmp_path):
    page = tmp_path / "page.html"
    polysee("search", "giraffe, not from 1990", "--html", page, "--library", library)
    text = page.read_text(encoding="utf-8")
    assert "Not taken: 1990-01-01" in text
    assert "拍摄时间不在：1990-01-01" in text


def test_html_is_one_file(polysee, library, tmp_path):
    page = tmp_path / "found.html"
    done = polysee("search", "giraffe", "--html", page, "--library", library, "--json")
    assert set(done.document) == SEARCH_KEYS
    assert "giraffes.jpg" in page.read_text(encoding="utf-8")
    assert str(page) in done.err


# classify


def test_classify_orders_the_labels(polysee, pictures):
    done = polysee(
        "classify", pictures / "giraffes.jpg", pictures / "tabby-cat.jpg",
        "--labels", "cat,giraffe,coffee", "--json",
    )  # fmt: skip
    assert done.code == 0
    giraffe, cat = done.document["results"]
    assert giraffe["path"] == str(pictures / "giraffes.jpg")
    assert [set(item) for item in giraffe["labels"]] == [{"label", "probability"}] * 3
    assert giraffe["labels"][0]["label"] == "giraffe"
    assert cat["labels"][0]["label"] == "cat"
    probabilities = [item["probability"] for item in cat["labels"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)


def test_classify_reads_chinese_commas(polysee, pictures):
    done = polysee("classify", pictures / "giraffes.jpg", "--labels", "猫，长颈鹿、咖啡", "--json")
    assert done.document["results"][0]["labels"][0]["label"] == "长颈鹿"
    assert len(done.document["results"][0]["labels"]) == 3


def test_classify_names_what_it_cannot_read(polysee, pictures, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    good = pictures / "giraffes.jpg"
    some = polysee("classify", good, broken, "--labels", "cat,dog", "--json")
    assert some.code == 1
    assert len(some.document["results"]) == 1
    assert some.document["failed"][0]["path"] == str(broken)
    none = polysee("classify", broken, "--labels", "cat,dog", "--json")
    assert none.code == 2
    assert none.document["results"] == []


def test_classify_wants_a_choice(polysee, pictures):
    assert polysee("classify", pictures / "giraffes.jpg", "--labels", "cat", "--json").code == 2


# eval


@pytest.mark.parametrize("labels", ["label_en", "label_zh"])
def test_eval_zero_shot(polysee, data, labels):
    done = polysee("eval", "zero-shot", "--data", data, "--labels", labels, "--json")
    assert done.code == 0
    document = done.document
    assert set(document) >= {"top1", "top5", "mean_per_class", "count", "intervals"}
    assert document["count"] == len(PICTURES)
    assert document["top5"] == 1.0
    assert document["top1"] > 0.5
    for key in ("top1", "top5", "mean_per_class"):
        assert document["intervals"][key]["low"] <= document[key] + 1e-9
        assert document["intervals"][key]["high"] >= document[key] - 1e-9


@pytest.mark.parametrize("captions", ["captions_en", "caption_zh"])
def test_eval_retrieval(polysee, data, captions):
    done = polysee("eval", "retrieval", "--data", data, "--captions", captions, "--json")
    assert done.code == 0
    document = done.document
    assert set(document) >= {"text_to_image", "image_to_text", "count", "intervals"}
    for direction in ("text_to_image", "image_to_text"):
        assert list(document[direction]) == ["R@1", "R@5", "R@10"]
        assert document[direction]["R@10"] == 1.0
        assert document[direction]["R@1"] > 0.3
    assert document["count"] == len(PICTURES)


def test_eval_says_which_columns_there_are(polysee, data):
    done = polysee("eval", "zero-shot", "--data", data, "--labels", "label_fr", "--json")
    assert done.code == 2
    assert "label_zh" in done.document["error"]


def test_debug_shows_where_it_happened(polysee, tmp_path):
    """Beside the message, which is the same."""
    asked = ("search", "cat", "--library", tmp_path / "none")
    plain, done = polysee(*asked), polysee(*asked, "--debug")
    assert (plain.code, done.code) == (2, 2)
    assert done.err.startswith("Traceback")
    assert done.err.splitlines()[-1] == plain.err.splitlines()[-1]


# models, and real processes


def test_models_are_listed(polysee):
    done = polysee("models", "--json")
    assert done.code == 0
    models = {model["id"]: model for model in done.document["models"]}
    nano = models["polysee/align-nano"]
    assert nano["parameters"] <= 15e6
    assert nano["bytes"] <= 30e6
    assert nano["licence"]


def test_a_real_process_keeps_its_streams_apart(library):
    command = Path(sys.executable).with_name("polysee")
    done = subprocess.run(
        [command, "search", "猫", "--library", library, "--json"],
        capture_output=True,
        env={**os.environ, "POLYSEE_OFFLINE": "1"},
        check=True,
    )
    document = json.loads(done.stdout.decode("utf-8"))
    assert paths(document["hits"])[0] in CATS
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error():
    """As `polysee models --json | head -c 0`."""
    command = Path(sys.executable).with_name("polysee")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([command, "models", "--json"], **pipes) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0
    assert said == b""


# finetune


@pytest.mark.filterwarnings("ignore:::lightning")
def test_finetune_names_what_it_leaves_out_and_gives_a_model(polysee, tmp_path, draw):
    data, out = tmp_path / "data", tmp_path / "我的模型"
    for name, colour in {"红色": (220, 0, 0), "蓝色": (0, 0, 220)}.items():
        for seed in range(5):
            draw(data / name / f"{seed}.jpg", colour, seed)
    (data / "红色" / "坏.jpg").write_bytes(b"no picture")
    arguments = ["--data", data, "--out", out, "--method", "probe", "--epochs", 2, "--json"]
    done = polysee("finetune", "clip", *arguments)
    assert done.code == 1
    document = done.document
    assert {
        "model", "report", "method", "classes", "learnt", "count", "before", "after", "intervals", "gain",
        "failed", "steps", "seconds",
    } <= set(document)  # fmt: skip
    assert document["model"] == str(out)
    assert [Path(item["path"]).name for item in document["failed"]] == ["坏.jpg"]
    assert "坏.jpg" in done.err
    assert sorted(document["classes"]) == ["红色", "蓝色"]
    assert (document["learnt"], document["count"]) == (8, 2)
    assert 0 <= document["before"]["top1"] <= document["after"]["top1"] <= 1
    assert Path(document["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")

    picture = data / "蓝色" / "0.jpg"
    told = polysee("classify", picture, "--model", out, "--json").document["results"][0]
    assert {guess["label"] for guess in told["labels"]} == {"红色", "蓝色"}
    assert polysee("index", data, "--model", out, "--library", tmp_path / "library").code == 1
    assert polysee("search", "--image", picture, "--library", tmp_path / "library").code in (0, 3)
    again = polysee("finetune", "clip", *arguments)
    assert again.code == 2
    assert "there is a model already" in again.document["error"]


def test_classify_without_labels_needs_a_model_of_ones_own(polysee, pictures):
    done = polysee("classify", pictures / "tabby-cat.jpg", "--json")
    assert done.code == 2
    assert "give --labels" in done.document["error"]
    chinese = polysee("classify", pictures / "tabby-cat.jpg", "--lang", "zh")
    assert "请给出 --labels" in chinese.err


@pytest.mark.parametrize(
    ("folders", "said"),
    [([], "没有图片"), (["猫"], "只有一个类别"), (["猫", "dog"], "用了两种语言")],
)
def test_finetune_says_in_the_users_language_what_is_wrong(polysee, tmp_path, draw, folders, said):
    (tmp_path / "data").mkdir()
    for name in folders:
        draw(tmp_path / "data" / name / "a.jpg", (len(name) * 50, 0, 0))
    options = ["--data", tmp_path / "data", "--out", tmp_path / "out", "--lang", "zh"]
    done = polysee("finetune", "clip", *options)
    assert done.code == 2
    assert said in done.err


def test_who_stops_a_command_is_told_so(polysee, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("polysee.apps.draw.draw_pictures", stopped)
    done = polysee("draw", "a dog")
    assert done.code == 130
    assert "Stopped" in done.err
