"""What `test_devices.py` runs: a fit on two devices against one on the same batches."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import sklearn_kpd  # noqa: E402
from sklearn_kpd import AugmentTransformer, KeypointRegressor  # noqa: E402
from sklearn_kpd.datasets import make_faces  # noqa: E402
from sklearn_kpd.losses import MaskedMeanSquaredError  # noqa: E402
from sklearn_kpd.networks._backbone import APPLICATIONS  # noqa: E402
from tests.helpers import tiny_heatmap, weights_of  # noqa: E402
from tests.networks.test_backbone import Tiny, weights_file  # noqa: E402

TWO = ["CPU:0", "CPU:1"]
# 49 rows to train on, labels spread unevenly: the last batch is one row, less than one a device.
X, Y = make_faces(54, missing="kaggle", random_state=0)
Y.iloc[::2, 4:] = np.nan
WEIGHTS = np.linspace(0.1, 2, len(X))


def make(**parameters):
    defaults = {
        "network": tiny_heatmap, "epochs": 3, "batch_size": 8, "optimizer": "sgd",
        "learning_rate": 0.05, "verbose": 0, "random_state": 0, "validation_split": 0.1,
    }  # fmt: skip
    return KeypointRegressor(**{**defaults, **parameters})


def assert_close(one, two, tolerance=1e-5):
    for name, values in one.history_.items():
        np.testing.assert_allclose(two.history_[name], values, rtol=tolerance, err_msg=name)
    for a, b in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_allclose(b, a, atol=tolerance)
    np.testing.assert_allclose(two.predict(X), one.predict(X), atol=100 * tolerance)


def assert_same_on_two(tolerance=1e-5, fit=lambda regressor: regressor.fit(X, Y), **parameters):
    one, two = (fit(make(devices=devices, **parameters)) for devices in (None, TWO))
    assert_close(one, two, tolerance)
    return two


def penalised(image_shape, n_outputs):
    images = keras.Input(image_shape)
    x = layers.Flatten()(layers.AveragePooling2D(8, padding="same")(images / 255.0))
    x = layers.Dense(4, activation="relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
    return keras.Model(images, layers.Dense(n_outputs, activity_regularizer="l2")(x))


def uncopied(image_shape, n_outputs):
    class NoConfig(layers.Layer):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def call(self, inputs):
            return inputs[:, : self.size]

    images = keras.Input(image_shape)
    return keras.Model(images, layers.Dense(n_outputs)(NoConfig(9)(layers.Flatten()(images))))


def test_a_fit_learns_the_same_and_leaves_an_ordinary_model(tmp_path):
    two = assert_same_on_two()
    assert not isinstance(two.model_.weights[0].value, tf.distribute.DistributedValues)
    sklearn_kpd.save(two, tmp_path / "two.kpd")
    loaded = sklearn_kpd.load(tmp_path / "two.kpd", trusted=[tiny_heatmap])
    for other in (pickle.loads(pickle.dumps(two)), loaded):
        np.testing.assert_array_equal(other.predict(X), two.predict(X))


@pytest.mark.slow
def test_optimizers_see_the_gradient_of_the_whole_batch():
    # The smallest changes of clipped gradients differ: Adam would divide rounding by rounding.
    assert_same_on_two(optimizer__clipnorm=1e-3, optimizer__momentum=0.9, weight_average=0)


def test_weights_of_rows():
    assert_same_on_two(fit=lambda regressor: regressor.fit(X, Y, sample_weight=WEIGHTS))


@pytest.mark.slow
def test_penalties_count_once():
    one, two = (
        make(network=penalised, devices=devices, weight_average=0, loss="mse").fit(X, Y)
        for devices in (None, TWO)
    )
    # The activity is penalised by a mean over rows, and parts have different numbers of them.
    np.testing.assert_allclose(two.history_["loss"], one.history_["loss"], rtol=0.05)


@pytest.mark.slow
def test_losses_that_keras_scales_by_the_number_of_devices():
    X, y = make_faces(30, random_state=0)
    assert_same_on_two(
        loss=keras.losses.MeanSquaredError(), fit=lambda regressor: regressor.fit(X, y)
    )


@pytest.mark.slow
def test_going_on_goes_on(tmp_path):
    def fit(regressor):
        return regressor.fit(X, Y).partial_fit(X, Y).set_params(warm_start=True).fit(X, Y)

    assert_same_on_two(fit=fit, epochs=2)
    # From two devices to one, and back.
    mixed = make(epochs=2, devices=TWO).fit(X, Y).set_params(devices=None).partial_fit(X, Y)
    mixed.set_params(devices=TWO, warm_start=True).fit(X, Y)
    assert_close(fit(make(epochs=2)), mixed)


@pytest.mark.slow
def test_images_without_labels_are_labelled_alike():
    y = Y.copy()
    y.iloc[20:] = np.nan
    options = {"self_training": 0.5, "epochs": 4, "learning_rate": 4e-4}
    two = assert_same_on_two(fit=lambda regressor: regressor.fit(X, y), **options)
    without = make(devices=TWO, epochs=4, learning_rate=4e-4).fit(X, y)
    assert two.history_["rmse"][1] < 0.9 * without.history_["rmse"][1]  # it has taught itself


def test_a_network_that_cannot_be_copied_is_named():
    with pytest.raises(ValueError, match="cannot be copied.*get_config"):
        make(network=uncopied, devices=TWO).fit(X, Y)


def test_a_failure_leaves_what_was_fitted():
    fitted = make(devices=TWO).fit(X, Y)
    before = fitted.predict(X)
    fitted.set_params(learning_rate=1e30, warm_start=True, optimizer="sgd")

    class Fail(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(callbacks=Fail()).fit(X, Y)
    np.testing.assert_array_equal(fitted.predict(X), before)


def test_somebody_elses_strategy_is_refused():
    with (
        tf.distribute.MirroredStrategy(TWO).scope(),
        pytest.raises(ValueError, match="fit outside of its scope, and set devices"),
    ):
        make().fit(X, Y)
    with tf.distribute.MirroredStrategy(TWO[:1]).scope():
        make(epochs=1).fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"network": "cnn", "network__filters": (8, 8)},
        {"network": "heatmap", "network__width": 8, "learning_rate": 0.01, "loss": "huber"},
        # a smaller rate: gradients of a likelihood for pixels are much larger
        {"network": "heatmap", "network__width": 8, "learning_rate": 4e-4},
        {"batch_size": 1},
        {"missing": "mean", "schemes": None, "sampling": "rows"},
        {"compile__run_eagerly": True},
        {"compile__steps_per_execution": 3},
        {"epochs": 8, "patience": 1, "learning_rate": 1.0},
        {"validation_split": 0},
        {"loss": MaskedMeanSquaredError(), "optimizer__use_ema": True},
    ],
    ids=lambda parameters: ", ".join(map(str, parameters)),
)
def test_every_way_to_train_is_the_same(parameters):
    assert_same_on_two(**parameters)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop"])
def test_optimizers_that_divide_by_the_size_of_gradients(optimizer):
    # Where gradients are next to nothing, they divide rounding by rounding.
    assert_same_on_two(2e-3, optimizer=optimizer, learning_rate=1e-3)


@pytest.mark.slow
def test_random_layers_draw_the_same_in_every_run():
    options = {"network": "cnn", "network__filters": (8, 8), "network__dropout": 0.3}
    first, again = (make(devices=TWO, **options).fit(X, Y) for _ in range(2))
    assert first.history_ == again.history_
    assert first.history_["loss"][-1] < first.history_["loss"][0]


@pytest.mark.slow
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision(half):
    options = {"network": "cnn", "network__filters": (8, 8), "epochs": 5, "mixed_precision": half}
    one, two = (make(devices=devices, **options).fit(X, Y) for devices in (None, TWO))
    np.testing.assert_allclose(two.history_["rmse"], one.history_["rmse"], rtol=0.01)


@pytest.mark.slow
def test_a_backbone_learns_at_its_own_rate(tmp_path, monkeypatch):
    monkeypatch.setitem(APPLICATIONS, "Tiny", Tiny)
    weights_file("Tiny", tmp_path / "tiny.weights.h5", (96, 96, 3))
    assert_same_on_two(
        network="backbone",
        network__application="Tiny",
        network__weights=str(tmp_path / "tiny.weights.h5"),
        learning_rate=4e-4,
    )


@pytest.mark.slow
def test_augmentation():
    def fit(regressor):
        return regressor.fit(AugmentTransformer(rotation=15).fit_transform(X, Y), Y)

    assert_same_on_two(fit=fit)


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    killed = make(devices=TWO, epochs=4, checkpoint_dir=tmp_path, callbacks=Stop())
    with pytest.raises(KeyboardInterrupt):
        killed.fit(X, Y)
    assert list(tmp_path.iterdir())
    assert_close(make(epochs=4).fit(X, Y), killed.set_params(callbacks=None).fit(X, Y))


@pytest.mark.slow
def test_callbacks_see_the_network_and_its_predictions():
    seen = []

    class See(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((self.model.predict(X[:4, ..., None], verbose=0), logs["val_rmse"]))

    fitted = make(devices=TWO, callbacks=See(), weight_average=0).fit(X, Y)
    assert len(seen) == 3
    assert seen[-1][0].shape == (4, fitted.model_.output_shape[1])
    assert not np.array_equal(seen[0][0], seen[-1][0])
    assert [rmse for _, rmse in seen] == fitted.history_["val_rmse"]


@pytest.mark.slow
def test_the_spread_is_calibrated():
    one, two = (make(devices=devices).fit(X, Y) for devices in (None, TWO))
    np.testing.assert_allclose(two.calibration_, one.calibration_, rtol=1e-3)
