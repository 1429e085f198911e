import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import cross_validate

from sklearn_kpd import metrics
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names
from tests.helpers import tiny_regressor

NAMES = ["left_eye_outer_corner", "right_eye_outer_corner", "nose_tip"]

# Three faces. Eye corners 10 pixels apart, 20 apart, and one of them not labelled.
Y_TRUE = pd.DataFrame(
    [[20, 5, 10, 5, 15, 9], [30, 8, 10, 8, np.nan, np.nan], [20, 5, np.nan, 5, 15, 9]],
    columns=columns_from_names(NAMES),
)
# Off by 1, 0, 5 (3-4-5); by 2, 2; by 1, -, 0.
Y_PRED = np.array(
    [[21, 5, 10, 5, 18, 13], [30, 10, 8, 8, 50, 50], [20, 4, 10, 5, 15, 9]], dtype=float
)
BY_HAND = [(1 + 0 + 5) / 3 / 10, (2 + 2) / 2 / 20, np.nan]


def test_errors_are_those_computed_by_hand():
    errors = metrics.normalized_errors(Y_TRUE, Y_PRED)
    np.testing.assert_allclose(errors, BY_HAND)
    nme, left_out = metrics.normalized_mean_error(Y_TRUE, Y_PRED, return_n_left_out=True)
    assert nme == pytest.approx((0.2 + 0.1) / 2)
    assert left_out == 1
    assert metrics.failure_rate(Y_TRUE, Y_PRED, threshold=0.15) == 0.5
    assert metrics.failure_rate(Y_TRUE, Y_PRED, threshold=0.3) == 0
    np.testing.assert_allclose(
        metrics.cumulative_error_curve(Y_TRUE, Y_PRED), [[0, 0.1, 0.2], [0, 0.5, 1]]
    )
    # 1 - 0.2 / 0.4 and 1 - 0.1 / 0.4
    area = metrics.area_under_cumulative_error(Y_TRUE, Y_PRED, threshold=0.4)
    assert area == pytest.approx((0.5 + 0.75) / 2)
    # of 3 + 2 keypoints 1, 0, 2 and 2 are within a tenth of 10 and of 20
    assert metrics.percentage_correct_keypoints(
        Y_TRUE, Y_PRED, alpha=0.1, normalize="interocular"
    ) == pytest.approx(4 / 5)
    np.testing.assert_allclose(
        metrics.keypoint_root_mean_squared_error(Y_TRUE, Y_PRED),
        np.sqrt([(1 + 4 + 1) / 6, (0 + 4) / 4, (25 + 0) / 4]),
    )
    np.testing.assert_allclose(
        metrics.error_quantiles(Y_TRUE, Y_PRED, quantiles=(0, 0.5, 1)), [0, 1, 5]
    )


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        (("left_eye_outer_corner", "right_eye_outer_corner"), BY_HAND),
        ((0, 1), BY_HAND),
        # boxes: 10 by 4; 20 by 0, which is none; 5 by 4 without the half-labelled point
        ("bbox", [2 / np.sqrt(40), np.nan, 0.5 / np.sqrt(20)]),
        ([1.0, 2.0, 4.0], [2, 1, 0.125]),
        (np.array([1.0, 0.0, np.nan]), [2, np.nan, np.nan]),
        (pd.Series([1.0, 2.0, 4.0]), [2, 1, 0.125]),
        # one distance for all: with the pixels of a millimetre, errors in millimetres
        (4, [0.5, 0.5, 0.125]),
        (np.float64(0.5), [4, 4, 1]),
    ],
)
def test_normalizations(normalize, expected):
    np.testing.assert_allclose(
        metrics.normalized_errors(Y_TRUE, Y_PRED, normalize=normalize), expected
    )


def test_any_form_of_y_and_interpupil():
    expected = metrics.normalized_errors(Y_TRUE, Y_PRED)
    values = Y_TRUE.to_numpy()
    for form in (values, values.reshape(3, 3, 2), values.tolist()):
        np.testing.assert_array_equal(
            metrics.normalized_errors(form, Y_PRED, keypoint_names=NAMES), expected
        )
    eyes = Y_TRUE.rename(columns=lambda name: name.replace("outer_corner", "center"))
    np.testing.assert_array_equal(
        metrics.normalized_errors(eyes, Y_PRED, normalize="interpupil"), expected
    )


@pytest.mark.parametrize(("name", "right", "left"), [("ibug68", 36, 45), ("wflw98", 60, 72)])
def test_points_of_a_set_that_is_known_by_name(name, right, left):
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 96, (5, int(name[-2:]), 2))
    pred = points + 1
    expected = metrics.normalized_errors(points, pred, normalize=(right, left))
    found = metrics.normalized_errors(points, pred, keypoint_names=name)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="pass keypoint_names, such as 'ibug68'"):
        metrics.normalized_errors(points, pred)


def mmpose_keypoint_nme(pred, gt, mask, normalize_factor):
    """The definition of mmpose 1.x: mean normalised distance over all valid keypoints."""
    distances = np.linalg.norm((pred - gt) / normalize_factor[:, None, :], axis=-1)
    return distances[mask & (normalize_factor > 0).all(axis=1)[:, None]].mean()


def test_nme_on_complete_labels_is_mmposes():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 96, (20, 15, 2))
    pred = points + rng.normal(size=points.shape)
    left, right = (KAGGLE_KEYPOINTS.index(f"{s}_eye_outer_corner") for s in ("left", "right"))
    factor = np.linalg.norm(points[:, left] - points[:, right], axis=1)
    expected = mmpose_keypoint_nme(
        pred, points, np.ones((20, 15), bool), np.repeat(factor[:, None], 2, axis=1)
    )
    frame = pd.DataFrame(points.reshape(20, 30), columns=columns_from_names(KAGGLE_KEYPOINTS))
    assert metrics.normalized_mean_error(frame, pred) == pytest.approx(expected)


def test_area_is_what_the_curve_encloses():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 96, (200, 15, 2))
    pred = points + rng.normal(size=points.shape) * rng.gamma(2, 1, (200, 1, 1))
    errors, shares = metrics.cumulative_error_curve(points, pred, normalize=np.full(200, 30.0))
    for threshold in (0.05, 0.08, 0.2):
        grid = (np.arange(100_000) + 0.5) / 100_000 * threshold
        steps = shares[np.searchsorted(errors, grid, side="right") - 1]
        area = metrics.area_under_cumulative_error(
            points, pred, threshold=threshold, normalize=np.full(200, 30.0)
        )
        assert area == pytest.approx(steps.mean(), abs=1e-4)
        rate = metrics.failure_rate(
            points, pred, threshold=threshold, normalize=np.full(200, 30.0)
        )
        assert rate == pytest.approx(1 - steps[-1], abs=1e-9)


holes = hnp.arrays(
    float, (4, 6), elements=st.floats(0, 96) | st.just(np.nan)
)  # four faces, three keypoints


@settings(deadline=None)
@given(y_true=holes, y_pred=hnp.arrays(float, (4, 6), elements=st.floats(0, 96)))
def test_never_nan_while_one_keypoint_is_labelled(y_true, y_pred):
    assume((~np.isnan(y_true.reshape(4, 3, 2)).any(axis=-1)).any())
    by_distance = {"normalize": np.full(4, 10.0)}
    for metric in (
        metrics.normalized_mean_error,
        metrics.failure_rate,
        metrics.area_under_cumulative_error,
        metrics.percentage_correct_keypoints,
    ):
        assert np.isfinite(metric(y_true, y_pred, **by_distance))
        apart = np.linalg.norm(y_true[:, :2] - y_true[:, 4:], axis=1)
        if (apart > 0).any():
            assert np.isfinite(metric(y_true, y_pred, normalize=(0, 2)))
        else:
            with pytest.raises(ValueError, match="leaves no face to measure"):
                metric(y_true, y_pred, normalize=(0, 2))
    assert np.isfinite(metrics.error_quantiles(y_true, y_pred)).all()
    labelled = ~np.isnan(y_true.reshape(4, 3, 2)).any(axis=-1)
    by_keypoint = metrics.keypoint_root_mean_squared_error(y_true, y_pred)
    np.testing.assert_array_equal(np.isfinite(by_keypoint), labelled.any(axis=0))
    curve = metrics.cumulative_error_curve(y_true, y_pred, **by_distance)
    assert np.isfinite(curve).all()
    assert curve[1][-1] == 1


@pytest.mark.parametrize(
    ("y_true", "options", "message"),
    [
        (Y_TRUE.to_numpy(), {}, "needs the names of the keypoints"),
        (Y_TRUE, {"normalize": "interpupil"}, "needs the keypoint 'left_eye_center'"),
        (Y_TRUE, {"normalize": "iris"}, "normalize='iris' is unknown"),
        (Y_TRUE, {"normalize": (0, 3)}, "indices go from 0 to 2"),
        (Y_TRUE, {"normalize": [1.0, 2.0]}, r"has the shape \(2,\)"),
        (Y_TRUE, {"normalize": 0}, "normalize=0 must be above 0: it is a distance in pixels"),
        (Y_TRUE, {"normalize": float("nan")}, "normalize=nan must be above 0"),
        (Y_TRUE, {"keypoint_names": "ibug68"}, "'ibug68' has 68 keypoints, but y has 3"),
        (Y_TRUE, {"keypoint_names": ["a", "b"]}, "keypoint_names has 2 names for 3 keypoints"),
        (Y_TRUE, {"keypoint_names": NAMES[::-1]}, "in another order: leave it out"),
        (Y_TRUE * np.nan, {}, "no labelled keypoint"),
        (Y_TRUE.iloc[2:], {}, "leaves no face to measure"),
    ],
)
def test_errors_say_what_to_do(y_true, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.normalized_mean_error(y_true, Y_PRED[: len(y_true)], **options)


def test_thresholds_are_above_0():
    for metric, name in (
        (metrics.failure_rate, "threshold"),
        (metrics.area_under_cumulative_error, "threshold"),
        (metrics.percentage_correct_keypoints, "alpha"),
    ):
        with pytest.raises(ValueError, match=f"{name}=0 must be above 0"):
            metric(Y_TRUE, Y_PRED, **{name: 0})
    with pytest.raises(ValueError, match="metric is one of points"):
        metrics.error_quantiles([1.0, 2.0], [1.0, 2.0])


def test_scorers_in_cross_validate(kaggle_like):
    X, y = kaggle_like
    scorers = {
        "nme": metrics.neg_normalized_mean_error,
        "failures": metrics.neg_failure_rate,
        "auc": metrics.area_under_cumulative_error_scorer,
        "pck": metrics.percentage_correct_keypoints_scorer,
    }
    scores = cross_validate(tiny_regressor(), X, y, cv=2, scoring=scorers, error_score="raise")
    assert (scores["test_nme"] < 0).all()
    assert (scores["test_failures"] <= 0).all()
    assert ((scores["test_auc"] >= 0) & (scores["test_auc"] < 1)).all()
    assert ((scores["test_pck"] > 0) & (scores["test_pck"] <= 1)).all()
