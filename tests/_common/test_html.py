"""What a notebook shows."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd._common.html import N_SHOWN
from sklearn_kpd.augment.images import AugmentedImages


def pictures(html):
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)">', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in found]


@pytest.fixture
def photographs(faces, tmp_path):
    """Ten files, the names of which are no HTML."""
    paths = []
    for number, face in enumerate(faces[0][:10]):
        paths.append(str(tmp_path / f"<b>{number}&.png"))
        Image.fromarray(face.reshape(96, 96)).save(paths[-1])
    return pd.DataFrame({"path": paths})


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: X.reshape(len(X), 96, 96),
        lambda X: X.reshape(len(X), -1),
        lambda X: list(X.reshape(len(X), 96, 96)),
        lambda X: pd.Series(list(X.reshape(len(X), 96, 96)), index=range(5, 5 + len(X))),
        lambda X: pd.DataFrame(X.reshape(len(X), -1)),
        lambda X: X.astype(np.float32) / 255,
    ],
)
def test_images_of_every_form_are_shown_as_they_are(faces, form):
    X = faces[0]
    augmented = AugmentedImages(form(X), ())
    shown = pictures(augmented._repr_html_())
    np.testing.assert_array_equal(shown, X[:N_SHOWN].reshape(-1, 96, 96))


def test_augmentations_are_told(faces):
    augmented = AugmentTransformer(rotation=15, flip=0.5).fit_transform(*faces)
    html = augmented._repr_html_()
    assert "40 images" in html
    assert "96 × 96 pixels" in html
    assert "rotation -15 to 15, flip with probability 0.5" in html


def test_names_are_escaped(faces):
    class Op:
        name = "<script>"

    augmented = AugmentTransformer(rotation=15).fit_transform(*faces)
    policy = augmented.augmentations[0]
    policy.ops.append(Op())
    html = augmented._repr_html_()
    policy.ops.clear()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def test_large_colour_images_are_small_pictures():
    images = np.full((2, 300, 200, 3), [255, 0, 0], np.uint8)
    for picture in pictures(AugmentedImages(images, ())._repr_html_()):
        assert picture.shape == (96, 64, 3)
        assert (picture == [255, 0, 0]).all()


def test_crops_read_the_first_photographs_alone(photographs, monkeypatch):
    from sklearn_kpd.photographs import crops as module

    crops = CropTransformer(size=48).fit_transform(photographs)
    read = []
    for name in ("read_photograph", "photograph_size"):
        function = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, *a, f=function: read.append(path) or f(path, *a)
        )
    html = crops._repr_html_()
    assert "10 crops" in html
    assert set(read) == set(photographs["path"][:N_SHOWN])
    np.testing.assert_array_equal(pictures(html), crops.pixels(slice(6))[..., 0])


def test_photographs_that_are_gone_are_told_in_text(photographs, faces, tmp_path):
    crops = CropTransformer(size=48).fit_transform(photographs)
    for path in photographs["path"]:
        (tmp_path / path).unlink()
    assert crops._repr_html_() is None
    assert AugmentedImages(crops, ())._repr_html_() is None
    assert repr(crops) == "Crops(10 crops of 48x48x1)"


@pytest.mark.parametrize(
    "images", [np.zeros((3, 7)), np.zeros((3, 8, 8, 2), np.uint8), ["a.png", "b.png"], []]
)
def test_what_is_no_image_is_told_in_text(images):
    assert AugmentedImages(images, ())._repr_html_() is None
