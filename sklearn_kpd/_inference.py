"""Calling a network on batches of any size, without the cost of Keras' `predict`."""

from typing import Any

import keras
import numpy as np

from sklearn_kpd._scikeras import without_retracing_warnings
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
    """
    images = images.astype(np.float32, copy=False)
    if keras.backend.backend() != "tensorflow":
        return np.asarray(model.predict_on_batch(images))
    if not hasattr(model, _NAME):
        setattr(model, _NAME, _compiled(model, images.shape[1:]))
    return getattr(model, _NAME)(images).numpy()


def _compiled(model: keras.Model, image_shape: tuple[int, ...]) -> Any:
    import tensorflow as tf  # Keras has no function that takes batches of any size

    @tf.function(input_signature=[tf.TensorSpec((None, *image_shape), tf.float32)])
    def function(images: Any) -> Any:
        return model(images, training=False)

    with without_retracing_warnings():
        function(np.zeros((1, *image_shape), np.float32))
    return lambda images: function(images)  # Keras would track a tf.function, and export it
