import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import cross_val_score

from sklearn_kpd import metrics

NAMES = ["mean_squared_error", "root_mean_squared_error", "mean_absolute_error"]
SHAPE = (6, 4)
numbers = st.floats(0, 96)
complete = hnp.arrays(float, SHAPE, elements=numbers)
holes = hnp.arrays(float, SHAPE, elements=numbers | st.just(np.nan))
weights = st.none() | hnp.arrays(float, SHAPE[0], elements=st.floats(0.1, 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("multioutput", ["uniform_average", "raw_values", [0.1, 0.2, 0.3, 0.4]])
@given(y_true=complete, y_pred=complete, weight=weights)
def test_complete_labels_give_scikit_learns_figure_to_the_last_digit(
    name, multioutput, y_true, y_pred, weight
):
    ours = getattr(metrics, name)(y_true, y_pred, sample_weight=weight, multioutput=multioutput)
    theirs = getattr(sklearn_metrics, name)(
        y_true, y_pred, sample_weight=weight, multioutput=multioutput
    )
    np.testing.assert_array_equal(ours, theirs)


@given(y_true=holes, y_pred=complete)
def test_uniform_average_counts_every_labelled_value_the_same(y_true, y_pred):
    labelled = ~np.isnan(y_true)
    if not labelled.any():
        with pytest.raises(ValueError, match="no label at all"):
            metrics.mean_squared_error(y_true, y_pred)
        return
    errors = (y_pred - y_true)[labelled]
    np.testing.assert_allclose(metrics.mean_squared_error(y_true, y_pred), np.mean(errors**2))
    np.testing.assert_allclose(
        metrics.mean_absolute_error(y_true, y_pred), np.mean(np.abs(errors))
    )


@pytest.mark.parametrize("name", NAMES)
@given(y_true=holes, y_pred=complete, weight=weights)
def test_raw_values_are_scikit_learns_of_each_columns_labelled_rows(name, y_true, y_pred, weight):
    if np.isnan(y_true).all():
        return
    raw = getattr(metrics, name)(y_true, y_pred, sample_weight=weight, multioutput="raw_values")
    for column, value in enumerate(raw):
        rows = ~np.isnan(y_true[:, column])
        if not rows.any():
            assert np.isnan(value)
            continue
        expected = getattr(sklearn_metrics, name)(
            y_true[rows, column],
            y_pred[rows, column],
            sample_weight=None if weight is None else weight[rows],
        )
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12)


def test_column_weights_leave_out_columns_without_labels():
    y_true = np.array([[1.0, np.nan], [2.0, np.nan]])
    y_pred = np.array([[2.0, 0.0], [2.0, 0.0]])
    assert metrics.mean_squared_error(y_true, y_pred, multioutput=[0.5, 0.5]) == 0.5


@pytest.mark.parametrize("name", [*NAMES, "r2_score"])
def test_forms_of_y_agree(name):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=(2, 5, 6))
    y_true[0, 1] = np.nan
    metric = getattr(metrics, name)
    flat = metric(y_true, y_pred)
    assert metric(y_true.reshape(5, 3, 2), y_pred.reshape(5, 3, 2)) == flat
    assert metric(pd.DataFrame(y_true), y_pred) == flat


@pytest.mark.parametrize("name", [*NAMES, "r2_score"])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([[1.0, 2.0]], [[1.0, np.nan]], "y_pred contains NaN"),
        ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], "must be the same"),
        ([[np.inf, 2.0]], [[1.0, 2.0]], "y_true contains infinity"),
        ([[1.0, 2.0]] * 2, [[1.0, 2.0]], "inconsistent"),
    ],
)
def test_bad_input(name, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(y_true, y_pred)


def test_unknown_multioutput():
    with pytest.raises(ValueError, match="'uniform_average', 'raw_values'"):
        metrics.mean_squared_error([[np.nan, 1.0]], [[1.0, 1.0]], multioutput="all")


def test_r2():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.normal(size=(2, 20, 4))
    assert metrics.r2_score(y_true, y_pred) == sklearn_metrics.r2_score(y_true, y_pred)
    y_true[3:, 1] = np.nan
    y_true[1:, 2] = np.nan  # one label has no variance
    expected = np.mean(
        [
            sklearn_metrics.r2_score(y_true[rows, column], y_pred[rows, column])
            for column, rows in ((0, slice(20)), (1, slice(3)), (3, slice(20)))
        ]
    )
    assert metrics.r2_score(y_true, y_pred) == pytest.approx(expected)
    with pytest.raises(ValueError, match="a column with two labels"):
        metrics.r2_score([[1.0, np.nan]], [[1.0, 1.0]])


@pytest.mark.parametrize("name", NAMES)
def test_scorers_take_nan_in_cross_validation(name):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 4))
    dummy = DummyRegressor()
    theirs = cross_val_score(dummy, X, y, scoring=f"neg_{name}")
    ours = cross_val_score(dummy, X, y, scoring=getattr(metrics, f"neg_{name}"))
    np.testing.assert_array_equal(ours, theirs)


def test_scorers_measure_the_labelled(kaggle_like):
    class Constant(BaseEstimator):
        def predict(self, X):
            return np.full((len(X), 30), 48.0)

    X, y = kaggle_like
    score = metrics.neg_mean_squared_error(Constant(), X, y)
    np.testing.assert_allclose(score, -np.nanmean((y.to_numpy() - 48) ** 2))
