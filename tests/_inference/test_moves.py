import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kpd import AugmentTransformer
from sklearn_kpd._inference.calibration import calibrate, calibrated
from sklearn_kpd._inference.moves import (
    _predict_copies,
    flip_averaged,
    mean_and_spread,
    predict_moved,
)
from sklearn_kpd.augment.draw import affine_matrices
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, flip_permutation
from tests.helpers import centroids, dots, tiny_regressor

SIZE = (40, 60)


def find_dots(images, mirrored=False):
    """A perfect detector of one bright dot."""
    return centroids(images)


def one_dot(points):
    return dots(np.asarray(points, float).reshape(-1, 1, 2), SIZE)[:, 0]


@settings(deadline=None, max_examples=30)
@given(
    x=st.floats(20, 40), y=st.floats(15, 25), angle=st.floats(-10, 10), zoom=st.floats(0.9, 1.1)
)
def test_a_perfect_detector_finds_the_same_in_moved_copies(x, y, angle, zoom):
    matrix = affine_matrices(
        1, SIZE, np.array([angle]), np.array([zoom]), None, np.array([[2.0, -1.5]])
    )[0]
    found = predict_moved(find_dots, one_dot([[x, y]]), matrix)
    np.testing.assert_allclose(found, [[x, y]], atol=0.15)


def test_a_perfect_detector_has_next_to_no_spread_and_a_vague_one_has_some():
    images = one_dot([[25, 20], [33, 18]])
    assert (mean_and_spread(find_dots, images, np.array([0]))[1] < 0.15).all()
    towards_the_centre = lambda images, _: 0.5 * find_dots(images) + [15, 10]  # noqa: E731
    assert (mean_and_spread(towards_the_centre, images, np.array([0]))[1] > 0.2).all()


def test_flip_swaps_left_and_right():
    """A detector that takes what is on the left of the picture for its first keypoint."""
    permutation = flip_permutation(2, ["left_eye", "right_eye"])
    width = SIZE[1]
    offsets = np.array([1.0, 0.0, 3.0, 0.0])

    def biased(images, mirrored):
        points = centroids(images)  # (n, 2)
        return np.concatenate([points, points], axis=1) + offsets

    found = flip_averaged(biased, one_dot([[10, 20]]), permutation)
    # mirrored: x = width - 1 - 10, plus the other keypoint's offset, mirrored back
    mirrored = [width - 1 - (width - 1 - 10 + 3), width - 1 - (width - 1 - 10 + 1)]
    expected = [(10 + 1 + mirrored[0]) / 2, 20, (10 + 3 + mirrored[1]) / 2, 20]
    np.testing.assert_allclose(found, [expected], atol=0.05)


def test_calibration_finds_floor_and_slope():
    rng = np.random.default_rng(0)
    spreads = rng.gamma(2, 0.3, (4000, 3))
    true = np.array([[0.5, 1.0, 0.3], [1.5, 1.5, 1.5]])
    errors = rng.normal(size=spreads.shape) * calibrated(spreads, true)
    errors[rng.random(errors.shape) < 0.3] = np.nan
    fitted = calibrate(spreads, errors)
    np.testing.assert_allclose(fitted, true, rtol=0.2)
    scaled = errors / calibrated(spreads, fitted)
    np.testing.assert_allclose(np.nanmean(scaled**2, axis=0), 1, atol=0.03)


def drawn_errors(tails, *, n_wrong):
    """Spreads, errors of the standard deviations that they tell, and those with wrong labels."""
    rng = np.random.default_rng(1)
    spreads = rng.gamma(2, 0.3, (300, 20))
    draws = rng.normal(size=spreads.shape) if np.isinf(tails) else rng.standard_t(tails, (300, 20))
    errors = draws * np.hypot(0.8, 1.5 * spreads)
    labelled = errors.copy()
    labelled[rng.integers(300, size=n_wrong), rng.integers(20, size=n_wrong)] += 25
    return spreads, errors, labelled


@pytest.mark.parametrize("tails", [np.inf, 7, 4])
@pytest.mark.parametrize("n_wrong", [0, 60])
def test_shares_within_one_and_two_standard_deviations(tails, n_wrong):
    spreads, errors, labelled = drawn_errors(tails, n_wrong=n_wrong)
    fitted = calibrate(spreads[:150], labelled[:150])
    scaled = np.abs(errors[150:] / calibrated(spreads[150:], fitted))
    assert 0.65 < (scaled < 1).mean() < 0.77  # squares would give 0.85 with wrong labels
    assert 0.925 < (scaled < 2).mean() < 0.97
    by_coordinate = (scaled < 1).mean(axis=0)
    assert by_coordinate.std() < 0.06


def test_a_few_wrong_labels_change_little():
    spreads, _, labelled = drawn_errors(np.inf, n_wrong=60)
    true = calibrate(spreads, drawn_errors(np.inf, n_wrong=0)[2])
    found = calibrate(spreads, labelled)
    ratio = calibrated(spreads, found) / calibrated(spreads, true)
    assert 0.98 < ratio.mean() < 1.1
    assert ratio.max() < 1.2


def test_coordinates_with_few_labels_are_calibrated_together():
    rng = np.random.default_rng(0)
    spreads = rng.gamma(2, 0.3, (100, 3))
    errors = rng.normal(size=spreads.shape)
    errors[3:, 1] = np.nan
    errors[:, 2] = np.nan
    fitted = calibrate(spreads, errors)
    np.testing.assert_array_equal(fitted[:, 1], fitted[:, 2])
    assert (fitted[:, 0] != fitted[:, 1]).any()
    assert np.isfinite(calibrate(spreads, np.zeros_like(spreads))).all()


# in the estimator


def test_standard_deviations_are_in_the_shape_of_y(kaggle_like):
    X, y = kaggle_like
    for form in (y, y.to_numpy().reshape(60, 15, 2)):
        fitted = tiny_regressor(validation_split=0.5).fit(X, form)
        pred, std = fitted.predict(X, return_std=True)
        np.testing.assert_array_equal(pred, fitted.predict(X))
        assert std.shape == pred.shape == form.shape
        assert (std > 0).all()


def test_no_standard_deviation_without_validation_rows(faces):
    X, y = faces
    with pytest.raises(ValueError, match="validation_split above 0"):
        tiny_regressor(validation_split=0).fit(X, y).predict(X, return_std=True)
    single = tiny_regressor(validation_split=0.5).fit(X, y.to_numpy()[:, 0])
    with pytest.raises(ValueError, match="validation_split above 0"):
        single.predict(X, return_std=True)


def test_tta_is_symmetric(faces):
    X, y = faces
    fitted = tiny_regressor(tta="flip").fit(X, y)
    permutation = flip_permutation(15, KAGGLE_KEYPOINTS)
    found = fitted.predict(X).reshape(40, 15, 2)
    mirrored = fitted.predict(np.ascontiguousarray(X[:, :, ::-1])).reshape(40, 15, 2)
    mirrored = mirrored[:, permutation]
    np.testing.assert_allclose(95 - mirrored[..., 0], found[..., 0], atol=1e-3)
    np.testing.assert_allclose(mirrored[..., 1], found[..., 1], atol=1e-3)
    plain = fitted.set_params(tta=None).predict(X)
    assert np.abs(plain.reshape(found.shape) - found).max() > 1e-3


@pytest.mark.parametrize("named", [True, False])
def test_tta_by_moves_is_the_mean_of_what_is_found_in_copies(faces, named):
    X, y = faces
    fitted = tiny_regressor(tta="moves", epochs=60).fit(X, y if named else y.to_numpy())
    copies = _predict_copies(fitted._predictor().network_pixels, X, fitted.flip_permutation_)
    assert len(copies) == (8 if named else 4)
    np.testing.assert_allclose(fitted.predict(X), np.mean(copies, axis=0), atol=1e-4)
    plain = fitted.set_params(tta=None).predict(X)
    assert 1e-3 < np.abs(np.mean(copies, axis=0) - plain).max() < 5


def test_tta_by_moves_needs_points(faces):
    X, y = faces
    with pytest.raises(ValueError, match="single coordinates"):
        tiny_regressor(tta="moves").fit(X, y.to_numpy()[:, 0])


def test_tta_has_to_know_left_and_right(faces):
    X, y = faces
    with pytest.raises(ValueError, match="tta='flip' has to know"):
        tiny_regressor(tta="flip").fit(X, y.to_numpy())
    with pytest.raises(ValueError, match="tta='flip' has to know"):
        tiny_regressor(tta="flip").fit(
            X, pd.DataFrame({"left_eye_x": y.iloc[:, 0], "left_eye_y": 1.0})
        )
    fitted = tiny_regressor().fit(X, y.to_numpy())
    with pytest.raises(ValueError, match="and fit again"):
        fitted.set_params(tta="flip").predict(X)
    augment = AugmentTransformer(flip=0.5, flip_pairs=[(0, 1)])
    fitted = tiny_regressor(tta="flip").fit(augment.fit_transform(X, y.to_numpy()), y.to_numpy())
    np.testing.assert_array_equal(fitted.flip_permutation_[:3], [1, 0, 2])
