from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from sklearn_kpd.datasets import make_faces
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


FACES = make_faces(6, random_state=0)[0][:, ::4, ::4]
DTYPES = ["u1", "?", "u2", ">u2", "i4", "i8", "f2", "f4", ">f4", "f8"]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed": lambda X: np.ascontiguousarray(X[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
    "transposed": lambda X: np.ascontiguousarray(X.swapaxes(1, 2)).swapaxes(1, 2),
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=2)[::2, :, ::3],
}
FORMS = {
    "4-D": lambda X: X,
    "3-D": lambda X: X[..., 0],
    "flat": lambda X: X.reshape(len(X), -1),
    "list": lambda X: list(X),
    "nested lists": lambda X: X.tolist(),
    "DataFrame": lambda X: pd.DataFrame(X.reshape(len(X), -1).astype(X.dtype.newbyteorder("="))),
    "Series of arrays": lambda X: pd.Series([image.ravel() for image in X]),
}
# what pixels in 0..1 become, and whether that is a range of images
RANGES = {
    "0..1": (lambda X: X, True),
    "rounding": (lambda X: X * (1 + 1e-12), True),
    "bicubic, 0..1": (lambda X: X * 1.14 - 0.07, True),
    "0..255": (lambda X: X * 255, True),
    "bicubic, 0..255": (lambda X: (X * 1.14 - 0.07) * 255, True),
    "-1..1": (lambda X: 2 * X - 1, False),
    "-0.5..0.5": (lambda X: X - 0.5, False),
    "standardised": (lambda X: (X - X.mean()) / X.std(), False),
    "of unit variance": (lambda X: X / X.std(), False),
    "mean image subtracted": (lambda X: (X - X.mean()) * 255, False),
    "0..65535": (lambda X: X * 65535, False),
    "0..1023": (lambda X: X * 1023, False),
}


def read(X):
    images = as_images(X)
    return to_grey_levels(images, grey_level_gain(images))


@given(*map(st.sampled_from, (DTYPES, sorted(LAYOUTS), sorted(FORMS))), st.booleans())
def test_same_grey_levels_of_every_dtype_layout_and_form(dtype, layout, form, writeable):
    X = FACES > 127 if dtype == "?" else FACES
    expected = np.uint8(255) * X if dtype == "?" else X
    X = LAYOUTS[layout](X.astype(dtype))
    X.setflags(write=writeable)
    levels = read(FORMS[form](X))
    assert levels.flags.c_contiguous
    assert levels.dtype in (np.uint8, np.float32)
    np.testing.assert_array_equal(levels, expected)


@given(st.sampled_from(sorted(RANGES)), st.sampled_from(["f4", "f8"]))
def test_floats_are_in_one_of_two_ranges_or_refused(name, dtype):
    scale, fine = RANGES[name]
    unit = (FACES - FACES.min()) / np.ptp(FACES)
    X = scale(unit).astype(dtype)
    if not fine:
        with pytest.raises(ValueError, match=r"reaches from .* to .*0\.\.1 or 0\.\.255"):
            read(X)
        return
    gain = 1 if X.max() > 2 else 255
    np.testing.assert_allclose(read(X), X * gain, atol=1e-3)


@pytest.mark.parametrize(("dtype", "scale"), [("u2", 257), ("i4", -1), ("i8", 200), ("i2", 16)])
def test_integers_that_are_no_grey_levels_are_refused(dtype, scale):
    with pytest.raises(ValueError, match=r"integers must be grey levels in 0\.\.255"):
        read(FACES.astype(dtype) * np.array(scale, dtype))


def test_tables_of_numbers_are_no_images():
    table = np.random.default_rng(0).normal(size=(5, 1, 9, 1))
    assert grey_level_gain(table) == 1
    assert grey_level_gain(np.abs(table) / 9) == 255
    assert grey_level_gain(table, fitted_gain=255.0) == 255


def test_the_range_of_fit_holds():
    unit = FACES / 255
    assert grey_level_gain(unit / 50, fitted_gain=255.0) == 255
    assert grey_level_gain(FACES, fitted_gain=255.0) == 1
    assert grey_level_gain(FACES * 0.02, fitted_gain=1.0) == 1
    with pytest.raises(ValueError, match=r"floats in 0\.\.1, not in 0\.\.255: divide"):
        grey_level_gain(unit * 255, fitted_gain=255.0)
    with pytest.raises(ValueError, match="StandardScaler"):
        grey_level_gain(unit * 2 - 1, fitted_gain=1.0)
    with pytest.warns(UserWarning, match="almost black: multiply X by 255"):
        assert grey_level_gain(unit, fitted_gain=1.0) == 1


def test_a_bounded_number_of_rows_tells_the_range():
    class Counted(np.ndarray):
        rows = 0

        def __getitem__(self, item):
            found = super().__getitem__(item)
            if item.step is None:  # that of one part of the rows
                Counted.rows += len(found)
            return found

    X = np.zeros((20_000, 2, 2, 1), np.float32)
    X[10_000:] = 200
    assert grey_level_gain(X.view(Counted)) == 1
    assert 0 < Counted.rows <= 5000


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a.png", "b.png"], "'a.png'.*CropTransformer"),
        ([Path("a.png")], "CropTransformer"),
        (np.array(["a.png"]), "CropTransformer"),
        (pd.Series(["a.png"]), "CropTransformer"),
        (pd.DataFrame({"path": ["a.png"], "left": [1.0]}), "CropTransformer"),
        (pd.Series(["238 236 1", "2 3 4"]), "load_kaggle"),
        ([FACES[0], FACES[0, :20]], "many sizes .*20x24x1.*CropTransformer"),
        (pd.Series([FACES[0].ravel(), FACES[0, :20].ravel()]), "CropTransformer"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.full((2, 64), np.nan), "NaN"),
    ],
)
def test_what_is_no_array_of_images_gets_one_line(X, message):
    for function in (as_images, lambda X: check_images(BaseEstimator(), X, reset=True)):
        with pytest.raises(ValueError, match=message) as caught:
            function(X)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "image_shape", [(0, -1), (-1, -1), (4.0, 4), ("4", 4), "44", (4,), (1, 2, 3, 4), (-2, 8), 16]
)
def test_bad_image_shapes_are_named(image_shape):
    with pytest.raises(ValueError, match="image_shape=.* must be"):
        as_images(np.zeros((2, 16)), image_shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_image_and_other_channels_say_what_to_do(channels):
    X = np.repeat(FACES, channels, axis=-1)
    estimator = BaseEstimator()
    check_images(estimator, X, reset=True)
    ones = [X[0], X[0].ravel()] if channels == 3 else [X[0], X[0, ..., 0], X[0].ravel()]
    for one in ones:
        with pytest.raises(ValueError, match=r"one image.*X\[np.newaxis\]"):
            check_images(estimator, one, reset=False)
    other = np.repeat(FACES, 4 - channels, axis=-1)
    with pytest.raises(ValueError, match=r"np\.repeat|mean\(axis=-1\)"):
        check_images(estimator, other, reset=False)


def test_uint8_stays_and_the_rest_becomes_float32():
    X = np.array([[0, 255]], np.uint8)
    assert to_grey_levels(X, 1.0) is X
    levels = to_grey_levels(np.array([[0.0, 1.0]]), 255.0)
    assert levels.dtype == np.float32
    np.testing.assert_array_equal(levels, X)
