"""Images in every form that the package takes ▶ (n, height, width, channels)."""

import os
import warnings
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array, validate_data

from sklearn_kpd._common.sources import Source, source_of

__all__ = ["LazyImages", "as_images", "grey_level_gain", "to_grey_levels"]

Array = npt.NDArray[Any]
ImageShape = tuple[int, int, int]

_ROWS_AT_A_TIME = 1024
# Pixels that a network takes at once, 64 images of 256 x 256. The outputs of a layer may be 64
# times as large.
_MAX_PIXELS = 64 * 256**2
# As many rows, spread over all, tell the range of pixels.
_ROWS_LOOKED_AT = 4096
# Share of the range by which pixels may leave it: bicubic resizing overshoots.
_OVERSHOOT = 0.25
# Floats whose brightest pixel is darker than this grey level are no images in 0..255.
_DARKEST = 16
# More bytes than these are not read at once without a word.
_MANY_BYTES = 2**28
_CROP = "photographs and images of many sizes go through CropTransformer"


class DeferredImages:
    """Images that are read and made when they are needed: the base of those that are no array.

    Attributes
    ----------
    shape : (int, int, int, int)
        What they will have, (n, height, width, channels). Indexing by rows makes them, uint8.
    """

    dtype = np.dtype(np.uint8)
    shape: tuple[int, int, int, int]


class LazyImages:
    """Images on disk, of which a step reads the rows that it needs, when it needs them.

    Rows are taken as from an array, by a slice, numbers or booleans; that reads nothing and gives
    LazyImages again, so that cross-validation and searches hold no copies. Pickling, which takes X
    to the workers of a search, takes the path and the numbers of the rows there, and no pixels.
    ``np.asarray`` reads them all. One number gives that image, an array.

    Parameters
    ----------
    images : np.memmap, str, path-like, h5py.Dataset, zarr.Array or dask.array.Array
        Images of the shape (n, height, width, channels), (n, height, width) or
        (n, height * width * channels); or the path of a ``.npy`` file that holds them. An array
        of Dask is computed block by block, by one thread of the process that reads.

    Raises
    ------
    TypeError
        For anything else, as an array in memory, and for pixels that are no numbers.
    ValueError
        For other shapes, a memory map with ``mode="c"``, or a Dask array of an unknown number of
        rows.
    FileNotFoundError
        If there is no such file; also when rows are read in a process that does not find it.

    Notes
    -----
    HDF5 and zarr store chunks of many images, and Dask computes them: a chunk costs as much to
    read as one of its images. So training goes through such images in another order, also
    random: chunks are shuffled, and then the rows of several chunks, 10 MiB or at least two,
    together. Twice as much is kept in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_kpd.images import LazyImages
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "images.npy"
    ...     np.save(path, np.zeros((10, 96, 96, 1), np.uint8))
    ...     images = LazyImages(path)
    >>> images
    LazyImages(10 images of 96x96x1, uint8)
    >>> images[::2]
    LazyImages(5 images of 96x96x1, uint8)

    .. versionadded:: 0.2
    """

    def __init__(self, images: Any) -> None:
        if isinstance(images, (str, os.PathLike)):
            images = _mapped(images)
        source = images if isinstance(images, Source) else source_of(images)
        if source is None:
            raise TypeError(
                f"LazyImages takes a memory map, the path of a .npy file, an HDF5 dataset, a zarr "
                f"or a Dask array, not {type(images).__name__}: give that to fit and predict as "
                "it is."
            )
        self._source = source
        self._rows: Array = np.arange(source.shape[0])
        self._image_shape = source.shape[1:]
        self._finite = source.dtype.kind != "f"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array that they would be."""
        return len(self), *self._image_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self._source.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array that they would be."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def blocks(self) -> Array | None:
        """Number of the block that each row is read with; None where rows are read one by one."""
        return self._source.blocks(self._rows)

    @property
    def n_together(self) -> int:
        """Blocks whose rows are shuffled together."""
        return getattr(self._source, "n_together", 1)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> Any:
        # scikit-learn asks for X[rows, ...], and Dask for X[rows, 0:height, 0:width, 0:channels]
        if isinstance(rows, tuple) and rows and self._is_whole(rows[1:]):
            rows = rows[0]
        no_rows = isinstance(rows, (tuple, bool, np.bool_)) or rows is None or rows is Ellipsis
        if no_rows or np.ndim(rows) > 1:
            raise IndexError(
                "LazyImages are indexed by rows alone: read them by np.asarray(X[rows]) first."
            )
        if isinstance(rows, list) and not rows:
            rows = slice(0)
        chosen = self._rows[rows]
        if chosen.ndim == 0:
            return self._like(chosen[np.newaxis]).__array__()[0]
        return self._like(chosen)

    def __iter__(self) -> Iterator[Array]:
        for piece in pieces(self):
            yield from piece

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("LazyImages are on disk: reading them makes an array.")
        pixels = self._source.read(self._rows).reshape(self.shape)
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def reshape(self, *shape: int) -> "LazyImages":
        """Give each image another shape; nothing is read.

        Parameters
        ----------
        *shape : int
            Rows first, as many as there are.

        Returns
        -------
        LazyImages
            The same pixels.
        """
        if shape[0] != len(self) or np.prod(shape[1:]) != np.prod(self._image_shape):
            raise ValueError(f"LazyImages of the shape {self.shape} cannot become {shape}.")
        return self._like(self._rows, _image_shape=tuple(shape[1:]))

    def _is_whole(self, keys: tuple[Any, ...]) -> bool:
        """Whether keys of the axes after the first take all that there is."""
        if keys == (Ellipsis,):
            return True
        return len(keys) <= len(self._image_shape) and all(
            isinstance(key, slice) and key.indices(size) == (0, size, 1)
            for key, size in zip(keys, self._image_shape, strict=False)
        )

    def _found_finite(self) -> "LazyImages":
        """Read floats once, in pieces, and refuse NaN and infinity; their rows are fine then."""
        if not self._finite:
            for piece in pieces(self):
                assert_all_finite(piece, input_name="X")
        return self._like(self._rows, _finite=True)

    def _like(self, rows: Array, **others: Any) -> "LazyImages":
        images = object.__new__(type(self))
        vars(images).update(vars(self), _rows=rows, **others)
        return images

    def __getstate__(self) -> dict[str, Any]:
        source, rows = self._source.of_rows(self._rows)
        # rows that follow each other are two numbers
        in_turn = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        packed = range(rows[0], rows[-1] + 1) if in_turn else rows
        return {**vars(self), "_source": source, "_rows": packed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        rows = state["_rows"]
        if isinstance(rows, range):
            rows = np.arange(rows.start, rows.stop)
        vars(self).update(state, _rows=rows)

    def __repr__(self) -> str:
        size = "x".join(map(str, self._image_shape))
        return f"LazyImages({len(self)} images of {size}, {self.dtype})"


def lazily(X: Any) -> Any:
    """Images that can stay where they are as LazyImages, whose rows cost nothing; others as is."""
    if isinstance(X, np.memmap) and X.mode == "c":
        return X
    source = source_of(X)
    return X if source is None else LazyImages(source)


def prepared(X: Any) -> Any:
    """Images as all steps of a Pipeline take them without converting, or reading, them again.

    Parameters
    ----------
    X : array-like
        Images in any form.

    Returns
    -------
    array-like
        Arrays and tables as they are, lists as an array, and what is on disk as LazyImages, whose
        floats have been found finite.
    """
    X = stacked(X)
    # a memory map is an array that is read a part at a time as it is
    if not isinstance(X, np.ndarray):
        X = lazily(X)
    return X._found_finite() if isinstance(X, LazyImages) else X


def take(images: Any, rows: Any, gain: float) -> Any:
    """Take some rows of images, in grey levels; those of photographs are not made yet.

    Parameters
    ----------
    images : ndarray or LazyImages of shape (n, height, width, channels), or pieces of photographs
        What to take from.
    rows : ndarray of int
        Which.
    gain : float
        From :func:`grey_level_gain`.

    Returns
    -------
    ndarray or CropBatch
        Grey levels, or what they are made of.
    """
    if hasattr(images, "batch"):
        return images.batch(rows)
    return to_grey_levels(images[rows], gain)


def made(images: Any) -> Array:
    """Make images that are not made yet; others stay as they are."""
    return images.warped() if hasattr(images, "warped") else images


def as_images(X: ArrayLike | LazyImages, image_shape: tuple[int, ...] | None = None) -> Any:
    """Give images in any form the shape (n, height, width, channels).

    The pixels are neither copied nor converted where they are an array of numbers already,
    so that a memory map stays on disk.

    Parameters
    ----------
    X : array-like of shape (n, h, w, c), (n, h, w) or (n, h * w * c)
        Images. A Series or a list of arrays of one size is taken too, and whatever LazyImages can
        read where it is.
    image_shape : tuple of int, optional
        Shape of flat images, (height, width) or (height, width, channels); one number may be
        -1. By default flat images are grey squares.

    Returns
    -------
    ndarray or LazyImages of shape (n, height, width, channels)
        A view of `X` where `X` is an array; LazyImages of HDF5, zarr and Dask.

    Raises
    ------
    ValueError
        For NaN, infinity, no images at all, paths, images of many sizes or a shape that is none
        of these.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import as_images
    >>> as_images(np.zeros((5, 9216))).shape
    (5, 96, 96, 1)
    """
    return _shaped(_checked(X), image_shape)


def check_images(
    estimator: BaseEstimator,
    X: ArrayLike | LazyImages,
    image_shape: tuple[int, ...] | None = None,
    *,
    reset: bool,
) -> Any:
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
    ndarray or LazyImages of shape (n, height, width, channels)
        A view of `X` where `X` is an array; LazyImages of HDF5, zarr and Dask.

    Raises
    ------
    ValueError
        As :func:`as_images`, and for images of another size than at fit.
    """
    if isinstance(X, DeferredImages):
        return _check_deferred(estimator, X, reset=reset)
    array = _checked(X, None if reset else getattr(estimator, "image_shape_", None))
    if array.ndim < 3:
        # the names of columns are those of X
        named = X if hasattr(X, "columns") else array
        validate_data(estimator, named, skip_check_array=True, reset=reset)
        images = _shaped(array, image_shape if reset else estimator.image_shape_)
    else:
        images = _shaped(array, image_shape if reset else None)
        if not reset:
            _check_size(type(estimator).__name__, images.shape[1:], estimator.image_shape_)
        flat = np.empty((1, int(np.prod(images.shape[1:]))))
        validate_data(estimator, flat, skip_check_array=True, reset=reset)
    if reset:
        estimator.image_shape_ = images.shape[1:]
    return images


def images_of_size(X: ArrayLike, image_shape: ImageShape, name: str) -> Array:
    """Give images in any form the shape (n, height, width, channels), and check their size.

    Parameters
    ----------
    X : array-like
        As in :func:`as_images`.
    image_shape : (int, int, int)
        Height, width and channels that they have to have.
    name : str
        What was fitted on images of this size, for the message.

    Returns
    -------
    ndarray of shape (n, height, width, channels)
        A view of `X` where `X` is an array; crops of photographs as they are.

    Raises
    ------
    ValueError
        As :func:`as_images`, and for images of another size.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import images_of_size
    >>> images_of_size(np.zeros((5, 24)), (4, 6, 1), "The network").shape
    (5, 4, 6, 1)
    """
    images: Any = X
    if not isinstance(X, DeferredImages):
        array = _checked(X, image_shape)
        images = _shaped(array, image_shape if array.ndim < 3 else None)
    _check_size(name, images.shape[1:], image_shape)
    return images


def _check_deferred(estimator: BaseEstimator, X: DeferredImages, *, reset: bool) -> Any:
    shape = X.shape[1:]
    if reset:
        estimator.image_shape_, estimator.n_features_in_ = shape, int(np.prod(shape))
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    else:
        _check_size(type(estimator).__name__, shape, estimator.image_shape_)
    return X


def stacked(X: Any) -> Any:
    """Make one array of a Series or an object array of images; anything else stays as it is.

    Parameters
    ----------
    X : array-like
        Images in any form.

    Returns
    -------
    array-like
        The same images, of which NumPy can make an array.

    Raises
    ------
    ValueError
        For paths, text and images of many sizes.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_kpd.images import stacked
    >>> stacked(pd.Series([np.zeros(9), np.ones(9)])).shape
    (2, 9)
    """
    if isinstance(X, (str, os.PathLike)):
        _refuse_text(X)
    if hasattr(X, "select_dtypes"):  # it may be a table of paths and boxes
        texts = X.select_dtypes(["object", "string"])
        if texts.size and isinstance(texts.iloc[0, 0], (str, os.PathLike)):
            _refuse_text(texts.iloc[0, 0])
        return X
    one_column = getattr(X, "ndim", 0) == 1 and getattr(X, "dtype", None) is not None
    if not isinstance(X, (list, tuple)) and not one_column:
        return X
    items = list(X)
    if not items:
        return X
    if isinstance(items[0], (str, os.PathLike)):
        _refuse_text(items[0])
    if not hasattr(items[0], "__len__"):
        return X
    try:
        return np.asarray(items)
    except ValueError as error:
        sizes = {np.shape(item) for item in items if hasattr(item, "shape")}
        found = ", ".join("x".join(map(str, size)) for size in sorted(sizes)[:3])
        raise ValueError(
            "X holds images of many sizes"
            + (f" (inhomogeneous: {found}, ...)" if found else " (inhomogeneous)")
            + f", but a network takes one: {_CROP}."
        ) from error


def grey_level_gain(images: Array | LazyImages, fitted_gain: float | None = None) -> float:
    """What to multiply pixels by, so that they lie in 0..255.

    Integers are grey levels, 0..255; bool is black and white. Floats lie in 0..1 or in 0..255,
    and may leave that by a quarter, as bicubic resizing does. Strips one pixel high or wide are
    tables of numbers, no images, and may hold any.

    Parameters
    ----------
    images : ndarray or LazyImages of shape (n, height, width, channels)
        At most 4096 of them, spread over all, are looked at, in pieces; none of uint8.
    fitted_gain : float, optional
        Gain of floats at `fit`: they go by it, and must fit it.

    Returns
    -------
    float
        255.0 or 1.0.

    Raises
    ------
    ValueError
        For pixels of neither range, or of another one than at fit.

    Warns
    -----
    UserWarning
        For floats within 0..1 where 0..255 was fitted: they are almost black.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import grey_level_gain
    >>> image = np.eye(8).reshape(1, 8, 8, 1)
    >>> grey_level_gain(image), grey_level_gain(255 * image), grey_level_gain(image > 0)
    (255.0, 1.0, 255.0)
    """
    kind = images.dtype.kind
    if kind == "b":
        return 255.0
    if images.dtype == np.uint8:
        return 1.0
    low, high = _extremes(images)
    if 1 in images.shape[1:3]:
        own = 255.0 if kind == "f" and high <= 1 else 1.0
        return own if fitted_gain is None or kind != "f" else fitted_gain
    found = f"X reaches from {low:.6g} to {high:.6g}"
    if kind == "f":
        return _float_gain(low, high, found, fitted_gain)
    if low < 0 or high > 255:
        raise ValueError(
            f"{found}: integers must be grey levels in 0..255. Scale them, as "
            "(X // 257).astype('uint8') for 16 bits, or divide by the largest that can be."
        )
    return 1.0


def to_grey_levels(batch: Array | LazyImages, gain: float) -> Array:
    """Give a batch of images as the network takes it: uint8 as it is, else float32 in 0..255.

    They lie in memory as OpenCV needs them, row by row. LazyImages are read.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.images import to_grey_levels
    >>> to_grey_levels(np.array([0.5]), 255.0)
    array([127.5], dtype=float32)
    """
    batch = np.asarray(batch)
    if batch.dtype == np.uint8:
        return np.ascontiguousarray(batch)
    levels = batch.astype(np.float32, order="C")
    return levels if gain == 1 else levels * np.float32(gain)


def n_at_a_time(image_size: tuple[int, int], most: int) -> int:
    """How many images a network takes at once: fewer than `most` where they are large.

    Examples
    --------
    >>> from sklearn_kpd.images import n_at_a_time
    >>> n_at_a_time((96, 96), 64), n_at_a_time((512, 512), 64)
    (64, 16)
    """
    return max(1, min(most, _MAX_PIXELS // (image_size[0] * image_size[1])))


def pieces(images: Array | LazyImages) -> Iterator[Array]:
    """Cut images into pieces, so that what is on disk is never read whole.

    Parameters
    ----------
    images : ndarray or LazyImages of shape (n, ...)

    Yields
    ------
    ndarray
        The next rows.
    """
    for start in range(0, len(images), _ROWS_AT_A_TIME):
        yield np.asarray(images[start : start + _ROWS_AT_A_TIME])


def _checked(X: Any, fitted_shape: ImageShape | None = None) -> Any:
    """Finite numbers, in an array or on disk."""
    X = prepared(X)
    shape = getattr(X, "shape", ())
    if fitted_shape is not None and _is_one_image(shape, fitted_shape):
        raise ValueError(
            f"X is one image, of the shape {shape}. Reshape your data to a batch of one image: "
            "X[np.newaxis]."
        )
    if isinstance(X, LazyImages):
        if not len(X):
            raise ValueError("X holds no images: it has 0 samples, and one is needed at least.")
        return X
    _warn_of_many_bytes(X)
    X = check_array(X, allow_nd=True, dtype="numeric", input_name="X")
    if X.ndim > 4:
        raise ValueError(
            "X must have the shape (n, height, width, channels), (n, height, width) or "
            f"(n, height * width), but its shape is {X.shape}."
        )
    return X


def _mapped(path: Any) -> Any:
    """Map a .npy file into memory."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path} is no .npy file of images ({error}): open others by np.memmap, "
            "h5py.File(path)[name] or zarr.open_array(path), and give LazyImages what that gives."
        ) from error


def _warn_of_many_bytes(X: Any) -> None:
    """Say so where an object that is neither in memory nor can stay on disk will be read whole."""
    # what has __dlpack__ is in memory: tensors of other libraries
    in_memory = hasattr(X, "columns") or hasattr(X, "__dlpack__")
    if in_memory or isinstance(X, (np.ndarray, list, tuple)):
        return
    n_bytes = getattr(X, "nbytes", 0)
    if not n_bytes and isinstance(X, Sequence) and len(X):
        n_bytes = len(X) * np.asarray(X[0]).nbytes
    if n_bytes > _MANY_BYTES:
        warnings.warn(
            f"X, a {type(X).__name__}, is read whole, {n_bytes / 2**20:.0f} MiB: write its images "
            "to a .npy, HDF5 or zarr file, and give sklearn_kpd.images.LazyImages of that.",
            # where it is said, so that the steps of a Pipeline say it once
            stacklevel=1,
        )


def _is_one_image(shape: tuple[int, ...], fitted: ImageShape) -> bool:
    """Whether it has the shape of one of the images, and not that of several."""
    n_features = int(np.prod(fitted))
    if len(shape) == 3:
        return shape == fitted and _nd_shape(shape) != fitted
    if len(shape) == 2:
        return (*shape, 1) == fitted and shape[1] != n_features
    return shape == (n_features,) and n_features > 1


def _check_size(name: str, shape: ImageShape, fitted: ImageShape) -> None:
    if shape == fitted:
        return
    found = (
        f"X holds images of {_shape_in_words(shape)}, but {name} was fitted on images of "
        f"{_shape_in_words(fitted)}: "
    )
    if shape[:2] != fitted[:2]:
        raise ValueError(found + f"resize them and y alike; {_CROP}.")
    if fitted[2] == 1:
        raise ValueError(found + "make them grey, by X.mean(axis=-1).")
    if shape[2] == 1:
        raise ValueError(found + f"repeat the grey, by np.repeat(X, {fitted[2]}, axis=-1).")
    raise ValueError(found + "give as many channels, as X[..., :3] drops the transparency.")


def _refuse_text(text: Any) -> NoReturn:
    """Say what to do with paths, or with pixels in words."""
    shown = str(text)[:40]
    if isinstance(text, str) and set(text) <= set("0123456789 ,.") and " " in text.strip():
        raise ValueError(
            f"X is text, {shown!r}...: read Kaggle's files by sklearn_kpd.datasets.load_kaggle, "
            "or make arrays of it."
        )
    raise ValueError(f"X is text, {shown!r}, not an array of pixels: {_CROP}.")


def _float_gain(low: float, high: float, found: str, fitted_gain: float | None) -> float:
    """Gain of floats that reach from `low` to `high`, as `found` says."""
    within_1 = high <= 1 + _OVERSHOOT
    between = fitted_gain is None and not within_1 and high < _DARKEST
    if low < -_OVERSHOOT * max(high, 1) or high > 255 * (1 + _OVERSHOOT) or between:
        raise ValueError(
            f"{found}: images must lie in 0..1 or 0..255. Leave StandardScaler and the like out, "
            "as the network scales pixels itself; bring -1..1 to 0..1 by (X + 1) / 2."
        )
    if fitted_gain is None:
        return 255.0 if within_1 else 1.0
    if fitted_gain != 1 and not within_1:
        raise ValueError(
            f"{found}, but the fit was on floats in 0..1, not in 0..255: divide X by 255."
        )
    if fitted_gain == 1 and within_1 and high > 0:
        warnings.warn(
            f"{found}, but the fit was on images in 0..255, so they are taken for almost black: "
            "multiply X by 255 if it lies in 0..1.",
            stacklevel=4,
        )
    return fitted_gain


def _extremes(images: Any) -> tuple[float, float]:
    """Darkest and brightest pixel of some rows, spread over all."""
    chosen = images[:: -(-len(images) // _ROWS_LOOKED_AT)]
    # few at a time, so that they are in the processor's cache when they are read again
    parts = (np.asarray(chosen[start : start + 16]) for start in range(0, len(chosen), 16))
    extremes = [(float(part.min()), float(part.max())) for part in parts]
    return min(low for low, _ in extremes), max(high for _, high in extremes)


def _shaped(X: Any, image_shape: tuple[int, ...] | None) -> Any:
    """Give checked images four dimensions."""
    if image_shape is not None:
        _check_image_shape(image_shape)
    if X.ndim == 2:
        shape = _flat_shape(X.shape[1], image_shape)
    else:
        shape = _nd_shape(X.shape)
        if 0 in shape:
            raise ValueError(f"X holds images with no pixels, of {_shape_in_words(shape)}.")
        if image_shape is not None and shape != _flat_shape(int(np.prod(shape)), image_shape):
            raise ValueError(
                f"image_shape={image_shape} does not fit X, images of {_shape_in_words(shape)}."
            )
    return X.reshape(len(X), *shape)


def _check_image_shape(image_shape: Any) -> None:
    sizes = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
    if (
        len(sizes) not in (2, 3)
        or not whole
        or any(size < 1 and size != -1 for size in sizes)
        or sizes.count(-1) > 1
    ):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (height, width, channels), "
            "positive ints, of which one may be -1."
        )


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


def _shape_in_words(shape: ImageShape) -> str:
    return "x".join(map(str, shape)) + " (height x width x channels)"
