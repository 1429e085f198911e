"""Photographs from files, as a viewer shows them."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.photographs._reading import photograph_size, read_photograph, read_reduced

HEIGHT, WIDTH = 40, 60
GREY = np.linspace(10, 240, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)
ORIENTATION = 0x0112

MODES = {
    "black and white": lambda: Image.fromarray(GREY > 128),
    "grey": lambda: Image.fromarray(GREY),
    "grey with transparency": lambda: Image.fromarray(
        np.stack([GREY, 255 - GREY], axis=2), mode="LA"
    ),
    "RGB": lambda: Image.fromarray(RGB),
    "RGBA": lambda: Image.fromarray(np.concatenate([RGB, GREY[..., None] // 2], axis=2)),
    "16 bits": lambda: Image.fromarray(GREY.astype(np.uint16) * 257),
    "palette": lambda: Image.fromarray(RGB).quantize(256),
}


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize("name", MODES)
def test_modes(tmp_path, name, color):
    picture = MODES[name]()
    picture.save(tmp_path / "a.png")
    pixels, factor = read_photograph(tmp_path / "a.png", color)
    assert (pixels.dtype, factor) == (np.uint8, 1)
    assert pixels.shape == (HEIGHT, WIDTH, 1 if color == "gray" else 3)
    if name == "black and white":
        wanted = np.where(GREY > 128, 255, 0)
    elif "grey" in name or name == "16 bits":
        wanted = GREY
    else:
        wanted = picture.convert("RGB") if color == "rgb" else picture.convert("RGB").convert("L")
    wanted = np.asarray(wanted).reshape(HEIGHT, WIDTH, -1)
    np.testing.assert_allclose(pixels, np.broadcast_to(wanted, pixels.shape), atol=1)


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path, recwarn):
    picture = Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 16)))
    pixels, _ = read_photograph(tmp_path / "a.png", "rgb")
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))
    assert not list(recwarn)


def test_inverted_inks_of_a_cmyk_jpeg(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    pixels, _ = read_photograph(tmp_path / "a.jpg", "rgb")
    assert np.abs(pixels.astype(int) - RGB).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_exif_is_obeyed(tmp_path, suffix, orientation):
    picture = Image.fromarray(RGB)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a.{suffix}"
    picture.save(path, exif=exif, **({"quality": 98} if suffix in ("jpg", "webp") else {}))
    picture.getexif()[ORIENTATION] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(picture))
    pixels, _ = read_photograph(path, "rgb")
    assert pixels.shape == wanted.shape
    assert photograph_size(path) == wanted.shape[:2]
    assert np.abs(pixels.astype(int) - wanted).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(96, 160), (93, 157), (90, 166)])
@pytest.mark.parametrize("largest", [1, 2, 3, 5, 8, 30])
def test_a_reduced_jpeg_is_made_of_the_pixels_that_it_says(tmp_path, size, orientation, largest):
    y, x = np.mgrid[: size[0], : size[1]]
    smooth = (x + y).astype(np.uint8)  # grows from pixel to pixel: a shift shows in its level
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(path, exif=exif, quality=100)
    whole, factor = read_photograph(path, "gray")
    assert factor == 1
    pixels, factor = read_photograph(path, "gray", largest)
    assert factor in (1, 2, 4, 8)
    assert factor <= largest
    height, width = (-(-side // factor) for side in whole.shape[:2])
    assert pixels.shape == (height, width, 1)
    assert photograph_size(path) == whole.shape[:2]
    inner = whole[: height // 2 * factor, : width // 2 * factor, 0].astype(float)
    means = inner.reshape(height // 2, factor, width // 2, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(pixels[: height // 2, : width // 2, 0], means, atol=1.5)


def test_reduction_is_taken_where_it_can_be(tmp_path):
    Image.fromarray(np.zeros((96, 160), np.uint8)).save(tmp_path / "a.jpg")
    assert [read_photograph(tmp_path / "a.jpg", "gray", n)[1] for n in (1, 2, 3, 4, 7, 8, 99)] == [
        1, 2, 2, 4, 4, 8, 8,
    ]  # fmt: skip
    Image.fromarray(np.zeros((96, 160), np.uint8)).save(tmp_path / "a.png")
    assert read_photograph(tmp_path / "a.png", "gray", 8)[1] == 1


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("size", [(1000, 1500), (997, 1503), (100, 150)])
def test_edges_of_a_reduced_photograph_scale_back(tmp_path, suffix, size):
    picture = np.zeros(size, np.uint8)
    top, left = size[0] // 4, size[1] // 3
    picture[top:, left:] = 255
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}", quality=95)
    pixels, scale = read_reduced(tmp_path / f"a.{suffix}", "gray", 300)
    assert max(pixels.shape) == min(300, max(size))
    dark = (255 - pixels[..., 0].astype(float)) / 255
    edge_x, edge_y = dark[-1].sum() * scale[0], dark[:, -1].sum() * scale[1]
    assert abs(edge_x - left) < 1
    assert abs(edge_y - top) < 1


def broken_files(folder):
    Image.fromarray(RGB).save(folder / "whole.jpg")
    Image.fromarray(RGB).save(folder / "whole.png")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:500])
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:200])
    (folder / "text.jpg").write_text("no photograph")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.jpg").mkdir()
    levels = np.full((4, 4), 70000, np.int32)
    Image.fromarray(levels).save(folder / "deep.tif")
    Image.fromarray(levels.astype(np.float32)).save(folder / "floats.tif")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.jpg", "no such file"),
        ("cut.jpg", "cannot be read"), ("cut.png", "cannot be read"),
        ("text.jpg", "no photograph"), ("empty.png", "no photograph"),
        ("folder.jpg", "cannot be read"),
        ("deep.tif", "pixels reach from 70000 to 70000"), ("floats.tif", "are floats"),
    ],
)  # fmt: skip
def test_broken_files_are_named(tmp_path, name, message):
    broken_files(tmp_path)
    with pytest.raises(PhotographError, match=message) as caught:
        read_photograph(tmp_path / name, "gray")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
