"""Metrics of the landmark literature, over labelled keypoints, and scorers made of them."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_kpd.keypoints import FloatArray, named_keypoints, names_from_columns
from sklearn_kpd.metrics._regression import check_values
from sklearn_kpd.metrics._scorers import make_keypoint_scorer

#: Pairs of keypoints whose distance is a normalisation of the literature.
NORMALIZATIONS = {
    "interocular": ("left_eye_outer_corner", "right_eye_outer_corner"),
    "interpupil": ("left_eye_center", "right_eye_center"),
}


def normalized_errors(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    normalize: ArrayLike = "interocular",
    keypoint_names: Sequence[str] | None = None,
) -> FloatArray:
    """Normalised mean error of each face.

    The mean over the labelled keypoints of a face of ``|p - y| / d``, the Euclidean distance
    between prediction and label over a distance of that face. This is the error of the 300-W
    challenge: Sagonas et al., 300 Faces in-the-Wild Challenge, ICCV Workshops 2013, section 4.

    Parameters
    ----------
    y_true : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Labels in pixels, NaN where there is none. A keypoint with one coordinate alone is not
        labelled.
    y_pred : DataFrame or array-like of the same shape
        Predictions in pixels. Two DataFrames meet by the names of their keypoints; an array is
        in the order in which `y_true` is read.
    normalize : str, pair of str or int, float, or array-like of shape (n,), default="interocular"
        The distance d. "interocular": between the outer corners of the eyes, as in 300-W.
        "interpupil": between the centres of the eyes. "bbox": root of width times height of the
        box about the labelled keypoints. A pair of keypoints, by name or index: the distance
        between them. A number: the same distance in pixels for all; with the pixels of a
        millimetre the error is the mean radial error in millimetres. An array: a distance for
        each face, in pixels.
    keypoint_names : sequence of str or str, default=None
        Names of the keypoints, where `y_true` is no DataFrame that has them: "kaggle15",
        "coco17", "ibug68" or "wflw98" for those of these sets.

    Returns
    -------
    ndarray of shape (n,)
        NaN for a face with no label, or without the points that its distance needs.

    Raises
    ------
    ValueError
        If nothing is labelled, shapes differ, `y_pred` contains NaN, or `normalize` is unknown,
        names keypoints that y does not have, or leaves no face to measure.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import normalized_errors
    >>> y_true = np.array([[[0, 0], [10, 0]], [[0, 0], [np.nan, np.nan]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]], [[0, 1], [10, 0]]])
    >>> normalized_errors(y_true, y_pred, normalize=(0, 1))  # (1 + 3) / 2 / 10
    array([0.2, nan])
    """
    distances, scale = _distances_and_scale(y_true, y_pred, normalize, keypoint_names)
    return _mean_of_labelled(distances) / scale


def normalized_mean_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    normalize: ArrayLike = "interocular",
    keypoint_names: Sequence[str] | None = None,
    return_n_left_out: bool = False,
) -> Any:
    """Normalised mean error (NME): mean over the faces of `normalized_errors`.

    On complete labels it is what ``keypoint_nme`` of mmpose 1.x computes; where labels are
    missing, mmpose averages over all keypoints and this over the faces, as 300-W does.

    Parameters
    ----------
    y_true, y_pred, normalize, keypoint_names
        As in :func:`normalized_errors`.
    return_n_left_out : bool, default=False
        Whether to return too how many faces had to be left out.

    Returns
    -------
    error : float
        A share of the distance: 0.05 is 5 %.
    n_left_out : int
        Faces with no label, or without the points that their distance needs. Only if
        `return_n_left_out`.

    Raises
    ------
    ValueError
        As :func:`normalized_errors`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import normalized_mean_error
    >>> y_true = np.array([[[0, 0], [10, 0]], [[0, 0], [np.nan, np.nan]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]], [[0, 1], [10, 0]]])
    >>> normalized_mean_error(y_true, y_pred, normalize=(0, 1), return_n_left_out=True)
    (0.2, 1)
    """
    errors = normalized_errors(y_true, y_pred, normalize=normalize, keypoint_names=keypoint_names)
    error = float(np.nanmean(errors))
    return (error, int(np.isnan(errors).sum())) if return_n_left_out else error


def failure_rate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    threshold: float = 0.08,
    normalize: ArrayLike = "interocular",
    keypoint_names: Sequence[str] | None = None,
) -> float:
    """Share of the faces whose normalised mean error is above a threshold.

    Parameters
    ----------
    y_true, y_pred, normalize, keypoint_names
        As in :func:`normalized_errors`. Faces that cannot be normalised are left out.
    threshold : float, default=0.08
        8 % of the interocular distance is the 300-W challenge's figure; 10 % is usual too.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import failure_rate
    >>> y_true = np.array([[[0, 0], [10, 0]], [[0, 0], [10, 0]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]], [[0, 0], [10, 0]]])
    >>> failure_rate(y_true, y_pred, normalize=(0, 1))
    0.5
    """
    errors = _measured(y_true, y_pred, normalize, keypoint_names)
    return share_of_failures(errors, threshold)


def cumulative_error_curve(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    normalize: ArrayLike = "interocular",
    keypoint_names: Sequence[str] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Cumulative error distribution (CED): share of the faces with at most each error.

    Parameters
    ----------
    y_true, y_pred, normalize, keypoint_names
        As in :func:`normalized_errors`. Faces that cannot be normalised are left out.

    Returns
    -------
    errors : ndarray of shape (m + 1,)
        0, and the normalised mean errors of the m faces, in rising order.
    shares : ndarray of shape (m + 1,)
        Share of the faces whose error is no larger.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import cumulative_error_curve
    >>> y_true = np.array([[[0, 0], [10, 0]], [[0, 0], [10, 0]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]], [[0, 1], [10, 1]]])
    >>> cumulative_error_curve(y_true, y_pred, normalize=(0, 1))
    (array([0. , 0.1, 0.2]), array([0. , 0.5, 1. ]))
    """
    errors = np.sort(_measured(y_true, y_pred, normalize, keypoint_names))
    thresholds = np.concatenate([[0.0], errors])
    return thresholds, np.searchsorted(errors, thresholds, side="right") / len(errors)


def area_under_cumulative_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    threshold: float = 0.08,
    normalize: ArrayLike = "interocular",
    keypoint_names: Sequence[str] | None = None,
) -> float:
    """Area under the cumulative error curve up to a threshold, as a share of the threshold.

    ``mean(max(0, 1 - error / threshold))`` over the faces, which is the area under the steps of
    the curve exactly: Yang et al., An Empirical Study of Recent Face Alignment Methods, 2015,
    whose AUC others approximate by Simpson's rule.

    Parameters
    ----------
    y_true, y_pred, normalize, keypoint_names
        As in :func:`normalized_errors`. Faces that cannot be normalised are left out.
    threshold : float, default=0.08
        Where the area ends.

    Returns
    -------
    float
        0 to 1, 1 for no error at all.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import area_under_cumulative_error
    >>> y_true = np.array([[[0, 0], [10, 0]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]]])
    >>> area_under_cumulative_error(y_true, y_pred, normalize=(0, 1), threshold=0.8)
    0.75
    """
    errors = _measured(y_true, y_pred, normalize, keypoint_names)
    return share_of_area(errors, threshold)


def percentage_correct_keypoints(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    alpha: float = 0.1,
    normalize: ArrayLike = "bbox",
    keypoint_names: Sequence[str] | None = None,
) -> float:
    """Share of the labelled keypoints that are off by at most a share of the distance (PCK).

    Yang and Ramanan, Articulated Human Detection with Flexible Mixtures of Parts, TPAMI 2013,
    section 6.1, there with the longer side of the box; with root of width times height here.

    Parameters
    ----------
    y_true, y_pred, normalize, keypoint_names
        As in :func:`normalized_errors`. Faces that cannot be normalised are left out.
    alpha : float, default=0.1
        The share.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import percentage_correct_keypoints
    >>> y_true = np.array([[[0, 0], [10, 0]]])
    >>> y_pred = np.array([[[0, 1], [10, 3]]])
    >>> percentage_correct_keypoints(y_true, y_pred, normalize=(0, 1))
    0.5
    """
    alpha = _check_threshold(alpha, "alpha")
    distances, scale = _distances_and_scale(y_true, y_pred, normalize, keypoint_names)
    measured = ~np.isnan(distances / scale[:, np.newaxis])
    # within, to the last digit: 0.3 of 10 pixels is 3 pixels
    within = distances <= alpha * scale[:, np.newaxis] * (1 + 1e-12)
    return float(within[measured].mean())


def keypoint_root_mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> FloatArray:
    """Root of the mean squared error of each keypoint, over its labelled x and y.

    Parameters
    ----------
    y_true, y_pred
        As in :func:`normalized_errors`.

    Returns
    -------
    ndarray of shape (k,)
        Pixels; NaN for a keypoint that is labelled nowhere.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import keypoint_root_mean_squared_error
    >>> keypoint_root_mean_squared_error(np.zeros((1, 2, 2)), [[[1, 1], [0, 2]]]).round(3)
    array([1.   , 1.414])
    """
    _, distances = _distances(y_true, y_pred)
    return np.sqrt(_mean_of_labelled(distances.T**2) / 2)


def error_quantiles(
    y_true: ArrayLike, y_pred: ArrayLike, *, quantiles: Sequence[float] = (0.5, 0.9, 0.95, 0.99)
) -> FloatArray:
    """Quantiles of the distance between prediction and label, over the labelled keypoints.

    Parameters
    ----------
    y_true, y_pred
        As in :func:`normalized_errors`.
    quantiles : sequence of float, default=(0.5, 0.9, 0.95, 0.99)
        0 to 1.

    Returns
    -------
    ndarray of shape (len(quantiles),)
        Pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.metrics import error_quantiles
    >>> error_quantiles(np.zeros((1, 3, 2)), [[[1, 0], [0, 2], [3, 4]]], quantiles=(0.5, 1))
    array([2., 5.])
    """
    _, distances = _distances(y_true, y_pred)
    return np.quantile(distances[~np.isnan(distances)], quantiles)


neg_normalized_mean_error = make_keypoint_scorer(normalized_mean_error, greater_is_better=False)
neg_failure_rate = make_keypoint_scorer(failure_rate, greater_is_better=False)
area_under_cumulative_error_scorer = make_keypoint_scorer(area_under_cumulative_error)
percentage_correct_keypoints_scorer = make_keypoint_scorer(percentage_correct_keypoints)


def share_of_failures(errors: FloatArray, threshold: float) -> float:
    """Failure rate of normalised errors, none of them NaN."""
    return float(np.mean(errors > _check_threshold(threshold, "threshold")))


def share_of_area(errors: FloatArray, threshold: float) -> float:
    """Area under the cumulative curve of normalised errors, none of them NaN."""
    return float(np.mean(np.maximum(0, 1 - errors / _check_threshold(threshold, "threshold"))))


def face_root_mean_squared_error(true: FloatArray, pred: FloatArray) -> FloatArray:
    """RMSE of each face over its labelled values, (n, k, 2) to (n,); NaN where there is none."""
    return np.sqrt(_mean_of_labelled(((pred - true) ** 2).reshape(len(true), -1)))


def _distances(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Labels as (n, k, 2), and the distance of each prediction, NaN where not labelled."""
    for y in (y_true, y_pred):  # a table that holds no keypoints is an error here
        _names_of(y)
    true, pred, _ = check_values(y_true, y_pred, None)
    if true.shape[1] % 2:
        raise ValueError(
            f"y_true has {true.shape[1]} column(s); this metric is one of points, which are an x "
            "and a y column for each keypoint."
        )
    points = true.reshape(len(true), -1, 2)
    distances = np.linalg.norm(pred.reshape(points.shape) - points, axis=-1)
    if np.isnan(distances).all():
        raise ValueError("y_true has no labelled keypoint at all: there is nothing to measure.")
    return points, distances


def _distances_and_scale(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    normalize: ArrayLike,
    keypoint_names: Sequence[str] | None,
) -> tuple[FloatArray, FloatArray]:
    """Distances (n, k), and what to normalise those of each face by, (n,); some face has both."""
    points, distances = _distances(y_true, y_pred)
    names = _keypoint_names(y_true, y_pred, keypoint_names, points.shape[1])
    scale = _normalizer(points, normalize, names)
    if np.isnan(distances / scale[:, np.newaxis]).all():
        raise ValueError(
            f"normalize={normalize!r} leaves no face to measure: none has labels and the points "
            "that it needs. Choose another normalisation, or give a distance for each face."
        )
    return distances, scale


def _mean_of_labelled(values: FloatArray) -> FloatArray:
    """Mean of each row without its NaN; NaN for a row of NaN."""
    labelled = ~np.isnan(values)
    total = np.where(labelled, values, 0).sum(axis=1)
    counts = labelled.sum(axis=1)
    return np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _measured(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    normalize: ArrayLike,
    keypoint_names: Sequence[str] | None,
) -> FloatArray:
    errors = normalized_errors(y_true, y_pred, normalize=normalize, keypoint_names=keypoint_names)
    return errors[~np.isnan(errors)]


def _names_of(y: ArrayLike) -> tuple[str, ...] | None:
    return names_from_columns(y.columns) if hasattr(y, "columns") else None


def _keypoint_names(
    y_true: ArrayLike, y_pred: ArrayLike, keypoint_names: Sequence[str] | None, n_keypoints: int
) -> tuple[str, ...] | None:
    own = _names_of(y_true) or _names_of(y_pred)
    if keypoint_names is None:
        return own
    if isinstance(keypoint_names, str):
        return named_keypoints(keypoint_names, n_keypoints, own)
    names = tuple(keypoint_names)
    if len(names) != n_keypoints:
        raise ValueError(f"keypoint_names has {len(names)} names for {n_keypoints} keypoints.")
    if own is not None and own != names and set(own) == set(names):
        raise ValueError("keypoint_names has the names of y in another order: leave it out.")
    return names


def _normalizer(
    points: FloatArray, normalize: ArrayLike, names: tuple[str, ...] | None
) -> FloatArray:
    """Distance to normalise each face by, (n,); NaN where it is not known or 0."""
    if isinstance(normalize, str) and normalize == "bbox":
        labelled = ~np.isnan(points).any(axis=-1, keepdims=True)
        low = np.where(labelled, points, np.inf).min(axis=1)
        high = np.where(labelled, points, -np.inf).max(axis=1)
        scale = np.sqrt(np.prod(np.maximum(high - low, 0), axis=1))
    elif isinstance(normalize, str) and normalize not in NORMALIZATIONS:
        raise ValueError(
            f"normalize={normalize!r} is unknown; it may be 'interocular', 'interpupil', 'bbox', "
            "a pair of keypoints, a distance in pixels, or one for each face."
        )
    elif (pair := _pair(normalize, len(points))) is not None:
        first, second = (_index(item, names, points.shape[1], normalize) for item in pair)
        scale = np.linalg.norm(points[:, first] - points[:, second], axis=-1)
    elif isinstance(normalize, Real):
        if not 0 < float(normalize) < np.inf:
            raise ValueError(
                f"normalize={normalize!r} must be above 0: it is a distance in pixels."
            )
        scale = np.full(len(points), float(normalize))
    else:
        scale = np.asarray(normalize, dtype=float)
        if scale.shape != (len(points),):
            raise ValueError(
                f"normalize has the shape {scale.shape}; as an array it holds a distance for each "
                f"of the {len(points)} faces."
            )
    return np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)


def _pair(normalize: ArrayLike, n_faces: int) -> tuple[str | int, str | int] | None:
    """Two names or indices, if it is such; of two faces, only a tuple of ints can be indices."""
    if isinstance(normalize, str):
        return NORMALIZATIONS[normalize]
    if (
        isinstance(normalize, (tuple, list))
        and len(normalize) == 2
        and all(isinstance(item, (str, int, np.integer)) for item in normalize)
        and (n_faces != 2 or isinstance(normalize, tuple) or isinstance(normalize[0], str))
    ):
        return normalize[0], normalize[1]
    return None


def _index(
    item: str | int, names: tuple[str, ...] | None, n_keypoints: int, normalize: ArrayLike
) -> int:
    if isinstance(item, str):
        if names is None:
            raise ValueError(
                f"normalize={normalize!r} needs the names of the keypoints: give y_true as a "
                "DataFrame with columns '<name>_x', '<name>_y', or pass keypoint_names, "
                "such as 'ibug68', or normalize by a pair of indices."
            )
        if item not in names:
            raise ValueError(
                f"normalize={normalize!r} needs the keypoint {item!r}, which y_true does not "
                f"have; it has {', '.join(names)}."
            )
        return names.index(item)
    if not 0 <= item < n_keypoints:
        raise ValueError(
            f"normalize={normalize!r} names the keypoint {item}; indices go from 0 to "
            f"{n_keypoints - 1}."
        )
    return int(item)


def _check_threshold(value: float, name: str) -> float:
    if not value > 0:
        raise ValueError(f"{name}={value!r} must be above 0: it is a share of a distance.")
    return value
