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

FloatArray = npt.NDArray[np.floating]

#: The 15 keypoints of Kaggle's Facial Keypoints Detection, in the order of its files.
#: Left and right are the subject's own.
KAGGLE_KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)


class Keypoints(NamedTuple):
    """Keypoints as :func:`check_keypoints` reads them.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_outputs), float64
        Pixels, NaN where not labelled.
    names : tuple of str, or None
        Names of the keypoints, if `y` was a DataFrame with columns ``<name>_x``, ``<name>_y``.
    shape : tuple of int
        Shape of one sample of `y`: ``(2 * k,)``, ``(k, 2)`` or ``()``.
    """

    values: FloatArray
    names: tuple[str, ...] | None
    shape: tuple[int, ...]


def check_keypoints(y: Any) -> Keypoints:
    """Read keypoints in any of the forms that the package takes.

    Parameters
    ----------
    y : DataFrame, array-like of shape (n, 2 * k) or (n, k, 2), or (n,)
        Pixels, NaN where not labelled. The columns of a DataFrame are named ``<name>_x``,
        ``<name>_y``. One dimension is a single coordinate, for the meta-estimators of
        scikit-learn that fit column by column.

    Returns
    -------
    Keypoints

    Raises
    ------
    ValueError
        For an odd number of columns, columns that are no pairs, infinite values, values
        that are no numbers or an array of another shape.

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
    columns = list(y.columns) if hasattr(y, "columns") else None
    try:
        values = as_floats(y)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y holds something that is not a number: {error}") from error
    if values.ndim not in (1, 2, 3) or (values.ndim == 3 and values.shape[2] != 2):
        raise ValueError(
            "y must have the shape (n_samples, 2 * n_keypoints) or (n_samples, n_keypoints, 2), "
            f"but its shape is {values.shape}."
        )
    if np.isinf(values).any():
        raise ValueError("y contains infinity; mark what is not labelled by NaN.")
    if values.ndim == 2 and (values.shape[1] % 2 or not values.shape[1]):
        raise ValueError(
            f"y has {values.shape[1]} columns, an odd number or none; it needs an x and a y "
            "column for each keypoint."
        )
    names = None if columns is None else names_from_columns(columns)
    return Keypoints(values.reshape(len(values), -1), names, values.shape[1:])


def as_floats(y: Any) -> FloatArray:
    """Array of float64, NaN where pandas' nullable types say that a value is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_kpd.keypoints import as_floats
    >>> as_floats(pd.DataFrame({"nose_tip_x": [48, None]}, dtype="Int64"))
    array([[48.],
           [nan]])
    """
    if isinstance(y, pd.DataFrame | pd.Series):
        return y.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(y, dtype=np.float64)


def names_from_columns(columns: Sequence[Any]) -> tuple[str, ...] | None:
    """Names of the keypoints from the columns of a table.

    Parameters
    ----------
    columns : sequence of str
        ``<name>_x`` and ``<name>_y`` in turn.

    Returns
    -------
    tuple of str, or None
        None if the columns have no such names at all (a bare ``DataFrame(array)``).

    Raises
    ------
    ValueError
        If some columns are named so, but not all of them in turn.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import names_from_columns
    >>> names_from_columns(["nose_tip_x", "nose_tip_y"])
    ('nose_tip',)
    """
    columns = [str(column) for column in columns]
    if not any(column.endswith(("_x", "_y")) for column in columns):
        return None
    names = tuple(column[:-2] for column in columns[::2])
    if columns != columns_from_names(names):
        wrong = next(
            (c, e) for c, e in zip(columns, columns_from_names(names), strict=False) if c != e
        )
        raise ValueError(
            "The columns of y must be '<name>_x', '<name>_y' in turn for each keypoint; "
            f"found {wrong[0]!r} where {wrong[1]!r} was expected."
        )
    return names


def columns_from_names(names: Sequence[str]) -> list[str]:
    """Columns of a table of keypoints with these names.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import columns_from_names
    >>> columns_from_names(["nose_tip"])
    ['nose_tip_x', 'nose_tip_y']
    """
    return [f"{name}_{axis}" for name in names for axis in "xy"]


def flip_permutation(
    n_keypoints: int,
    names: Sequence[str] | None = None,
    flip_pairs: Sequence[tuple[Any, Any]] | None = None,
) -> npt.NDArray[np.intp]:
    """Which keypoint takes each keypoint's place when the image is mirrored.

    Parameters
    ----------
    n_keypoints : int
        Number of keypoints.
    names : sequence of str, optional
        Names of the keypoints: 'left' and 'right' in them are swapped.
    flip_pairs : sequence of pairs, optional
        Pairs of names or of indices that swap; all others stay. Goes before `names`.

    Returns
    -------
    ndarray of shape (n_keypoints,), int
        ``mirrored = points[:, permutation]``. It is its own inverse.

    Raises
    ------
    ValueError
        If neither names nor pairs are given, a name has no counterpart or a pair is wrong.

    Examples
    --------
    >>> from sklearn_kpd.keypoints import flip_permutation
    >>> flip_permutation(3, ["left_eye", "nose", "right_eye"])
    array([2, 1, 0])
    """
    names = None if names is None else list(names)
    if flip_pairs is not None:
        pairs = [_read_pair(pair, n_keypoints, names) for pair in flip_pairs]
    elif names is not None:
        pairs = _pairs_from_names(names)
    else:
        raise ValueError(
            "A flip has to know which keypoints swap left and right. Pass y as a DataFrame "
            "with columns such as 'left_eye_center_x', or flip_pairs=[(0, 1), ...] with the "
            "indices of the keypoints that swap (flip_pairs=[] if none does), or flip=0."
        )
    permutation = np.arange(n_keypoints)
    used = [index for pair in pairs for index in pair]
    if len(used) != len(set(used)):
        raise ValueError("flip_pairs names a keypoint more than once.")
    for left, right in pairs:
        permutation[[left, right]] = right, left
    return permutation


def _read_pair(pair: Any, n_keypoints: int, names: list[str] | None) -> tuple[int, int]:
    try:
        left, right = pair
    except (TypeError, ValueError) as error:
        raise ValueError(f"flip_pairs must hold pairs of keypoints; got {pair!r}.") from error
    return (
        _keypoint_index(left, n_keypoints, names),
        _keypoint_index(right, n_keypoints, names),
    )


def _keypoint_index(item: Any, n_keypoints: int, names: list[str] | None) -> int:
    if isinstance(item, str):
        if names is None or item not in names:
            raise ValueError(f"flip_pairs names the keypoint {item!r}, which y does not have.")
        return names.index(item)
    if not isinstance(item, (int, np.integer)) or not 0 <= item < n_keypoints:
        raise ValueError(
            f"flip_pairs holds {item!r}; it may hold names or indices from 0 to {n_keypoints - 1}."
        )
    return int(item)


def _pairs_from_names(names: list[str]) -> list[tuple[int, int]]:
    pairs = []
    for index, name in enumerate(names):
        if "left" in name.split("_"):
            other = "_".join({"left": "right"}.get(word, word) for word in name.split("_"))
            if other not in names:
                raise ValueError(
                    f"A flip swaps left and right, but the keypoint {name!r} has no counterpart "
                    f"{other!r}: pass flip_pairs, or flip=0."
                )
            pairs.append((index, names.index(other)))
    unpaired = {n for n in names if "right" in n.split("_")} - {names[r] for _, r in pairs}
    if unpaired:
        raise ValueError(
            f"A flip swaps left and right, but {sorted(unpaired)[0]!r} has no counterpart: "
            "pass flip_pairs, or flip=0."
        )
    return pairs


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

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.keypoints import to_units
    >>> to_units(np.array([[47.5, -0.5]]), (96, 96))
    array([[ 0., -1.]])
    """
    return (values - _centre(values.shape[1], image_size)) / pixels_per_unit(image_size)


def from_units(values: FloatArray, image_size: tuple[int, int]) -> FloatArray:
    """Network units to pixels: the inverse of :func:`to_units`.

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
