"""From a picture of any size to the numbers that a model reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from polysee.errors import ConfigError, MediaError
from polysee.inputs.pixels import RESAMPLING, PixelRecipe


def noise(width: int, height: int) -> Image.Image:
    """Coarse enough that resampling has something to do and little to lose."""
    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (31, 33), (640, 480), (64, 64)])
@pytest.mark.parametrize("exact", [False, True])
def test_any_size_goes_in(fit, size, exact):
    picture = PixelRecipe(32, fit=fit, exact=exact).resize(Image.new("RGB", size, (10, 200, 30)))
    assert picture.shape == (32, 32, 3)
    assert picture.dtype == np.uint8
    assert (picture == (10, 200, 30)).all()


@pytest.mark.parametrize("resample", RESAMPLING)
@pytest.mark.parametrize("size", [(100, 75), (75, 100), (90, 90), (40, 20), (333, 100)])
def test_crop_is_resizing_the_short_side_and_cutting_the_middle_out(resample, size):
    image = noise(*size)
    short = min(size)
    whole = image.resize(tuple(48 * side // short for side in size), RESAMPLING[resample])
    left, top = (whole.width - 48) // 2, (whole.height - 48) // 2
    wanted = np.asarray(whole.crop((left, top, left + 48, top + 48))).astype(int)
    got = PixelRecipe(48, fit="crop", resample=resample).resize(image)
    assert np.abs(got - wanted).max() <= 1


def photograph(width: int, height: int) -> Image.Image:
    """Noise with the spectrum of photographs, whose amplitude falls with the frequency."""
    draw = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    noise = draw.normal(size=(3, 2, *frequency.shape))
    waves = (noise[:, 0] + 1j * noise[:, 1]) / frequency
    channels = np.fft.irfft2(waves, s=(height, width))  # (C, Y, X)
    levels = 128 + 45 * channels / channels.std()
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy())


def test_reducing_large_pictures_first_costs_little():
    image = photograph(1200, 900)
    wanted = np.asarray(image.resize((192, 192), Image.Resampling.BICUBIC)).astype(int)
    error = np.abs(PixelRecipe(192).resize(image) - wanted)
    assert error.mean() < 1
    assert error.max() <= 6


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("side", [None, 60])
@pytest.mark.parametrize("size", [(1200, 901), (333, 1000), (40, 20), (48, 48)])
def test_an_exact_recipe_is_the_filter_alone(fit, side, size):
    """As the plain steps do it: the whole picture resized, then its middle cut out."""
    image, short = noise(*size), side or 48
    whole = (short, short)
    if fit == "crop":
        whole = tuple(int(short * length / min(size)) for length in size)
    resized = image.resize(whole, Image.Resampling.BICUBIC)
    left, top = (whole[0] - 48) // 2, (whole[1] - 48) // 2
    recipe = PixelRecipe(48, fit=fit, side=side, exact=True)
    np.testing.assert_array_equal(
        recipe.resize(image), np.asarray(resized.crop((left, top, left + 48, top + 48)))
    )


def test_what_may_be_read_small():
    assert PixelRecipe(48).draft_size == 96
    assert PixelRecipe(48, side=60).draft_size == 120
    assert PixelRecipe(48, exact=True).draft_size is None


def test_squash_shows_everything_and_crop_the_middle():
    image = Image.new("RGB", (96, 32), "black")
    image.paste("white", (0, 0, 16, 32))
    assert PixelRecipe(32, fit="squash").resize(image)[16, 0, 0] == 255
    assert PixelRecipe(32, fit="crop").resize(image).max() == 0


def test_normalised_as_the_formula_says():
    recipe = PixelRecipe(2, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1.0))
    pictures = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    wanted = (pictures / 255 - np.array(recipe.mean)) / np.array(recipe.std)
    pixels = recipe.normalise(pictures)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(pixels.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-6)


def test_the_way_back_gives_the_same_bytes():
    recipe = PixelRecipe(image_size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    pixels = recipe.normalise(pictures)
    assert np.array_equal(recipe.bytes_of(pixels), pictures)
    assert recipe.bytes_of(pixels + 9).min() == 255
    assert recipe.bytes_of(pixels - 9).max() == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"resample": "nearest"}, "nearest"),
        ({"fit": "pad"}, "pad"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 2.5}, "image_size"),
        ({"std": (0.5, 0.0, 0.5)}, "std"),
        ({"mean": (0.5,)}, "mean"),
        ({"side": 100}, "side"),
        ({"side": 300.5}, "side"),
    ],
)
def test_what_makes_no_sense_is_named(wrong, named):
    with pytest.raises(ConfigError, match=named):
        PixelRecipe(**wrong)


def test_a_file_is_read_and_resized_in_one_go(tmp_path):
    image = noise(300, 200)
    image.save(tmp_path / "a.png")
    recipe = PixelRecipe(32)
    expected = recipe.resize(image.reduce(200 // 64))
    np.testing.assert_array_equal(recipe.read(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(recipe.read((tmp_path / "a.png").read_bytes()), expected)
    with pytest.raises(MediaError, match=r"b\.png: no such file"):
        recipe.read(tmp_path / "b.png")
