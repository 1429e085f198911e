import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sklearn_kpd import metrics
from sklearn_kpd._common.schemes import (
    best_scheme,
    find_schemes,
    from_scheme_outputs,
    nearest_scheme,
    to_scheme_outputs,
)
from tests.helpers import tiny_regressor

FULL, HALF, OTHER = [True] * 4, [True, True, False, False], [False, False, True, False]


def test_frequent_patterns_are_schemes_the_fullest_first():
    labelled = np.array([HALF] * 60 + [FULL] * 37 + [OTHER] * 2 + [[False] * 4] * 100)
    schemes = find_schemes(labelled, 0.05)
    np.testing.assert_array_equal(schemes, [FULL, HALF])
    rows = nearest_scheme(labelled, schemes)
    assert set(rows[:60]) == {1}
    assert set(rows[60:97]) == {0}


def test_labels_missing_at_random_are_one_scheme():
    labelled = np.random.default_rng(0).random((200, 30)) < 0.5
    np.testing.assert_array_equal(find_schemes(labelled, 0.05), np.ones((1, 30)))


def test_few_rows_make_no_scheme():
    np.testing.assert_array_equal(find_schemes(np.array([FULL, HALF] * 9), 0.05), [FULL])
    np.testing.assert_array_equal(find_schemes(np.array([FULL, HALF] * 10), 0.05), [FULL, HALF])


def test_outputs_follow_the_fullest_scheme_that_has_them():
    left, right = [True, True, True, False], [False, True, False, False]
    labelled = np.array([left] * 10 + [right] * 30)
    schemes = find_schemes(labelled, 0.05)
    rows = nearest_scheme(labelled, schemes)
    np.testing.assert_array_equal(best_scheme(labelled, rows, 2), [0, 0, 0, 0])
    # labelled in a row alone that counts to the second scheme
    rare = np.array([[False, True, False, True]])
    labelled = np.concatenate([labelled, rare])
    rows = nearest_scheme(labelled, schemes)
    assert rows[-1] == 1
    np.testing.assert_array_equal(best_scheme(labelled, rows, 2), [0, 0, 0, 1])


@settings(deadline=None)
@given(
    values=hnp.arrays(np.float64, (6, 4), elements=st.floats(-9, 9)),
    rows=hnp.arrays(np.intp, 6, elements=st.integers(0, 2)),
)
def test_what_goes_into_the_outputs_of_a_scheme_comes_out_again(values, rows):
    outputs = to_scheme_outputs(values, rows, 3)
    assert outputs.shape == (6, 12)
    assert np.isnan(outputs).sum() == 6 * 8
    np.testing.assert_array_equal(from_scheme_outputs(outputs, rows[:, np.newaxis], 3), values)


def two_annotators(n=400, shift=4.0):
    """Bright dots; the second annotator labels one point of two, and `shift` pixels off."""
    rng = np.random.default_rng(0)
    points = rng.uniform(6, 18, (n, 2, 2))
    y, x = np.mgrid[:24, :24]
    squares = (x - points[:, :1, :1]) ** 2 + (y - points[:, :1, 1:]) ** 2
    images = (240 * np.exp(-squares / 18)).astype(np.uint8)
    points[:, 1] = points[:, 0] + 2
    points = points.reshape(n, 4)
    labels = points.copy()
    labels[n // 2 :, :2] += shift
    labels[n // 2 :, 2:] = np.nan
    return images, points, labels


def test_predictions_follow_the_complete_rows():
    images, points, labels = two_annotators()
    settings = {"epochs": 20, "learning_rate": 0.03, "loss": "mse", "sampling": "rows"}
    alone = tiny_regressor(**settings).fit(images, labels)
    together = tiny_regressor(schemes=None, **settings).fit(images, labels)
    np.testing.assert_array_equal(alone.schemes_, [FULL, HALF])
    assert together.schemes_.shape == (1, 4)

    def bias(fitted):
        return np.abs((fitted.predict(images) - points)[:, :2].mean(axis=0)).mean()

    assert bias(together) > 1.0
    assert bias(alone) < 0.5 * bias(together)
    assert metrics.mean_squared_error(points, alone.predict(images)) < (
        metrics.mean_squared_error(points, together.predict(images))
    )


def test_schemes_are_of_the_training_and_stay_when_it_goes_on(kaggle_like):
    X, y = kaggle_like
    fitted = tiny_regressor(warm_start=True).fit(X, y)
    assert len(fitted.schemes_) == 2
    complete = y.notna().all(axis=1).to_numpy()
    fitted.fit(X[complete], y[complete])
    assert len(fitted.schemes_) == 2
    assert fitted.predict(X).shape == (60, 30)
    dropped = tiny_regressor(missing="drop").fit(X, y)
    assert len(dropped.schemes_) == 1


def test_schemes_is_validated(faces):
    with pytest.raises(ValueError, match="'schemes' parameter"):
        tiny_regressor(schemes="people").fit(*faces)
