import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_kpd import AugmentTransformer
from sklearn_kpd._common.label_checks import warn_of_shifted_labels, warn_of_suspicious_labels
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import check_keypoints
from sklearn_kpd.networks import SpatialSoftArgmax
from tests.helpers import dots, tiny_regressor

SIZE = (96, 96)


@pytest.fixture(scope="module")
def values():
    return make_faces(60, missing="kaggle", random_state=0)[1].to_numpy()


def messages(values, size=SIZE):
    return messages_of(warn_of_suspicious_labels, values, size)


def messages_of(function, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments)
    assert all(w.category is UserWarning for w in caught)
    texts = [str(w.message) for w in caught]
    assert all("\n" not in text for text in texts)
    return texts


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y,
        lambda y: (y + 0.5) * 1.1 - 0.5,  # nearer than usual
        lambda y: y * 0.3 + 3,  # far away
        lambda y: np.where(np.arange(len(y))[:, None] < 3, y + 60, y),  # three cut off
        lambda y: np.full_like(y, np.nan),
        lambda y: y[:, :1],  # a single coordinate
        lambda y: y[:0],
    ],
)
def test_pixels_are_no_reason_to_warn(values, change):
    assert messages(change(values)) == []


@pytest.mark.parametrize("size", [(96, 96), (200, 100), (16, 16)])
@pytest.mark.parametrize("low", [0, -1])
def test_shares_of_the_image_are_warned_of(values, low, size):
    shares = values / 95 if low == 0 else values / 48 - 1
    (text,) = messages(shares, size)
    assert "as if they were shares of the image" in text
    assert f"y * {size[1]}" in text
    shares[0, 0] = 1.05  # a point beyond the edge
    assert len(messages(shares, size)) == 1


@pytest.mark.parametrize("scale", [1.5, 2, 3, 10])
def test_labels_of_larger_images_are_warned_of(values, scale):
    (text,) = messages((values + 0.5) * scale - 0.5)
    assert "of the labelled points lie outside the images of 96 x 96 pixels" in text
    assert "resize y too" in text


def test_standardised_labels_are_warned_of(values):
    standard = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    (text,) = messages(standard)
    assert "outside" in text


def test_channels_first_are_warned_of(values):
    (text,) = messages(values, (3, 96))
    assert "np.moveaxis(X, 1, -1)" in text


@pytest.mark.parametrize("code", [(0, 0), (-1, -1)])
def test_codes_for_missing_are_warned_of(values, code):
    coded = values.reshape(60, 15, 2).copy()
    coded[::3, 0] = code
    n_labelled = (~np.isnan(coded).any(axis=-1)).sum()
    (text,) = messages(coded.reshape(60, 30))
    assert f"20 of {n_labelled} labelled points are exactly ({code[0]}, {code[1]})" in text
    assert "NaN" in text


def test_codes_say_nothing_about_the_units(values):
    coded = np.where(np.isnan(values), -1, values)
    assert len(messages(coded)) == 1
    texts = messages(np.where(np.isnan(values), 0, values / 95))
    assert ["shares" in text for text in texts] == [True, False]


def test_once_or_twice_is_chance(values):
    few = values.reshape(60, 15, 2).copy()
    few[:2, 0] = 0
    assert messages(few.reshape(60, 30)) == []


def test_tables_of_a_few_numbers_are_not_looked_at(values):
    assert messages(values, (4, 4)) == []
    assert messages(values / 95, (1, 3)) == []


@pytest.mark.parametrize("path", ["kaggle/facial_keypoints.csv", "faces96/test_labels.csv"])
def test_real_labels_are_no_reason_to_warn(path):
    file = Path(__file__).parents[2] / "../shared/data" / path
    if not file.exists():
        pytest.skip("the labels of real faces are not there")
    table = pd.read_csv(file)
    table = table[[column for column in table if column.endswith(("_x", "_y"))]]
    assert messages(check_keypoints(table).values) == []


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize(("shift", "side"), [(1.0, "right"), (-0.5, "left")])
def test_labels_that_all_lie_to_one_side(values, shift, side, noise):
    found = values - np.tile([shift, 0.0], 15)
    found = np.where(np.isnan(found), 50.0, found)  # a network finds every point
    found += noise * np.random.default_rng(0).normal(size=found.shape)
    [text] = messages_of(warn_of_shifted_labels, values, found)
    assert text.endswith("set mirrored_outputs=True.")
    pixels = re.search(f"lie (.*) pixels to the {side} of what is found", text)[1]
    assert float(pixels) == pytest.approx(abs(shift), abs=0.1)


@pytest.mark.parametrize(
    "change",
    [
        lambda y, noise: y + noise,
        lambda y, noise: y + np.tile([0.0, 3.0], 15),  # a network would have learnt it
        lambda y, noise: y + np.tile([0.2, 0.2], 15),  # too little to matter
        lambda y, noise: y + 30 * noise + 5,  # not trained yet
        lambda y, noise: np.where(np.arange(len(y))[:, None] < 15, y + 3, y + noise),  # a few
        lambda y, noise: y * np.nan,
    ],
)
def test_labels_that_do_not(values, change):
    noise = np.random.default_rng(0).normal(size=values.shape)
    assert not messages_of(warn_of_shifted_labels, change(values, noise), values)
    assert not messages_of(warn_of_shifted_labels, change(values, noise)[:10], values[:10])


def finds_the_dot(image_shape, n_outputs):
    images = keras.Input(image_shape)
    bright = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(images)
    return keras.Model(images, SpatialSoftArgmax()(bright))


@pytest.mark.parametrize(
    ("shift", "flip", "warns"),
    [(1.0, 0.5, True), (1.0, 0.0, False), (1.0, 1.0, False), (0.0, 0.5, False)],
)
def test_a_fit_says_so(shift, flip, warns):
    places = np.random.default_rng(0).uniform(8, 40, (60, 1, 2))
    X = dots(places, (48, 48))[:, 0]
    y = pd.DataFrame(places[:, 0] + shift, columns=["nose_tip_x", "nose_tip_y"])
    regressor = tiny_regressor(
        network=finds_the_dot, learning_rate=1e-30, weight_decay=0.0, validation_split=0.5
    )
    pipe = make_pipeline(AugmentTransformer(flip=flip, flip_pairs=[]), regressor)
    said = [text for text in messages_of(pipe.fit, X, y) if "to the right" in text]
    assert len(said) == warns
