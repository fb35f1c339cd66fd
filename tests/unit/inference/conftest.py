"""A tiny model folder of the real kind: two towers, a tokenizer, a card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
from polysee.inputs.pixels import PixelRecipe
from polysee.inputs.tokenizer import train_bpe
from polysee.models.align import Align, AlignConfig
from polysee.models.bert import BertConfig
from polysee.models.efficientnet import EfficientNetConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    text = BertConfig(320, 16, 1, 2, 24, 16)
    model = Align(AlignConfig(EfficientNetConfig(0.25, 0.25, lite=True), text, 24, "mean", 0.1))
    # Fresh convolutions let nothing of a picture through; statistics of random pictures do.
    with torch.no_grad():
        for parameter in model.text.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train().image(torch.randn(8, 3, 64, 64))
    card = Card(PixelRecipe(64), ("a photo of a {}", "一张{}的照片"), "MIT", "drawn", "1")
    save_folder(tmp_path / "tiny", model, card)
    backend = train_bpe(["a cat on a sofa", "一只坐在沙发上的猫", "a red car"] * 3, 320)
    backend.save(str(tmp_path / "tiny" / TOKENIZER))
    return tmp_path / "tiny"
