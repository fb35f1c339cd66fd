"""`polysee draw --model` with a pipeline of diffusers: a whole Stable Diffusion of random weights, made here."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from polysee.checkpoints.pipelines import INDEX
from polysee.cli.language import choose_language

INSTALLED = all(find_spec(name) is not None for name in ("diffusers", "transformers"))
needs_diffusers = pytest.mark.skipif(
    not INSTALLED, reason="diffusers is not installed: pip install 'polysee[diffusers]'"
)
SIDE = 128


def tiny_tokenizer(folder):
    """CLIP's, of single bytes."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer({piece: i for i, piece in enumerate(pieces)}, [], model_max_length=24)
    tokenizer.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def tiny_parts(folder):
    """The parts of a pipeline of 128 pixels, about 34,000 parameters, every tensor drawn."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = tiny_tokenizer(folder / "cut")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=24,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    blocks = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}
    parts = {
        "text_encoder": CLIPTextModel(text),
        "unet": UNet2DConditionModel(
            sample_size=SIDE // 2, cross_attention_dim=8, attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **blocks,
        ),
        "vae": AutoencoderKL(
            latent_channels=4, sample_size=SIDE, down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, **blocks,
        ),
    }  # fmt: skip
    for part in parts.values():
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    scheduler = DDIMScheduler(num_train_timesteps=50, steps_offset=1, clip_sample=False)
    return {**parts, "tokenizer": tokenizer, "scheduler": scheduler}


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    from diffusers import StableDiffusionPipeline

    folder = tmp_path_factory.mktemp("pipelines")
    pipeline = StableDiffusionPipeline(
        **tiny_parts(folder), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder / "tiny-sd", safe_serialization=True)
    return folder / "tiny-sd"


@pytest.fixture
def draw(polysee, pipeline_folder, tmp_path):
    def call(prompt, *options, out=tmp_path / "out", model=pipeline_folder):
        options = ("--out", out, "--steps", "2", *options)
        return polysee("draw", prompt, "--model", model, *options, "--json")

    return call


@pytest.fixture(scope="module")
def plain(pipeline_folder, tmp_path_factory):
    """What is drawn without a wish."""
    from polysee.apps.draw import draw_pictures
    from polysee.inference.drawing import Steering

    out = tmp_path_factory.mktemp("plain")
    draw_pictures("a dog", out, model=pipeline_folder, steering=Steering(steps=2))
    return out / "000000.png"


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


watching: list[list[str]] = []  # a hook stays for good


def watch(event, given):
    if watching and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        watching[-1].append(event)


@contextmanager
def connections() -> Iterator[list[str]]:
    """What was asked of the network meanwhile."""
    if not watching:
        sys.addaudithook(watch)
    watching.append([])
    yield watching[-1]
    watching.append([])


@needs_diffusers
def test_a_folder_draws_and_its_pictures_say_what_they_are(draw, polysee):
    with connections() as asked:
        done = draw("a dog wearing a hat", "-n", "2", "--seed", "7")
    assert done.code == 0, done.err
    assert asked == []
    said = done.document
    assert [Path(file).name for file in said["files"]] == ["000007.png", "000008.png"]
    assert (said["seed"], said["scores"], said["unknown_words"]) == (7, [], [])
    first, second = map(pixels, said["files"])
    assert first.shape == (SIDE, SIDE, 3)
    assert first.std() > 5
    assert not np.array_equal(first, second)
    for file, seed in zip((*said["files"], said["sheet"]), (7, 8, 7), strict=True):
        signs = polysee("inspect", file, "--json").document
        # The folder's last part: where it lies is nobody's business.
        assert (signs["text"]["model"], signs["text"]["seed"]) == ("tiny-sd", seed)
        assert signs["tc260"]["ContentProducer"] == "tiny-sd"
        assert signs["watermark"] == {"model": "tiny-sd"}


@needs_diffusers
def test_a_seed_gives_the_same_picture_alone_and_among_others(draw, tmp_path):
    two = draw("two cats", "-n", "2", "--seed", "3").document["files"]
    one = draw("two cats", "--seed", "4", out=tmp_path / "one").document
    assert one["sheet"] is None
    assert np.array_equal(pixels(one["files"][0]), pixels(two[1]))


@needs_diffusers
@pytest.mark.parametrize(
    "options", [["--negative", "a red hat"], ["--guidance", "1.5"], ["--steps", "3"], ["--label"]], ids=str
)  # fmt: skip
def test_every_wish_changes_the_picture(draw, plain, options):
    other = draw("a dog", *options).document["files"][0]
    assert not np.array_equal(pixels(plain), pixels(other))


@needs_diffusers
def test_a_picture_is_finished_below_what_is_kept(draw, tmp_path):
    ramp = np.tile(np.linspace(60, 200, SIDE).astype(np.uint8)[:, None, None], (1, SIDE, 3))
    Image.fromarray(ramp).save(tmp_path / "first.png")
    done = draw("a dog", "--init", tmp_path / "first.png", "--keep", "0.5")
    assert done.code == 0, done.err
    drawn = pixels(done.document["files"][0])
    half = SIDE // 2
    # The watermark alone stands between the kept part and what was given.
    assert np.abs(drawn[:half] - ramp[:half]).mean() < 3
    assert np.abs(drawn[half:] - ramp[half:]).mean() > 10


@needs_diffusers
def test_a_variation_is_the_farther_the_more_noise_there_is(draw, plain, tmp_path):
    same, near, far = (
        pixels(draw("a cat", "--init", plain, "--vary", share, "--steps", "5", out=tmp_path / share)
               .document["files"][0])
        for share in ("0", "0.4", "1")
    )  # fmt: skip
    assert 0.5 < np.abs(near - same).mean() < np.abs(far - same).mean()


@needs_diffusers
@pytest.mark.parametrize(
    ("prompt", "options", "reason"),
    [
        ("a dog", ["--style", "noto"], "--style"),
        ("a dog", ["--temperature", "0.9"], "--temperature"),
        ("a dog", ["--rerank"], "--rerank"),
        ("a dog", ["--dtype", "int8"], "int8"),
        ("a dog", ["--guidance", "inf"], "--guidance"),
        ("a dog", ["--steps", "5000"], "steps is out of range"),
        (" ", [], "empty prompt"),
        ("a very long sentence about a dog", [], "too long: 28 tokens; the model reads 24"),
        ("a naked man", [], "not drawn here: naked"),
        ("a dog", ["--init", "none.png"], "none.png"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_said(draw, prompt, options, reason, tmp_path):
    done = draw(prompt, *options)
    assert done.code == 2
    assert reason in done.document["error"]
    assert not (tmp_path / "out").exists()


@needs_diffusers
def test_it_is_said_in_chinese_too(draw, pipeline_folder):
    done = draw("a dog", "--style", "noto", "--lang", "zh")
    assert "是 diffusers 管线（StableDiffusionPipeline），不支持 --style" in done.document["error"]


def changed_index(folder, target, **values):
    shutil.copytree(folder, target)
    index = json.loads((target / INDEX).read_text(encoding="utf-8"))
    (target / INDEX).write_text(json.dumps({**index, **values}), encoding="utf-8")
    return target


@needs_diffusers
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"_class_name": ["evil", "Evil"]}, "asks for code of its own (evil)"),
        ({"unet": ["evil", "Evil"]}, "asks for code of its own (evil)"),
        ({"_class_name": "EvilPipeline"}, "diffusers has no pipeline EvilPipeline"),
        ({"_class_name": "UNet2DModel"}, "diffusers has no pipeline UNet2DModel"),
        ({"../vae": ["diffusers", "AutoencoderKL"]}, "is not a name"),
        ({"image_encoder": ["transformers", "CLIPVisionModel"]}, "no image_encoder"),
    ],
)
def test_no_code_of_a_strangers_is_run(draw, pipeline_folder, tmp_path, values, reason):
    folder = changed_index(pipeline_folder, tmp_path / "changed", **values)
    for place in (folder, folder / "unet"):
        (place / "evil.py").write_text("raise SystemExit('run')", encoding="utf-8")
    done = draw("a dog", model=folder)
    assert done.code == 2
    assert reason in done.document["error"]


@needs_diffusers
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_pickles_are_not_read(draw, pipeline_folder, tmp_path, part):
    folder = shutil.copytree(pipeline_folder, tmp_path / "pickled")
    (weights,) = (folder / part).glob("*.safetensors")
    weights.with_name("pytorch_model.bin").write_bytes(weights.read_bytes())
    weights.unlink()
    done = draw("a dog", model=folder)
    assert done.code == 2
    assert f"{part}: no weights as safetensors" in done.document["error"]


@needs_diffusers
def test_a_damaged_part_is_named(draw, pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "damaged")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"no tensors")
    done = draw("a dog", model=folder)
    assert done.code == 2
    assert str(folder) in done.document["error"]
    assert "--debug" not in done.document["error"]  # it was expected


@needs_diffusers
def test_what_its_own_filter_holds_back_is_named(polysee, tmp_path):
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessorPil

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    seen = {"image_size": 32, "patch_size": 16, **sizes}
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config=seen, text_config=sizes, projection_dim=8)
    )
    torch.nn.init.constant_(checker.concept_embeds_weights, -10.0)  # everything is too near
    StableDiffusionPipeline(
        **tiny_parts(tmp_path), safety_checker=checker,
        feature_extractor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32),
    ).save_pretrained(tmp_path / "strict", safe_serialization=True)  # fmt: skip
    done = polysee(
        "draw", "a dog", "--model", tmp_path / "strict", "--steps", "1", "--out", tmp_path / "out"
    )
    assert done.code == 2
    assert "filter held every picture back" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "is not installed"), ("zh", "没有安装 diffusers")]
)
def test_without_the_extra_it_is_named(polysee, tmp_path, monkeypatch, lang, words):
    monkeypatch.setattr("polysee.inference.pipelines.find_spec", lambda name: None)
    (tmp_path / INDEX).write_text('{"_class_name": "StableDiffusionPipeline"}', encoding="utf-8")
    choose_language(["--lang", lang])
    done = polysee("draw", "a dog", "--model", tmp_path, "--json", "--lang", lang)
    assert done.code == 2
    assert words in done.document["error"]
    assert "polysee[diffusers]" in done.document["error"]


def test_a_dalle_has_no_steps(polysee, drawing_folder, tmp_path):
    done = polysee(
        "draw", "a dog", "--model", drawing_folder, "--steps", "5", "--out", tmp_path, "--json"
    )
    assert done.code == 2
    assert "--steps" in done.document["error"]
