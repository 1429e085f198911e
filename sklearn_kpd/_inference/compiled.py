"""Calling a network on batches of any size, without the cost of Keras' `predict`."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from sklearn_kpd._common.heatmaps import mean_and_variance
from sklearn_kpd._common.keras import IS_TENSORFLOW, without_retracing_warnings
from sklearn_kpd.images import Array

_NAME = "_sklearn_kpd_infer"
_NAME_WITH_VARIANCE = "_sklearn_kpd_infer_with_variance"


def infer(model: keras.Model, images: Array) -> Array:
    """Outputs of a network for a batch.

    On TensorFlow the network is compiled once, for batches of any size; Keras' `predict` sets up a
    pipeline at every call, and its `predict_on_batch` compiles again for a second size. The
    function stays with the model, and is not saved with it.

    Parameters
    ----------
    model : keras.Model
        From pixels to network units.
    images : ndarray of shape (n, height, width, channels)
        Grey levels.

    Returns
    -------
    ndarray of shape (n, n_outputs), float32
        Network units.
    """
    return _kept(model, _NAME, lambda: model)(images)[0]


def infer_with_variance(model: keras.Model, images: Array) -> tuple[Array, Array]:
    """Outputs of a network that ends in a soft-argmax, and the variance of the places in its maps.

    Parameters
    ----------
    model, images
        As in :func:`infer`.

    Returns
    -------
    outputs, variance : ndarray of shape (n, n_outputs), float32
        Network units, and their squares.
    """
    outputs, variance = _kept(model, _NAME_WITH_VARIANCE, lambda: _with_variance(model))(images)
    return outputs, variance


def _with_variance(model: keras.Model) -> keras.Model:
    # In single precision, as the soft-argmax.
    variance = _Variance(dtype="float32")(model.layers[-1].input)
    return keras.Model(model.inputs, [*model.outputs, variance])


class _Variance(keras.layers.Layer):
    """Variance of the place under the softmax of each heatmap."""

    def call(self, heatmaps: keras.KerasTensor) -> keras.KerasTensor:
        return mean_and_variance(heatmaps)[1]


class _Compiled:
    """A network that takes batches of any size; of a class of ours, else Keras would export it."""

    def __init__(self, model: keras.Model) -> None:
        self._function = _compiled(model) if IS_TENSORFLOW else model.predict_on_batch

    def __call__(self, images: Array) -> list[Array]:
        outputs = self._function(images.astype(np.float32, copy=False))
        return [np.asarray(output) for output in keras.tree.flatten(outputs)]


def _kept(model: keras.Model, name: str, make: Callable[[], keras.Model]) -> _Compiled:
    """What was compiled once, and stays with the model."""
    if not hasattr(model, name):
        setattr(model, name, _Compiled(make()))
    kept: _Compiled = getattr(model, name)
    return kept


def _compiled(model: keras.Model) -> Callable[[Array], Any]:
    import tensorflow as tf  # Keras has no function that takes batches of any size

    # Without autograph, as Keras builds networks: it would write a file of Python.
    @tf.function(input_signature=[tf.TensorSpec(model.input_shape, tf.float32)], autograph=False)
    def function(images: keras.KerasTensor) -> Any:
        return model(images, training=False)

    with without_retracing_warnings():
        concrete = function.get_concrete_function()
    return lambda images: concrete(tf.constant(images))
