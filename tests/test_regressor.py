import contextlib
import copy
import gc
import subprocess
import sys
import warnings
import weakref

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_kpd
from sklearn_kpd import AugmentTransformer, KeypointRegressor, losses, metrics, model_selection
from sklearn_kpd._common.keras import IS_TENSORFLOW
from sklearn_kpd._training.data import split_rows
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.keypoints import mirror
from sklearn_kpd.missing import apply_policy
from sklearn_kpd.networks import SpatialSoftArgmax
from tests.helpers import (
    assert_same_weights,
    dots,
    tiny_heatmap,
    tiny_network,
    tiny_regressor,
    weights_of,
)


def make_pipeline(**parameters):
    return Pipeline(
        [
            ("augment", AugmentTransformer(rotation=15, scale=0.1, flip=0.5)),
            ("regressor", tiny_regressor(**parameters)),
        ]
    )


@pytest.fixture(scope="module")
def predicted(faces):
    """What a tiny regressor predicts for the faces that it was fitted on."""
    X, y = faces
    return tiny_regressor().fit(X, y).predict(X)


# data in and out


def test_predictions_have_the_shape_of_y(faces, predicted):
    X, y = faces
    values = y.to_numpy()
    flat = predicted
    assert flat.shape == (40, 30)
    assert flat.dtype == np.float64
    for form in (values, values.reshape(40, 15, 2), values[:, 0]):
        pred = tiny_regressor().fit(X, form).predict(X)
        assert pred.shape == form.shape
        if form.size == flat.size:
            np.testing.assert_array_equal(pred.reshape(40, 30), flat)


def test_every_form_of_x_gives_the_same_predictions(faces, predicted):
    X, y = faces
    for form in (
        X[..., 0],
        X.reshape(40, -1),
        X.astype(np.float64),
        X.astype(np.int64),
        (X / 255).astype(np.float32),
        pd.DataFrame(X.reshape(40, -1)),
    ):
        fitted = tiny_regressor().fit(form, y)
        np.testing.assert_allclose(fitted.predict(form), predicted, atol=1e-2)
        np.testing.assert_allclose(fitted.predict(X), fitted.predict(X[..., 0]), atol=1e-6)


def test_float64_after_float32_and_bytes_after_floats(faces):
    X, y = faces
    fitted = tiny_regressor().fit((X / 255).astype(np.float32), y)
    np.testing.assert_allclose(fitted.predict(X / 255), fitted.predict(X), atol=1e-3)


def test_a_memory_map_is_trained_on(faces, predicted, tmp_path):
    X, y = faces
    path = tmp_path / "faces.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(tiny_regressor().fit(mapped, y).predict(mapped), predicted)


def test_rectangular_colour_images():
    rng = np.random.default_rng(0)
    X, y = rng.integers(256, size=(20, 24, 40, 3), dtype=np.uint8), rng.uniform(0, 24, (20, 4))
    fitted = tiny_regressor().fit(X, y)
    assert fitted.image_shape_ == (24, 40, 3)
    flat = tiny_regressor(image_shape=(24, 40, 3)).fit(X.reshape(20, -1), y)
    np.testing.assert_array_equal(flat.predict(X), fitted.predict(X))


def test_meta_estimators_that_fit_column_by_column(faces):
    X, y = faces
    flat = X.reshape(40, -1)
    found = MultiOutputRegressor(tiny_regressor(epochs=1)).fit(flat, y.iloc[:, :2]).predict(flat)
    assert found.shape == (40, 2)
    for column in range(2):
        alone = tiny_regressor(epochs=1).fit(flat, y.iloc[:, column])
        np.testing.assert_array_equal(found[:, column], alone.predict(flat))


# training


def test_the_plain_cnn_learns():
    from sklearn_kpd.datasets import make_faces

    X, y = make_faces(300, missing="kaggle", random_state=0)
    X_test, y_test = make_faces(50, random_state=1)
    fitted = KeypointRegressor(
        "cnn",
        epochs=8,
        batch_size=16,
        network__filters=(8, 16, 16),
        network__units=(64,),
        random_state=0,
        verbose=0,
    ).fit(X, y)
    error = metrics.mean_squared_error(y_test, fitted.predict(X_test))
    means = np.tile(y.mean(), (50, 1))
    assert error < 0.8 * metrics.mean_squared_error(y_test, means)
    assert fitted.score(X_test, y_test) > 0.2


def test_training_starts_from_the_mean_face(kaggle_like):
    X, y = kaggle_like
    fitted = KeypointRegressor(
        "cnn", network__filters=(4,), network__units=(4,), epochs=1, verbose=0, random_state=0,
        optimizer__learning_rate=1e-9, validation_split=0, schemes=None,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(fitted.predict(X)[0], y.mean(), atol=1)


def test_history_holds_loss_and_pixels(kaggle_like):
    X, y = kaggle_like
    history = tiny_regressor(epochs=3, loss="mse").fit(X, y).history_
    assert set(history) == {"loss", "rmse", "val_loss", "val_rmse"}
    assert all(len(values) == 3 for values in history.values())
    # one batch of validation rows: its loss and its RMSE are the same figure
    np.testing.assert_allclose(np.sqrt(history["val_loss"]) * 48, history["val_rmse"], rtol=1e-4)
    assert set(tiny_regressor(validation_split=0).fit(X, y).history_) == {"loss", "rmse"}


def test_history_is_what_predict_reaches(faces):
    X, y = faces
    fitted = tiny_regressor(
        epochs=1, validation_split=0, optimizer__learning_rate=1e-12, batch_size=40
    ).fit(X, y)
    rmse = metrics.mean_squared_error(y, fitted.predict(X)) ** 0.5
    np.testing.assert_allclose(fitted.history_["rmse"][0], rmse, rtol=1e-4)


def test_validation_rows_are_not_augmented(faces):
    X, y = faces
    strange = AugmentTransformer(translation=(500, 500), out_of_frame="keep").fit_transform(X, y)
    fitted = tiny_regressor(
        epochs=1, optimizer__learning_rate=1e-12, validation_split=0.5
    ).fit(strange, y)  # fmt: skip
    assert fitted.history_["rmse"][0] > 400
    assert fitted.history_["val_rmse"][0] < 60


def test_validation_rows_are_not_trained_on(faces):
    """Other images and labels in them change what is validated, and nothing that is learnt."""
    X, y = faces
    settings = {"patience": None, "validation_split": 0.5}
    fitted = tiny_regressor(**settings).fit(X, y)
    training, held_out = split_rows(len(X), 0.5, fitted._split_seed)
    assert len(held_out) == 20

    def with_others(rows):
        other_X, other_y = X.copy(), y.copy()
        other_X[rows], other_y.iloc[rows] = 255 - X[rows], y.iloc[rows] - 5
        return tiny_regressor(**settings).fit(other_X, other_y)

    other = with_others(held_out)
    for name in ("loss", "rmse"):
        assert other.history_[name] == fitted.history_[name]
    assert_same_weights(other, fitted)
    assert other.history_["val_rmse"] != fitted.history_["val_rmse"]
    assert with_others(training[:1]).history_["loss"] != fitted.history_["loss"]


def test_early_stopping_restores_the_best_weights(faces):
    X, y = faces
    fitted = tiny_regressor(
        epochs=30, patience=2, optimizer__learning_rate=0.05, learning_rate_schedule="constant",
        validation_split=0.3,
    ).fit(X, y)  # fmt: skip
    values = fitted.history_["val_rmse"]
    assert len(values) < 30
    best = int(np.argmin(values))
    assert len(values) == best + 1 + 2
    again = tiny_regressor(
        epochs=best + 1, patience=None, optimizer__learning_rate=0.05,
        learning_rate_schedule="constant", validation_split=0.3,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(fitted.predict(X), again.predict(X), atol=1e-3)


def test_the_schedule_leaves_the_optimizers_rate_behind(faces):
    X, y = faces
    rates = []

    class Spy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    tiny_regressor(
        epochs=5, callbacks=[Spy()], batch_size=8, optimizer__learning_rate=0.01
    ).fit(X, y)  # fmt: skip
    assert max(rates) <= 0.01
    assert rates[-1] < 1e-3
    fitted = tiny_regressor(optimizer__learning_rate=0.01).fit(X, y)
    np.testing.assert_allclose(float(fitted.model_.optimizer.learning_rate), 0.01, rtol=1e-6)


def test_an_optimizer_may_bring_a_schedule_or_be_an_instance_and_fit_twice(faces):
    X, y = faces
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.9)
    tiny_regressor(optimizer__learning_rate=schedule).fit(X, y)
    optimizer = keras.optimizers.SGD(1e-3)
    regressor = tiny_regressor(optimizer=optimizer)
    first = weights_of(regressor.fit(X, y))
    second = weights_of(regressor.fit(X, y))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert regressor.optimizer is optimizer


def test_callbacks_as_classes_get_their_routed_arguments(faces):
    seen = []

    class Spy(keras.callbacks.Callback):
        def __init__(self, note="none"):
            super().__init__()
            self.note = note

        def on_train_end(self, logs=None):
            seen.append(self.note)

    classes = [keras.callbacks.TerminateOnNaN, Spy]
    fitted = tiny_regressor(callbacks=classes, callbacks__1__note="routed").fit(*faces)
    assert seen == ["routed"]
    assert fitted.callbacks == classes


@pytest.mark.parametrize("options", [
    {"loss": "mse"}, {"loss": "huber", "loss__delta": 3.0}, {"loss": "wing"},
    {"loss": losses.MaskedWing(0.1, 0.02)},
])  # fmt: skip
def test_every_loss_trains(kaggle_like, options):
    X, y = kaggle_like
    fitted = tiny_regressor(epochs=60, optimizer__learning_rate=0.02, **options).fit(X, y)
    assert fitted.history_["rmse"][-1] < 0.5 * fitted.history_["rmse"][0]
    assert clone(fitted).get_params().keys() == fitted.get_params().keys()


def test_weight_decay_leaves_biases_alone(faces):
    """With no gradient to speak of, nothing moves but the weights that decay."""
    X, y = faces

    class Still(losses.MaskedLoss):
        def penalty(self, error):
            return 0.0 * error

    start = weights_of(
        tiny_regressor(epochs=1, loss=Still(), optimizer__weight_decay=0.0).fit(X, y)
    )
    decayed = weights_of(
        tiny_regressor(
            epochs=1, loss=Still(), optimizer__weight_decay=0.5, optimizer__learning_rate=0.1
        ).fit(X, y)
    )
    for before, after in zip(start, decayed, strict=True):
        if before.ndim == 1:
            np.testing.assert_array_equal(after, before)
        else:
            assert np.abs(after).sum() < 0.99 * np.abs(before).sum()


@pytest.mark.parametrize("missing", ["mask", "drop", "mean", "median", "knn", "iterative"])
def test_a_policy_is_what_it_makes_of_the_labels(kaggle_like, missing):
    X, y = kaggle_like
    settings = {"epochs": 1, "validation_split": 0, "schemes": None}
    fitted = tiny_regressor(missing=missing, **settings).fit(X, y)
    rows, values = apply_policy(missing, y.to_numpy())
    by_hand = tiny_regressor(**settings).fit(X[rows], values)
    assert_same_weights(fitted, by_hand)
    assert np.isfinite(fitted.predict(X)).all()


def test_the_policy_learns_from_training_rows_alone(faces):
    X, y = faces
    y = y.copy()
    y.iloc[::2, 0] = np.nan
    seen = []

    class Spy(SimpleImputer):
        def fit_transform(self, values, target=None):
            seen.append(len(values))
            return super().fit_transform(values)

    tiny_regressor(missing=Spy(), validation_split=0.25, epochs=1).fit(X, y)
    assert seen == [30]


def test_a_weight_of_two_is_a_row_twice(faces):
    """With one batch an epoch, which holds all rows, the two are the same training."""
    X, y = faces
    settings = {
        "epochs": 5, "validation_split": 0, "batch_size": 80, "sampling": "rows",
        "weight_average": 0, "optimizer": "sgd", "learning_rate": 0.1,
    }  # fmt: skip
    weight = np.where(np.arange(40) < 10, 2, 1)
    rows = np.repeat(np.arange(40), weight)
    weighted = tiny_regressor(**settings).fit(X, y, sample_weight=weight)
    repeated = tiny_regressor(**settings).fit(X[rows], y.iloc[rows])
    alike = tiny_regressor(**settings).fit(X, y)
    np.testing.assert_allclose(weighted.history_["loss"], repeated.history_["loss"], rtol=1e-4)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)
    assert np.abs(weighted.predict(X) - alike.predict(X)).max() > 0.01


def test_rows_of_weight_zero_are_left_out(faces):
    X, y = faces
    settings = {"epochs": 3, "validation_split": 0, "optimizer__learning_rate": 0.01}
    weight = np.ones(40)
    weight[20:] = 0
    garbage = y.to_numpy().copy()
    garbage[20:] = 1e3
    a = tiny_regressor(batch_size=40, **settings).fit(X, garbage, sample_weight=weight)
    assert a.history_["rmse"][-1] < 100
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        tiny_regressor().fit(X, y, sample_weight=-weight)


def test_partial_fit_and_warm_start_go_on(faces):
    X, y = faces
    regressor = tiny_regressor(epochs=2).fit(X, y)
    before = weights_of(regressor)
    regressor.partial_fit(X, y)
    assert len(regressor.history_["loss"]) == 3
    assert any((a != b).any() for a, b in zip(before, weights_of(regressor), strict=True))
    warm = tiny_regressor(warm_start=True).fit(X, y)
    model = warm.model_
    assert warm.fit(X, y).model_ is model
    assert len(warm.history_["loss"]) == 4
    fresh = tiny_regressor().partial_fit(X, y)
    assert len(fresh.history_["loss"]) == 1
    with pytest.raises(ValueError, match="is missing"):
        regressor.partial_fit(X, y.iloc[:, :4])


def test_epochs_of_partial_fit_are_augmented_anew_and_keep_the_range_of_pixels(faces):
    X, y = faces
    augmented = AugmentTransformer(rotation=15).fit_transform((X / 255).astype(np.float32), y)
    regressor = tiny_regressor(
        batch_size=40, optimizer__learning_rate=1e-12, validation_split=0, epochs=1
    ).fit(augmented, y)
    for _ in range(2):
        regressor.partial_fit(augmented, y)
    assert len(set(regressor.history_["rmse"])) == 3
    # dark images: their pixels are 0..1 still, as those of fit were
    assert regressor.partial_fit(X / 2550, y).float_gain_ == 255
    bright = tiny_regressor(epochs=1).fit(X.astype(float), y).partial_fit(X / 100, y)
    assert bright.float_gain_ == 1


def test_a_prediction_goes_by_the_range_of_fit(faces):
    X, y = faces
    unit = tiny_regressor(epochs=1).fit(X / 255, y)
    np.testing.assert_allclose(unit.predict(X), unit.predict(X / 255), atol=1e-3)
    for function in (unit.predict, lambda X: unit.score(X, y), lambda X: unit.partial_fit(X, y)):
        with pytest.raises(ValueError, match=r"0\.\.1, not in 0\.\.255"):
            function(X.astype(np.float32))
    levels = tiny_regressor(epochs=1).fit(X, y)
    with pytest.warns(UserWarning, match="almost black"):
        levels.predict(X / 255)
    with pytest.raises(ValueError, match="StandardScaler"):
        tiny_regressor().fit((X - X.mean()) / X.std(), y)


def test_validation_rows_without_labels_are_left_out(faces):
    X, y = faces
    holes = y.to_numpy().copy()
    holes[::2] = np.nan
    history = tiny_regressor(validation_split=0.2).fit(X, holes).history_
    assert np.isfinite(history["val_rmse"]).all()


def test_training_goes_on_with_the_same_keypoints_only(faces):
    X, y = faces
    fitted = tiny_regressor(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="'left_eye_center' is missing"):
        fitted.partial_fit(X, y.iloc[:, 2:])
    with pytest.raises(ValueError, match="'ear' is one too many"):
        fitted.score(X, y.assign(ear_x=1.0, ear_y=1.0))


def test_training_goes_on_in_the_order_of_the_first_fit(faces):
    X, y = faces
    other = y[[*y.columns[::-1]]]

    def go_on(y):
        augment = AugmentTransformer(flip=1, flip_pairs=None)
        fitted = tiny_regressor(epochs=1).fit(X, faces[1])
        return fitted.partial_fit(augment.fit_transform(X, y), y)

    expected, found = go_on(y), go_on(other)
    assert found.keypoint_names_ == expected.keypoint_names_
    np.testing.assert_allclose(found.predict(X), expected.predict(X), atol=1e-3)
    assert found.score(X, other) == pytest.approx(found.score(X, y))


@pytest.mark.skipif(not IS_TENSORFLOW, reason="a state of TensorFlow")
def test_a_seeded_fit_leaves_op_determinism_off(faces):
    from tensorflow.python.framework import config

    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(config.is_op_determinism_enabled())
    )
    assert not config.is_op_determinism_enabled()
    tiny_regressor(epochs=1, callbacks=[watch]).fit(*faces)
    assert seen == [True]
    assert not config.is_op_determinism_enabled()


# a fit that fails


def interrupt(*_, **__):
    raise KeyboardInterrupt


class Raises(keras.callbacks.Callback):
    """Raises at one of the moments of a training."""

    def __init__(self, moment):
        super().__init__()
        setattr(self, moment, self.fail)

    def fail(self, *_args, **_kwargs):
        raise RuntimeError("of the user's")


def raising_network(image_shape, n_outputs):
    raise RuntimeError("of the user's")


class RaisingLoss(losses.MaskedLoss):
    def penalty(self, error):
        raise RuntimeError("of the user's")


FAILURES = {
    "network raises": {"network": raising_network},
    "network of another shape": {"network": lambda shape, n: tiny_network(shape, 3)},
    "no network": {"network": "resnet"},
    "loss raises": {"loss": RaisingLoss()},
    "diverges": {"learning_rate": 1e30, "optimizer": "sgd", "loss": "mse", "weight_decay": 0},
    "interrupted": {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)]},
    **{
        moment: {"callbacks": [Raises(moment)]}
        for moment in (
            "set_model", "on_train_begin", "on_epoch_begin", "on_train_batch_begin",
            "on_train_batch_end", "on_test_begin", "on_epoch_end", "on_train_end",
        )
    },
    "no callback": {"callbacks": [3]},
    "unknown option": {"fit__epochs": 3},
    "bad parameter": {"epochs": 0},
    "another policy": {"missing": "drop"},
}  # fmt: skip


def state_of(estimator):
    learnt = {n: v for n, v in vars(estimator).items() if n not in estimator.get_params()}
    learnt.pop("model_", None)
    return repr(sorted(learnt.items()))


@pytest.fixture(scope="module")
def fitted_once(faces):
    """A regressor and its labels, with all of them and with a column of which none is there.

    For tests after which it is as it was.
    """
    X, y = faces
    holes = y.copy()
    holes.iloc[:, 0] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "left_eye_center_x has no label")
        return [(tiny_regressor(epochs=1, loss="mse").fit(X, form), form) for form in (y, holes)]


@pytest.mark.parametrize("before", ["new", "fitted", "warm", "partial"])
@pytest.mark.parametrize("kind", FAILURES)
def test_a_fit_that_fails_changes_nothing(faces, fitted_once, kind, before):
    X, _ = faces
    regressor, y = fitted_once[kind == "another policy"]
    # a shallow copy, with its network
    regressor = clone(regressor) if before == "new" else copy.copy(regressor)
    regressor.set_params(warm_start=before == "warm")
    if before != "new":
        expected, model = regressor.predict(X), regressor.model_
    known, learnt = set(vars(regressor)), state_of(regressor)
    good = regressor.get_params()
    regressor.set_params(**FAILURES[kind])
    if before in ("warm", "partial") and kind in (
        "network raises", "network of another shape", "no network", "loss raises", "diverges",
    ):  # fmt: skip
        pytest.skip("what goes on keeps its network and its loss")
    go = regressor.partial_fit if before == "partial" else regressor.fit
    if before == "partial" and kind == "on_test_begin":
        pytest.skip("partial_fit validates nothing")
    expected_error = KeyboardInterrupt if kind == "interrupted" else Exception
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(expected_error):
            go(X, y)
    assert state_of(regressor) == learnt
    for name in set(vars(regressor)) - known:
        assert name in FAILURES[kind]  # routed parameters
    if before == "new":
        with pytest.raises(NotFittedError):
            regressor.predict(X)
        regressor.set_params(**{n: good[n] for n in FAILURES[kind] if n in good})
        return
    assert regressor.model_ is model
    np.testing.assert_array_equal(regressor.predict(X), expected)


# validation rows of one's own, and groups


def test_rows_of_ones_own_are_validated_on(faces):
    X, y = faces
    fitted = tiny_regressor(epochs=2).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    weights = np.argmin(fitted.history_["val_rmse"])
    found = metrics.mean_squared_error(y[30:], fitted.predict(X[30:])) ** 0.5
    np.testing.assert_allclose(fitted.history_["val_rmse"][weights], found, rtol=1e-3)
    # all rows of X are trained on
    alone = tiny_regressor(epochs=2, validation_split=0).fit(X[:30], y[:30])
    assert fitted.history_["loss"] == alone.history_["loss"]
    assert fitted.calibration_ is not None
    with pytest.raises(ValueError, match="X_val and y_val belong together"):
        tiny_regressor().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="48x48x1"):
        tiny_regressor().fit(X, y, X_val=X[:, ::2, ::2], y_val=y)
    with pytest.raises(ValueError, match="inconsistent"):
        tiny_regressor().fit(X, y, X_val=X, y_val=y[:3])


def test_a_pipeline_hands_validation_rows_on(faces):
    X, y = faces
    with config_context(enable_metadata_routing=True):
        pipe = Pipeline(
            [
                ("augment", AugmentTransformer(rotation=15)),
                ("regressor", tiny_regressor().set_fit_request(X_val=True, y_val=True)),
            ],
            transform_input=["X_val"],
        ).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    assert len(pipe[-1].history_["val_rmse"]) == 2


def test_groups_are_on_one_side(faces):
    X, y = faces
    groups = np.repeat(np.arange(10), 4)
    seen = []

    class Spy(SimpleImputer):
        def fit_transform(self, values, target=None):
            seen.append(values)
            return super().fit_transform(values)

    y = y.copy()
    y.iloc[::2, 1] = np.nan
    tiny_regressor(missing=Spy(), validation_split=0.3, epochs=1).fit(X, y, groups=groups)
    trained = y["left_eye_center_x"].isin(seen[0][:, 0]).to_numpy()
    assert trained.sum() == 28
    assert set(trained.reshape(10, 4).sum(axis=1)) == {0, 4}
    with pytest.raises(ValueError, match="one group"):
        tiny_regressor().fit(X, y, groups=np.zeros(40))
    with pytest.raises(ValueError, match="inconsistent"):
        tiny_regressor().fit(X, y, groups=groups[:5])


@pytest.mark.parametrize("random_state", [0, None])
def test_a_warm_start_holds_the_same_rows_out(faces, random_state):
    """Weights that do not move have the same error on the same rows, and on no others."""
    X, y = faces
    settings = {"learning_rate_schedule": "constant", "weight_average": 0.0, "weight_decay": 0.0}
    regressor = tiny_regressor(
        warm_start=True, validation_split=0.5, random_state=random_state, **settings
    ).fit(X, y)
    kept = min(regressor.history_["val_rmse"])  # the weights are those of the best epoch
    regressor.model_.optimizer.learning_rate = 0.0
    weight = np.ones(len(X))
    for options in ({}, {"sample_weight": weight}):
        regressor.fit(X, y, **options)
        np.testing.assert_allclose(regressor.history_["val_rmse"][-1], kept, rtol=1e-4)


# labelling schemes


def test_each_row_by_its_own_scheme(kaggle_like):
    X, y = kaggle_like
    fitted = tiny_regressor(epochs=30, learning_rate=0.02).fit(X, y)
    n_schemes = len(fitted.schemes_)
    assert n_schemes > 1
    each = np.stack([fitted.predict(X, scheme=number) for number in range(n_schemes)])
    assert np.abs(each[0] - each[1]).max() > 0.1
    rows = np.arange(len(X)) % n_schemes
    chosen = each[rows, np.arange(len(X))]
    np.testing.assert_allclose(fitted.predict(X, scheme=rows), chosen, atol=1e-6)
    for tta in ("flip", "moves"):
        fitted.set_params(tta=tta)
        moved = np.stack([fitted.predict(X, scheme=number) for number in range(n_schemes)])
        np.testing.assert_allclose(
            fitted.predict(X, scheme=rows), moved[rows, np.arange(len(X))], atol=1e-4
        )
    fitted.set_params(tta=None)
    labelled = y.notna()
    nearest = model_selection.labelling_schemes(y)
    np.testing.assert_allclose(
        fitted.predict(X, scheme=labelled), fitted.predict(X, scheme=nearest), atol=1e-6
    )
    np.testing.assert_allclose(
        fitted.predict(X, scheme=labelled.to_numpy()), fitted.predict(X, scheme=nearest), atol=1e-6
    )


@pytest.fixture(scope="module")
def fitted_to_schemes(kaggle_like):
    return tiny_regressor(epochs=1).fit(*kaggle_like)


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (9, "names the labelling scheme 9; there are"),
        (-1, "names the labelling scheme -1"),
        (0.5, "it may be a number"),
        (np.zeros(3, int), r"has the shape \(3,\)"),
        (np.ones((60, 4), bool), r"has the shape \(60, 4\)"),
    ],
)
def test_schemes_that_are_not_there(kaggle_like, fitted_to_schemes, scheme, message):
    X, _ = kaggle_like
    with pytest.raises(ValueError, match=message):
        fitted_to_schemes.predict(X, scheme=scheme)
    with pytest.raises(ValueError, match="leave scheme out"):
        fitted_to_schemes.predict(X, return_std=True, scheme=0)


# standard deviations from heatmaps


def test_heatmaps_tell_a_standard_deviation_for_nothing(faces, monkeypatch):
    X, y = faces
    fitted = tiny_regressor(network=tiny_heatmap, spread="heatmaps").fit(X, y)
    monkeypatch.setattr("sklearn_kpd._inference.moves.warp", None)  # no copy is moved
    y_pred, y_std = fitted.predict(X, return_std=True)
    np.testing.assert_array_equal(y_pred, fitted.predict(X))
    assert y_std.shape == y_pred.shape
    assert (y_std > 0).all()
    assert len(np.unique(y_std[:, 0])) == len(X)  # each face has its own


def test_the_spread_may_be_set_after_fit(faces):
    X, y = faces
    fitted = tiny_regressor(network=tiny_heatmap).fit(X, y)
    moves = fitted.predict(X, return_std=True)
    heatmaps = fitted.set_params(spread="heatmaps").predict(X, return_std=True)
    np.testing.assert_array_equal(moves[0], heatmaps[0])
    before = tiny_regressor(network=tiny_heatmap, spread="heatmaps").fit(X, y)
    np.testing.assert_array_equal(heatmaps[1], before.predict(X, return_std=True)[1])
    assert not np.allclose(moves[1], heatmaps[1])
    # a file of before has no calibration of them
    fitted.heatmap_calibration_ = None
    with pytest.raises(ValueError, match=r"loss='laplace'.* has to be fitted again"):
        fitted.predict(X, return_std=True)


def test_each_spread_is_calibrated_by_the_errors_of_validation_rows(faces):
    X, y = faces
    fitted = tiny_regressor(network=tiny_heatmap).fit(X[:20], y[:20], X_val=X[20:], y_val=y[20:])
    errors = (fitted.predict(X[20:]) - y[20:].to_numpy()).ravel()
    for spread in ("moves", "heatmaps"):
        std = fitted.set_params(spread=spread).predict(X[20:], return_std=True)[1].ravel()
        scaled = np.abs(errors) / std
        sizes = np.quantile(scaled, [0.6827, 0.9545]) / [1, 2]
        np.testing.assert_allclose(np.sqrt(sizes.prod()), 1, rtol=1e-3)  # half way between both


@pytest.mark.parametrize(
    "parameters", [{"network": tiny_network}, {"network": tiny_heatmap, "loss": "huber"}]
)
def test_what_trains_no_scale_has_no_standard_deviation_from_heatmaps(faces, parameters):
    message = r"spread='heatmaps' needs .* loss='laplace'"
    with pytest.raises(ValueError, match=message):
        tiny_regressor(spread="heatmaps", **parameters).fit(*faces)
    fitted = tiny_regressor(**parameters).fit(*faces).set_params(spread="heatmaps")
    with pytest.raises(ValueError, match=message):
        fitted.predict(faces[0], return_std=True)


# outputs of their own for mirror images


def line_fitter(image_shape, n_outputs):
    """Where the light is, as a soft-argmax finds it, and a line through that for each output."""
    images = keras.Input(image_shape)
    place = SpatialSoftArgmax()(images / 12.0)
    return keras.Model(images, keras.layers.Dense(n_outputs)(place))


@pytest.fixture(scope="module")
def labels_to_the_right():
    """Dots, and labels that lie three pixels to the right of all of them."""
    rng = np.random.default_rng(0)
    points = rng.uniform(12, 36, (120, 1, 2))
    return dots(points, (48, 48), radius=2.0)[:, 0], points + [3.0, 0.0]


def fitted_to_one_side(data, mirrored_outputs):
    augment = AugmentTransformer(translation=3, flip=0.5, flip_pairs=[])
    regressor = tiny_regressor(
        network=line_fitter, mirrored_outputs=mirrored_outputs, epochs=60, learning_rate=0.03,
        validation_split=0.3,
    )  # fmt: skip
    pipe = Pipeline([("augment", augment), ("regressor", regressor)])
    advice = "predictions lie there too" if mirrored_outputs else "set mirrored_outputs=True"
    with pytest.warns(UserWarning, match=f"pixels to the right of what is found.*{advice}"):
        return pipe.fit(*data)


@pytest.fixture(scope="module")
def apart(labels_to_the_right):
    return fitted_to_one_side(labels_to_the_right, mirrored_outputs=True)


@pytest.mark.parametrize("tta", [None, "flip", "moves"])
def test_labels_that_all_lie_to_one_side_are_learnt_where_mirror_images_stand_apart(
    labels_to_the_right, apart, tta
):
    X, y = labels_to_the_right
    found = apart.set_params(regressor__tta=tta).predict(X)
    apart.set_params(regressor__tta=None)
    assert np.abs(found - y).mean() < 0.4
    assert abs((found - y)[..., 0].mean()) < 0.2


def test_the_standard_deviation_is_of_errors_without_what_was_learnt_of_one_side(
    labels_to_the_right, apart
):
    X, y = labels_to_the_right
    found, std = apart.predict(X, return_std=True)
    # that of predictions alike in a mirror, off by three pixels, would be some 3
    error = np.abs(found - y)[..., 0].mean()
    assert 0.5 * error < np.median(std[..., 0]) < 2 * error


def test_one_set_of_outputs_finds_the_points_between(labels_to_the_right):
    X, y = labels_to_the_right
    found = fitted_to_one_side((X, y), mirrored_outputs=False).predict(X)
    np.testing.assert_allclose((found - y)[..., 0].mean(), -3, atol=0.6)


def test_outputs_for_mirror_images_are_kept(labels_to_the_right, apart, tmp_path):
    X, y = labels_to_the_right
    apart.set_params(regressor__tta="flip")
    expected = apart.predict(X)
    sklearn_kpd.save(apart, tmp_path / "model.kpd")
    loaded = sklearn_kpd.load(tmp_path / "model.kpd", trusted=[line_fitter])
    np.testing.assert_array_equal(loaded.predict(X), expected)
    assert loaded[-1].mirrored_outputs is True
    apart.set_params(regressor__tta=None)
    again = loaded[-1].partial_fit(loaded[0].fit_transform(X, y), y)  # goes on with both sets
    assert again.model_.output_shape == (None, 4)
    assert np.abs(again.predict(X) - y).mean() < 0.6


def test_a_dense_layer_starts_from_the_mean_of_labels_and_from_that_of_their_mirror_images(faces):
    X, y = faces
    augment = AugmentTransformer(flip=0.5)
    regressor = tiny_regressor(learning_rate=1e-9, mirrored_outputs=True, validation_split=0)
    regressor.fit(augment.fit_transform(X, y), y)
    bias = regressor.model_.layers[-1].bias.numpy().reshape(2, 15, 2) * 48 + 47.5
    means = y.to_numpy().mean(axis=0).reshape(1, 15, 2)
    np.testing.assert_allclose(bias[:1], means, atol=1e-3)
    mirrored = mirror(means, 96, regressor.flip_permutation_)
    np.testing.assert_allclose(bias[1:], mirrored, atol=1e-3)


def test_there_is_one_set_of_outputs_where_nothing_is_mirrored(faces):
    X, y = faces
    assert tiny_regressor(mirrored_outputs=True).fit(X, y).model_.output_shape == (None, 30)


@pytest.mark.parametrize(
    ("flip", "settings", "message"),
    [
        (1.0, {}, "flip times strength has to be below 1"),
        (0.5, {"loss": keras.losses.MeanSquaredError()}, "set mirrored_outputs=False"),
    ],
)
def test_outputs_for_mirror_images_that_cannot_be(faces, flip, settings, message):
    X, y = faces
    X = AugmentTransformer(flip=flip).fit_transform(X, y)
    with pytest.raises(ValueError, match=message):
        tiny_regressor(mirrored_outputs=True, **settings).fit(X, y)


def test_a_training_that_goes_on_keeps_to_the_outputs_that_there_are(faces):
    X, y = faces
    flipped = AugmentTransformer(flip=0.5).fit_transform(X, y)
    one_set = tiny_regressor(mirrored_outputs=True).partial_fit(X, y)
    with pytest.warns(UserWarning, match="changes nothing here"):
        one_set.partial_fit(flipped, y)
    assert one_set.model_.output_shape == (None, 30)
    two_sets = tiny_regressor(mirrored_outputs=True, warm_start=True).fit(flipped, y)
    two_sets.set_params(mirrored_outputs=False).fit(X, y)
    assert two_sets.model_.output_shape == (None, 60)
    with pytest.raises(ValueError, match="flip times strength has to be below 1"):
        two_sets.partial_fit(AugmentTransformer(flip=1.0).fit_transform(X, y), y)


def test_rows_that_are_dropped_are_not_validated_on_whoever_has_held_them_out(faces):
    X, y = faces
    y = y.astype(float).copy()
    y.iloc[::2, 0] = np.nan
    fitted = tiny_regressor(missing="drop").fit(X, y, X_val=X[:6], y_val=y[:6] + 5.0)
    complete = slice(1, 6, 2)
    again = tiny_regressor(missing="drop").fit(X, y, X_val=X[complete], y_val=y[complete] + 5.0)
    assert fitted.history_["val_rmse"] == again.history_["val_rmse"]
    with pytest.warns(UserWarning, match="none of the 3 rows that were held out"):
        tiny_regressor(missing="drop").fit(X, y, X_val=X[:6:2], y_val=y[:6:2])


def test_large_images_are_predicted_few_at_a_time(monkeypatch):
    from sklearn_kpd._inference import predictor

    sizes = []
    infer = predictor.infer
    monkeypatch.setattr(predictor, "infer", lambda m, x: sizes.append(len(x)) or infer(m, x))
    rng = np.random.default_rng(0)
    X, y = rng.integers(256, size=(12, 1024, 1024), dtype=np.uint8), rng.uniform(0, 99, (12, 4))
    fitted = tiny_regressor(epochs=1, validation_split=0).fit(X, y)
    assert fitted.predict(X).shape == (12, 4)
    assert sizes == [4, 4, 4]


# what is left of a fit


def test_images_and_labels_are_let_go_of(faces):
    """TensorFlow keeps the object that makes batches for ever."""
    X, y = (np.array(item) for item in faces)
    references = [weakref.ref(X), weakref.ref(y)]
    fitted = tiny_regressor(epochs=1).fit(X, y)
    with contextlib.suppress(DivergedError):
        tiny_regressor(epochs=1, loss="mse").fit(X, y * 1e30)
    del X, y
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert fitted.history_["loss"]  # the estimator is still there


# scikit-learn's conventions


def test_is_regressor():
    assert is_regressor(KeypointRegressor())


def test_init_only_stores_and_clone_loses_nothing():
    regressor = KeypointRegressor(
        tiny_network, missing="knn", epochs=3, network__width=4, optimizer__learning_rate=0.1,
        callbacks=[keras.callbacks.TerminateOnNaN()],
    )  # fmt: skip
    params = regressor.get_params()
    assert params["network__width"] == 4
    copied = clone(regressor).get_params()
    assert params.keys() == copied.keys()
    for name in params:
        if name != "callbacks":
            assert params[name] == copied[name] or params[name] is copied[name]


def test_clone_of_a_fitted_pipeline_loses_no_parameter(faces):
    X, y = faces
    pipe = make_pipeline(optimizer__learning_rate=0.01, network__width=4).fit(X, y)
    before, after = pipe.get_params(), clone(pipe).get_params()
    assert before.keys() == after.keys()
    assert after["regressor__optimizer__learning_rate"] == 0.01
    assert after["regressor__network__width"] == 4
    for name, value in before.items():
        if not hasattr(value, "get_params") and name != "steps":
            assert after[name] == value


def test_set_params_routes():
    pipe = make_pipeline()
    pipe.set_params(regressor__optimizer__learning_rate=0.5, regressor__epochs=7)
    assert pipe["regressor"].get_params()["optimizer__learning_rate"] == 0.5
    assert pipe["regressor"].epochs == 7
    assert "optimizer__learning_rate=0.5" in repr(pipe["regressor"])
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        pipe.set_params(regressor__epoch=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        KeypointRegressor(epoch=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'optimiser__rate'"):
        KeypointRegressor(optimiser__rate=3)


def test_html_repr(faces):
    assert "KeypointRegressor" in make_pipeline(network__width=3)._repr_html_()


def test_networks_built_before_do_not_change_the_weights(kaggle_like):
    def train():
        settings = {"network": "heatmap", "network__width": 2, "batch_size": 8}
        return weights_of(tiny_regressor(**settings).fit(*kaggle_like))

    first = train()
    for kind in (keras.layers.BatchNormalization, lambda n: keras.layers.Conv2D(n, 1)):
        for _ in range(75):
            kind(1)  # Keras counts them, and would name others by the count
    for one, other in zip(first, train(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_weights_and_leaves_global_states_alone(faces):
    X, y = faces
    import random

    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()
    first, second = (weights_of(make_pipeline().fit(X, y)["regressor"]) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    other = weights_of(make_pipeline(random_state=1).fit(X, y)["regressor"])
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state


def test_without_a_seed_the_global_numpy_state_is_left_alone(faces):
    X, y = faces
    state = np.random.get_state()[1].copy()
    a, b = (tiny_regressor(random_state=None, epochs=1).fit(X, y) for _ in range(2))
    assert any((p != q).any() for p, q in zip(weights_of(a), weights_of(b), strict=True))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_cross_validation_and_grid_search(kaggle_like):
    X, y = kaggle_like
    pipe = make_pipeline(epochs=1)
    scores = cross_val_score(pipe, X, y, cv=2, scoring=metrics.neg_mean_squared_error)
    assert (scores < 0).all()
    assert cross_val_predict(pipe, X, y, cv=2).shape == y.shape
    search = GridSearchCV(
        pipe,
        {"augment__strength": [0, 1], "regressor__missing": ["drop", "mask"]},
        scoring=metrics.neg_mean_squared_error,
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == y.shape


def test_pipeline_with_memory(faces, tmp_path):
    X, y = faces
    pipe = make_pipeline()
    expected = pipe.fit(X, y).predict(X)
    for _ in range(2):
        cached = clone(pipe).set_params(memory=str(tmp_path)).fit(X, y)
        np.testing.assert_array_equal(cached.predict(X), expected)


def test_a_step_between_is_an_error_that_says_where_to_put_it(faces):
    X, y = faces
    pipe = Pipeline(
        [("augment", AugmentTransformer(rotation=5)), ("scale", StandardScaler()),
         ("regressor", tiny_regressor())]
    )  # fmt: skip
    with pytest.raises(TypeError, match="Put AugmentTransformer right before KeypointRegressor"):
        pipe.fit(X.reshape(40, -1), y)


LOAD = """
import sys
import joblib, numpy as np
X = np.load(sys.argv[1])
for path in sys.argv[2:]:
    np.save(path + ".npy", joblib.load(path).predict(X))
"""


def test_a_new_process_loads_and_predicts_the_same(kaggle_like, tmp_path):
    import imgaug.augmenters as iaa

    X, y = kaggle_like
    pipe = Pipeline(
        [
            ("augment", AugmentTransformer(rotation=5, ops=iaa.Add((-5, 5)))),
            ("regressor", KeypointRegressor(
                "cnn", epochs=1, verbose=0, network__filters=(4, 4), network__units=(8,),
                random_state=0,
            )),
        ]
    )  # fmt: skip
    search = GridSearchCV(
        pipe, {"regressor__missing": ["mask"]}, cv=2, scoring=metrics.neg_mean_squared_error
    )
    np.save(tmp_path / "X.npy", X)
    fitted = {str(tmp_path / "pipe"): pipe.fit(X, y), str(tmp_path / "search"): search.fit(X, y)}
    for path, estimator in fitted.items():
        joblib.dump(estimator, path)
    command = [sys.executable, "-c", LOAD, str(tmp_path / "X.npy"), *fitted]
    subprocess.run(command, check=True, capture_output=True)
    for path, estimator in fitted.items():
        np.testing.assert_allclose(np.load(f"{path}.npy"), estimator.predict(X), atol=1e-6)


def test_training_goes_on_after_loading(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor().fit(X, y)
    joblib.dump(fitted, tmp_path / "m.joblib")
    loaded = joblib.load(tmp_path / "m.joblib")
    np.testing.assert_array_equal(
        loaded.partial_fit(X, y).predict(X), fitted.partial_fit(X, y).predict(X)
    )


# errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "'epochs' parameter .* Got 0 instead"),
        ({"batch_size": 0.5}, "'batch_size' parameter .* Got 0.5 instead"),
        ({"validation_split": 1}, "'validation_split' parameter"),
        ({"patience": 0}, "'patience' parameter"),
        ({"missing": "forget"}, "'missing' parameter .*'mask'"),
        ({"network": "resnet"}, "network='resnet' is unknown; it may be 'backbone', 'cnn'"),
        ({"network": 3}, "'network' parameter"),
        ({"learning_rate_schedule": "steps"}, "'learning_rate_schedule' parameter"),
        ({"image_shape": (4, 4)}, "does not fit X"),
        ({"network": lambda shape, n: None}, "must return a keras.Model"),
        (
            {"network": lambda shape, n: tiny_network(shape, 3)},
            r"must have the shape \(None, 30\)",
        ),
    ],
)
def test_bad_parameters_name_what_they_may_be(faces, parameters, message):
    with pytest.raises(ValueError, match=message):
        tiny_regressor(**parameters).fit(*faces)


def test_bad_data_says_what_to_do(faces):
    X, y = faces
    with pytest.raises(ValueError, match="X contains NaN"):
        tiny_regressor().fit(np.where(X[0, 0, 0] == X, np.nan, X), y)
    with pytest.raises(ValueError, match="odd number"):
        tiny_regressor().fit(X, y.iloc[:, :5].to_numpy())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tiny_regressor().fit(X, y[:10])
    unlabelled = y.copy()
    unlabelled["nose_tip_x"] = np.nan
    for missing in ("drop", "mean"):
        with pytest.raises(ValueError, match="'nose_tip_x' has none"):
            tiny_regressor(missing=missing).fit(X, unlabelled)
    fitted = tiny_regressor(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="48x48x1 .* was fitted on images of 96x96x1"):
        fitted.predict(X[:, ::2, ::2])
    with pytest.raises(ValueError, match="X contains NaN"):
        fitted.predict(np.full((1, 96, 96), np.nan))


def test_a_column_without_labels_is_warned_of_under_mask(faces):
    X, y = faces
    unlabelled = y.copy()
    unlabelled["nose_tip_x"] = np.nan
    with pytest.warns(UserWarning, match="nose_tip_x.*no label"):
        tiny_regressor().fit(X, unlabelled)


def test_no_label_at_all(faces):
    X, y = faces
    with pytest.raises(ValueError, match="no label at all"):
        tiny_regressor().fit(X, y * np.nan)


def test_nothing_warns_that_a_user_could_do_nothing_about(kaggle_like, capfd, caplog):
    X, y = kaggle_like
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Keras 3 converts its own variables in a way that NumPy 2 deprecates.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras")
        for missing in ("mask", "iterative"):
            make_pipeline(missing=missing).fit(X, y).predict(X)
        for _ in range(8):  # many models, few batches each
            tiny_regressor(missing="drop", epochs=1).fit(X[:30], y[:30])
    captured = capfd.readouterr()
    assert "WARNING" not in captured.out + captured.err
    assert not caplog.records
