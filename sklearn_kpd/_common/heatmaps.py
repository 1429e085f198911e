"""Heatmaps as distributions of a place."""

import keras
from keras import ops


def mean_and_variance(
    heatmaps: keras.KerasTensor,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Mean and variance of the place under the softmax of each heatmap.

    Parameters
    ----------
    heatmaps : tensor of shape (n, height, width, k)
        One for each keypoint.

    Returns
    -------
    mean, variance : tensor of shape (n, 2 * k)
        Of x and y in network units, in which 0 is the centre of the image and ±1 the edge of its
        longer side.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.heatmaps import mean_and_variance
    >>> peaks = np.full((1, 2, 4, 1), -100.0, np.float32)
    >>> peaks[0, 0, 1:3] = 100  # two pixels of the upper row, half a unit apart
    >>> mean, variance = mean_and_variance(peaks)
    >>> np.asarray(mean), np.asarray(variance)
    (array([[ 0.  , -0.25]], dtype=float32), array([[0.0625, 0.    ]], dtype=float32))
    """
    heatmaps = ops.convert_to_tensor(heatmaps)
    height, width, n_keypoints = heatmaps.shape[1:]
    flat = ops.reshape(heatmaps, (-1, height * width, n_keypoints))
    shares = ops.reshape(ops.softmax(flat, axis=1), (-1, height, width, n_keypoints))
    x, x_variance = _moments(ops.sum(shares, axis=1), max(height, width))
    y, y_variance = _moments(ops.sum(shares, axis=2), max(height, width))
    mean = ops.reshape(ops.stack([x, y], axis=-1), (-1, 2 * n_keypoints))
    variance = ops.reshape(ops.stack([x_variance, y_variance], axis=-1), (-1, 2 * n_keypoints))
    return mean, variance


def _moments(
    shares: keras.KerasTensor, longer: int
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Mean and variance of a place along one side, from shares of its pixels, (n, size, k)."""
    size = shares.shape[1]
    places = (ops.arange(size, dtype=shares.dtype) + 0.5 - size / 2) * (2 / longer)
    places = ops.reshape(places, (1, size, 1))
    mean = ops.sum(shares * places, axis=1)
    off = places - ops.expand_dims(mean, 1)
    return mean, ops.sum(shares * ops.square(off), axis=1)
