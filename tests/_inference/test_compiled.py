import copy
import pickle

import keras
import numpy as np
import pytest

from sklearn_kpd._common.heatmaps import mean_and_variance
from sklearn_kpd._inference import compiled
from sklearn_kpd._inference.compiled import infer, infer_with_variance
from tests.helpers import tiny_heatmap, tiny_network, tiny_regressor


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return tiny_network((16, 16, 1), 4)


def test_is_what_keras_predicts(model):
    images = np.random.default_rng(0).integers(256, size=(5, 16, 16, 1)).astype(np.uint8)
    np.testing.assert_allclose(infer(model, images), model.predict(images, verbose=0), rtol=1e-5)


def test_is_compiled_once_whatever_the_number_and_the_type_of_images(model):
    calls = []
    call = model.call

    def count(*args, **kwargs):
        calls.append(args)
        return call(*args, **kwargs)

    model.call = count
    for n_images in (1, 7, 64, 0):
        for dtype in (np.uint8, np.float32):
            assert infer(model, np.zeros((n_images, 16, 16, 1), dtype)).shape == (n_images, 4)
    assert len(calls) == 1


def test_sees_new_weights(model):
    images = np.full((1, 16, 16, 1), 9, np.uint8)
    before = infer(model, images)
    model.layers[-1].bias.assign_add(np.ones(4))
    np.testing.assert_allclose(infer(model, images), before + 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_variance_is_that_of_the_heatmaps(dtype):
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = tiny_heatmap((16, 16, 1), 4)
    finally:
        keras.config.set_dtype_policy(before)
    names = [layer.name for layer in model.layers]
    images = np.random.default_rng(0).integers(256, size=(5, 16, 16, 1)).astype(np.uint8)
    outputs, variance = infer_with_variance(model, images)
    np.testing.assert_array_equal(outputs, infer(model, images))
    heatmaps = infer(keras.Model(model.inputs, model.layers[-1].input), images)
    expected = mean_and_variance(heatmaps.astype(np.float32))[1]
    assert variance.dtype == np.float32
    np.testing.assert_allclose(variance, expected, rtol=1e-4)
    assert [layer.name for layer in model.layers] == names


def test_copies_and_pickles_go_without(faces):
    X, y = faces
    fitted = tiny_regressor(network=tiny_heatmap, spread="heatmaps").fit(X, y)
    expected = fitted.predict(X)
    expected_std = fitted.predict(X, return_std=True)[1]
    names = [compiled._NAME, compiled._NAME_WITH_VARIANCE]
    assert all(hasattr(fitted.model_, name) for name in names)
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert not any(hasattr(other.model_, name) for name in names)
        std = other.predict(X, return_std=True)[1]
        np.testing.assert_allclose(std, expected_std, rtol=1e-5)
        np.testing.assert_allclose(other.predict(X), expected, rtol=1e-6)
