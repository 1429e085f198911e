"""Calling a network on batches of any size, without the cost of Keras' `predict`."""

from typing import Any

import keras
import numpy as np

from sklearn_kpd._common.keras import IS_TENSORFLOW, without_retracing_warnings
from sklearn_kpd.images import Array

_NAME = "_sklearn_kpd_infer"


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
    images = images.astype(np.float32, copy=False)
    if not IS_TENSORFLOW:
        return np.asarray(model.predict_on_batch(images))
    return _compiled(model, images.shape[1:])(images)


def _compiled(model: keras.Model, image_shape: tuple[int, ...]) -> "_Compiled":
    if not hasattr(model, _NAME):
        setattr(model, _NAME, _Compiled(model, image_shape))
    return getattr(model, _NAME)


class _Compiled:
    """A network compiled by TensorFlow; of a class of ours, else Keras would export it."""

    def __init__(self, model: keras.Model, image_shape: tuple[int, ...]) -> None:
        import tensorflow as tf  # Keras has no function that takes batches of any size

        # Without autograph, as Keras builds networks: it would write a file of Python.
        @tf.function(
            input_signature=[tf.TensorSpec((None, *image_shape), tf.float32)], autograph=False
        )
        def function(images: keras.KerasTensor) -> Any:
            return model(images, training=False)

        with without_retracing_warnings():
            self._function = function.get_concrete_function()
        self._constant = tf.constant

    def __call__(self, images: Array) -> Array:
        return self._function(self._constant(images)).numpy()
