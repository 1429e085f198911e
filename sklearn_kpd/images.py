"""Images in every form that the package takes ▶ (n, height, width, channels)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, validate_data

Array = npt.NDArray[Any]
ImageShape = tuple[int, int, int]

_ROWS_AT_A_TIME = 1024


def as_images(X: Any, image_shape: tuple[int, ...] | None = None) -> Array:
    """Give images in any form the shape (n, height, width, channels).

    The pixels are neither copied nor converted where they are an array of numbers already,
    so that a memory map stays on disk.

    Parameters
    ----------
    X : array-like of shape (n, h, w, c), (n, h, w) or (n, h * w * c)
        Images.
    image_shape : tuple of int, optional
        Shape of flat images, (height, width) or (height, width, channels); one number may be
        -1. By default flat images are grey squares.

    Returns
    -------
    ndarray of shape (n, height, width, channels)
        A view of `X` where `X` is an array.

    Raises
    ------
    ValueError
        For NaN, infinity, no images at all or a shape that is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import as_images
    >>> as_images(np.zeros((5, 9216))).shape
    (5, 96, 96, 1)
    """
    X = check_array(X, allow_nd=True, dtype="numeric", input_name="X")
    if X.ndim > 4:
        raise ValueError(
            "X must have the shape (n, height, width, channels), (n, height, width) or "
            f"(n, height * width), but its shape is {X.shape}."
        )
    if X.ndim == 2:
        shape = _flat_shape(X.shape[1], image_shape)
    else:
        shape = _nd_shape(X.shape)
        if 0 in shape:
            raise ValueError(f"X holds images with no pixels, of {_text(shape)}.")
        if image_shape is not None and shape != _flat_shape(int(np.prod(shape)), image_shape):
            raise ValueError(
                f"image_shape={image_shape} does not fit X, images of {_text(shape)}."
            )
    return X.reshape(len(X), *shape)


def check_images(
    estimator: Any, X: Any, image_shape: tuple[int, ...] | None = None, *, reset: bool
) -> Array:
    """Validate the images that an estimator was given.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_``, ``feature_names_in_`` and ``image_shape_`` if `reset`, and is
        checked against them if not.
    X, image_shape
        As in :func:`as_images`.
    reset : bool
        True at fit.

    Returns
    -------
    ndarray of shape (n, height, width, channels)
        A view of `X` where `X` is an array.

    Raises
    ------
    ValueError
        As :func:`as_images`, and for images of another size than at fit.
    """
    if isinstance(X, (list, tuple)):
        X = np.asarray(X)
    if getattr(X, "ndim", 2) < 3:
        X = validate_data(estimator, X, dtype="numeric", reset=reset)
        images = as_images(X, image_shape if reset else estimator.image_shape_)
    else:
        images = as_images(X, image_shape if reset else None)
        shape = images.shape[1:]
        if not reset and shape != estimator.image_shape_:
            raise ValueError(
                f"X holds images of {_text(shape)}, but {type(estimator).__name__} was fitted on "
                f"images of {_text(estimator.image_shape_)}: resize them to that."
            )
        flat = images.reshape(len(images), -1)
        validate_data(estimator, flat, skip_check_array=True, reset=reset)
    if reset:
        estimator.image_shape_ = images.shape[1:]
    return images


def grey_level_gain(images: Array, fitted_gain: float | None = None) -> float:
    """What to multiply pixels by, so that they lie in 0..255.

    Integers are grey levels as they are. Floats are taken for 0..1 if none is larger than 1,
    else for 0..255.

    Parameters
    ----------
    images : ndarray
        Pixels. Read in pieces, never copied whole.
    fitted_gain : float, optional
        Gain of the images of `fit`, where those were floats: floats go by it.

    Returns
    -------
    float
        255.0 or 1.0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import grey_level_gain
    >>> grey_level_gain(np.array([[0.0, 1.0]])), grey_level_gain(np.array([[0, 1]]))
    (255.0, 1.0)
    """
    if images.dtype.kind != "f":
        return 1.0
    if fitted_gain is not None:
        return fitted_gain
    return 255.0 if all(piece.max() <= 1 for piece in pieces(images)) else 1.0


def to_grey_levels(batch: Array, gain: float) -> Array:
    """Give a batch of images as the network takes it: uint8 as it is, else float32 in 0..255.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import to_grey_levels
    >>> to_grey_levels(np.array([0.5]), 255.0)
    array([127.5], dtype=float32)
    """
    if batch.dtype == np.uint8:
        return batch
    return batch.astype(np.float32) * np.float32(gain)


def pieces(images: Array) -> Iterator[Array]:
    """Cut images into pieces, so that a memory map is never read whole.

    Parameters
    ----------
    images : ndarray of shape (n, ...)

    Yields
    ------
    ndarray
        The next rows.
    """
    for start in range(0, len(images), _ROWS_AT_A_TIME):
        yield images[start : start + _ROWS_AT_A_TIME]


def _nd_shape(shape: tuple[int, ...]) -> ImageShape:
    height, width = shape[1:3]
    return height, width, shape[3] if len(shape) == 4 else 1


def _flat_shape(n_features: int, image_shape: tuple[int, ...] | None) -> ImageShape:
    if image_shape is None:
        side = round(n_features**0.5)
        if side * side != n_features:
            raise ValueError(
                f"X has {n_features} columns, which make no square grey image: pass "
                "image_shape=(height, width) or (height, width, channels), or give X that shape."
            )
        return side, side, 1
    shape = tuple(image_shape) if len(image_shape) == 3 else (*image_shape, 1)
    known = int(np.prod([size for size in shape if size != -1]))
    shape = tuple(n_features // known if size == -1 else size for size in shape)
    if int(np.prod(shape)) != n_features:
        raise ValueError(
            f"image_shape={tuple(image_shape)} does not fit X, which has {n_features} columns."
        )
    height, width, channels = shape
    return height, width, channels


def _text(shape: ImageShape) -> str:
    return "x".join(map(str, shape)) + " (height x width x channels)"
