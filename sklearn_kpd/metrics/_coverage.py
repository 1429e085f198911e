"""How often regions round predicted keypoints hold the label."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from sklearn_kpd.keypoints import FloatArray, align, check_keypoints
from sklearn_kpd.metrics._scorers import name_predictions

BoolArray = npt.NDArray[np.bool_]


def coverage_score(
    y_true: Any,
    y_pred: Any,
    regions: Any,
    *,
    joint: bool = False,
    by_keypoint: bool = False,
    return_interval: bool = False,
    confidence: float = 0.95,
) -> Any:
    """Share of the labels that lie in their regions.

    Parameters
    ----------
    y_true : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Labels in pixels, NaN where there is none.
    y_pred : DataFrame or array-like of the same shape
        Predictions in pixels, the centres of the regions. Two DataFrames meet by the names of
        their keypoints; an array is in the order in which `y_true` is read.
    regions : array-like of shape (n, k) or (n, k, 2, 2)
        Radii of discs in pixels, or matrices of ellipses, in the order of `y_pred`, from
        :meth:`sklearn_kpd.conformal.ConformalKeypointRegressor.predict_region`. The edge of a
        region is in it.
    joint : bool, default=False
        Whether to count the objects all of whose labels lie in their regions, of those that have
        any.
    by_keypoint : bool, default=False
        Whether to count each keypoint by itself.
    return_interval : bool, default=False
        Whether to return a confidence interval too.
    confidence : float, default=0.95
        Of the interval.

    Returns
    -------
    coverage : float, or ndarray of shape (k,) with `by_keypoint`
        NaN for a keypoint with no label.
    interval : ndarray of shape (2,) or (2, k)
        Lower and upper end, by Clopper and Pearson (Biometrika 1934), exact for counts of
        independent cases. The keypoints of one object are not independent, so that of all labels
        at once is too narrow; those of `joint` and `by_keypoint` are not. Only if
        `return_interval`.

    Raises
    ------
    ValueError
        If nothing is labelled, shapes do not fit, `y_pred` contains NaN, or a region is none.

    Examples
    --------
    >>> from sklearn_kpd.metrics import coverage_score
    >>> y_true = [[3.0, 4.0, 0.0, 9.0], [3.0, 4.0, float("nan"), float("nan")]]
    >>> y_pred, radii = [[0.0] * 4] * 2, [[5.0, 8.0]] * 2
    >>> float(coverage_score(y_true, y_pred, radii, joint=True))
    0.5
    >>> coverage_score(y_true, y_pred, radii, by_keypoint=True)
    array([1., 0.])

    .. versionadded:: 0.2
    """
    if joint and by_keypoint:
        raise ValueError("joint=True counts whole objects: leave by_keypoint out, or joint.")
    inside, labelled = in_regions(y_true, y_pred, regions)
    if joint:
        inside = np.all(inside | ~labelled, axis=1, keepdims=True)
        labelled = np.any(labelled, axis=1, keepdims=True)
    axis = 0 if by_keypoint else None
    hits, counts = (inside & labelled).sum(axis=axis), labelled.sum(axis=axis)
    found = shares(hits, counts)
    coverage = found if by_keypoint else float(found)
    if not return_interval:
        return coverage
    return coverage, clopper_pearson(hits, counts, confidence)


def make_coverage_scorer(*, coverage: float = 0.9, joint: bool = False) -> Any:
    """Make a scorer of the share of labels that an estimator's regions hold.

    A share above `coverage` is no merit in itself: this is to look at in ``cross_validate``, and
    not to choose a model by.

    Parameters
    ----------
    coverage : float, default=0.9
        What `predict_region` is asked for.
    joint : bool, default=False
        Whether all labels of an object are counted at once.

    Returns
    -------
    callable
        ``scorer(estimator, X, y)``, for ``scoring=``. The estimator has a `predict_region`.

    Examples
    --------
    >>> from sklearn_kpd.metrics import make_coverage_scorer
    >>> make_coverage_scorer(coverage=0.95)
    make_coverage_scorer(coverage=0.95, joint=False)

    .. versionadded:: 0.2
    """
    return _CoverageScorer(coverage, joint)


class _CoverageScorer:
    def __init__(self, coverage: float, joint: bool) -> None:
        self.coverage = coverage
        self.joint = joint

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        regions, found = estimator.predict_region(
            X, self.coverage, self.joint, return_prediction=True
        )
        y_pred = name_predictions(found, estimator, y)
        return coverage_score(y, y_pred, regions, joint=self.joint)

    def __repr__(self) -> str:
        return f"make_coverage_scorer(coverage={self.coverage}, joint={self.joint})"


def in_regions(y_true: Any, y_pred: Any, regions: Any) -> tuple[BoolArray, BoolArray]:
    """Which labels lie in their regions, and which there are, (n, k), in the order of `y_pred`."""
    predicted = check_keypoints(y_pred)
    true = align(check_keypoints(y_true), predicted.names).values
    pred = predicted.values
    if true.shape != pred.shape or true.shape[1] % 2:
        raise ValueError(
            f"y_true has the shape {true.shape} and y_pred {pred.shape}; they must be the same, "
            "(n, 2 * k)."
        )
    if np.isnan(pred).any():
        raise ValueError(
            "y_pred contains NaN, a keypoint that was refused: leave max_radius out, or those "
            "rows."
        )
    errors = (true - pred).reshape(len(true), -1, 2)
    labelled: BoolArray = np.logical_not(np.isnan(errors).any(axis=2))
    if not labelled.any():
        raise ValueError("y_true has no labelled keypoint at all: there is nothing to measure.")
    return _inside(errors, _check_regions(regions, labelled.shape)), labelled


def clopper_pearson(hits: Any, counts: Any, confidence: float = 0.95) -> FloatArray:
    """Exact interval of a binomial probability, (2, ...); 0 to 1 where nothing was counted."""
    hits, counts = np.asarray(hits), np.asarray(counts)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = beta.ppf(tail, hits, counts - hits + 1)
        high = beta.ppf(1 - tail, hits + 1, counts - hits)
    return np.stack([np.where(hits > 0, low, 0.0), np.where(hits < counts, high, 1.0)])


def shares(hits: Any, counts: Any) -> FloatArray:
    """Hits over counts, NaN where nothing was counted."""
    hits, counts = np.asarray(hits, np.float64), np.asarray(counts)
    return np.divide(hits, counts, out=np.full(hits.shape, np.nan), where=counts > 0)


def _check_regions(regions: Any, shape: tuple[int, ...]) -> FloatArray:
    regions = np.asarray(regions, np.float64)
    if regions.shape not in (shape, (*shape, 2, 2)):
        raise ValueError(
            f"regions has the shape {regions.shape}, and y {shape[0]} rows of {shape[1]} "
            f"keypoints: it must be {shape}, radii, or {(*shape, 2, 2)}, matrices of ellipses."
        )
    if np.isnan(regions).any() or (regions.ndim == 2 and (regions < 0).any()):
        raise ValueError("regions holds NaN or a radius below 0, which is no region.")
    return regions


def _inside(errors: FloatArray, regions: FloatArray) -> BoolArray:
    if regions.ndim == 2:
        return np.linalg.norm(errors, axis=-1) <= regions
    (a, b), (_, d) = np.moveaxis(regions, (-2, -1), (0, 1))
    x, y = np.moveaxis(errors, -1, 0)
    # (x, y) inv(M) (x, y)' <= 1, times the determinant of M
    with np.errstate(invalid="ignore", over="ignore"):
        inside = d * x * x - 2 * b * x * y + a * y * y <= a * d - b * b
    return inside | np.isinf(a)
