"""From files and sentences to the model's input, against `transformers`: pixels, tokens, and both to the answer."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from PIL import Image
from tests.parity.conftest import draw_weights
from tests.parity.test_tokenizers import package_file, strings
from torch.nn import functional as F
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
    ChineseCLIPImageProcessorPil,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import (
    EfficientNetImageProcessorPil,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import polysee
from polysee.checkpoints.folder import export_folder
from polysee.checkpoints.huggingface import tokenizer as kinds
from polysee.checkpoints.huggingface.families import architecture_of
from polysee.checkpoints.huggingface.pixels import read_recipe, write_recipe
from polysee.checkpoints.huggingface.tokenizer import load_tokenizer, write_tokenizer
from polysee.inputs.tokenizer import Tokenizer
from polysee.inputs.vocabularies import BERT_TOKENS
from polysee.media.image import read_image

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURES = ("broccoli.jpg", "candy-cane.jpg", "brown-bear.jpg", "chichen-itza.jpg")
CLOSE = 1e-3

OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
# As the published folders have them; the first in the form of 2021, with bare numbers for sizes.
RECIPES: dict[str, tuple[str, type, dict[str, Any]]] = {
    "openai/clip-vit-base-patch32": ("clip", CLIPImageProcessorPil, {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3, "size": 224,
        "feature_extractor_type": "CLIPFeatureExtractor", **OPENAI}),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": ("clip", CLIPImageProcessorPil, {
        "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True,
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_processor_type": "CLIPImageProcessor",
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}, **OPENAI}),
    "OFA-Sys/chinese-clip-vit-base-patch16": ("chinese_clip", ChineseCLIPImageProcessorPil, {
        "do_center_crop": False, "do_normalize": True, "do_resize": True, "resample": 3,
        "feature_extractor_type": "ChineseCLIPFeatureExtractor", "size": {"height": 224, "width": 224}, **OPENAI}),
    "google/siglip2-base-patch16-224": ("siglip", SiglipImageProcessorPil, {
        "do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_processor_type": "SiglipImageProcessor", "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 224, "width": 224}, **HALF}),
    "kakaobrain/align-base": ("align", EfficientNetImageProcessorPil, {
        "crop_size": {"height": 289, "width": 289}, "do_center_crop": True, "do_normalize": False, "do_rescale": True,
        "do_resize": True, "image_processor_type": "EfficientNetImageProcessor", "include_top": False, "resample": 2,
        "rescale_factor": 0.00784313725490196, "rescale_offset": True, "size": {"height": 346, "width": 346}, **HALF}),
    "an EfficientNet's own defaults": ("align", EfficientNetImageProcessorPil, {
        "image_processor_type": "EfficientNetImageProcessor"}),
    "a larger side before the cut": ("clip", CLIPImageProcessorPil, {
        "image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 256}, "crop_size": 240,
        "resample": 1}),
}  # fmt: skip


@pytest.fixture(params=RECIPES)
def recipe(request, tmp_path):
    """A folder's recipe, their processor of the same folder, and the class's name."""
    family, kind, values = RECIPES[request.param]
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    named = architecture_of({"model_type": family}).inputs.image_processor
    return read_recipe(tmp_path, named), kind.from_pretrained(tmp_path), named


def photograph() -> bytes:
    """A JPEG so large that a draft of it would be read, and of no even size."""
    draw = np.random.default_rng(0)
    small = Image.fromarray(draw.integers(0, 256, (50, 67, 3), dtype=np.uint8))
    large = small.resize((1999, 1501), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=90)
    return file.getvalue()


def our_pixels(recipe, data: bytes) -> torch.Tensor:
    picture = recipe.resize(read_image(data, draft_size=recipe.draft_size))
    return recipe.normalise(picture[None])


@pytest.mark.parametrize("name", [*PICTURES, "a large one"])
def test_a_jpeg_becomes_the_same_pixels(recipe, name):
    ours, theirs, _ = recipe
    data = photograph() if name == "a large one" else (SAMPLES / name).read_bytes()
    wanted = theirs(Image.open(io.BytesIO(data)), return_tensors="pt")["pixel_values"]
    got = our_pixels(ours, data)
    assert got.shape == wanted.shape
    assert (got - wanted).abs().max() < CLOSE
    assert wanted.std() > 0.2


def test_a_cheaper_way_of_reading_would_be_seen(recipe):
    """What the bundled models do: read the JPEG at half its size, reduce before resizing."""
    ours, theirs, _ = recipe
    cheap = type(ours)(**{**vars(ours), "exact": False})
    data = photograph()
    wanted = theirs(Image.open(io.BytesIO(data)), return_tensors="pt")["pixel_values"]
    assert (our_pixels(cheap, data) - wanted).abs().max() > CLOSE


def test_an_exported_recipe_is_read_alike_by_both(recipe, tmp_path):
    ours, theirs, named = recipe
    path = tmp_path / "exported" / "preprocessor_config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(write_recipe(ours, named)), encoding="utf-8")
    assert read_recipe(path.parent, named) == ours
    again = type(theirs).from_pretrained(path.parent)
    image = Image.open(SAMPLES / PICTURES[1])
    (one,), (other,) = (p(image, return_tensors="pt")["pixel_values"] for p in (theirs, again))
    torch.testing.assert_close(one, other)


def test_the_newer_place_of_a_recipe(tmp_path):
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 30}, crop_size={"height": 24, "width": 24}
    )
    values = {"image_processor": processor.to_dict(), "processor_class": "CLIPProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(values), encoding="utf-8")
    recipe = read_recipe(tmp_path, "CLIPImageProcessor")
    assert (recipe.image_size, recipe.side, recipe.fit) == (24, 30, "crop")
    assert recipe.exact


def clip_vocabulary(folder: Path) -> None:
    """CLIP's real vocabulary: bytes, bytes that end a word, merges, two special tokens."""
    packed = package_file("open_clip", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    alphabet = byte_characters()
    words = [*alphabet, *(c + "</w>" for c in alphabet), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *merges, ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")


def byte_characters() -> list[str]:
    """The 256 characters that stand for bytes, in the order of CLIP's vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [256 + n for n in range(256 - len(plain))]
    return [chr(code) for code in [*plain, *others]]


def test_clip_tokens(tmp_path):
    clip_vocabulary(tmp_path)
    theirs = transformers.CLIPTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    assert len(theirs) == 49408
    ours = load_tokenizer(tmp_path, kinds.CLIP, 77)
    assert_same_tokens(ours, theirs, 77)
    theirs.save_pretrained(tmp_path / "saved")  # tokenizer.json alone
    assert_same_tokens(load_tokenizer(tmp_path / "saved", kinds.CLIP, 77), theirs, 77)
    (tmp_path / "exported").mkdir()
    write_tokenizer(tmp_path / "exported", ours)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "exported")
    assert_same_tokens(ours, again, 77, count=50)


def test_chinese_clip_tokens(tmp_path):
    words = package_file("cn_clip", "clip", "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(words, encoding="utf-8")
    theirs = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    assert len(theirs) == 21128
    assert_same_tokens(load_tokenizer(tmp_path, kinds.BERT, 52), theirs, 52)
    theirs.save_pretrained(tmp_path / "saved")
    assert_same_tokens(load_tokenizer(tmp_path / "saved", kinds.BERT, 52), theirs, 52)


def gemma_stand_in() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of the kind of Gemma's, which no package carries: BPE over characters, bytes for the rest."""
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    backend.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{n:02X}>" for n in range(256))]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, show_progress=False
    )
    texts = [
        "a cat sat on the mat",
        "一只坐在沙发上的猫",
        "кошка на диване",
        "the lighthouse at sunset 海边的灯塔",
    ]
    backend.train_from_iterator(texts * 3, trainer)
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


@pytest.mark.parametrize("kind", ["GemmaTokenizer", "Siglip2Tokenizer"])
@pytest.mark.parametrize("side", [None, "right"])
def test_siglip2_tokens_of_a_stand_in(kind, side, tmp_path):
    vocabulary, merges = gemma_stand_in()
    options = {"padding_side": side} if side else {}
    theirs = getattr(transformers, kind)(
        vocabulary, merges, add_eos_token=True, add_bos_token=False, **options
    )
    theirs.save_pretrained(tmp_path)
    if side:  # as the published folder says it
        path = tmp_path / "tokenizer_config.json"
        values = json.loads(path.read_text(encoding="utf-8")) | {"padding_side": side}
        path.write_text(json.dumps(values), encoding="utf-8")
    ours = load_tokenizer(tmp_path, kinds.GEMMA, 64)
    texts = strings()
    tokens, mask = ours(texts)
    assert mask.all()  # the filling is read
    wanted = theirs(
        texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt"
    )
    assert tokens.shape == (len(texts), 64)
    assert torch.equal(tokens, wanted["input_ids"])


def assert_same_tokens(ours: Tokenizer, theirs: Any, longest: int, count: int = 1000) -> None:
    texts = strings(count)
    for start in range(0, len(texts), 100):
        part = texts[start : start + 100]
        tokens, mask = ours(part)
        wanted = theirs(
            part, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        assert torch.equal(tokens, wanted["input_ids"])
        assert torch.equal(mask.long(), wanted["attention_mask"])


# ------------------------------------------------------------------ a whole folder, from files to probabilities

TOWER = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
}
VISION = {**TOWER, "image_size": 32, "patch_size": 16}
MODELS = {
    "clip": (transformers.CLIPConfig, transformers.CLIPModel, VISION, {"max_position_embeddings": 77}),
    "chinese_clip": (transformers.ChineseCLIPConfig, transformers.ChineseCLIPModel, VISION, {}),
    "siglip": (transformers.SiglipConfig, transformers.SiglipModel, VISION, {}),
    "align": (
        transformers.AlignConfig, transformers.AlignModel,
        {"width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 80, "image_size": 33}, {},
    ),
}  # fmt: skip
LABELS = ["a cat", "一只坐在沙发上的猫", "two dogs in the snow", "the lighthouse at sunset"]


def their_tokenizer(family: str) -> Any:
    if family == "siglip":
        vocabulary, merges = gemma_stand_in()
        return transformers.GemmaTokenizer(
            vocabulary, merges, add_eos_token=True, add_bos_token=False
        )
    if family == "clip":
        letters = byte_characters()
        words = [*letters, *(c + "</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
        return transformers.CLIPTokenizer({w: n for n, w in enumerate(words)}, [])
    words = [
        *BERT_TOKENS,
        *"一只坐在沙发上的猫",
        "a",
        "cat",
        "two",
        "dog",
        "##s",
        "the",
        "in",
        "snow",
    ]
    return transformers.BertTokenizer({w: n for n, w in enumerate(words)})


@pytest.fixture(params=MODELS)
def whole(request, tmp_path):
    """A complete folder of the reference, of a family, with the reference itself around it."""
    family, (config, model, vision, text) = request.param, MODELS[request.param]
    tokenizer = their_tokenizer(family)
    text = {**TOWER, **text, "vocab_size": len(tokenizer)}
    if family == "clip":
        text |= {
            "bos_token_id": len(tokenizer) - 2,
            "eos_token_id": len(tokenizer) - 1,
            "pad_token_id": 0,
        }
    size = {"align": {"projection_dim": 80}, "siglip": {}}.get(family, {"projection_dim": 16})
    made = model(config(text_config=text, vision_config=vision, **size))
    draw_weights(made)
    folder = tmp_path / family
    made.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _, kind, values = next(r for r in RECIPES.values() if r[0] == family)
    if family == "align":
        values = {
            **values,
            "size": {"height": 40, "width": 40},
            "crop_size": {"height": 33, "width": 33},
        }
    elif "crop_size" in values:
        values = {**values, "size": 32, "crop_size": 32}
    else:
        values = {**values, "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
    return family, folder, made, kind.from_pretrained(folder), tokenizer


def their_answers(
    family: str, model: Any, processor: Any, tokenizer: Any, files: list[Path]
) -> Any:
    pixels = processor([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    if family == "siglip":
        encoded = tokenizer(
            LABELS, padding="max_length", max_length=64, truncation=True, return_tensors="pt"
        )
        given = {"input_ids": encoded["input_ids"]}
    else:
        given = dict(
            tokenizer(LABELS, padding=True, truncation=True, max_length=77, return_tensors="pt")
        )
    with torch.no_grad():
        return model(pixel_values=pixels, **given)


@pytest.mark.parametrize("exported", [False, True])
def test_from_files_and_sentences_to_probabilities(whole, exported, tmp_path):
    family, folder, model, processor, tokenizer = whole
    files = [SAMPLES / name for name in PICTURES]
    wanted = their_answers(family, model, processor, tokenizer, files)
    embedder = polysee.load(folder)
    if exported:
        export_folder(
            tmp_path / "exported", embedder.model, card=embedder.card, tokenizer=embedder.tokenizer
        )
        embedder = polysee.load(tmp_path / "exported")
    pictures, texts = embedder.embed_image(files), embedder.embed_text(LABELS)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(pictures, F.normalize(wanted.image_embeds, dim=-1), **close)
    np.testing.assert_allclose(texts, F.normalize(wanted.text_embeds, dim=-1), **close)
    logits = wanted.logits_per_image
    np.testing.assert_allclose(embedder.logits(pictures, texts), logits, **close)
    probabilities = logits.sigmoid() if family == "siglip" else logits.softmax(-1)
    np.testing.assert_allclose(embedder.choose(pictures, texts), probabilities, **close)
    got = embedder.classify(files[0], LABELS, templates=["{}"])
    np.testing.assert_allclose(got, probabilities[0], **close)
    assert np.ptp(logits.numpy(), axis=1).min() > 0.05
    assert np.ptp(logits.numpy(), axis=0).max() > 0.003


def test_transformers_reads_an_exported_folder_whole(whole, tmp_path):
    family, folder, model, processor, tokenizer = whole
    embedder = polysee.load(folder)
    out = tmp_path / "exported"
    export_folder(out, embedder.model, card=embedder.card, tokenizer=embedder.tokenizer)
    again = type(model).from_pretrained(out).eval()
    parts = type(processor).from_pretrained(out), transformers.AutoTokenizer.from_pretrained(out)
    files = [SAMPLES / name for name in PICTURES]
    wanted = their_answers(family, model, processor, tokenizer, files)
    got = their_answers(family, again, *parts, files)
    torch.testing.assert_close(got.logits_per_image, wanted.logits_per_image)
