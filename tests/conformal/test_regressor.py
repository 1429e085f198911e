import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import Pipeline

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, CropTransformer
from sklearn_kpd._persistence.checks import check_consistency
from sklearn_kpd.conformal import ConformalKeypointRegressor, conformal_quantile
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.metrics import coverage_score, make_coverage_scorer
from tests.conformal.helpers import Given, draw
from tests.helpers import tiny_network, tiny_regressor

SCORES = ["distance", "scaled", "mahalanobis"]


def frozen(X, y, **options):
    given = FrozenEstimator(Given().fit(X, y))
    return ConformalKeypointRegressor(given, **options).fit(X, y)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000),
    st.integers(2, 20),
    st.sampled_from(SCORES),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.booleans(),
    st.sampled_from([0.3, 0.5, 0.8, 0.9]),
)
def test_regions_hold_what_they_promise(seed, n, score, missing, joint, coverage):
    # Each of n exchangeable rows is the new one once: a share of at least `coverage` is held.
    X, y = draw(n, seed=seed, missing=missing)
    y[0] = 1.0  # a label at least
    points_true = y.reshape(n, -1, 2)
    labelled = ~np.isnan(points_true).any(axis=2)
    if joint:
        held = np.ones((n, 1), bool)
        counted = labelled.any(axis=1, keepdims=True)
    else:
        held, counted = np.ones(labelled.shape, bool), labelled
    for i in range(n):
        others = np.delete(np.arange(n), i)
        if not labelled[others].any() or not labelled[i].any():
            continue
        conformal = frozen(X[others], y[others], conformity_score=score)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            regions = conformal.predict_region(X[[i]], coverage, joint)
        for k in np.flatnonzero(labelled[i]):
            alone = np.full_like(points_true[[i]], np.nan)
            alone[0, k] = points_true[i, k]
            inside = coverage_score(alone, conformal.predict(X[[i]]).reshape(1, -1, 2), regions)
            held[i, 0 if joint else k] &= inside == 1
    assert ((held & counted).sum(axis=0) >= coverage * counted.sum(axis=0) - 1e-9).all()


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("method", ["split", "cv+"])
@pytest.mark.parametrize("score", SCORES)
def test_coverage_of_many_draws(score, method, joint):
    # 40 calibrations of 40 rows and 100 new ones: by the promise, and by not much more
    kept = []
    for seed in range(40):
        X, y = draw(300, seed=seed, missing=0.1)
        fitted = slice(None, 200 if method == "split" else 40)
        conformal = ConformalKeypointRegressor(
            Given(), method=method, conformity_score=score, random_state=seed
        ).fit(X[fitted], y[fitted])
        regions, found = conformal.predict_region(X[200:], 0.8, joint, return_prediction=True)
        kept.append(coverage_score(y[200:], found, regions, joint=joint))
    assert 0.8 - 0.02 < np.mean(kept) < 0.8 + 0.05


def test_folds_that_disagree_have_larger_regions():
    X, y = draw(60)
    radii = [
        ConformalKeypointRegressor(Given(shift), method="cv+", random_state=0)
        .fit(X, y - shift * X[:, 0].mean())
        .predict_region(X[:1])
        for shift in (0.0, 0.5)
    ]
    assert (radii[1] > radii[0]).all()


def test_one_more_score_than_there_are():
    # The quantile is that of n + 1 scores: of 9 the largest promises 0.9, no one promises more.
    X, y = draw(9, 1)
    conformal = frozen(X, y)
    assert conformal.predict_region(X, 0.9).max() == conformal.scores_.max()
    with pytest.warns(UserWarning, match="coverage of 0.91 needs 11 calibration labels") as caught:
        assert np.isinf(conformal.predict_region(X, 0.91)).all()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("joint", [False, True])
def test_too_few_labels_are_named(joint):
    X, y = draw(30)
    y[5:, 2:] = np.nan
    y = pd.DataFrame(y, columns=["nose_x", "nose_y", "chin_x", "chin_y"])
    estimator = Given().fit(X, y)
    estimator.keypoint_names_ = ("nose", "chin")
    conformal = ConformalKeypointRegressor(FrozenEstimator(estimator)).fit(X, y)
    if joint:  # every row has a label
        assert np.isfinite(conformal.predict_region(X, joint=True)).all()
        return
    with pytest.warns(UserWarning, match="needs 9 calibration labels, and chin has 5: regions"):
        radii = conformal.predict_region(X)
    assert np.isinf(radii[:, 1]).all()
    assert np.isfinite(radii[:, 0]).all()
    with pytest.warns(UserWarning, match="chin"):
        refused = np.isnan(conformal.predict(X, max_radius=1e6))
    np.testing.assert_array_equal(refused, [[False, False, True, True]] * 30)


def test_several_coverages_at_once():
    X, y = draw(100)
    for score in SCORES:
        conformal = frozen(X, y, conformity_score=score)
        both = conformal.predict_region(X[:7], [0.5, 0.9])
        np.testing.assert_array_equal(both[0], conformal.predict_region(X[:7], 0.5))
        np.testing.assert_array_equal(both[1], conformal.predict_region(X[:7], 0.9))


def test_what_is_larger_than_max_radius_is_refused():
    X, y = draw(100)
    for score in SCORES:
        conformal = frozen(X, y, conformity_score=score)
        regions, found = conformal.predict_region(X, 0.8, return_prediction=True)
        np.testing.assert_array_equal(found, conformal.predict(X))
        radii = regions if regions.ndim == 2 else np.sqrt(regions.max(axis=(2, 3)))
        limit = float(np.median(radii))
        kept = ~np.isnan(conformal.predict(X, max_radius=limit, coverage=0.8)).reshape(100, 2, 2)
        np.testing.assert_array_equal(kept.all(axis=2), radii <= limit)
        assert kept.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 1.0}, "coverage=1.0 must be a share"),
        ({"coverage": 90}, "coverage=90 must be a share"),
        ({"coverage": "most"}, "coverage='most' must be a share"),
        ({"coverage": []}, "must be a share"),
    ],
)
def test_coverages_that_are_none(options, message):
    X, y = draw(20)
    with pytest.raises(ValueError, match=message):
        frozen(X, y).predict_region(X, **options)


@pytest.mark.parametrize("max_radius", [0, -1.0, "small", np.nan])
def test_a_max_radius_that_is_none(max_radius):
    X, y = draw(20)
    with pytest.raises(ValueError, match="max_radius=.* must be a number of pixels"):
        frozen(X, y).predict(X, max_radius=max_radius)


@pytest.mark.parametrize("method", ["split", "cv+"])
def test_rows_are_on_one_side(method):
    X, y = draw(100)
    conformal = ConformalKeypointRegressor(Given(), method=method, random_state=0).fit(X, y)
    assert len(conformal.estimators_) == (1 if method == "split" else 5)
    assert len(conformal.scores_) == (20 if method == "split" else 100)
    for fold, estimator in enumerate(conformal.estimators_):
        assert len(estimator.rows_) == 100 - (conformal.folds_ == fold).sum()


@pytest.mark.parametrize("method", ["split", "cv+"])
@pytest.mark.parametrize("named", ["groups", "paths", "list"])
def test_groups_are_on_one_side(method, named):
    X, y = draw(90)
    groups = np.repeat(np.arange(30), 3)
    given = {"groups": groups} if named == "groups" else {}
    if named != "groups":
        X = np.column_stack([groups, X])  # the first column is what `rows_` keeps
    else:
        X[:, 0] = groups
    if named == "paths":
        table = pd.DataFrame({"path": [f"{g}.jpg" for g in groups], "row": np.arange(90)})
    elif named == "list":
        table = [f"{g}.jpg" for g in groups]
    else:
        table = X
    seen = []

    class Seen(Given):
        def fit(self, X, y, **options):
            rows = X if named == "groups" else np.zeros((len(X), X_width))
            seen.append(X)
            return super().fit(rows, y, **options)

        def predict(self, X, return_std=False):
            seen.append(X)
            return super().predict(X if named == "groups" else np.zeros((len(X), X_width)))

    X_width = 8
    ConformalKeypointRegressor(Seen(), method=method, random_state=0).fit(table, y, **given)

    def keys(part):
        if named == "paths":
            return set(part["path"])
        return set(part) if named == "list" else set(part[:, 0])

    fits, predictions = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for trained, calibrated in zip(fits, predictions, strict=True):
        assert not keys(trained) & keys(calibrated)
        assert keys(trained) | keys(calibrated) == keys(table)


def test_groups_and_weights_reach_the_estimator():
    X, y = draw(40)
    weights, groups = np.arange(40.0), np.repeat(np.arange(10), 4)
    for estimator in (Given(), Pipeline([("given", Given())])):
        conformal = ConformalKeypointRegressor(estimator, random_state=0)
        fitted = conformal.fit(X, y, weights, groups=groups).estimators_[0]
        fitted = fitted if isinstance(fitted, Given) else fitted[-1]
        assert fitted.groups_.shape == fitted.weights_.shape == (32,)
        np.testing.assert_array_equal(fitted.weights_ // 4, fitted.groups_)


def test_one_group_cannot_be_split():
    X, y = draw(20)
    with pytest.raises(ValueError, match="All rows are one group"):
        ConformalKeypointRegressor(Given()).fit(X, y, groups=np.zeros(20))


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(4, random_state=0), "holds rows out more than once"),
        (KFold(4), "rows of one group on both sides"),
    ],
)
def test_folds_that_do_not_do(cv, message):
    X, y = draw(40)
    groups = np.tile(np.arange(10), 4)
    conformal = ConformalKeypointRegressor(Given(), method="cv+", cv=cv)
    with pytest.raises(ValueError, match=message):
        conformal.fit(X, y, groups=groups)


def test_a_splitter_of_the_users():
    X, y = draw(40)
    conformal = ConformalKeypointRegressor(Given(), method="cv+", cv=KFold(4)).fit(X, y)
    assert conformal.folds_.tolist() == np.repeat(np.arange(4), 10).tolist()


def test_a_frozen_estimator_is_calibrated_on_all_rows():
    X, y = draw(50)
    estimator = Given().fit(X, y)
    conformal = ConformalKeypointRegressor(FrozenEstimator(estimator)).fit(X, y)
    assert conformal.estimators_[0] is estimator
    errors = np.linalg.norm((y - X[:, :4]).reshape(50, 2, 2), axis=2)
    np.testing.assert_allclose(conformal.scores_, errors)
    np.testing.assert_allclose(conformal.predict_region(X[:1])[0], conformal_quantile(errors, 0.9))
    with pytest.raises(ValueError, match=r"use method='split'"):
        clone(conformal).set_params(method="cv+").fit(X, y)


def test_calibrate_anew():
    X, y = draw(100)
    conformal = ConformalKeypointRegressor(Given(), random_state=0).fit(X, y)
    before, estimator = conformal.predict_region(X[:1]), conformal.estimators_[0]
    assert conformal.calibrate(X, y + 30).predict_region(X[:1]).min() > before.max()
    assert conformal.estimators_[0] is estimator
    folds = ConformalKeypointRegressor(Given(), method="cv+").fit(X, y)
    with pytest.raises(ValueError, match="method='cv\\+' has 5"):
        folds.calibrate(X, y)


def test_another_score_matters_when_it_is_calibrated():
    X, y = draw(100)
    conformal = ConformalKeypointRegressor(Given(), random_state=0).fit(X, y)
    before = conformal.predict_region(X)
    conformal.set_params(conformity_score="mahalanobis")
    np.testing.assert_array_equal(conformal.predict_region(X), before)
    assert conformal.calibrate(X, y).predict_region(X).shape == (100, 2, 2, 2)


def test_a_fit_that_fails_leaves_what_was_fitted():
    X, y = draw(50)
    conformal = ConformalKeypointRegressor(Given(), random_state=0).fit(X, y)
    before = conformal.scores_
    with pytest.raises(ValueError, match="None of the calibration rows has a label"):
        conformal.fit(X, np.full_like(y, np.nan))
    assert conformal.scores_ is before


def test_a_spread_of_nothing():
    X, y = draw(50)
    X[3, 4:] = 0
    with pytest.raises(ValueError, match="0 or no number for row 3"):
        frozen(X, y, conformity_score="scaled")


@pytest.mark.parametrize("score", SCORES)
def test_single_coordinates(score):
    X, y = draw(60, 1)
    X, y = X[:, [0, 2]], y[:, 0]
    conformal = frozen(X, y, conformity_score=score)
    found = conformal.predict(X, max_radius=1e6)
    np.testing.assert_array_equal(found, X[:, 0])
    radii = conformal.predict_region(X, 0.8)
    half = np.sqrt(radii.ravel()) if score == "mahalanobis" else radii.ravel()
    assert (abs(y - found) <= half).sum() == 49  # ceil(61 * 0.8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "jackknife"), ("calibration_size", 1.0), ("calibration_size", 0), ("cv", 1),
        ("cv", "five"), ("conformity_score", "l1"), ("estimator", "a name"),
    ],
)  # fmt: skip
def test_parameters_are_checked_at_fit(name, value):
    X, y = draw(20)
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        ConformalKeypointRegressor(Given()).set_params(**{name: value}).fit(X, y)


def test_it_is_an_estimator():
    X, y = draw(60)
    conformal = ConformalKeypointRegressor(Given(), method="cv+", cv=3, random_state=1)
    copy = clone(conformal)
    assert copy.get_params(deep=False).keys() == conformal.get_params(deep=False).keys()
    assert "estimator__shift" in conformal.get_params()
    first, second = conformal.fit(X, y), copy.fit(X, y)
    np.testing.assert_array_equal(first.predict_region(X), second.predict_region(X))
    assert first.n_features_in_ == 8
    assert not hasattr(clone(first), "n_features_in_")
    assert first.score(X, y) > 0.5
    assert len(cross_val_score(conformal, X, y, cv=3)) == 3
    scores = cross_val_score(conformal, X, y, cv=3, scoring=make_coverage_scorer(coverage=0.8))
    assert 0.5 < scores.mean() <= 1


def test_a_search_inside_and_outside():
    X, y = draw(60)
    grid = {"shift": [0.0, 0.01]}
    search = GridSearchCV(Given(), grid, cv=2)
    inside = ConformalKeypointRegressor(search, conformity_score="scaled", random_state=0)
    assert inside.fit(X, y).predict_region(X).shape == (60, 2)
    outside = GridSearchCV(ConformalKeypointRegressor(Given()), {"calibration_size": [0.2]}, cv=2)
    assert outside.fit(X, y).predict(X).shape == (60, 4)


def test_points_in_three_dimensions():
    X, y = draw(60)
    conformal = ConformalKeypointRegressor(Given(), random_state=0).fit(X, y.reshape(60, 2, 2))
    assert conformal.predict(X).shape == (60, 2, 2)
    assert conformal.predict(X, max_radius=5.0).shape == (60, 2, 2)


def test_a_pipeline_with_augmentation(kaggle_like):
    X, y = kaggle_like
    pipe = Pipeline(
        [("augment", AugmentTransformer(flip=0.5)), ("regressor", tiny_regressor(epochs=1))]
    )
    conformal = ConformalKeypointRegressor(
        pipe, conformity_score="mahalanobis", calibration_size=0.5, random_state=0
    ).fit(X, y)
    assert conformal.keypoint_names_[0] == "left_eye_center"
    regions, found = conformal.predict_region(X[:4], 0.5, return_prediction=True)
    assert regions.shape == (4, 15, 2, 2)
    np.testing.assert_allclose(found, conformal.estimators_[0].predict(X[:4]), atol=1e-4)
    shuffled = y[y.columns[::-1]]
    assert conformal.score(X, shuffled) == pytest.approx(conformal.score(X, y))
    with pytest.raises(ValueError, match="AugmentedImages, whose rows cannot be held out"):
        conformal.set_params(estimator=tiny_regressor()).fit(
            AugmentTransformer().fit_transform(X, y), y
        )


def test_labels_of_other_schemes_are_left_out_of_the_calibration():
    X, y = make_faces(120, random_state=0)
    few = y.copy()
    few.iloc[60:, 8:] = np.nan  # 4 keypoints, by other people: 20 pixels off
    few.iloc[60:, :8] += 20
    regressor = tiny_regressor(epochs=1).fit(X, few)
    assert len(regressor.schemes_) == 2
    conformal = ConformalKeypointRegressor(FrozenEstimator(regressor)).fit(X, few)
    assert np.isnan(conformal.scores_[60:]).all()
    assert not np.isnan(conformal.scores_[:60]).any()
    alone = ConformalKeypointRegressor(FrozenEstimator(regressor)).fit(X[:60], few[:60])
    np.testing.assert_allclose(conformal.predict_region(X[:2]), alone.predict_region(X[:2]))


def test_names_meet_in_any_order():
    X, y = make_faces(60, random_state=0)
    regressor = FrozenEstimator(tiny_regressor(epochs=1).fit(X, y))
    first = ConformalKeypointRegressor(regressor).fit(X, y)
    second = ConformalKeypointRegressor(regressor).fit(X, y[y.columns[::-1]])
    np.testing.assert_allclose(first.scores_, second.scores_)
    scorer = make_coverage_scorer(coverage=0.5)
    assert scorer(first, X, y) == scorer(first, X, y[y.columns[::-1]])


def test_a_table_of_photographs(tmp_path):
    images, y = make_faces(24, random_state=0)
    rows, labels = [], []
    for i in range(12):  # two faces in each
        pair = np.hstack([images[2 * i], images[2 * i + 1]])[..., 0]
        Image.fromarray(pair).save(tmp_path / f"{i}.jpg")
        for j in range(2):
            rows.append((str(tmp_path / f"{i}.jpg"), 96 * j, 0, 96 * j + 96, 96))
            points = y.to_numpy()[2 * i + j].reshape(-1, 2)
            labels.append((points + [96 * j, 0]).ravel())
    X = pd.DataFrame(rows, columns=["path", "left", "top", "right", "bottom"])
    y = pd.DataFrame(labels, columns=y.columns)
    pipe = Pipeline(
        [
            ("crop", CropTransformer(size=48, margin=0.1)),
            ("augment", AugmentTransformer(flip=0.5)),
            ("regressor", tiny_regressor(epochs=1, validation_split=0.2)),
        ]
    )
    conformal = ConformalKeypointRegressor(
        pipe, conformity_score="scaled", calibration_size=0.5, random_state=0
    ).fit(X, y)
    assert conformal.scores_.shape == (12, 15)
    radii, found = conformal.predict_region(X, 0.8, return_prediction=True)
    assert (radii > 0).all()
    assert (found[1::2, ::2].mean(axis=1) > 96).all()  # pixels of the photograph
    # A photograph twice as large has regions twice as large.
    for path in set(X["path"]):
        Image.open(path).resize((384, 192)).save(path)
    larger = X.assign(**{side: X[side] * 2 for side in ("left", "top", "right", "bottom")})
    np.testing.assert_allclose(conformal.predict_region(larger, 0.8), 2 * radii, rtol=0.25)


@pytest.mark.parametrize("method", ["split", "cv+"])
def test_it_is_saved(tmp_path, faces, method):
    X, y = faces
    conformal = ConformalKeypointRegressor(
        tiny_regressor(epochs=1), method=method, cv=2, calibration_size=0.5, random_state=0
    )
    sklearn_kpd.save(conformal, tmp_path / "unfitted.kpd")
    assert not hasattr(
        sklearn_kpd.load(tmp_path / "unfitted.kpd", trusted=[tiny_network]), "scores_"
    )
    sklearn_kpd.save(conformal.fit(X, y), tmp_path / "model.kpd")
    loaded = sklearn_kpd.load(tmp_path / "model.kpd", trusted=[tiny_network])
    np.testing.assert_array_equal(
        loaded.predict_region(X, 0.8, True), conformal.predict_region(X, 0.8, True)
    )
    assert loaded.keypoint_names_ == conformal.keypoint_names_


def test_a_frozen_one_is_saved(tmp_path, faces):
    X, y = faces
    regressor = FrozenEstimator(tiny_regressor(epochs=1).fit(X, y))
    conformal = ConformalKeypointRegressor(regressor).fit(X, y)
    sklearn_kpd.save(conformal, tmp_path / "model.kpd")
    loaded = sklearn_kpd.load(tmp_path / "model.kpd", trusted=[tiny_network])
    np.testing.assert_array_equal(loaded.predict_region(X), conformal.predict_region(X))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("estimators_", []), ("estimators_", ["model"]), ("scores_", np.zeros(3)),
        ("scores_", np.full((40, 2), -1.0)), ("scores_", [[1.0]]), ("folds_", np.ones(50, int)),
        ("folds_", np.zeros(49, int)), ("y_shape_", (6,)), ("y_shape_", [4]),
        ("keypoint_names_", ("nose", "chin")), ("conformity_score_", "l1"),
    ],
)  # fmt: skip
def test_what_was_learnt_has_to_fit_together(attribute, value):
    X, y = draw(50)
    conformal = frozen(X, y)
    check_consistency(conformal)
    setattr(conformal, attribute, value)
    with pytest.raises(ValueError, match=f"{attribute} does not fit"):
        check_consistency(conformal)
