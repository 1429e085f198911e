"""Images on disk are taken by rows without reading, and trained on as those in memory."""

import pickle
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_kpd import AugmentTransformer, KeypointRegressor
from sklearn_kpd._common.sources import Source
from sklearn_kpd.conformal import ConformalKeypointRegressor
from sklearn_kpd.images import LazyImages, as_images, check_images, grey_level_gain, pieces, take
from sklearn_kpd.inspection._grid import mean_image, read_images
from sklearn_kpd.label_quality import out_of_fold_predictions
from sklearn_kpd.model_selection import duplicate_groups
from tests.helpers import assert_same_weights, tiny_regressor
from tests.stores import STORES, opened

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 1), np.uint8)


@pytest.fixture(params=STORES)
def store(request):
    return request.param


@pytest.fixture(scope="module", params=STORES)
def images(request, tmp_path_factory):
    stored = opened(PIXELS, request.param, tmp_path_factory.mktemp("images"), rows_in_chunk=5)
    return LazyImages(stored)


@pytest.fixture
def unread(monkeypatch):
    """Reading is an error."""

    def read(self, rows):
        raise AssertionError(f"rows {rows} are read")

    for kind in Source.__subclasses__():
        monkeypatch.setattr(kind, "read", read)


KEYS = st.one_of(
    st.slices(12),
    st.lists(st.integers(-12, 11)),
    st.lists(st.booleans(), min_size=12, max_size=12),
)


@given(key=KEYS, again=st.slices(4), as_array=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_those_of_an_array(images, key, again, as_array):
    if as_array and not isinstance(key, slice):
        key = np.array(key, bool if key and isinstance(key[0], bool) else np.intp)
    expected = PIXELS[key if len(np.shape(key)) or isinstance(key, slice) else []]
    part = images[key]
    assert (part.shape, part.dtype, part.ndim) == (expected.shape, np.uint8, 4)
    assert (len(part), part.nbytes) == (len(expected), expected.nbytes)
    for found in (part, pickle.loads(pickle.dumps(part))):
        np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(np.asarray(part[again]), expected[again])


def test_rows_in_turn_are_pickled_as_two_numbers(tmp_path):
    images = LazyImages(opened(np.zeros((5000, 2, 2), np.uint8), "npy", tmp_path))
    for part in (images, images[100:4000]):
        assert len(pickle.dumps(part)) < 1000
        assert pickle.loads(pickle.dumps(part)).shape == part.shape


def test_an_image_by_its_number_and_one_after_the_other(images):
    np.testing.assert_array_equal(images[-1], PIXELS[-1])
    np.testing.assert_array_equal(np.array(list(images)), PIXELS)
    np.testing.assert_array_equal(np.array(images[2:5], np.float64), PIXELS[2:5])


def test_reading_makes_an_array(images):
    with pytest.raises(ValueError, match="on disk"):
        np.array(images, copy=False)


@pytest.mark.parametrize("key", [(0, 1), (slice(3), slice(2)), None, ..., [[0, 1]], (), True])
def test_pixels_are_not_indexed(images, key):
    with pytest.raises(IndexError, match=r"by rows alone: read them by np\.asarray"):
        images[key]


@pytest.mark.parametrize("rest", [(...,), (slice(0, 6), slice(None)), (slice(0, 6),) * 2])
def test_all_of_the_pixels_may_be_said(images, rest):
    np.testing.assert_array_equal(np.asarray(images[(slice(2, 5), *rest)]), PIXELS[2:5])


@pytest.mark.parametrize("key", [12, [3, 12], np.ones(11, bool)])
def test_rows_that_are_not_there(images, key):
    with pytest.raises(IndexError):
        images[key]


def test_nothing_is_read_until_pixels_are_needed(images, unread):
    estimator = BaseEstimator()
    shaped = check_images(estimator, images, reset=True)
    assert (shaped.shape, estimator.n_features_in_) == (PIXELS.shape, 36)
    assert grey_level_gain(shaped) == 1
    train, test = train_test_split(images, test_size=0.25, random_state=0)
    assert (len(train), len(test)) == (9, 3)
    assert [len(images[rows]) for rows, _ in KFold(3).split(images)] == [8, 8, 8]
    assert "12 images of 6x6x1, uint8" in repr(images)
    with pytest.raises(AssertionError, match="are read"):
        np.asarray(images)


FORMS = {
    "4-D": lambda X: X,
    "3-D": lambda X: X[..., 0],
    "flat": lambda X: X.reshape(len(X), -1),
    "colour": lambda X: np.repeat(X, 3, axis=-1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_images(form, store, tmp_path):
    X = FORMS[form](PIXELS)
    stored = opened(X, store, tmp_path, rows_in_chunk=5)
    expected = as_images(X)
    for X in (stored, LazyImages(stored)):
        found = as_images(X)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(found), expected)
        rows = np.array([7, 1, 1])
        np.testing.assert_array_equal(take(found, rows, 1.0), expected[rows])
    lazy = LazyImages(stored)
    if form == "flat":
        assert as_images(lazy, (4, 9)).shape == (12, 4, 9, 1)
        assert as_images(lazy, (4, -1)).shape == (12, 4, 9, 1)
    with pytest.raises(ValueError, match="does not fit X"):
        as_images(lazy, (5, 5))


def test_a_path_is_mapped(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS)
    for path in (tmp_path / "x.npy", str(tmp_path / "x.npy")):
        np.testing.assert_array_equal(np.asarray(LazyImages(path)), PIXELS)


def test_bad_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.npy"):
        LazyImages(tmp_path / "none.npy")
    (tmp_path / "x.txt").write_text("pixels")
    np.save(tmp_path / "objects.npy", np.array([[None, 1]]), allow_pickle=True)
    for name in ("x.txt", "objects.npy", "."):
        with pytest.raises(ValueError, match=r"is no \.npy file of images .* zarr\.open_array"):
            LazyImages(tmp_path / name)


@pytest.mark.parametrize("X", [PIXELS, list(PIXELS), None, pd.DataFrame({"path": ["a"]})])
def test_what_is_in_memory_is_given_as_it_is(X):
    with pytest.raises(TypeError, match="not (ndarray|list|NoneType|DataFrame): give that to fit"):
        LazyImages(X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_floats_are_looked_at_in_pieces(bad, store, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_kpd.images._ROWS_AT_A_TIME", 4)
    X = PIXELS.astype(np.float32)
    found = as_images(LazyImages(opened(X, store, tmp_path, rows_in_chunk=5)))
    assert max(map(len, pieces(found))) == 4
    assert grey_level_gain(found) == 1
    X[9, 3, 3] = bad
    with pytest.raises(ValueError, match="X contains (NaN|infinity)"):
        as_images(LazyImages(opened(X, store, tmp_path / "bad", rows_in_chunk=5)))


def test_no_images(images):
    with pytest.raises(ValueError, match="0 samples"):
        as_images(images[:0])


def test_steps_of_a_pipeline_look_at_floats_once(tmp_path, faces, monkeypatch):
    X, y = faces
    stored = opened(X / np.float32(255), "hdf5", tmp_path)
    looked = []
    monkeypatch.setattr("sklearn_kpd.images.assert_all_finite", lambda X, **_: looked.append(X))
    pipe = make_pipeline(AugmentTransformer(rotation=5), tiny_regressor(epochs=1))
    pipe.fit(stored, y)
    assert sum(map(len, looked)) == len(X)
    pipe.predict(stored)
    assert sum(map(len, looked)) == 2 * len(X)


def test_a_list_is_made_an_array_once(faces):
    X, y = faces
    augmented = AugmentTransformer(rotation=5).fit_transform(list(X), y)
    assert isinstance(augmented.images, np.ndarray)


class Column(Sequence):
    """Images of a library that can do nothing but give them."""

    def __init__(self, images, **attributes):
        self.images = images
        vars(self).update(attributes)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row]


@pytest.mark.parametrize("attributes", [{}, {"nbytes": PIXELS.nbytes}])
def test_what_is_read_whole_is_told(attributes, monkeypatch):
    X = Column(PIXELS, **attributes)
    assert as_images(X).shape == PIXELS.shape
    monkeypatch.setattr("sklearn_kpd.images._MANY_BYTES", PIXELS.nbytes - 1)
    with pytest.warns(UserWarning, match="X, a Column, is read whole, .*: write its images to"):
        as_images(X)
    for fine in (PIXELS, list(PIXELS), pd.DataFrame(PIXELS.reshape(12, -1))):
        as_images(fine)


# Training


def fitted(X, y, **parameters):
    pipe = make_pipeline(AugmentTransformer(rotation=10), tiny_regressor(**parameters))
    return pipe.fit(X, y)


@pytest.fixture(scope="module")
def of_an_array(faces):
    return fitted(*faces)


@pytest.mark.parametrize("wrapped", [False, True])
def test_training_on_a_map_is_that_on_the_array(wrapped, faces, of_an_array, tmp_path):
    X, y = faces
    stored = opened(X, "map", tmp_path)
    stored = LazyImages(stored) if wrapped else stored
    found = fitted(stored, y)
    assert_same_weights(found, of_an_array)
    assert found[-1].history_ == of_an_array[-1].history_
    np.testing.assert_array_equal(found.predict(stored), of_an_array.predict(X))
    assert found.score(stored, y) == of_an_array.score(X, y)


@pytest.mark.parametrize("name", ["hdf5", "contiguous hdf5", "zarr", "dask"])
def test_blocks_change_the_order_alone(name, faces, of_an_array, tmp_path, monkeypatch):
    X, y = faces
    stored = opened(X, name, tmp_path, rows_in_chunk=16)
    np.testing.assert_array_equal(of_an_array.predict(stored), of_an_array.predict(X))
    std = of_an_array.predict(stored, return_std=True)[1]
    np.testing.assert_array_equal(std, of_an_array.predict(X, return_std=True)[1])
    monkeypatch.setattr(LazyImages, "blocks", None)
    assert_same_weights(fitted(stored, y), of_an_array)


def test_a_seed_repeats_the_order_of_blocks(faces, of_an_array, tmp_path):
    X, y = faces
    stored = opened(X, "hdf5", tmp_path, rows_in_chunk=16)
    one = fitted(stored, y)
    assert_same_weights(one, fitted(LazyImages(stored), y))
    with pytest.raises(AssertionError):
        assert_same_weights(one, of_an_array)


def test_another_process_trains_in_the_same_order(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_kpd._common.sources._SMALLEST_BLOCK", 1)
    monkeypatch.setattr("sklearn_kpd._common.sources._WINDOW", 8 * 96 * 96)
    da = pytest.importorskip("dask.array")
    X, y = faces
    for stored in (
        opened(X, "hdf5", tmp_path, rows_in_chunk=4),
        da.from_array(X, chunks=((3, 1, 8, 3, 25), 96, 96, 1)),
    ):
        images = LazyImages(stored)[:15]
        there = pickle.loads(pickle.dumps(images))
        np.testing.assert_array_equal(there.n_together, images.n_together)
        assert_same_weights(fitted(images, y[:15]), fitted(there, y[:15]))


def test_cross_validation_and_searches_are_those_of_the_array(faces, tmp_path):
    X, y = faces
    images = LazyImages(opened(X, "npy", tmp_path))
    regressor = tiny_regressor(epochs=1)
    grid = {"batch_size": [16]}
    found = [
        (
            cross_val_score(regressor, one, y, cv=2).tolist(),
            GridSearchCV(regressor, grid, cv=2).fit(one, y).best_score_,
            *out_of_fold_predictions(regressor, one, y, cv=2, verbose=0, random_state=0),
        )
        for one in (X, images)
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_folds_of_ours_hold_no_copies(faces, tmp_path, monkeypatch):
    X, y = faces
    stored = opened(X, "hdf5", tmp_path)

    def fit(self, X, y):
        raise TypeError(f"given {type(X).__name__}")

    monkeypatch.setattr(KeypointRegressor, "fit", fit)
    with pytest.raises(TypeError, match="given LazyImages"):
        out_of_fold_predictions(tiny_regressor(), stored, y, cv=2, verbose=0)
    with pytest.raises(TypeError, match="given LazyImages"):
        ConformalKeypointRegressor(tiny_regressor()).fit(stored, y)


def test_checkpoints_know_the_images(faces, tmp_path):
    X, y = faces
    images = LazyImages(opened(X, "npy", tmp_path))
    found = tiny_regressor(epochs=1, checkpoint_dir=tmp_path / "kept").fit(images, y)
    assert_same_weights(found, tiny_regressor(epochs=1).fit(X, y))


def test_displays_and_groups_take_them(faces, tmp_path):
    X, y = faces
    for stored in (opened(X, "hdf5", tmp_path), LazyImages(opened(X, "npy", tmp_path))):
        np.testing.assert_array_equal(mean_image(stored), mean_image(X))
        np.testing.assert_array_equal(read_images(stored, rows=np.array([3, 1])), X[[3, 1]])
        np.testing.assert_array_equal(duplicate_groups(stored), duplicate_groups(X))
        moved, points = AugmentTransformer(rotation=5).augment(stored, y, random_state=0)
        expected = AugmentTransformer(rotation=5).augment(X, y, random_state=0)
        np.testing.assert_array_equal(moved, expected[0])
        pd.testing.assert_frame_equal(points, expected[1])
