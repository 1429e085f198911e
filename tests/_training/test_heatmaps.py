"""Training by heatmaps: the loss sees these, and everybody else sees keypoints."""

import keras
import numpy as np
import pytest

from sklearn_kpd import KeypointRegressor
from sklearn_kpd._training.heatmaps import ShowsHeatmaps
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.losses import MaskedLaplace, MaskedLoss
from tests.helpers import tiny_heatmap, tiny_network, weights_of

SETTINGS = {"epochs": 2, "verbose": 0, "random_state": 0, "batch_size": 10}


@pytest.fixture(scope="module")
def data():
    X, y = make_faces(20, random_state=0)
    return X, y.iloc[:, :8]


class Watching(keras.callbacks.Callback):
    """Note what the model of the training gives when it is called."""

    found: list = []

    def __init__(self, images):
        super().__init__()
        self.images = images

    def on_train_batch_end(self, batch, logs=None):
        self.found.append(self.model(self.images).shape)

    def on_epoch_end(self, epoch, logs=None):
        self.found.append(self.model.predict(self.images, verbose=0).shape)


def test_loss_is_that_of_the_heatmaps_and_rmse_that_of_the_keypoints(data):
    X, y = data
    regressor = KeypointRegressor(
        tiny_heatmap, learning_rate=1e-30, weight_decay=0.0, weight_average=0.0, **SETTINGS
    ).fit(X, y, X_val=X, y_val=y)  # it learns nothing
    model = regressor.model_
    heatmaps = keras.Model(model.input, model.layers[-1].input)(X)
    units = np.asarray((y - 47.5) / 48, np.float32)
    expected = float(MaskedLaplace(pixels_per_unit=48.0)(units, heatmaps))
    np.testing.assert_allclose(regressor.history_["val_loss"], expected, rtol=1e-4)
    expected = np.sqrt(((regressor.predict(X) - y) ** 2).to_numpy().mean())
    np.testing.assert_allclose(regressor.history_["val_rmse"], expected, rtol=1e-4)


def test_callbacks_and_the_fitted_network_give_keypoints(data):
    X, y = data
    Watching.found.clear()
    images = X[:3]
    regressor = KeypointRegressor(tiny_heatmap, callbacks=Watching(images), **SETTINGS).fit(X, y)
    assert set(Watching.found) == {(3, 8)}
    assert not isinstance(regressor.model_, ShowsHeatmaps)
    assert regressor.model_(images, training=True).shape == (3, 8)


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"metrics": ["mae"]}])
def test_options_of_compile_hold(data, options):
    routed = {f"compile__{name}": value for name, value in options.items()}
    regressor = KeypointRegressor(tiny_heatmap, **SETTINGS, **routed).fit(*data)
    plain = KeypointRegressor(tiny_heatmap, **SETTINGS).fit(*data)
    for one, other in zip(weights_of(regressor.model_), weights_of(plain.model_), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    if "metrics" in options:
        assert np.isfinite(regressor.history_["mae"]).all()


def test_auto_is_laplace_for_heatmaps_and_huber_for_others(data):
    def fitted(network, **options):
        return weights_of(KeypointRegressor(network, **SETTINGS, **options).fit(*data).model_)

    np.testing.assert_equal(fitted(tiny_heatmap), fitted(tiny_heatmap, loss="laplace"))
    np.testing.assert_equal(fitted(tiny_network), fitted(tiny_network, loss="huber"))
    for one, other in zip(fitted(tiny_heatmap), fitted(tiny_heatmap, loss="huber"), strict=True):
        if one.size > 1:
            assert (one != other).any()


def test_a_network_without_heatmaps_is_told_of(data):
    with pytest.raises(ValueError, match="loss='laplace' takes its scale from heatmaps"):
        KeypointRegressor(tiny_network, loss="laplace", **SETTINGS).fit(*data)


def test_a_loss_that_wants_keypoints_gets_these(data):
    class Absolute(MaskedLoss):
        def penalty(self, error):
            assert len(error.shape) == 2
            return keras.ops.abs(error)

    KeypointRegressor(tiny_heatmap, loss=Absolute(), **SETTINGS).fit(*data)
