"""Whatever form images and keypoints come in: the same answer, or an error that names them."""

import multiprocessing
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kpd.datasets import make_faces
from tests.helpers import tiny_regressor

X, Y = make_faces(24, missing="kaggle", random_state=0)
X, Y = X[:, ::3, ::3].copy(), Y / 3
X.setflags(write=False)
FLAT = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel_")
POINTS = Y.to_numpy().reshape(len(Y), -1, 2)


def fit(images, y, **parameters):
    return tiny_regressor(epochs=1, **parameters).fit(images, y)


@pytest.fixture(scope="module")
def expected():
    return fit(X, Y).predict(X)


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


IMAGES = {
    "no channels": X[..., 0],
    "flat": X.reshape(len(X), -1),
    "column-major": np.asfortranarray(X),
    "reversed twice": np.ascontiguousarray(X[::-1])[::-1],
    "strided": np.repeat(X, 2, axis=0)[::2],
    "int64": X.astype(np.int64),
    "big-endian": X.astype(">u2"),
    "float32 in 0..255": X.astype(np.float32),
    "float64 in 0..255": X.astype(float),
    "list": X.tolist(),
    "DataFrame": FLAT,
    "DataFrame of nullable integers": FLAT.astype("UInt8"),
}
KEYPOINTS = {
    "array": Y.to_numpy(),
    "read-only": read_only(Y.to_numpy()),
    "column-major": np.asfortranarray(Y.to_numpy()),
    "points": POINTS,
    "float32": Y.astype(np.float32),
    "list": Y.to_numpy().tolist(),
    "objects": Y.astype(object).where(Y.notna(), None),
    "nullable": Y.convert_dtypes(),
    "other index": Y.set_index(np.arange(len(Y))[::-1] * 7),
}


@pytest.mark.parametrize("form", IMAGES)
def test_forms_of_images(expected, form):
    images = IMAGES[form]
    before = np.array(images, copy=True)
    fitted = fit(images, Y)
    np.testing.assert_allclose(fitted.predict(images), expected, atol=1e-3)
    np.testing.assert_array_equal(np.array(images), before)


@pytest.mark.parametrize("form", KEYPOINTS)
def test_forms_of_keypoints(expected, form):
    y = KEYPOINTS[form]
    before = pd.DataFrame(np.array(y, dtype=object).reshape(len(Y), -1), copy=True)
    found = fit(X, y).predict(X)
    assert found.shape == np.shape(y)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-3)
    pd.testing.assert_frame_equal(
        pd.DataFrame(np.array(y, dtype=object).reshape(len(Y), -1)), before
    )


def test_arrow_types(expected):
    pytest.importorskip("pyarrow")
    images, y = FLAT.astype("uint8[pyarrow]"), Y.astype("float64[pyarrow]")
    np.testing.assert_allclose(fit(images, y).predict(images), expected, atol=1e-3)


def test_columns_in_another_order(expected):
    fitted = fit(FLAT, Y)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(FLAT[FLAT.columns[::-1]])
    swapped = Y[[*Y.columns[2:4], *Y.columns[:2], *Y.columns[4:]]]
    gone_on = fit(FLAT, Y).partial_fit(FLAT, Y).predict(FLAT)
    for other in (swapped, Y[Y.columns[::-1]]):
        assert fitted.score(FLAT, other) == pytest.approx(fitted.score(FLAT, Y))
        np.testing.assert_allclose(
            fit(FLAT, Y).partial_fit(FLAT, other).predict(FLAT), gone_on, atol=1e-3
        )
    for method in (fitted.score, fitted.partial_fit):
        with pytest.raises(ValueError, match="names of the keypoints differ: .* is missing"):
            method(FLAT, swapped.iloc[:, 2:])


@pytest.mark.parametrize(
    ("images", "y", "message"),
    [
        (X, None, "target y is None"),
        (X, Y.iloc[:-1], "inconsistent numbers of samples"),
        (X, Y.iloc[:, :-1], "There is the column 'mouth_center_bottom_lip_x', but none for the y"),
        (X, np.full(Y.shape, "here"), "y holds something that is not a number: .*'here'"),
        (X, np.full(Y.shape, np.inf), "y contains infinity"),
        (X, np.full(Y.shape, np.nan), "y has no label at all"),
        (X, Y.to_numpy()[:, :, None], r"y must have the shape .* is \(24, 30, 1\)"),
        (X, np.zeros((len(X), 0)), "y has 0 columns"),
        (None, Y, "got scalar array instead"),
        (X[:0], Y[:0], r"0 sample\(s\) .* minimum of 1 is required"),
        (np.where(X > 0, X, np.nan), Y, "X contains NaN"),
        (np.full(X.shape, np.inf), Y, "X contains infinity"),
        (X.astype(str), Y, "not compatible with arrays of bytes/strings"),
        (X.astype(complex), Y, "Complex data not supported"),
        (X[:, :, :, :, None], Y, r"X must have the shape .* is \(24, 32, 32, 1, 1\)"),
        (X[:, :0], Y, "X holds images with no pixels, of 0x32x1"),
        (X[0], Y, r"inconsistent numbers of samples: \[32, 24\]"),
        ("faces", Y, "X is text, 'faces'"),
        (list(X[:-1]) + [X[0, :5]], Y, "X holds images of many sizes .*5x32x1, 32x32x1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(images, y, message):
    with pytest.raises(ValueError, match=message):
        fit(images, y)


@settings(max_examples=12, deadline=None)
@given(
    pattern=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=8, max_size=8),
    missing=st.sampled_from(["mask", "drop", "mean", "knn"]),
    validation_split=st.sampled_from([0.0, 0.3]),
)
def test_any_pattern_of_missing_labels(pattern, missing, validation_split):
    y = np.where(pattern, np.nan, Y.to_numpy()[:8, :6])
    before = y.copy()
    try:
        fitted = fit(X[:8], y, missing=missing, validation_split=validation_split)
    except ValueError as error:
        assert "label" in str(error) or "missing" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(fitted.predict(X)).all()
        assert np.isfinite(fitted.history_["loss"]).all()
    np.testing.assert_array_equal(y, before)


def predictions(seed):
    rows = slice(seed, 20 + seed)
    fitted = tiny_regressor(epochs=6, batch_size=4, random_state=seed).fit(X[rows], Y.iloc[rows])
    return fitted.predict(X)


@pytest.fixture(scope="module")
def alone():
    return [predictions(seed) for seed in range(2)]


def test_two_threads_fit_as_each_does_alone(alone):
    state = np.random.get_state()[1].copy()
    found = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: predictions(seed)}))
        for seed in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([found[0], found[1]], alone)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_two_processes_fit_as_each_does_alone(alone):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply_async(predictions, [1])
        np.testing.assert_array_equal(predictions(0), alone[0])
        np.testing.assert_array_equal(other.get(), alone[1])
