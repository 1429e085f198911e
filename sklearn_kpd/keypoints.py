"""Names, left/right pairs and units of keypoints: every convention lives here.

Coordinates are pixels; (0, 0) is the centre of the first pixel, as in Kaggle's files and
in matplotlib's ``imshow``. A matrix of keypoints is ``(n, 2 * k)``, x then y for each
keypoint; the same numbers as points are ``(n, k, 2)``. NaN means 'not labelled'.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kpd._common.columns import Columns, IntArray, read_columns
from sklearn_kpd._common.named_keypoints import (
    COCO_KEYPOINTS,
    IBUG_68,
    KAGGLE_KEYPOINTS,
    NAMED_KEYPOINTS,
    WFLW_98,
    listed,
    named_keypoints,
)
from sklearn_kpd._common.sides import flip_permutation

__all__ = [
    "COCO_KEYPOINTS",
    "IBUG_68",
    "KAGGLE_KEYPOINTS",
    "NAMED_KEYPOINTS",
    "WFLW_98",
    "Keypoints",
    "align",
    "check_keypoints",
    "columns_from_names",
    "fitted_names",
    "flip_permutation",
    "from_units",
    "in_form_of",
    "mirror",
    "named_keypoints",
    "names_from_columns",
    "out_of_frame",
    "to_units",
]

FloatArray = npt.NDArray[np.floating]


class Keypoints(NamedTuple):
    """Keypoints as `check_keypoints` reads them.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_outputs), float64
        Pixels, NaN where not labelled; x then y for each keypoint.
    names : tuple of str, or None
        Names of the keypoints, if `y` was a table whose columns have names.
    shape : tuple of int
        Shape of one sample of `y`: ``(2 * k,)``, ``(k, 2)`` or ``()``.
    """

    values: FloatArray
    names: tuple[str, ...] | None
    shape: tuple[int, ...]


def check_keypoints(y: ArrayLike) -> Keypoints:
    """Read keypoints in any of the forms that the package takes.

    Parameters
    ----------
    y : DataFrame, array-like of shape (n, 2 * k), (n, k, 2) or (n, k, 3), or (n,)
        Pixels, NaN where not labelled; masked values, None and pandas' NA are NaN. The columns
        of a DataFrame go by their names, in any order: ``nose_x`` or ``nose.x``, ``x_nose`` or
        ``x_0``, or levels of which the last two are keypoint and coordinate. A column of
        visibility, ``nose_v``, or the third value of an array holds 0 for not labelled, 1 or 2
        for labelled; a column of likelihood is left out. Columns that are numbers are a bare
        array. One dimension is a single coordinate, for the meta-estimators of scikit-learn that
        fit column by column.

    Returns
    -------
    Keypoints
        In the order in which the keypoints first appear.

    Raises
    ------
    ValueError
        For an odd number of columns, columns that are not understood or no pairs, infinite
        values, values that are no numbers, visibilities that are none, or an array of another
        shape.

    .. versionchanged:: 0.2
        Columns go by their names, in any order and in several conventions, and visibility is
        read.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_kpd.keypoints import check_keypoints
    >>> check_keypoints(pd.DataFrame({"nose_tip_x": [48.0], "nose_tip_y": [57.0]}))
    Keypoints(values=array([[48., 57.]]), names=('nose_tip',), shape=(2,))
    """
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None: give keypoints, "
            "an array of shape (n_samples, 2 * n_keypoints) or a DataFrame."
        )
    labels = y.columns if hasattr(y, "columns") else ()
    columns = read_columns(labels) if hasattr(y, "columns") else None
    try:
        values = as_floats(y)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y holds something that is not a number: {error}") from error
    if values.ndim not in (1, 2, 3) or (values.ndim == 3 and values.shape[2] not in (2, 3)):
        raise ValueError(
            "y must have the shape (n_samples, 2 * n_keypoints) or (n_samples, n_keypoints, 2), "
            f"but its shape is {values.shape}."
        )
    if columns is not None:
        values = _labelled_columns(values, columns, list(labels))
    elif values.ndim == 3 and values.shape[2] == 3:
        values = _where_visible(values[..., :2], values[..., 2], "The third value of a point")
    if np.isinf(values).any():
        raise ValueError("y contains infinity; mark what is not labelled by NaN.")
    if values.ndim == 2 and (values.shape[1] % 2 or not values.shape[1]):
        raise ValueError(
            f"y has {values.shape[1]} columns, an odd number or none; it needs an x and a y "
            "column for each keypoint, or the shape (n_samples, n_keypoints, 3) for x, y and "
            "visibility."
        )
    names = None if columns is None else columns.names
    return Keypoints(values.reshape(len(values), -1), names, values.shape[1:])


def as_floats(y: ArrayLike) -> FloatArray:
    """Array of float64, NaN where a value is masked, None, or missing as pandas says it.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_kpd.keypoints import as_floats
    >>> as_floats(pd.DataFrame({"nose_tip_x": [48, None]}, dtype="Int64"))
    array([[48.],
           [nan]])
    """
    if isinstance(y, pd.DataFrame | pd.Series):
        if object not in pd.DataFrame(y).dtypes.to_numpy():
            return y.to_numpy(dtype=np.float64, na_value=np.nan)
        y = y.to_numpy(dtype=object)
    if isinstance(y, np.ma.MaskedArray):
        return np.ma.filled(y.astype(np.float64), np.nan)
    values = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if values.dtype.kind == "c":  # NumPy would drop the imaginary parts
        raise ValueError("Complex data not supported.")
    if values.dtype == object:
        values = np.where(pd.isna(values), np.nan, values)
    return np.asarray(values, dtype=np.float64)


def _labelled_columns(values: FloatArray, columns: Columns, labels: list[Any]) -> FloatArray:
    """Coordinates of a table, x and y in turn, NaN where its visibility says 'not labelled'."""
    coordinates = np.take(values, columns.coordinates, axis=1)
    points = coordinates.reshape(len(values), len(columns.names), 2)
    for keypoint, at in enumerate(columns.visibility):
        if at >= 0:
            points[:, keypoint] = _where_visible(
                points[:, keypoint], values[:, at], f"The column {labels[at]!r}"
            )
    return coordinates


def _where_visible(points: FloatArray, flags: FloatArray, what: str) -> FloatArray:
    """Points, NaN where the flag is 0; a flag that is NaN says nothing."""
    wrong = ~np.isin(flags, (0, 1, 2)) & ~np.isnan(flags)
    if wrong.any():
        raise ValueError(
            f"{what} of y holds {flags[wrong].flat[0]:g}, but a visibility is 0 (not labelled), "
            "1 or 2: leave it out, or call its column '<name>_likelihood' if it is one."
        )
    return np.where(flags[..., np.newaxis] == 0, np.nan, points)


def in_form_of(y: Any, values: FloatArray) -> Any:
    """Give keypoints the form of those that a user gave.

    Parameters
    ----------
    y : DataFrame or array-like
        What :func:`check_keypoints` has read.
    values : ndarray of shape (n_samples, n_outputs)
        Other keypoints for the same rows.

    Returns
    -------
    DataFrame, Series or ndarray
        A table has the index of `y` and its columns of coordinates, in their own order. Columns
        of visibility and of likelihood are left out: NaN says what is not labelled.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn_kpd.keypoints import in_form_of
    >>> y = pd.DataFrame([[1, 2, 3, 4]], columns=["x_0", "x_1", "y_0", "y_1"])
    >>> in_form_of(y, np.array([[10.0, 30.0, 20.0, 40.0]]))
        x_0   x_1   y_0   y_1
    0  10.0  20.0  30.0  40.0

    .. versionadded:: 0.2
    """
    if hasattr(y, "columns"):
        labels, columns = y.columns, read_columns(y.columns)
        if columns is not None:
            order = np.argsort(columns.coordinates)
            values = np.take(values, order, axis=1)
            labels = [labels[at] for at in columns.coordinates[order]]
        if not isinstance(y, pd.DataFrame):  # polars
            return type(y)(values, schema=list(labels))
        if isinstance(y.columns, pd.MultiIndex):
            labels = pd.MultiIndex.from_tuples(labels, names=y.columns.names)
        return type(y)(values, index=y.index, columns=labels)
    if isinstance(y, pd.Series):
        return type(y)(values[:, 0], index=y.index, name=y.name)
    return values.reshape(len(values), *check_keypoints(y).shape)


def align(keypoints: Keypoints, names: Sequence[str] | None) -> Keypoints:
    """Bring keypoints into the order of some names.

    Parameters
    ----------
    keypoints : Keypoints
        From :func:`check_keypoints`.
    names : sequence of str, or None
        The same names, in the order that is wanted.

    Returns
    -------
    Keypoints
        As they are, if either side has no names.

    Raises
    ------
    ValueError
        If these are not the same names.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import Keypoints, align
    >>> keypoints = Keypoints(np.array([[1.0, 2.0, 3.0, 4.0]]), ("nose", "tail"), (4,))
    >>> align(keypoints, ["tail", "nose"])
    Keypoints(values=array([[3., 4., 1., 2.]]), names=('tail', 'nose'), shape=(4,))

    .. versionadded:: 0.2
    """
    if names is None or keypoints.names is None:
        return keypoints
    order = keypoint_order(keypoints.names, names)
    points = keypoints.values.reshape(len(keypoints.values), len(order), 2)
    values = np.take(points, order, axis=1).reshape(keypoints.values.shape)
    return Keypoints(values, tuple(names), keypoints.shape)


def keypoint_order(names: Sequence[str], wanted: Sequence[str]) -> IntArray:
    """Where each of the names that are wanted stands.

    Raises
    ------
    ValueError
        If these are not the same names.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import keypoint_order
    >>> keypoint_order(["nose", "tail"], ["tail", "nose"])
    array([1, 0])
    """
    absent = [name for name in wanted if name not in names]
    extra = [name for name in names if name not in wanted]
    if absent or extra:
        found = [f"{absent[0]!r} is missing"] if absent else []
        found += [f"{extra[0]!r} is one too many"] if extra else []
        raise ValueError(
            f"The names of the keypoints differ: {' and '.join(found)}. {len(wanted)} keypoints "
            f"are expected, {listed(wanted)}, and there are {len(names)}, {listed(names)}."
        )
    return np.array([list(names).index(name) for name in wanted], dtype=np.intp)


def fitted_names(estimator: BaseEstimator) -> tuple[str, ...] | None:
    """Names of the keypoints that an estimator predicts, in its order.

    Parameters
    ----------
    estimator : estimator
        Fitted; a Pipeline, or a search, says what its last step says.

    Returns
    -------
    tuple of str, or None
        None if it tells none.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn_kpd.keypoints import fitted_names
    >>> fitted_names(DummyRegressor())

    .. versionadded:: 0.2
    """
    return getattr(last_step(estimator), "keypoint_names_", None)


def last_step(estimator: BaseEstimator) -> BaseEstimator:
    """Give the regressor of a Pipeline, of a search, or of a search over a Pipeline.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_kpd.keypoints import last_step
    >>> last_step(make_pipeline("passthrough", "a regressor"))
    'a regressor'
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def names_from_columns(columns: Sequence[Any]) -> tuple[str, ...] | None:
    """Names of the keypoints from the columns of a table.

    Parameters
    ----------
    columns : Index, MultiIndex or sequence of str
        In any of the conventions that :func:`check_keypoints` takes.

    Returns
    -------
    tuple of str, or None
        None if the columns are numbers, those of a bare ``DataFrame(array)``.

    Raises
    ------
    ValueError
        If a column is not understood, stands twice, or an x has no y.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import names_from_columns
    >>> names_from_columns(["nose_tip_x", "nose_tip_y"])
    ('nose_tip',)
    """
    found = read_columns(columns)
    return None if found is None else found.names


def columns_from_names(names: Sequence[str]) -> list[str]:
    """Columns of a table of keypoints with these names.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import columns_from_names
    >>> columns_from_names(["nose_tip"])
    ['nose_tip_x', 'nose_tip_y']
    """
    return [f"{name}_{axis}" for name in names for axis in "xy"]


def mirror(points: FloatArray, width: int, permutation: npt.NDArray[np.intp]) -> FloatArray:
    """Keypoints of the horizontally mirrored image.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
        Pixels.
    width : int
        Width of the image: x goes to ``width - 1 - x``.
    permutation : ndarray of shape (k,), int
        From :func:`flip_permutation`.

    Returns
    -------
    ndarray of shape (n, k, 2)
        Pixels of the mirrored image, each keypoint in its new place.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import mirror
    >>> mirror(np.array([[[10.0, 5.0]]]), 96, np.array([0]))
    array([[[85.,  5.]]])
    """
    mirrored = points[:, permutation].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def to_units(values: FloatArray, image_size: tuple[int, int]) -> FloatArray:
    """Pixels to network units: 0 is the centre of the image, ±1 the edge of its longer side.

    Both axes share one scale, so that the squared error of the network is that of the
    pixels up to one factor.

    Parameters
    ----------
    values : ndarray of shape (n, 2 * k) or (n, 1)
        Pixels. A single column is measured like an x.
    image_size : (int, int)
        Height and width.

    Returns
    -------
    ndarray of the same shape
        Network units.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import to_units
    >>> to_units(np.array([[47.5, -0.5]]), (96, 96))
    array([[ 0., -1.]])
    """
    return (values - _centre(values.shape[1], image_size)) / pixels_per_unit(image_size)


def from_units(values: FloatArray, image_size: tuple[int, int]) -> FloatArray:
    """Network units to pixels: the inverse of `to_units`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import from_units
    >>> from_units(np.array([[0.0, -1.0]]), (96, 96))
    array([[47.5, -0.5]])
    """
    return values * pixels_per_unit(image_size) + _centre(values.shape[1], image_size)


def pixels_per_unit(image_size: tuple[int, int]) -> float:
    """Pixels in one network unit: half the longer side.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import pixels_per_unit
    >>> pixels_per_unit((96, 96))
    48.0
    """
    return max(image_size) / 2


def _centre(n_outputs: int, image_size: tuple[int, int]) -> FloatArray:
    height, width = image_size
    return np.resize([(width - 1) / 2, (height - 1) / 2], n_outputs)


def to_corner(points: FloatArray) -> FloatArray:
    """Count from the corner of the first pixel, as imgaug does, not from its centre.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import to_corner
    >>> to_corner(0.0)
    0.5
    """
    return points + 0.5


def from_corner(points: FloatArray) -> FloatArray:
    """Count from the centre of the first pixel: the inverse of :func:`to_corner`.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import from_corner
    >>> from_corner(0.5)
    0.0
    """
    return points - 0.5


def out_of_frame(points: FloatArray, image_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Whether each point lies beyond the image; NaN does not.

    Parameters
    ----------
    points : ndarray of shape (..., 2)
        Pixels.
    image_size : (int, int)
        Height and width.

    Returns
    -------
    ndarray of shape (...), bool
        True where a point lies beyond.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import out_of_frame
    >>> out_of_frame(np.array([[0.0, 0.0], [96.0, 0.0]]), (96, 96))
    array([False,  True])
    """
    height, width = image_size
    beyond = (points < -0.5) | (points > np.array([width - 0.5, height - 0.5]))
    return np.asarray(beyond.any(axis=-1))
