"""What is shown: the object, and in it every point where it belongs."""

import io

import numpy as np
import pytest
from PIL import Image

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.label_quality._review.pictures import Pictures, region
from sklearn_kpd.photographs._tables import check_photographs

NONE = np.full(4, np.nan)


def shown(picture):
    return np.asarray(Image.open(io.BytesIO(picture.content)))


def test_small_images_are_whole_and_without_loss():
    images = np.random.default_rng(0).integers(0, 255, (3, 96, 96, 1), dtype=np.uint8)
    picture = Pictures(check_photographs(images)).picture(1, np.array([[500.0, 3.0]]))
    assert picture.region == (0, 0, 96, 96)
    assert picture.mimetype == "image/png"
    np.testing.assert_array_equal(shown(picture)[..., 0], images[1, ..., 0])


@pytest.mark.parametrize(
    ("box", "points", "expected"),
    [
        ([100, 100, 300, 200], [[np.nan, np.nan]], (50, 50, 350, 250)),
        ([100, 100, 300, 200], [[400.0, 150.0]], (25, 25, 475, 275)),
        ([100, 100, 300, 200], [[-9.0, 150.0], [5000.0, 5000.0]], (50, 50, 350, 250)),
        (NONE, [[100.0, 100.0], [300.0, 200.0]], (50, 50, 350, 250)),
        (NONE, [[np.nan, np.nan]], (0, 0, 2000, 1000)),
        (NONE, [[0.0, 0.0]], (0, 0, 16, 16)),
        ([-50, -50, 100, 2000], [[np.nan, np.nan]], (0, 0, 613, 1000)),
        ([5000, 5000, 5001, 5001], [[np.nan, np.nan]], (1999, 999, 2000, 1000)),
    ],
)
def test_objects_are_cut_out_with_a_margin(box, points, expected):
    assert region((1000, 2000), np.array(box, dtype=float), np.array(points)) == expected


def test_pixels_are_those_of_the_region(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    photographs = check_photographs([tmp_path / "photo.png"])
    picture = Pictures(photographs).picture(0, np.array([[100.0, 100.0], [200.0, 180.0]]))
    left, top, right, bottom = picture.region
    assert (left, top, right, bottom) == (75, 75, 225, 205)
    np.testing.assert_array_equal(shown(picture), pixels[top:bottom, left:right])


def test_large_ones_are_reduced(tmp_path):
    Image.new("RGB", (4000, 1000), (200, 10, 10)).save(tmp_path / "photo.jpg")
    picture = Pictures(check_photographs([tmp_path / "photo.jpg"])).picture(0, np.empty((0, 2)))
    assert picture.region == (0, 0, 4000, 1000)
    assert picture.mimetype == "image/jpeg"
    assert shown(picture).shape == (400, 1600, 3)


def test_a_photograph_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"no")
    with pytest.raises(PhotographError, match="photo.jpg"):
        Pictures(check_photographs([tmp_path / "photo.jpg"])).picture(0, np.empty((0, 2)))
