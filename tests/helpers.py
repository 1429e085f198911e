"""What several tests use."""

import re

import cv2
import keras
import numpy as np
import pandas as pd
from keras import layers

from sklearn_kpd import KeypointRegressor
from sklearn_kpd.datasets import make_faces
from sklearn_kpd.keypoints import last_step
from sklearn_kpd.networks import SpatialSoftArgmax


def tiny_network(image_shape, n_outputs, width=8):
    """Small enough that a test trains it in a moment."""
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Flatten()(layers.AveragePooling2D(8, padding="same")(x))
    x = layers.Dense(width, activation="relu")(x)
    return keras.Model(images, layers.Dense(n_outputs)(x))


def tiny_heatmap(image_shape, n_outputs):
    """Layers of the kinds that the heatmap network has, which takes seconds to compile."""
    images = keras.Input(image_shape)
    x = layers.Conv2D(2, 5, strides=8, padding="same", use_bias=False)(images / 255.0)
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.95)(x))
    x = SpatialSoftArgmax()(layers.Conv2D(n_outputs // 2, 1)(x))
    return keras.Model(images, x)


def operations_network(image_shape, n_outputs):
    """Calls of functions of `keras.ops`, which Keras keeps as classes that it does not export."""
    images = keras.Input(image_shape)
    x = layers.Flatten()(layers.AveragePooling2D(8)(images)) / 255.0
    x = keras.ops.where(x[:, ::2] > 0.5, x[:, ::2], 0.0)
    x = keras.ops.tanh(layers.Dense(4, activation="silu")(x)) - 0.1
    x = keras.ops.relu(keras.ops.concatenate([x, keras.ops.abs(x)], axis=-1))
    return keras.Model(images, layers.Dense(n_outputs)(x))


def tiny_regressor(**parameters):
    """A regressor that fits in about a second."""
    defaults = {"network": tiny_network, "epochs": 2, "verbose": 0, "random_state": 0}
    return KeypointRegressor(**{**defaults, **parameters})


def without_address(item):
    """What `repr` says, but for addresses: tests have one name in all processes that run them."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(item))


def weights_of(model):
    """Weights of a network, of a fitted regressor or of a Pipeline that ends in one."""
    model = last_step(model)
    return [np.asarray(weight) for weight in getattr(model, "model_", model).get_weights()]


def assert_same_weights(one, other):
    """Bit for bit."""
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


def dots(points, image_size, channels=1, dtype=np.uint8, radius=2.0):
    """Draw a bright, soft dot at each keypoint.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
        Pixels; NaN draws nothing.
    image_size : (int, int)
        Height and width.

    Returns
    -------
    ndarray of shape (n, k, height, width, channels)
        One image a dot, so that dots cannot touch.
    """
    height, width = image_size
    y, x = np.mgrid[:height, :width]
    squares = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
    images = np.nan_to_num(240 * np.exp(-squares / (2 * radius**2)))
    images = np.repeat(images[..., np.newaxis], channels, axis=-1)
    return np.round(images).astype(dtype) if np.dtype(dtype).kind == "u" else images.astype(dtype)


def centroids(images):
    """Centre of mass of each image of one dot, (..., height, width, channels) to (..., 2)."""
    mass = images.astype(float).sum(axis=-1)
    mass = np.where(mass > 0.02 * mass.max(axis=(-2, -1), keepdims=True), mass, 0)
    y, x = np.mgrid[: mass.shape[-2], : mass.shape[-1]]
    total = mass.sum(axis=(-2, -1))
    return np.stack(
        [(mass * x).sum(axis=(-2, -1)) / total, (mass * y).sum(axis=(-2, -1)) / total], axis=-1
    )


def make_photographs(folder, n, random_state=0, size=(240, 320), suffix=".jpg", missing=None):
    """Photographs with one generated face each, at a random place and of a random size.

    Parameters
    ----------
    folder : Path
        Where they are written.
    n : int
        How many.
    size : (int, int)
        Their height and width.
    suffix : str
        Of the files: their format.
    missing
        As in `make_faces`.

    Returns
    -------
    X : DataFrame
        ``path``, ``left``, ``top``, ``right``, ``bottom``: the pasted square.
    y : DataFrame
        Keypoints in pixels of the photograph.
    """
    rng = np.random.default_rng(random_state)
    faces, y = make_faces(n, missing=missing, random_state=random_state)
    height, width = size
    rows, y = [], y.copy()
    for i, face in enumerate(faces):
        side = int(rng.uniform(0.3, 0.8) * min(size))
        left, top = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        coarse = rng.uniform(0, 255, (6, 8)).astype(np.float32)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        picture[top : top + side, left : left + side] = small
        path = str(folder / f"{i:04d}{suffix}")
        cv2.imwrite(path, picture)
        rows.append((path, left, top, left + side, top + side))
        scale = side / 96
        y.iloc[i, ::2] = (y.iloc[i, ::2] + 0.5) * scale - 0.5 + left
        y.iloc[i, 1::2] = (y.iloc[i, 1::2] + 0.5) * scale - 0.5 + top
    return pd.DataFrame(rows, columns=["path", "left", "top", "right", "bottom"]), y
