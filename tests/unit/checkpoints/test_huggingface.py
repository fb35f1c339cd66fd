"""Folders of `transformers` that are damaged, unsafe or of a kind that is not known: each is refused by name.

What a whole folder gives is compared with the reference in tests/parity.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import polysee
from polysee.checkpoints.folder import (
    CONFIG,
    Card,
    export_folder,
    folder_hash,
    load_folder,
    load_folder_tokenizer,
    save_folder,
)
from polysee.checkpoints.huggingface.align import ALIGN
from polysee.checkpoints.huggingface.families import architecture_of
from polysee.checkpoints.huggingface.siglip import SIGLIP
from polysee.checkpoints.weights import PICKLE, WEIGHTS
from polysee.errors import CheckpointError, NotSupportedError
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import Tokenizer, train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.chinese_clip import ChineseClip, ChineseClipConfig
from polysee.models.clip import Clip, ClipConfig, ClipTextConfig
from polysee.models.efficientnet import EfficientNet, EfficientNetConfig
from polysee.models.siglip import Siglip, SiglipConfig, SiglipTextConfig
from polysee.models.vit import ViTConfig

VIT = ViTConfig(16, 8, 16, 1, 2, 24, input_norm=True, patch_bias=False)
TEXT = (320, 16, 1, 2, 24, 16)
NET = EfficientNetConfig(0.25, 0.25, 33, head=False, as_ported=True)
MODELS = {
    "clip": lambda: Clip(ClipConfig(VIT, ClipTextConfig(*TEXT, end_token=319), 12)),
    "clip, its end the highest number": lambda: Clip(ClipConfig(VIT, ClipTextConfig(*TEXT, end_token=None), 12)),
    "chinese_clip": lambda: ChineseClip(ChineseClipConfig(VIT, BertConfig(*TEXT), 12)),
    "siglip": lambda: Siglip(SiglipConfig(ViTConfig(16, 8, 16, 1, 2, 24, class_token=False), SiglipTextConfig(*TEXT))),
    "align": lambda: Align(AlignConfig(NET, BertConfig(*TEXT, pooler=True), NET.hidden_size)),
}  # fmt: skip
RECIPE = PixelRecipe(16, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", "crop", 20, exact=True)


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return MODELS[request.param]().eval()


@pytest.fixture
def folder(model, tmp_path) -> Path:
    """A whole folder in the form of `transformers`."""
    tokenizer = Tokenizer(train_bpe(["a cat on a sofa", "一只坐在沙发上的猫"] * 3, 320), 16)
    export_folder(tmp_path / "theirs", model, card=Card(RECIPE), tokenizer=tokenizer)
    return tmp_path / "theirs"


@pytest.fixture
def clip(tmp_path) -> Path:
    export_folder(tmp_path / "clip", MODELS["clip"]())
    return tmp_path / "clip"


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def write(folder: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, folder / WEIGHTS)


def config_of(folder: Path) -> dict:
    return json.loads((folder / CONFIG).read_text(encoding="utf-8"))


def test_there_and_back(model, folder):
    again, card = load_folder(folder)
    assert again.config == model.config
    assert card.pixels == RECIPE
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        if name == "log_scale" and isinstance(
            model, Align
        ):  # a round temperature is none in float32
            torch.testing.assert_close(again.log_scale, model.log_scale)
        else:
            assert torch.equal(again.state_dict()[name], tensor), name
    tokenizer = load_folder_tokenizer(folder, 16)
    assert tokenizer.fill == isinstance(model, Siglip)
    assert polysee.load(folder).embed_text(["a cat", "猫"]).shape[0] == 2


def named(folder: Path) -> list[str]:
    """A tensor of each tower and form: a matrix, a vector, a joined one, a number."""
    names = [name for name in state_of(folder) if "num_batches" not in name]
    wanted = ("fc1.weight", "norm1.bias", "in_proj_weight", "position_embedding", "logit", "temperature", "running_var",
              "token_embedding", "word_embeddings", "probe", "class_embedding", "pooler.dense.weight")  # fmt: skip
    return [next(n for n in names if part in n) for part in wanted if any(part in n for n in names)]


def test_a_tensor_that_is_missing_is_named_as_the_file_has_it(folder):
    for name in named(folder):
        if "pooler" in name:
            continue  # a text tower may be without
        state = state_of(folder)
        kept = state.pop(name)
        write(folder, state)
        with pytest.raises(CheckpointError, match="tensors missing") as raised:
            load_folder(folder)
        assert name in str(raised.value)
        assert str(folder) in str(raised.value)
        write(folder, {**state, name: kept})
    load_folder(folder)


@pytest.mark.parametrize("shape", [(7, 5), (3,), (1, 1, 1)], ids=str)
def test_a_tensor_that_is_misshapen_is_named_as_the_file_has_it(folder, shape):
    for name in named(folder):
        state = state_of(folder)
        kept = state[name]
        write(folder, {**state, name: torch.ones(shape)})
        with pytest.raises(CheckpointError, match="misshapen") as raised:
            load_folder(folder)
        assert name in str(raised.value)
        write(folder, {**state, name: kept})


@pytest.mark.parametrize("extra", ["text_model.adapter.weight", "lora_A", "logit_scale.extra"])
def test_a_tensor_that_is_left_over_is_named(folder, extra):
    write(folder, {**state_of(folder), extra: torch.zeros(2)})
    with pytest.raises(CheckpointError, match="left over") as raised:
        load_folder(folder)
    assert extra in str(raised.value)
    assert str(folder) in str(raised.value)


def test_what_old_files_hold_besides_is_no_fault(clip):
    state = state_of(clip)
    positions = {
        f"{tower}_model.embeddings.position_ids": torch.arange(3)[None]
        for tower in ("text", "vision")
    }
    write(clip, {**state, **positions})
    load_folder(clip)


def test_weights_in_half_precision_become_float32(clip):
    write(clip, {name: tensor.half() for name, tensor in state_of(clip).items()})
    model, _ = load_folder(clip)
    assert {value.dtype for value in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-50], lambda data: data[:100], lambda data: b""]
)
def test_a_safetensors_file_that_is_cut_short_is_named(folder, harm):
    path = folder / WEIGHTS
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: not a readable safetensors file"
    ):
        polysee.load(folder)


def test_a_folder_of_the_old_kind_is_read_without_running_it(folder, model):
    torch.save(state_of(folder), folder / PICKLE)
    (folder / WEIGHTS).unlink()
    again, _ = load_folder(folder)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor)


def test_an_unsafe_pickle_is_refused(clip):
    class Run:
        def __reduce__(self):
            return (exec, ("raise SystemExit('a pickle was run')",))

    torch.save({**state_of(clip), "text_projection.weight": Run()}, clip / PICKLE)
    (clip / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: an unsafe pickle"):
        polysee.load(clip)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "llama"}, "unknown model family 'llama'"),
        ({"model_type": 7}, "unknown model family 7"),
        ({"architectures": ["CLIPVisionModelWithProjection"]}, "CLIPVisionModelWithProjection"),
        ({"text_config": {"hidden_act": "swiglu"}}, "unknown activation 'swiglu'"),
        ({"text_config": {"num_attention_heads": 3}}, "num_heads 3"),
        ({"text_config": {"hidden_size": "wide"}}, "hidden_size must be int"),
        ({"text_config": {"eos_token_id": 49407}}, "end_token 49407"),
        ({"vision_config": {"num_channels": 1}}, "num_channels is 1"),
        ({"vision_config": {"patch_size": 5}}, "patch_size 5"),
        ({"vision_config": 3}, "config of clip"),
        ({"projection_dim": "wide"}, "projection_size"),
    ],
)
def test_a_config_that_is_not_known_is_named(clip, changes, said):
    values = config_of(clip)
    for key, value in changes.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    (clip / CONFIG).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CheckpointError, match=said) as raised:
        load_folder(clip)
    assert str(clip) in str(raised.value)


@pytest.mark.parametrize(
    ("family", "part", "changes", "said"),
    [
        ("siglip", "vision_config", {"vision_use_head": False}, "vision_use_head"),
        ("siglip", "text_config", {"projection_size": 99}, "projection_size 99"),
        ("align", "vision_config", {"depthwise_padding": [1]}, "depthwise_padding"),
        ("align", "vision_config", {"in_channels": [32, 16, 24, 40, 80, 112, 999]}, "in_channels"),
        ("align", "vision_config", {"strides": [1, 2]}, "config of align"),
        ("align", "vision_config", {"hidden_act": "relu"}, "hidden_act"),
        ("align", None, {"projection_dim": 99}, "projection_dim 99"),
        ("chinese_clip", "text_config", {"is_decoder": True}, "is_decoder"),
    ],
)  # fmt: skip
def test_settings_for_which_there_is_no_part_here_are_named(family, part, changes, said, tmp_path):
    export_folder(tmp_path, MODELS[family]())
    values = config_of(tmp_path)
    (values[part] if part else values).update(changes)
    (tmp_path / CONFIG).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(CheckpointError, match=said):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": {"longest_edge": 16}}, "size"),
        ({"size": {"height": 16, "width": 20}}, "20 x 16"),
        ({"resample": 0}, "resample 0"),
        ({"do_resize": False}, "do_resize"),
        ({"do_pad": True}, "do_pad"),
        ({"do_center_crop": False}, "do_center_crop"),
        ({"image_mean": [0.5]}, "preprocessor_config"),
        ({"image_std": [0.5, 0.0, 0.5]}, "std"),
        ({"crop_size": "big"}, "preprocessor_config"),
    ],
)
def test_a_recipe_that_is_not_known_is_named(clip, changes, said):
    values = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 16},
        "crop_size": 16,
    }
    path = clip / "preprocessor_config.json"
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=said) as raised:
        load_folder(clip)
    assert str(path) in str(raised.value)


def test_without_a_recipe_the_familys_own_is_taken(model, tmp_path):
    export_folder(tmp_path, model)
    _, card = load_folder(tmp_path)
    assert card.pixels.exact
    assert card.pixels.image_size == model.config.image.image_size
    fits = {Clip: "crop", ChineseClip: "squash", Siglip: "squash", Align: "squash"}
    assert card.pixels.fit == fits[type(model)]
    assert load_folder_tokenizer(tmp_path, 16) is None
    with pytest.raises(NotSupportedError, match="tokenizer"):
        polysee.load(tmp_path).embed_text(["a cat"])


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer_is_named(folder, name):
    (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=name.split(".")[0]):
        polysee.load(folder)


def test_vocabularies_that_do_not_fit_each_other_are_named(clip):
    (clip / "vocab.json").write_text('{"a": 0}', encoding="utf-8")
    (clip / "merges.txt").write_text("#version: 0.2\nx y\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="not a readable tokenizer"):
        polysee.load(clip)


def test_the_hash_tells_every_change(folder, tmp_path):
    before = folder_hash(folder)
    for path in sorted(folder.iterdir()):
        copied = shutil.copytree(folder, tmp_path / "copy")
        assert folder_hash(copied) == before
        data = bytearray((copied / path.name).read_bytes())
        data[-2] ^= 1
        (copied / path.name).write_bytes(data)
        assert folder_hash(copied) != before, path.name
        shutil.rmtree(copied)


def test_our_own_folder_keeps_the_tokenizers_way(model, tmp_path):
    """A model that was loaded from transformers' form and saved in ours reads texts as before."""
    left = isinstance(model, Siglip)
    tokenizer = Tokenizer(
        train_bpe(["a cat", "猫"], 300), 16, pad_token="</s>", fill=left, left=left
    )
    save_folder(tmp_path, model, Card(RECIPE), half=False)
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_folder_tokenizer(tmp_path, 16)
    for one, other in zip(tokenizer(["a cat", "猫"]), again(["a cat", "猫"]), strict=True):
        assert torch.equal(one, other)


def test_families_that_transformers_does_not_have_are_not_exported(tmp_path):
    with pytest.raises(NotSupportedError, match="EfficientNetConfig"):
        export_folder(tmp_path / "x", EfficientNet(EfficientNetConfig(0.25, 0.25)))


def test_a_joined_tensor_is_named_by_each_of_its_parts():
    assert (
        SIGLIP.their_name("image_pool.attention.key.weight")
        == "vision_model.head.attention.in_proj_weight"
    )
    assert (
        SIGLIP.their_name("image.blocks.3.mlp.expand.bias")
        == "vision_model.encoder.layers.3.mlp.fc1.bias"
    )


def test_a_scale_is_read_back_as_it_was():
    """To the last bit, though a temperature is what the file holds."""
    fix = ALIGN.fixes[0]
    trained = torch.linspace(2, 4.7, 1001)  # where a temperature lies that was learnt
    read = fix.to_ours(torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 2 + 1e-3)
    for scales in (trained, read):
        again = torch.stack([fix.to_ours(fix.to_theirs(scale)) for scale in scales])
        assert torch.equal(again, scales)
    for temperature in (1.0, 0.07, 0.01, 0.0155):
        scale = fix.to_ours(torch.tensor(temperature))
        torch.testing.assert_close(fix.to_theirs(scale).item(), temperature, rtol=5e-7, atol=0)
        assert torch.equal(fix.to_ours(fix.to_theirs(scale)), scale)


PUBLISHED = {
    # What the folders say beyond the reference's defaults, some of it twice as files of 2021 do.
    "openai/clip-vit-base-patch32": (
        {"model_type": "clip", "architectures": ["CLIPModel"], "text_config": {"eos_token_id": 2, "bos_token_id": 0},
         "text_config_dict": None, "vision_config": {}, "vision_config_dict": None},
        ClipConfig(text=ClipTextConfig(end_token=None)),
    ),
    "openai/clip-vit-large-patch14": (
        {"model_type": "clip", "projection_dim": 768,
         "text_config": {"eos_token_id": 2, "hidden_size": 512},
         "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
         "vision_config_dict": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
                                "num_hidden_layers": 24, "patch_size": 14}},
        ClipConfig(
            ViTConfig(224, 14, 1024, 24, 16, 4096, "quick_gelu", 1e-5, patch_bias=False, input_norm=True),
            ClipTextConfig(hidden_size=768, num_heads=12, mlp_size=3072), 768,
        ),
    ),
    "OFA-Sys/chinese-clip-vit-base-patch16": (
        {"model_type": "chinese_clip", "text_config": {"vocab_size": 21128}, "vision_config": {"patch_size": 16}},
        ChineseClipConfig(),
    ),
    "google/siglip2-base-patch16-224": (
        {"model_type": "siglip", "text_config": {"vocab_size": 256000},
         "vision_config": {"model_type": "siglip_vision_model"}},
        SiglipConfig(),
    ),
    "google/siglip-base-patch16-224": (
        {"model_type": "siglip", "text_config": {}, "vision_config": {}},
        SiglipConfig(text=SiglipTextConfig(vocab_size=32000)),
    ),
    "kakaobrain/align-base": (
        {"model_type": "align", "text_config": {}, "vision_config": {"image_size": 289, "hidden_dim": 640}},
        AlignConfig(EfficientNetConfig(2.0, 3.1, 289, head=False, as_ported=True), BertConfig(), 640),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs(name):
    values, wanted = PUBLISHED[name]
    assert architecture_of(values).to_config(values, {}) == wanted


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_config_is_the_same_after_an_export(name):
    values, config = PUBLISHED[name]
    architecture = architecture_of(values)
    written = json.loads(json.dumps(architecture.to_values(config)))
    assert architecture_of(written).to_config(written, {}) == config
