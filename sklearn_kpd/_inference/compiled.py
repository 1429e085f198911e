"""Calling a network on batches of any size, without the cost of Keras' `predict`."""

import math
from collections.abc import Iterator
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
    """
    images = images.astype(np.float32, copy=False)
    if not IS_TENSORFLOW:
        return np.asarray(model.predict_on_batch(images))
    return _compiled(model, images.shape[1:])(images)


def n_computed(model: keras.Model, image_shape: tuple[int, ...]) -> int:
    """Count the numbers that a network computes for one image, on TensorFlow.

    Parameters
    ----------
    model : keras.Model
        From pixels to network units.
    image_shape : (int, int, int)
        Height, width and channels.
    """
    outputs = _compiled(model, image_shape).outputs()
    return sum(math.prod(size or 1 for size in shape) for shape in outputs)


def _compiled(model: keras.Model, image_shape: tuple[int, ...]) -> "_Compiled":
    if not hasattr(model, _NAME):
        setattr(model, _NAME, _Compiled(model, image_shape))
    return getattr(model, _NAME)


class _Compiled:
    """A network compiled by TensorFlow; of a class of ours, else Keras would export it."""

    def __init__(self, model: keras.Model, image_shape: tuple[int, ...]) -> None:
        import tensorflow as tf  # Keras has no function that takes batches of any size

        @tf.function(input_signature=[tf.TensorSpec((None, *image_shape), tf.float32)])
        def function(images: Any) -> Any:
            return model(images, training=False)

        with without_retracing_warnings():
            self._function = function.get_concrete_function()
        self._constant = tf.constant

    def __call__(self, images: Array) -> Array:
        return self._function(self._constant(images)).numpy()

    def outputs(self) -> Iterator[list[int | None]]:
        """Shapes of all that is computed, as far as they are known, the number of images None."""
        for operation in self._function.graph.get_operations():
            yield from (item.shape.as_list() for item in operation.outputs if item.shape.rank)
