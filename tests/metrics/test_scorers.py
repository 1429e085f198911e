import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_kpd import metrics
from sklearn_kpd.keypoints import KAGGLE_KEYPOINTS, columns_from_names
from sklearn_kpd.metrics._scorers import name_predictions

RNG = np.random.default_rng(0)
Y = pd.DataFrame(RNG.uniform(10, 80, (12, 30)), columns=columns_from_names(KAGGLE_KEYPOINTS))
Y_PRED = Y + RNG.normal(size=Y.shape)
X = np.zeros((12, 4))

METRICS = [
    metrics.mean_squared_error,
    metrics.root_mean_squared_error,
    metrics.mean_absolute_error,
    metrics.r2_score,
    metrics.normalized_mean_error,
    metrics.failure_rate,
    metrics.area_under_cumulative_error,
    metrics.percentage_correct_keypoints,
]
SCORERS = {name: getattr(metrics, name) for name in metrics.__all__ if "neg_" in name
           or (name.endswith("_scorer") and not name.startswith("make"))}  # fmt: skip


def in_form(form, y):
    """The same keypoints in another form of a table."""
    if form == "reversed":
        return y[y.columns[::-1]]
    if form == "openface":
        return y[[c for axis in "xy" for c in y.columns if c.endswith(axis)]]
    if form == "levels":
        columns = pd.MultiIndex.from_tuples(
            [("DLC", c[:-2], c[-1]) for c in y.columns], names=["scorer", "bodyparts", "coords"]
        )
        return y.set_axis(columns, axis=1)[columns[::-1]]
    likelihood = {f"{c[:-2]}_likelihood": 0.9 for c in y.columns[::2]}
    return y.assign(**likelihood).sort_index(axis=1)


FORMS = ["reversed", "openface", "levels", "likelihood"]


class Predictor(BaseEstimator):
    """Predicts what it is told, in an order of its own."""

    def __init__(self, y_pred, names=None):
        self.y_pred = y_pred
        self.keypoint_names_ = names

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.y_pred


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.__name__)
def test_two_tables_meet_by_the_names_of_keypoints(metric, form):
    holes = Y.copy()
    holes.iloc[::2, :6] = np.nan
    for y in (Y, holes):
        expected = metric(y, Y_PRED.to_numpy())
        assert metric(in_form(form, y), Y_PRED) == pytest.approx(expected)
        assert metric(y, in_form(form, Y_PRED)) == pytest.approx(expected)
        assert metric(in_form(form, y), in_form("reversed", Y_PRED)) == pytest.approx(expected)


def test_metrics_of_each_keypoint_are_in_the_order_of_y_true():
    expected = metrics.keypoint_root_mean_squared_error(Y, Y_PRED)
    found = metrics.keypoint_root_mean_squared_error(Y, in_form("reversed", Y_PRED))
    np.testing.assert_allclose(found, expected)
    turned = metrics.keypoint_root_mean_squared_error(in_form("reversed", Y), Y_PRED)
    np.testing.assert_allclose(turned, expected[::-1])


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.__name__)
def test_tables_of_other_keypoints_do_not_meet(metric):
    with pytest.raises(ValueError, match="other columns: y_true alone has 'left_eye_center_x'"):
        metric(Y, Y_PRED.iloc[:, 2:])
    with pytest.raises(ValueError, match="other columns: y_pred alone has 'ear_x'"):
        metric(Y, Y_PRED.assign(ear_x=1.0, ear_y=1.0))


def test_tables_that_hold_no_keypoints():
    y = pd.DataFrame({"age": [1.0, np.nan], "height": [2.0, 3.0]})
    y_pred = pd.DataFrame({"height": [2.0, 4.0], "age": [3.0, 0.0]})
    assert metrics.mean_squared_error(y, y_pred) == pytest.approx((4 + 0 + 1) / 3)
    assert metrics.mean_squared_error(y, y_pred[["age", "height"]].to_numpy()) == pytest.approx(
        5 / 3
    )
    with pytest.raises(ValueError, match="name no x and y of keypoints"):
        metrics.error_quantiles(y, y_pred)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SCORERS)
def test_scorers_meet_an_estimator_by_its_names(name, form):
    scorer, order = SCORERS[name], RNG.permutation(15)
    shuffled = Y_PRED.to_numpy().reshape(12, 15, 2)[:, order].reshape(12, 30)
    names = tuple(KAGGLE_KEYPOINTS[at] for at in order)
    estimator = Predictor(shuffled, names)
    expected = scorer._sign * scorer._score_func(Y, Y_PRED.to_numpy())
    search = GridSearchCV(estimator, {})
    search.best_estimator_ = estimator
    for fitted in (estimator, make_pipeline("passthrough", estimator)):
        assert scorer(fitted, X, in_form(form, Y)) == pytest.approx(expected)
    points = Predictor(shuffled.reshape(12, 15, 2), names)
    assert scorer(points, X, in_form(form, Y)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="other columns"):
        scorer(estimator, X, in_form(form, Y).rename(columns=lambda c: c.replace("nose", "tail")))


@pytest.mark.parametrize("form", FORMS)
def test_estimators_without_names_predict_in_the_order_of_y(form):
    y = in_form(form, Y)
    scikit_learns = RandomForestRegressor(n_estimators=2, random_state=0)
    features = RNG.normal(size=(12, 3))
    fitted = scikit_learns.fit(features, y)
    expected = metrics.mean_squared_error(
        Y, pd.DataFrame(fitted.predict(features), columns=y.columns)
    )
    found = -metrics.neg_mean_squared_error(fitted, features, y)
    assert found == pytest.approx(expected)
    assert found < 0.5 * metrics.mean_squared_error(Y, np.tile(Y.mean(), (12, 1)))


def test_what_is_not_known_is_not_named():
    array = np.zeros((12, 30))
    assert name_predictions(array, Predictor(array), Y) is array  # fitted on an array
    assert name_predictions(array, DummyRegressor(), Y.to_numpy()) is array
    assert name_predictions(array[:, :4], DummyRegressor(), Y).shape == (12, 4)
    assert name_predictions(Y, Predictor(array, KAGGLE_KEYPOINTS), None) is Y


def test_an_array_gets_the_names_of_the_estimator():
    estimator = Predictor(Y_PRED.to_numpy(), KAGGLE_KEYPOINTS)
    score = metrics.neg_normalized_mean_error(estimator, X, Y.to_numpy())
    assert score == pytest.approx(-metrics.normalized_mean_error(Y, Y_PRED))


def test_they_are_scikit_learns_scorers_otherwise():
    theirs = make_scorer(metrics.normalized_mean_error, greater_is_better=False, normalize="bbox")
    ours = metrics.make_keypoint_scorer(
        metrics.normalized_mean_error, greater_is_better=False, normalize="bbox"
    )
    assert repr(ours) == repr(theirs)
    estimator = Predictor(Y_PRED.to_numpy())
    for copy in (ours, clone(ours, safe=False), pickle.loads(pickle.dumps(ours))):
        assert copy(estimator, X, Y) == theirs(estimator, X, Y)
    features = RNG.normal(size=(12, 3))
    scores = cross_validate(
        DummyRegressor(), features, Y, cv=2, scoring={"a": ours, "b": theirs}, error_score="raise"
    )
    np.testing.assert_array_equal(scores["test_a"], scores["test_b"])


def test_sample_weight_is_routed():
    weight = np.arange(12.0)
    estimator = Predictor(Y_PRED.to_numpy(), KAGGLE_KEYPOINTS)
    expected = -metrics.mean_squared_error(Y, Y_PRED, sample_weight=weight)
    scorer = metrics.neg_mean_squared_error
    assert scorer(estimator, X, in_form("reversed", Y), sample_weight=weight) == pytest.approx(
        expected
    )
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = clone(scorer, safe=False).set_score_request(sample_weight=True)
        scores = cross_val_score(
            DummyRegressor().set_fit_request(sample_weight=False), X, Y, cv=2, scoring=weighted,
            params={"sample_weight": weight}, error_score="raise",
        )  # fmt: skip
    assert np.isfinite(scores).all()


class SchemePredictor(BaseEstimator):
    """Predicts 1 more for rows that are asked for less than everything."""

    keypoint_names_ = tuple(KAGGLE_KEYPOINTS)

    def fit(self, X, y):
        self.schemes_ = np.ones((1, 30), dtype=bool)
        return self

    def predict(self, X, scheme=None):
        found = np.tile(Y.to_numpy()[0], (len(X), 1))
        return found if scheme is None else found + ~scheme.all(axis=1, keepdims=True)


def test_each_row_is_measured_by_its_own_scheme():
    y = Y.copy()
    y[:] = Y.to_numpy()[0]
    y.iloc[6:, 8:] = np.nan
    mae = metrics.mean_absolute_error
    plain = metrics.make_keypoint_scorer(mae, greater_is_better=False)
    scorer = metrics.make_keypoint_scorer(mae, greater_is_better=False, by_scheme=True)
    pipe = make_pipeline(SchemePredictor()).fit(X, y)
    expected = -6 * 8 / (6 * 30 + 6 * 8)
    for table in (y, y[y.columns[::-1]]):
        assert plain(pipe, X, table) == 0
        np.testing.assert_allclose(scorer(pipe, X, table), expected)
        np.testing.assert_allclose(
            cross_val_score(pipe, X, table, scoring=scorer, cv=[(range(12), range(12))]), expected
        )
        # predictions that scorers share are those without a scheme
        scores = cross_validate(pipe, X, table, scoring={"a": plain, "b": scorer},
                                cv=[(range(12), range(12))])  # fmt: skip
        assert scores["test_a"][0] == 0
        np.testing.assert_allclose(scores["test_b"][0], expected)
    assert pickle.loads(pickle.dumps(scorer))(pipe, X, y) == scorer(pipe, X, y)
    with pytest.raises(ValueError, match=r"by_scheme=True needs .*; DummyRegressor has none\."):
        scorer(DummyRegressor().fit(X, y.fillna(0)), X, y)


def test_by_scheme_reaches_the_regressor_of_a_pipeline(kaggle_like):
    from sklearn_kpd import AugmentTransformer
    from tests.helpers import tiny_regressor

    X, y = kaggle_like
    pipe = make_pipeline(AugmentTransformer(), tiny_regressor(epochs=1))
    mse = metrics.mean_squared_error
    scorer = metrics.make_keypoint_scorer(mse, greater_is_better=False, by_scheme=True)
    found = cross_val_score(pipe, X, y, scoring=scorer, cv=[(range(60), range(60))])
    pipe.fit(X, y)
    assert len(pipe[-1].schemes_) > 1
    expected = mse(y, pipe.predict(X, scheme=y.notna().to_numpy()))
    np.testing.assert_allclose(found, -expected, rtol=1e-4)
    assert expected != mse(y, pipe.predict(X))
