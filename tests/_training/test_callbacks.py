import copy
import threading

import joblib
import keras
import numpy as np
import pytest
from keras.callbacks import CSVLogger, EarlyStopping, ReduceLROnPlateau, TerminateOnNaN
from sklearn.base import clone

from sklearn_kpd._training.callbacks import make_callbacks
from tests.helpers import tiny_regressor


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        (None, {}, []),
        (TerminateOnNaN, {}, [TerminateOnNaN]),
        (TerminateOnNaN(), {}, [TerminateOnNaN]),
        ([EarlyStopping, [TerminateOnNaN()]], {"0__patience": 3}, [EarlyStopping, TerminateOnNaN]),
        ({"stop": EarlyStopping}, {"stop__patience": 3}, [EarlyStopping]),
        ([EarlyStopping, ReduceLROnPlateau], {"patience": 3}, [EarlyStopping, ReduceLROnPlateau]),
    ],
)
def test_all_that_may_be_given(given, options, expected):
    made = make_callbacks(given, options)
    assert [type(item) for item in made] == expected
    assert all(item.patience == 3 for item in made if hasattr(item, "patience"))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (3, {}, "callbacks holds 3"),
        ([dict], {}, "callbacks holds <class 'dict'>"),
        ([EarlyStopping], {"1__patience": 3}, "callbacks__1__patience"),
        ([EarlyStopping()], {"patience": 3}, "callbacks__patience"),
    ],
)
def test_what_is_no_callback_is_named(given, options, message):
    with pytest.raises(ValueError, match=message):
        make_callbacks(given, options)


class Counts(keras.callbacks.Callback):
    """Assigns, and fills a list of its own."""

    def __init__(self):
        super().__init__()
        self.lock, self.losses, self.n_batches = None, [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.n_batches += 1
        self.losses.append(logs["loss"])


def test_the_users_own_are_not_changed(faces):
    counts = Counts()
    regressor = tiny_regressor(callbacks=[counts])
    first, second = (copy.deepcopy(regressor.fit(*faces).history_) for _ in range(2))
    assert first == second
    assert (counts.n_batches, counts.losses) == (0, [])
    assert regressor.callbacks == [counts]


def test_what_cannot_be_copied_deeply_is_copied_all_the_same(faces):
    counts = Counts()
    counts.lock = threading.Lock()
    tiny_regressor(callbacks=[counts]).fit(*faces)
    assert counts.n_batches == 0


def test_a_logger_of_files_hinders_nothing(faces, tmp_path):
    X, y = faces
    fitted = tiny_regressor(callbacks=[CSVLogger(tmp_path / "log.csv")]).fit(X, y)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    clone(fitted).fit(X, y)
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


@pytest.mark.parametrize(("schedule", "warned"), [("cosine", True), ("constant", False)])
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 1e-5),
        lambda: keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: setattr(RATES["optimizer"], "learning_rate", 1e-5)
        ),
    ],
)
def test_a_callback_that_sets_the_learning_rate_is_heard(faces, make, schedule, warned, recwarn):
    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            RATES.update(optimizer=self.model.optimizer, seen=[])

        def on_train_batch_end(self, batch, logs=None):
            RATES["seen"].append(float(self.model.optimizer.learning_rate.numpy()))

    fitted = tiny_regressor(
        callbacks=[Watch(), make()], learning_rate_schedule=schedule, epochs=3
    ).fit(*faces)
    np.testing.assert_allclose(RATES["seen"], 1e-5)
    assert any("learning_rate_schedule='constant'" in str(w.message) for w in recwarn) == warned
    assert len(fitted.history_["loss"]) == 3


RATES = {}
