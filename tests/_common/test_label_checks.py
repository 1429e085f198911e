import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_kpd._common.label_checks import warn_of_suspicious_labels
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import check_keypoints

SIZE = (96, 96)


@pytest.fixture(scope="module")
def values():
    return make_faces(60, missing="kaggle", random_state=0)[1].to_numpy()


def messages(values, size=SIZE):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_suspicious_labels(values, size)
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
    file = Path(__file__).parents[1] / "../shared/data" / path
    if not file.exists():
        pytest.skip("the labels of real faces are not there")
    table = pd.read_csv(file)
    table = table[[column for column in table if column.endswith(("_x", "_y"))]]
    assert messages(check_keypoints(table).values) == []
