"""Pictures of every kind come out upright, RGB and whole; damaged ones are named."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from polysee.errors import MediaError
from polysee.media.image import Picture, TooLargeError, read_image, read_picture, to_rgb

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
WRITABLE = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
T = Image.Transpose
# How a camera stores a picture that orientation 2..8 then brings upright.
STORED = {
    2: T.FLIP_LEFT_RIGHT,
    3: T.ROTATE_180,
    4: T.FLIP_TOP_BOTTOM,
    5: T.TRANSPOSE,
    6: T.ROTATE_90,
    7: T.TRANSVERSE,
    8: T.ROTATE_270,
}
# `corners()` as a HEIC file, made for this test.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAYUAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAA"
    "AwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAAB"
    "AAAAKAAAAAEAAAAAAAAAAv///+gAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAY1t"
    "ZGF0AAABgSgBrwY48Je97bfzOB///lab6H964qJ03sYv/36cv3OMuxdBX4ie46FV7n15v41F5RxjbTzQH2FN28XMHgNh"
    "YbtVO1natiQxT+l3GSM2JhGdl/j6mxjhhnc1QLPEVVfq2mjW6G+xJl58Xf8kdAhjhABh/fTcIJBPoWZQhX0h0MGaQbtA"
    "H99/Ejb/+9F9//prM58UIfcjfFZ5+D1GXuzs0xzFk8+UFJ/Qf96/8EEXUvpTH7THOs+y0WhvvWUyD9Jv4kP6/n+09H//"
    "2xRc8V1jn3RV1mW7ajlV+my/D7fx7ZDezJNqWjUoXRijgtp4rFOsyimauyQNV035rW+pwfXf1j5V+6Yne+rA3V1nE5OH"
    "1ozj4aZiFikMVaYFzy13wxcxIyuz2atp6mNEWFrETY6ySCtHF/aCXr/darcfzVr/9HR8JL/jnGylJ/pUNhvFdGBT8Yha"
    "60wqWZ1BgTjmr+mltm1q0/408n8jYIunlGjE7Eq/vyU5E+23afYmgPh4/n8Ki8A="
)


def corners() -> Image.Image:
    """Four colours, so that every turn and flip shows."""
    pixels = np.zeros((40, 64, 3), np.uint8)
    pixels[:20, :32], pixels[:20, 32:] = RED, GREEN
    pixels[20:, :32], pixels[20:, 32:] = BLUE, WHITE
    return Image.fromarray(pixels)


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def assert_corners(picture: Picture) -> None:
    assert picture.image.mode == "RGB"
    assert (picture.width, picture.height) == (64, 40)
    small = picture.image.resize((64, 40), Image.Resampling.NEAREST)
    for place, colour in (((5, 5), RED), ((58, 5), GREEN), ((5, 34), BLUE), ((58, 34), WHITE)):
        np.testing.assert_allclose(small.getpixel(place), colour, atol=40)


@pytest.mark.parametrize("form", WRITABLE)
def test_every_format(form: str) -> None:
    assert_corners(read_picture(encode(corners(), form)))


def test_heic() -> None:
    picture = read_picture(HEIC)
    assert picture.format == "HEIC"
    assert_corners(picture)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("draft_size", [None, 8])
def test_orientation(form: str, orientation: int, draft_size: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encode(corners().transpose(STORED[orientation]), form, exif=exif)
    assert_corners(read_picture(stored, draft_size=draft_size))


def test_date_and_place() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2023:10:05 17:30:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (39.0, 54.0, 0.0), 3: "W", 4: (116.0, 24.0, 0.0)})
    picture = read_picture(encode(corners(), "JPEG", exif=exif))
    assert picture.taken == datetime(2023, 10, 5, 17, 30)  # noqa: DTZ001
    assert picture.place == (39.9, -116.4)


@pytest.mark.parametrize("garbage", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 40])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_is_harmless(garbage: bytes) -> None:
    picture = read_picture(encode(corners(), "JPEG", exif=garbage))
    assert_corners(picture)
    assert picture.taken is None
    assert picture.place is None


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    file = encode(image.convert(mode), "PNG", **({"transparency": 0} if mode == "P" else {}))
    if mode == "P":  # palette entry 0 is see-through, wherever it stands
        index = np.asarray(image.convert("P"))
        expected = np.where(index == 0, 255, np.asarray(image.convert("P").convert("L")))
    else:
        expected = np.repeat([[0] * 4 + [255] * 4], 8, axis=0)
    np.testing.assert_array_equal(np.asarray(read_image(file))[..., 0], expected)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(form: str) -> None:
    values = np.linspace(0, 65535, 40 * 64).reshape(40, 64).astype(np.uint16)
    read = np.asarray(read_image(encode(Image.fromarray(values), form)))
    np.testing.assert_allclose(read[..., 0], values / 257, atol=0.51)


def test_float_and_32_bits_are_scaled() -> None:
    ramp = np.linspace(0, 1, 40 * 64).reshape(40, 64)
    for values in (ramp.astype(np.float32), (ramp * 2e9).astype(np.int32)):
        read = np.asarray(read_image(encode(Image.fromarray(values), "TIFF")))
        np.testing.assert_allclose(read[..., 0], ramp * 255, atol=0.51)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_modes(mode: str) -> None:
    read = read_image(encode(corners().convert(mode), "TIFF"))
    assert read.mode == "RGB"
    expected = corners().convert(mode).convert("RGB").getpixel((58, 5))
    np.testing.assert_allclose(read.getpixel((58, 5)), expected, atol=3)


def test_cmyk_jpeg() -> None:
    assert_corners(read_picture(encode(corners().convert("CMYK"), "JPEG", quality=95)))


def test_draft_keeps_the_side_that_is_asked_for() -> None:
    file = encode(corners().resize((1600, 1000)), "JPEG")
    picture = read_picture(file, draft_size=200)
    assert (picture.width, picture.height) == (1600, 1000)
    assert 200 <= min(picture.image.size) < 400


def deep(mode: str) -> Image.Image:
    """A picture of 61 x 47 in any mode, with values that only the whole picture's extremes scale rightly."""
    values = np.random.default_rng(1).normal(50, 900, (47, 61))
    if mode == "I;16":
        return Image.fromarray(values.clip(0, 65535).astype(np.uint16))
    if mode in ("I", "F"):
        return Image.fromarray(values.astype(np.int32 if mode == "I" else np.float32))
    colours = np.random.default_rng(2).integers(0, 256, (47, 61, 4), dtype=np.uint8)
    image = Image.fromarray(colours).convert("RGB" if mode in ("P", "CMYK", "1") else mode)
    image = image.convert(mode)
    if mode == "P":
        image.info["transparency"] = 7
    return image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"])
def test_large_pictures_are_converted_by_bands(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = to_rgb(deep(mode))
    small = to_rgb(deep(mode), 3)
    assert small.size == (21, 16)
    np.testing.assert_array_equal(np.asarray(small), np.asarray(whole.reduce(3)))
    monkeypatch.setattr("polysee.media.image.BAND_PIXELS", 61 * 7)
    np.testing.assert_array_equal(np.asarray(to_rgb(deep(mode))), np.asarray(whole))
    np.testing.assert_array_equal(np.asarray(to_rgb(deep(mode), 3)), np.asarray(small))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_what_is_no_jpeg_is_shrunk_too(form: str) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    large = corners().resize((640, 400), Image.Resampling.NEAREST)
    picture = read_picture(encode(large, form, exif=turned), draft_size=100)
    assert (picture.width, picture.height) == (400, 640)
    assert picture.image.size == (100, 160)
    assert read_image(encode(large, form), draft_size=201).size == (640, 400)


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    for form in ("GIF", "WEBP", "PNG", "AVIF"):
        file = encode(frames[0], form, save_all=True, append_images=frames[1:])
        np.testing.assert_allclose(read_image(file).getpixel((4, 4)), RED, atol=8)


@pytest.mark.parametrize("form", WRITABLE)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_cut_short_is_named(form: str) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (40, 64, 3), dtype=np.uint8))
    frames = {"save_all": True, "append_images": [corners()]} if form == "GIF" else {}
    file = encode(noise, form, **frames)
    read_image(file)
    for length in (*range(0, len(file), max(1, len(file) // 40)), len(file) - 1):
        with pytest.raises(MediaError):
            read_image(file[:length])


def test_cut_heic_is_named() -> None:
    for length in range(0, len(HEIC), 23):
        with pytest.raises(MediaError):
            read_image(HEIC[:length])


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises pixels that are not there."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_pixels_are_counted_before_they_are_allocated() -> None:
    with pytest.raises(TooLargeError, match="too large: 200000 x 200000"):
        read_image(bomb(200_000, 200_000))
    with pytest.raises(MediaError, match="too large: 64 x 40"):
        read_image(encode(corners(), "JPEG"), max_pixels=64 * 40 - 1)


def test_panoramas_pass() -> None:
    """Pillow's own limit would refuse this one."""
    wide = Image.new("1", (200_000, 1000))
    assert read_picture(encode(wide, "PNG")).width == 200_000


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_never_escapes_as_another_error() -> None:
    dice = random.Random(3)
    originals = [encode(corners(), form) for form in WRITABLE] + [HEIC]
    named = 0
    for _ in range(400):
        file = bytearray(dice.choice(originals))
        for _ in range(dice.randint(1, 8)):
            file[dice.randrange(len(file))] = dice.randrange(256)
        try:
            assert read_image(bytes(file), max_pixels=10_000_000).mode == "RGB"
        except MediaError:
            named += 1
    assert named > 50


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "an empty file"), (b"just a text", "not a picture")]
)
def test_no_picture(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        read_image(data)
