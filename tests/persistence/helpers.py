"""What several tests of persistence use."""

import math

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer

import sklearn_kpd


def doubled(x):
    return keras.ops.relu(x) * 2


class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


def through_file(estimator, tmp_path, **options):
    path = tmp_path / "estimator.kpd"
    sklearn_kpd.save(estimator, path)
    return sklearn_kpd.load(path, **options)


def assert_same(a, b):
    """Equal values of equal types, NaN included."""
    assert type(a) is type(b)
    if isinstance(a, BaseEstimator):
        assert_same(a.get_params(), b.get_params())
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, np.random.RandomState):
        assert_same(a.get_state(), b.get_state())
    elif isinstance(a, (keras.losses.Loss, keras.optimizers.Optimizer)):
        assert a.get_config() == b.get_config()
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, float):
        assert a == b or (math.isnan(a) and math.isnan(b))
    else:
        assert a == b


def network_of(manifest):
    return manifest["estimator"]["attributes"]["model_"]["config"]


def layer_of(manifest, class_name):
    layers = network_of(manifest)["config"]["layers"]
    return next(layer for layer in layers if layer["class_name"] == class_name)


def tuple_of(*items):
    return {"type": "tuple", "items": list(items)}


class Imputer(SimpleImputer):
    pass


def imgaug_add():
    import imgaug.augmenters as iaa

    return iaa.Add((-5, 5))
