"""Scores of labels, their quantiles, and the regions that these make: pure functions.

All scores are one: the distance of a label from its prediction, measured along x and y in units
of a scale that the prediction brings with it. "distance" has the scale 1, "scaled" the predicted
spread, the same along both axes, "mahalanobis" the predicted spread of each axis.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np

from sklearn_kpd._common.columns import IntArray
from sklearn_kpd.keypoints import FloatArray

#: What `conformity_score=` may be, and whether it needs a predicted spread.
SCORES = {"distance": False, "scaled": True, "mahalanobis": True}


def keypoint_scores(points_true: Any, points_pred: Any, scales: Any = 1.0) -> FloatArray:
    """Distance of each label from its prediction, over a scale.

    Parameters
    ----------
    points_true : array-like of shape (n, k, 2)
        Labels in pixels, NaN where there is none.
    points_pred : array-like of shape (n, k, 2)
        Predictions in pixels.
    scales : float, or array-like that broadcasts to (n, k, 2), default=1.0
        Pixels along x and y that count as 1.

    Returns
    -------
    ndarray of shape (n, k), float64
        NaN where a coordinate is not labelled.

    Examples
    --------
    >>> from sklearn_kpd.conformal import keypoint_scores
    >>> keypoint_scores([[[3.0, 4.0]]], [[[0.0, 0.0]]], scales=2.0)
    array([[2.5]])

    .. versionadded:: 0.2
    """
    errors = np.asarray(points_true, np.float64) - np.asarray(points_pred, np.float64)
    return np.linalg.norm(errors / scales, axis=-1)


def scales_of(score: str, points_std: FloatArray | None, shape: tuple[int, ...]) -> FloatArray:
    """Scale of each prediction along x and y, (n, k, 2), that a score measures by."""
    if points_std is None:
        return np.ones(shape)
    if score == "mahalanobis":
        return points_std
    radius = np.sqrt(np.mean(points_std**2, axis=-1, keepdims=True))
    return np.broadcast_to(radius, shape)


def labels_needed(coverage: float) -> int:
    """Fewest calibration labels with which a coverage can be promised.

    Parameters
    ----------
    coverage : float
        Between 0 and 1.

    Returns
    -------
    int
        The least n with ``ceil((n + 1) * coverage) <= n``.

    Examples
    --------
    >>> from sklearn_kpd.conformal import labels_needed
    >>> labels_needed(0.9), labels_needed(0.99)
    (9, 99)

    .. versionadded:: 0.2
    """
    share = _exact(coverage)
    return math.ceil(share / (1 - share))


def conformal_quantile(scores: Any, coverage: float) -> FloatArray:
    """Quantile of calibration scores that the score of a new row keeps below as promised.

    The ``ceil((n + 1) * coverage)``-th smallest of n scores: of n + 1 exchangeable scores the last
    one is at most this with a probability of at least `coverage` (Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive
    Inference for Regression, JASA 2018, split conformal).

    Parameters
    ----------
    scores : array-like of shape (n, ...)
        NaN is left out, column by column.
    coverage : float
        Between 0 and 1.

    Returns
    -------
    ndarray of shape (...), float64
        Infinite where there are fewer than :func:`labels_needed`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.conformal import conformal_quantile
    >>> conformal_quantile(np.array([[3, 1], [1, 2], [2, np.nan], [4, np.nan]]), 0.8)
    array([ 4., inf])

    .. versionadded:: 0.2
    """
    scores = np.asarray(scores, np.float64)
    ordered = np.sort(np.concatenate([scores, np.full((1, *scores.shape[1:]), np.inf)]), axis=0)
    # NaN is sorted behind the infinite score, which stands for that of the new row
    counts = (~np.isnan(scores)).sum(axis=0)
    ranks = np.minimum(quantile_ranks(counts, coverage), counts + 1)
    return np.take_along_axis(ordered, np.asarray(ranks)[np.newaxis] - 1, axis=0)[0]


def quantile_ranks(counts: Any, coverage: float) -> IntArray:
    """``ceil((n + 1) * coverage)`` for each n, without an error of rounding."""
    share = _exact(coverage)
    ranks = [math.ceil((int(n) + 1) * share) for n in np.ravel(counts)]
    return np.array(ranks, np.intp).reshape(np.shape(counts))


def row_maxima(scores: FloatArray) -> FloatArray:
    """Largest score of each row, (n, 1), NaN for a row with none.

    A region for all keypoints at once has to hold the worst of them.
    """
    worst = np.where(np.isnan(scores), -np.inf, scores).max(axis=1, keepdims=True)
    return np.where(np.isneginf(worst), np.nan, worst)


def reaches(
    scores: FloatArray,
    folds: IntArray,
    points: FloatArray,
    scales: FloatArray,
    coverages: list[float],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centres of the regions, their scales, and how many scales they reach.

    Parameters
    ----------
    scores : ndarray of shape (n_calibration, k) or (n_calibration, 1)
        From :func:`keypoint_scores` or :func:`row_maxima`.
    folds : ndarray of shape (n_calibration,), int
        Which estimator gave each score.
    points, scales : ndarray of shape (n_estimators, n, k, 2)
        What each estimator predicts for the new rows.
    coverages : list of float
        Each between 0 and 1.

    Returns
    -------
    centres, centre_scales : ndarray of shape (n, k, 2)
        Means over the estimators.
    reach : ndarray of shape (n_coverages, n, k)
        A region holds the points whose distance from its centre, over its scale, is at most this.

    Notes
    -----
    With one estimator the reach is the quantile of the scores. With several this is CV+ (Barber et
    al., Predictive Inference with the Jackknife+, Annals of Statistics 2021, section 4): a point z
    is left out if its score by the estimator that did not see calibration row i is above that of
    row i, for at least ``ceil((n + 1) * coverage)`` rows. By the triangle inequality that holds of
    every z beyond the quantile of ``score_i * stretch + shift``, the shift being the distance
    between both centres, and the stretch the larger ratio of both scales.
    """
    centres, centre_scales = points.mean(axis=0), scales.mean(axis=0)
    if len(points) == 1:
        found = np.stack([conformal_quantile(scores, c) for c in coverages])[:, np.newaxis]
        return centres, centre_scales, np.broadcast_to(found, (len(found), *centres.shape[:2]))
    shifts = np.linalg.norm((points - centres) / centre_scales, axis=-1)
    stretches = (scales / centre_scales).max(axis=-1)
    reach = np.empty((len(coverages), *centres.shape[:2]))
    for row in range(len(centres)):
        ranges = scores * stretches[folds, row] + shifts[folds, row]
        reach[:, row] = [conformal_quantile(ranges, c) for c in coverages]
    return centres, centre_scales, reach


def regions_of(score: str, reach: FloatArray, scales: FloatArray) -> FloatArray:
    """Radii of discs, (..., n, k), or matrices of ellipses, (..., n, k, 2, 2)."""
    axes = reach[..., np.newaxis] * scales
    if score != "mahalanobis":
        return axes[..., 0]
    return np.where(np.eye(axes.shape[-1], dtype=bool), axes[..., np.newaxis] ** 2, 0.0)


def largest_radius(regions: FloatArray) -> FloatArray:
    """Radius of each disc, or the longer semi-axis of each ellipse, (..., n, k)."""
    if regions.ndim < 4:
        return regions
    return np.sqrt(np.diagonal(regions, axis1=-2, axis2=-1).max(axis=-1))


def _exact(coverage: float) -> Fraction:
    """Read 0.9 as nine tenths."""
    return Fraction(str(float(coverage)))
