"""Prediction by a file that `KeypointRegressor.export` has written, without TensorFlow."""

import os
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kpd.images import (
    Array,
    grey_level_gain,
    images_of_size,
    n_at_a_time,
    to_grey_levels,
)
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.serving._engines import n_cores, open_engine

# Images that predict looks at together, as KeypointRegressor's does.
_BATCH = 64


class ExportedModel:
    """Find keypoints by an exported file, in ONNX Runtime or LiteRT.

    Neither TensorFlow nor Keras is imported: it starts in a second, and a single image takes
    hardly longer than the engine itself. It runs on the processor, may be asked by several threads
    at once, and is pickled as the path of its file.

    Parameters
    ----------
    path : str or path-like
        What :meth:`sklearn_kpd.KeypointRegressor.export` has written: ``.onnx`` needs
        ``onnxruntime``, ``.tflite`` needs ``ai-edge-litert`` (``pip install
        'sklearn-kpd[serving]'``).
    n_threads : int, default=None
        Threads that work on a batch. None takes what ``OMP_NUM_THREADS`` says, which joblib sets
        for its workers, or else as many as the process has cores.

    Attributes
    ----------
    path : str
        The file, absolute.
    image_shape : (int, int, int)
        Height, width and channels of the images that it takes.
    keypoints_shape : tuple of int
        Shape of the keypoints of one image, as y had it: ``(2 * k,)`` or ``(k, 2)``.

    Raises
    ------
    BrokenFileError
        If the file is damaged, or is no export.
    ValueError
        For another ending, or `n_threads` that is no number from 1.
    OSError
        If the file cannot be opened, or is no regular file.
    ImportError
        If the engine is not installed.

    .. versionadded:: 0.2

    See Also
    --------
    sklearn_kpd.KeypointRegressor.export : Writes the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_kpd import KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.serving import ExportedModel
    >>> X, y = make_faces(20, random_state=0)
    >>> regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "faces.onnx"
    ...     regressor.export(path)
    ...     ExportedModel(path).predict(X).shape
    (20, 30)
    """

    def __init__(self, path: str | os.PathLike[str], n_threads: int | None = None) -> None:
        if n_threads is not None and not (isinstance(n_threads, Integral) and n_threads >= 1):
            raise ValueError(f"n_threads={n_threads!r} must be a whole number from 1, or None.")
        self.path = os.path.abspath(path)
        self.n_threads = n_threads
        self._n_threads = n_threads or n_cores()
        opened = open_engine(self.path, self._n_threads)
        self._engine, self.image_shape, self.keypoints_shape = opened
        self._process = os.getpid()

    def predict(self, X: ArrayLike) -> FloatArray:
        """Find the keypoints.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that `KeypointRegressor.predict` takes; a ``np.memmap`` is
            read a batch at a time. The file takes grey levels: floats, of 0..1 or 0..255, are
            rounded to them. Of crops of photographs, from
            :class:`~sklearn_kpd.CropTransformer`, keypoints are pixels of the photographs.

        Returns
        -------
        ndarray of shape (n, 2 * k) or (n, k, 2), as y had, float64
            Keypoints in pixels.

        Raises
        ------
        ValueError
            For images of another size, or pixels that are no grey levels.
        RuntimeError
            In a process that was forked from the one that opened the file, which left its threads
            behind; with one thread there is none to be left.
        """
        self._check_process()
        images, gain = self._read(X)
        size = n_at_a_time(self.image_shape[:2], _BATCH)
        parts = [
            self._engine.find(_whole_levels(images[start : start + size], gain))
            for start in range(0, len(images), size)
        ]
        found = np.concatenate(parts).astype(np.float64)
        return images.to_photograph(found) if hasattr(images, "to_photograph") else found

    def _read(self, X: Any) -> tuple[Any, float]:
        """Images, and what turns them into grey levels; what has the file's form needs no look."""
        as_it_should_be = type(X) is np.ndarray and X.dtype == np.uint8
        if as_it_should_be and X.shape[1:] == self.image_shape and len(X):
            return X, 1.0
        images = images_of_size(X, self.image_shape, type(self).__name__)
        return images, grey_level_gain(images)

    def _check_process(self) -> None:
        if self._n_threads > 1 and self._process != os.getpid():
            raise RuntimeError(
                "This process was forked from the one that opened the file, and the threads that "
                "it needs are not there: open it in each process, or with n_threads=1."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.n_threads)

    def __repr__(self) -> str:
        return f"ExportedModel({self.path!r})"


def _whole_levels(batch: Array, gain: float) -> Array:
    """Give a batch as the file takes it: uint8, one row after the other."""
    if batch.dtype == np.uint8:
        return np.ascontiguousarray(batch)
    return np.clip(np.rint(to_grey_levels(batch, gain)), 0, 255).astype(np.uint8)
