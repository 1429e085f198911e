"""A fitted network as one file for ONNX Runtime or LiteRT: bytes of images in, pixels out."""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sklearn_kpd._common.files import replacing
from sklearn_kpd._inference.predictor import Predictor
from sklearn_kpd.keypoints import FloatArray, IntArray, from_units, pixels_per_unit

# What Keras needs for each format, and how Keras calls it.
_FORMATS = {".onnx": ("onnx", ("onnx", "tf2onnx")), ".tflite": ("litert", ())}


class SelectOutputs(layers.Layer):
    """Turn outputs of the network into keypoints in pixels.

    Parameters
    ----------
    indices : ndarray of shape (n_outputs,), int
        Which of the network's outputs are the keypoints.
    scale : float
        Pixels per network unit.
    centre : ndarray of shape (n_outputs,)
        Pixels of network unit 0.
    """

    def __init__(self, indices: IntArray, scale: float, centre: FloatArray) -> None:
        super().__init__()
        self.indices, self.scale, self.centre = indices, scale, centre.astype(np.float32)

    def call(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """Pixels, (n, n_outputs)."""
        return ops.take(outputs, self.indices, axis=1) * self.scale + self.centre


class MirrorBack(layers.Layer):
    """Turn keypoints of mirrored images into keypoints of the images.

    Parameters
    ----------
    permutation : ndarray of shape (k,), int
        Which keypoint takes which place.
    width : int
        Of the images.
    """

    def __init__(self, permutation: Any, width: int) -> None:
        super().__init__()
        # x goes to width - 1 - x, y stays
        self.columns = np.stack([2 * permutation, 2 * permutation + 1], axis=1).ravel()
        self.sign = np.resize(np.array([-1, 1], np.float32), len(self.columns))
        self.offset = np.resize(np.array([width - 1, 0], np.float32), len(self.columns))

    def call(self, keypoints: keras.KerasTensor) -> keras.KerasTensor:
        """Pixels, (n, 2 * k)."""
        return ops.take(keypoints, self.columns, axis=1) * self.sign + self.offset


def serving_model(predictor: Predictor, y_shape: tuple[int, ...]) -> keras.Model:
    """Put what `predict` does around a network.

    Parameters
    ----------
    predictor : Predictor
        With one scheme for each output, and no `tta` but "flip".
    y_shape : tuple of int
        Shape of the keypoints of one image.

    Returns
    -------
    keras.Model
        From ``images``, uint8, to ``keypoints``. It computes in float32.
    """
    model, size = in_single_precision(predictor.model), predictor.image_size
    n_outputs = len(predictor.schemes)

    def to_pixels(outputs: keras.KerasTensor, mirrored: bool) -> keras.KerasTensor:
        chosen = predictor.output_sets(mirrored) * n_outputs + np.arange(n_outputs)
        centre = from_units(np.zeros((1, n_outputs)), size)[0]
        return SelectOutputs(chosen, pixels_per_unit(size), centre)(outputs)

    images = keras.Input(model.input_shape[1:], dtype="uint8", name="images")
    x = ops.cast(images, "float32")
    keypoints = to_pixels(model(x, training=False), False)
    if predictor.tta == "flip":
        mirrored = to_pixels(model(ops.flip(x, axis=2), training=False), True)
        mirror_back = MirrorBack(predictor.permutation, size[1])
        keypoints = (keypoints + mirror_back(mirrored)) / 2
    return keras.Model(images, {"keypoints": ops.reshape(keypoints, (-1, *y_shape))})


def in_single_precision(model: keras.Model) -> keras.Model:
    """Give a network that computes in float32 alone, from the same weights.

    Parameters
    ----------
    model : keras.Model
        Of any precision.

    Returns
    -------
    keras.Model
        The model itself if it is one; else a copy that is not compiled.
    """
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def copied(item: Any) -> Any:
        config = item.get_config()
        if isinstance(item, layers.Layer):  # functions of keras.ops have no precision of their own
            config["dtype"] = "float32"
        return type(item).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def write(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model in the format that the name of the file tells, in one step.

    Parameters
    ----------
    model : keras.Model
        What to write.
    path : str or PathLike
        Ends with ``.onnx`` or ``.tflite``.

    Raises
    ------
    ValueError
        For another ending.
    ImportError
        If a package that the format needs is not installed.
    """
    path = Path(path)
    if path.suffix not in _FORMATS:
        raise ValueError(
            f"path={str(path)!r} has to end with {' or '.join(_FORMATS)}, for ONNX Runtime or "
            "LiteRT. To keep the estimator itself, use sklearn_kpd.save."
        )
    name, packages = _FORMATS[path.suffix]
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(
            f"Writing {path.suffix} needs {' and '.join(missing)}: "
            "pip install 'sklearn-kpd[export]'."
        )
    images = keras.InputSpec(shape=model.input_shape, dtype="uint8", name="images")
    with replacing(path) as file, tempfile.TemporaryDirectory(prefix="sklearn_kpd-") as folder:
        written = Path(folder) / path.name
        model.export(str(written), format=name, verbose=False, input_signature=[images])
        with written.open("rb") as exported:
            shutil.copyfileobj(exported, file)
