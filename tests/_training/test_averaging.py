import keras
import numpy as np
import pytest

from sklearn_kpd._training.averaging import AveragedWeights, ema_momentum
from tests.helpers import tiny_network, tiny_regressor, weights_of


@pytest.mark.parametrize(
    ("share", "n_batches", "momentum"), [(0.05, 2000, 0.99), (0.05, 10, 0.0), (0, 100, 0.0)]
)
def test_momentum_looks_back_over_a_share_of_the_training(share, n_batches, momentum):
    assert ema_momentum(share, n_batches) == pytest.approx(momentum)


def recorder():
    """Callback that keeps the weights after every batch, at every validation and epoch's end."""

    class Record(keras.callbacks.Callback):
        # of the class: what is trained is a copy of the instance
        steps, validated, kept = [], [], []

        def on_train_batch_end(self, batch, logs=None):
            self.steps.append(weights_of(self.model))

        def on_test_end(self, logs=None):
            self.validated.append(weights_of(self.model))

        def on_epoch_end(self, epoch, logs=None):
            self.kept.append(weights_of(self.model))

    return Record()


def expected_averages(steps, momentum):
    average, averages = steps[0], []
    for step in steps:
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, step, strict=True)]
        averages.append(average)
    return averages


def assert_same(weights, expected):
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("patience", [None, 1])
def test_the_average_is_validated_and_kept(faces, patience):
    X, y = faces
    record = recorder()
    fitted = tiny_regressor(
        epochs=4, batch_size=8, weight_average=0.5, patience=patience, callbacks=[record],
        optimizer__learning_rate=0.1,
    ).fit(X, y)  # fmt: skip
    n_batches = 5
    averages = expected_averages(record.steps, ema_momentum(0.5, 4 * n_batches))
    rmse = fitted.history_["val_rmse"]
    for epoch, (validated, kept) in enumerate(zip(record.validated, record.kept, strict=True)):
        assert_same(validated, averages[(epoch + 1) * n_batches - 1])
        assert_same(kept, validated)
    best = len(rmse) - 1 if patience is None else int(np.argmin(rmse))
    assert_same(weights_of(fitted), record.validated[best])


@pytest.mark.parametrize("patience", [None, 1])
def test_without_validation_the_average_is_kept(faces, patience):
    X, y = faces
    record = recorder()
    fitted = tiny_regressor(
        epochs=3, batch_size=8, weight_average=0.5, validation_split=0, patience=patience,
        callbacks=[record],
    ).fit(X, y)  # fmt: skip
    averages = expected_averages(record.steps, ema_momentum(0.5, 15))
    assert_same(weights_of(fitted), averages[-1])
    # training goes on from there
    before = weights_of(fitted)
    fitted.partial_fit(X, y)
    assert any((a != b).any() for a, b in zip(before, weights_of(fitted), strict=True))


def test_a_training_that_is_stopped_by_a_callback_keeps_the_average(faces):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    X, y = faces
    record = recorder()
    fitted = tiny_regressor(
        epochs=10, batch_size=8, weight_average=0.1, callbacks=[record, Stop()], patience=None
    ).fit(X, y)
    assert len(fitted.history_["loss"]) == 1
    averages = expected_averages(record.steps, ema_momentum(0.1, 50))
    assert_same(weights_of(fitted), averages[-1])


def test_none_is_kept_for_a_share_of_nothing(faces):
    fitted = tiny_regressor(weight_average=0).fit(*faces)
    assert not fitted.model_.optimizer.use_ema
    users = keras.optimizers.Adam(use_ema=True, ema_momentum=0.5)
    fitted = tiny_regressor(optimizer=users, epochs=30).fit(*faces)
    assert fitted.model_.optimizer.ema_momentum == 0.5


def test_in_model_tells_where_the_average_is():
    model = tiny_network((8, 8, 1), 2)
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mse")
    for _ in range(2):
        model.train_on_batch(np.ones((4, 8, 8, 1)), np.ones((4, 2)))
    averaging = AveragedWeights()
    averaging.set_model(model)
    last = weights_of(model)
    average = [np.asarray(w) for w in model.optimizer._model_variables_moving_average]
    assert any((a != b).any() for a, b in zip(last, average, strict=True))
    assert not averaging.in_model
    averaging.on_test_begin()
    averaging.on_test_end()
    assert averaging.in_model
    assert_same(weights_of(model), average)
    averaging.on_epoch_begin(1)
    assert not averaging.in_model
    assert_same(weights_of(model), last)
