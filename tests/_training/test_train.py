"""The training without an estimator around it."""

import contextlib

import keras
import numpy as np
import pytest

from sklearn_kpd._training.batches import Batches
from sklearn_kpd._training.data import Run
from sklearn_kpd._training.optimizer import compile_model, make_optimizer
from sklearn_kpd._training.state import training_state
from sklearn_kpd._training.stream import DrawEpochs
from sklearn_kpd._training.train import schedule_callbacks, train
from sklearn_kpd.exceptions import DivergedError
from sklearn_kpd.losses import MaskedMeanSquaredError, PixelRMSE
from tests.helpers import tiny_network


def compiled(rate=1e-3):
    keras.utils.set_random_seed(0)
    model = tiny_network((16, 16, 1), 4)
    optimizer = make_optimizer("sgd", {"learning_rate": rate}, {})
    compile_model(model, optimizer, MaskedMeanSquaredError(), [PixelRMSE(8.0)], 0.0, {})
    return model


def batches(scale=1.0, **options):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(12, 16, 16, 1), dtype=np.uint8)
    values = scale * rng.uniform(0, 15, (12, 4))
    return Batches(images, np.arange(12), values, gain=1.0, batch_size=4, **options)


def run(**options):
    return Run(**{"seed": 0, "deterministic_seed": None, "epochs": 3, **options})


def trained(model, training, validation, plan, *callbacks):
    return train(model, DrawEpochs(training), validation, plan, list(callbacks))


def test_the_history_holds_every_epoch():
    outcome = trained(compiled(), batches(seed=0), batches(), run())
    assert {name: len(values) for name, values in outcome.history.items()} == {
        "loss": 3, "rmse": 3, "val_loss": 3, "val_rmse": 3,
    }  # fmt: skip
    assert not outcome.interrupted
    assert all(type(value) is float for values in outcome.history.values() for value in values)


def test_what_goes_on_counts_on():
    model = compiled()
    first = trained(model, batches(seed=0), None, run()).history
    epochs = []
    spy = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    again = run(goes_on=True, history=first, epochs=2)
    training, drawn = batches(seed=0), []
    training.draw = drawn.append
    second = trained(model, training, None, again, spy).history
    assert epochs == [3, 4]
    assert drawn == [4, 5]  # batches count from 1
    assert second["loss"][:3] == first["loss"]
    assert len(second["loss"]) == 5
    assert len(first["loss"]) == 3  # not changed


@pytest.mark.parametrize("error", ["diverges", "raises"])
def test_what_goes_on_is_as_it_was_after_an_error(error):
    model = compiled()
    history = trained(model, batches(seed=0), None, run()).history
    before = training_state(model)

    def fail(batch, logs):
        raise RuntimeError

    callbacks, scale = [], 1e30
    if error == "raises":
        callbacks, scale = [keras.callbacks.LambdaCallback(on_train_batch_end=fail)], 1.0
    with pytest.raises(DivergedError if error == "diverges" else RuntimeError):
        trained(
            model, batches(scale, seed=0), None, run(goes_on=True, history=history), *callbacks
        )
    for one, other in zip(training_state(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("raises", [False, True])
def test_data_is_let_go_of(raises):
    def fail(epoch, logs):
        if raises:
            raise RuntimeError

    training, validation = batches(seed=0), batches()
    end = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with contextlib.suppress(RuntimeError):
        trained(compiled(), training, validation, run(), end)
    for used in (training, validation):
        assert not used.images.size
        assert not used.values.size


def test_a_single_epoch_has_neither_schedule_nor_early_stopping():
    assert not schedule_callbacks(
        compiled(), run(whole=False), 9, [], schedule="cosine", patience=3
    )


def rates_of(n_epochs, **options):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate.numpy()))

    model = compiled(0.1)
    plan = run(epochs=n_epochs)
    callbacks = schedule_callbacks(model, plan, n_epochs * 3, [], schedule="cosine", patience=None)
    model.steps_per_execution = options.get("steps_per_execution", 1)
    trained(model, batches(seed=0), None, plan, Watch(), *callbacks)
    return np.array(seen)


def test_the_schedule_goes_by_batches_also_where_several_are_one_step():
    one, three = rates_of(4), rates_of(4, steps_per_execution=3)
    np.testing.assert_allclose(three, one[::3], rtol=1e-6)
    assert one[-1] < 0.02 < one.max()
