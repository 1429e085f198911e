import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from sklearn_kpd.images import as_images, check_images, grey_level_gain, to_grey_levels

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))


@given(SHAPES)
def test_every_form_is_the_same_images(shape):
    X = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    for form in (X, X.reshape(len(X), -1), X.tolist()):
        np.testing.assert_array_equal(as_images(form, shape[1:]), X)
    if shape[3] == 1:
        np.testing.assert_array_equal(as_images(X[..., 0]), X)
        np.testing.assert_array_equal(as_images(X.reshape(len(X), -1), shape[1:3]), X)
        np.testing.assert_array_equal(as_images(X.reshape(len(X), -1), (shape[1], -1)), X)


def test_flat_images_are_squares_unless_told():
    assert as_images(np.zeros((2, 9216), np.uint8)).shape == (2, 96, 96, 1)
    with pytest.raises(ValueError, match="no square grey image: pass image_shape"):
        as_images(np.zeros((2, 100 * 96)))


def test_pixels_are_not_copied():
    X = np.zeros((3, 8, 8), np.uint8)
    assert np.shares_memory(as_images(X), X)
    assert np.shares_memory(as_images(X.reshape(3, -1)), X)


def test_a_memory_map_stays_on_disk(tmp_path):
    X = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(3, 8, 8, 1))
    assert np.shares_memory(as_images(X), X)


@pytest.mark.parametrize(
    ("X", "image_shape", "message"),
    [
        (np.full((2, 4, 4), np.nan), None, "X contains NaN"),
        (np.full((2, 16), np.inf), None, "X contains infinity"),
        (np.zeros((2, 2, 2, 2, 2)), None, "its shape is"),
        (np.zeros((0, 4, 4)), None, "0 sample"),
        (np.zeros((2, 4, 0, 1)), None, "no pixels"),
        (np.zeros((2, 15)), (4, 4), "does not fit X, which has 15 columns"),
        (np.zeros((2, 4, 4)), (4, 5), "does not fit X"),
        (np.array([["a", "b"]]), None, "not compatible"),
    ],
)
def test_bad_images_say_what_is_wrong(X, image_shape, message):
    with pytest.raises(ValueError, match=message):
        as_images(X, image_shape)


def test_an_estimator_learns_size_and_names():
    estimator = BaseEstimator()
    frame = pd.DataFrame(np.zeros((2, 16)), columns=[f"pixel{i}" for i in range(16)])
    check_images(estimator, frame, reset=True)
    assert estimator.image_shape_ == (4, 4, 1)
    assert estimator.n_features_in_ == 16
    assert list(estimator.feature_names_in_) == list(frame.columns)


def test_other_forms_of_the_same_size_pass_and_other_sizes_do_not():
    estimator = BaseEstimator()
    check_images(estimator, np.zeros((2, 4, 6, 1)), reset=True)
    assert check_images(estimator, np.zeros((2, 24)), reset=False).shape == (2, 4, 6, 1)
    assert check_images(estimator, np.zeros((2, 4, 6)), reset=False).shape == (2, 4, 6, 1)
    with pytest.raises(ValueError, match="6x4x1 .* was fitted on images of 4x6x1"):
        check_images(estimator, np.zeros((2, 6, 4)), reset=False)
    with pytest.raises(ValueError, match="X has 25 features, but BaseEstimator is expecting 24"):
        check_images(estimator, np.zeros((2, 25)), reset=False)


def test_gain_brings_pixels_to_grey_levels():
    assert grey_level_gain(np.zeros((2, 2), np.uint8)) == 1
    assert grey_level_gain(np.ones((2, 2), np.int64)) == 1
    assert grey_level_gain(np.ones((2, 2), np.float32)) == 255
    assert grey_level_gain(np.full((2, 2), 3.0)) == 1
    assert grey_level_gain(np.full((2, 2), 0.5), fitted_gain=1.0) == 1
    late = np.zeros((3000, 1))
    late[-1] = 200
    assert grey_level_gain(late) == 1


def test_uint8_stays_and_the_rest_becomes_float32():
    X = np.array([[0, 255]], np.uint8)
    assert to_grey_levels(X, 1.0) is X
    levels = to_grey_levels(np.array([[0.0, 1.0]]), 255.0)
    assert levels.dtype == np.float32
    np.testing.assert_array_equal(levels, X)
