"""What many tests share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from polysee.inputs.pixels import PixelRecipe


class ColourEmbedder:
    """A real, tiny embedder that knows colours only: fast, exact, and the same everywhere.

    A picture's vector is its histogram over 64 colours; a word's is that of its colour.
    """

    id = "test/colour"
    hash = "00000000c0104700"
    embedding_size = 64
    recipe = PixelRecipe(image_size=32, resample="bilinear")
    folder = Path(__file__).parent
    words: ClassVar = {
        "red": (255, 0, 0),
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "红色": (255, 0, 0),
        "white": (255, 255, 255),
        "black": (0, 0, 0),
    }

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        codes = (pictures.astype(np.int64) // 64) @ np.array([16, 4, 1])
        counts = [np.bincount(code.ravel(), minlength=64) for code in codes]
        return self._unit(np.array(counts))

    def embed_image(self, images: Sequence[object], batch_size: int = 32) -> np.ndarray:
        from polysee.media.image import read_image

        opened = [
            image if isinstance(image, Image.Image) else read_image(image) for image in images
        ]
        return self.embed_pictures(np.stack([self.recipe.resize(image) for image in opened]))

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        colours = [
            np.uint8([[self.words.get(text.strip().lower(), (128, 128, 0))]]) for text in texts
        ]
        return self.embed_pictures(np.stack(colours))

    def embed_labels(self, labels: Sequence[str]) -> np.ndarray:
        return self.embed_text(labels)

    @staticmethod
    def _unit(counts: np.ndarray) -> np.ndarray:
        vectors = counts.astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def colour_embedder() -> ColourEmbedder:
    return ColourEmbedder()


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Write a picture of one colour with some noise, so that each seed is another content."""

    def write(path: Path, colour: tuple[int, int, int], seed: int = 0, **options: object) -> Path:
        noise = np.random.default_rng(seed).integers(-20, 20, (48, 64, 3))
        pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return write


@dataclass(frozen=True)
class Outcome:
    """What a command line gave back: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


@pytest.fixture
def polysee(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Outcome]]:
    """Run one command line in this process, offline, in English unless it says otherwise."""
    from polysee.cli.language import choose_language
    from polysee.cli.main import run

    monkeypatch.setenv("POLYSEE_LANG", "en")
    monkeypatch.setenv("POLYSEE_OFFLINE", "1")

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return Outcome(code, written.out, written.err)

    yield call
    choose_language([], {"LANG": "C"})


@pytest.fixture(scope="session")
def drawing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that draws, of random weights: noise, but by every rule."""
    import torch

    from polysee.checkpoints.folder import TOKENIZER, Card, save_folder
    from polysee.inputs.tokenizer import Tokenizer, train_bpe
    from polysee.models.dalle import Dalle, DalleConfig
    from polysee.models.dvae import DvaeConfig

    folder = tmp_path_factory.mktemp("models") / "tiny-dalle"
    torch.manual_seed(0)
    texts = ["noto: a dog wearing a hat", "fluent: two red cars", "一只戴着帽子的狗"]
    tokenizer = Tokenizer(train_bpe(texts, 400), context_length=40)
    dvae = DvaeConfig(32, 4, 16, 1, (4, 3, 3))
    sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "mlp_size": 64}
    model = Dalle(DalleConfig(dvae, tokenizer.backend.get_vocab_size(), 40, **sizes))
    for name, parameter in model.named_parameters():  # fresh weights would draw one grey
        torch.nn.init.normal_(parameter, std=0.12 if name.startswith("dvae") else 0.6)
    save_folder(folder, model, Card(PixelRecipe(32), licence="Apache-2.0"), half=False)
    tokenizer.save(folder / TOKENIZER)
    return folder
