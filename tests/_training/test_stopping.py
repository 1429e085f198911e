import signal
import threading

import keras
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

from sklearn_kpd import metrics
from sklearn_kpd.exceptions import DivergedError
from tests.helpers import tiny_regressor


class PressCtrlC(keras.callbacks.Callback):
    """Send the signal of Ctrl-C after a batch of an epoch, both counted from 0."""

    def __init__(self, epoch, batch, times=1):
        super().__init__()
        self.epoch, self.batch, self.times = epoch, batch, times

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


def test_ctrl_c_leaves_the_best_weights(faces):
    X, y = faces
    options = {"epochs": 5, "batch_size": 8, "patience": 5}
    whole = tiny_regressor(**options).fit(X, y)
    with pytest.warns(UserWarning, match="interrupted in epoch 4"):
        fitted = tiny_regressor(callbacks=[PressCtrlC(3, 1)], **options).fit(X, y)
    values = fitted.history_["val_rmse"]
    assert len(values) == 4
    np.testing.assert_array_equal(values[:3], whole.history_["val_rmse"][:3])
    rows = np.random.default_rng(fitted._random_state).permutation(len(X))[:4]
    found = metrics.mean_squared_error(y.iloc[rows], fitted.predict(X[rows])) ** 0.5
    np.testing.assert_allclose(found, min(values), rtol=1e-4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fitted.set_params(callbacks=None).partial_fit(X, y)
    assert len(fitted.history_["loss"]) == 5


def test_ctrl_c_keeps_the_average_without_validation(faces):
    X, y = faces
    options = {"epochs": 3, "batch_size": 8, "validation_split": 0, "weight_average": 0.5}
    with pytest.warns(UserWarning, match="interrupted in epoch 2"):
        fitted = tiny_regressor(callbacks=[PressCtrlC(1, 4)], **options).fit(X, y)
    with pytest.warns(UserWarning, match="interrupted in epoch 2"):
        last = tiny_regressor(
            callbacks=[PressCtrlC(1, 4)], **{**options, "weight_average": 0}
        ).fit(X, y)
    average = fitted.model_.optimizer._model_variables_moving_average
    for weight, mean in zip(fitted.model_.trainable_variables, average, strict=True):
        np.testing.assert_array_equal(weight, mean)
    assert np.abs(fitted.predict(X) - last.predict(X)).max() > 1e-3


@pytest.mark.parametrize("moment", ["set_params", "set_model", "on_train_begin"])
def test_ctrl_c_while_keras_sets_up_counts(faces, moment):
    class Presses(keras.callbacks.Callback):
        pass

    def press(self, *args, **kwargs):
        signal.raise_signal(signal.SIGINT)
        return getattr(super(Presses, self), moment)(*args, **kwargs)

    setattr(Presses, moment, press)
    with pytest.warns(UserWarning, match="interrupted in epoch 1"):
        fitted = tiny_regressor(callbacks=[Presses()], epochs=5, batch_size=8).fit(*faces)
    assert len(fitted.history_["loss"]) == 1


def test_a_second_ctrl_c_interrupts(faces):
    X, y = faces
    with pytest.raises(KeyboardInterrupt):
        tiny_regressor(callbacks=[PressCtrlC(0, 0, times=2)]).fit(X, y)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_handles_ctrl_c_goes_on_handling_it(faces):
    X, y = faces
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        fitted = tiny_regressor(callbacks=[PressCtrlC(0, 0)], epochs=2).fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [True]
    assert len(fitted.history_["loss"]) == 2


@pytest.mark.parametrize("epochs", [1, 3])
def test_divergence_stops_at_once(faces, epochs):
    X, y = faces
    n_threads = threading.active_count()
    batches = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)

    regressor = tiny_regressor(
        optimizer="sgd", learning_rate=1e30, learning_rate_schedule="constant", weight_decay=0,
        loss="mse", batch_size=4, epochs=epochs, callbacks=[Count()],
    )  # fmt: skip
    with pytest.raises(DivergedError, match=r"in epoch 1\. Try a smaller learning_rate"):
        regressor.fit(X, y)
    assert len(batches) < 5
    with pytest.raises(ValueError, match="not fitted"):
        check_is_fitted(regressor)
    assert threading.active_count() == n_threads


def test_divergence_of_a_later_epoch_leaves_the_model_as_it_was(faces):
    X, y = faces
    fitted = tiny_regressor(loss="mse").fit(X, y)
    before, history = fitted.predict(X), len(fitted.history_["loss"])
    with pytest.raises(DivergedError, match=f"in epoch {history + 1}"):
        fitted.partial_fit(X, y * 1e30)
    np.testing.assert_array_equal(fitted.predict(X), before)
    assert np.isfinite(fitted.partial_fit(X, y).predict(X)).all()


def test_divergence_is_an_error_score_of_a_search(faces):
    X, y = faces
    search = GridSearchCV(
        tiny_regressor(loss="mse", optimizer="sgd", weight_decay=0, epochs=1, batch_size=4),
        {"learning_rate": [1e-3, 1e30]},
        scoring=metrics.neg_mean_squared_error,
        error_score=-1e6,
        cv=2,
    )
    with pytest.warns(match="DivergedError"):
        search.fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"] == -1e6, [False, True])
