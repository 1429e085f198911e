"""How unlikely a label is, given what was predicted without it.

Distances of labels and predictions are measured in units of what is usual: for the keypoint, in
its labelling scheme; by what the network says of its own sureness; and for the object, as the
others of its keypoints tell, since some objects are harder than others. What is usual has heavier
tails than a normal distribution: the distances follow that of a bivariate Student t, whose scale
and degrees of freedom are fitted to the bulk of them. Wrong labels lie in the tail, and must not
tell what the tail is, so that the fit is one of a truncated sample. That all keypoints of an
object are off together, none of them far, is a suspicion of its own: the median distance of an
object's keypoints is log-normal.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from sklearn_kpd._common.schemes import BoolArray, IntArray
from sklearn_kpd.keypoints import FloatArray

# Distances beyond so many medians tell nothing of the tail: they may be mistakes.
_BULK = 3.0
_NORMAL_MEDIAN = np.sqrt(2 * np.log(2))  # of a standard bivariate normal distribution's lengths
# Standard deviation of the logarithm of the median of m such lengths, times the root of m: 1 over
# twice the density of the logarithm at the median.
_LOG_SPREAD = 1 / (2 * np.log(2))
# With fewer labels than this, a keypoint of a scheme is measured by all schemes' labels.
_MIN_LABELS = 20
#: An object with fewer labels cannot be off as a whole.
LEAST_LABELS = 3
# Between heavy tails, in which hardly anything is unlikely, and those of the normal distribution.
_DEGREES = (2.0, 100.0)
# Fewer distances do not tell their degrees of freedom: tails are taken for heavy.
_FEW, _DEGREES_OF_FEW = 100, 4.0


class Evidence(NamedTuple):
    """What speaks against each label.

    Attributes
    ----------
    residuals : ndarray of shape (n, k, 2)
        Labels minus predictions, without what the annotators of a scheme set apart by habit.
    scales : ndarray of shape (n, k)
        Pixels that a residual is usually as large as.
    degrees : float
        Degrees of freedom of the distances' distribution.
    alone : ndarray of shape (n, k)
        How likely a right label is as far off, twice.
    p_values : ndarray of shape (n, k)
        How likely a right label, or an object of right labels, is as far off; NaN where there is
        no label.
    """

    residuals: FloatArray
    scales: FloatArray
    degrees: float
    alone: FloatArray
    p_values: FloatArray


def weigh(
    labels: FloatArray, found: FloatArray, points_std: FloatArray | None, schemes: IntArray
) -> Evidence:
    """Weigh the distances of labels and predictions.

    Parameters
    ----------
    labels : ndarray of shape (n, k, 2)
        Pixels, NaN where not labelled.
    found : ndarray of shape (n, k, 2)
        What was predicted by estimators that did not see the row.
    points_std : ndarray of shape (n, k, 2), or None
        Standard deviations of `found`, up to a factor.
    schemes : ndarray of shape (n,), int
        Labelling scheme of each row.
    """
    residuals = labels - found
    labelled = np.logical_not(np.isnan(residuals).any(axis=2))
    for cell in _cells(labelled, schemes):
        residuals[cell] -= np.median(residuals[cell], axis=0)
    lengths = np.hypot(*np.moveaxis(residuals, 2, 0))
    sureness = np.ones_like(lengths)
    if points_std is not None:
        sureness = np.maximum(np.sqrt((points_std**2).mean(axis=2)), 1e-6)
    sureness = _to_median(lengths, sureness, labelled, schemes)
    together = _whole_objects(lengths / sureness)[:, np.newaxis]

    scales: FloatArray = sureness * _difficulties(lengths / sureness)
    scales = _to_median(lengths, scales, labelled, schemes)
    degrees = fit_degrees((lengths / scales)[labelled])
    scales *= unit(degrees)
    # Two looks at each label: the smaller p-value counts twice.
    alone = 2 * tail(lengths / scales, degrees)
    p_values = np.where(labelled, np.minimum(1, np.minimum(alone, 2 * together)), np.nan)
    return Evidence(residuals, scales, degrees, alone, p_values)


def _to_median(
    lengths: FloatArray, scales: FloatArray, labelled: BoolArray, schemes: IntArray
) -> FloatArray:
    """Scales by which the median distance is that of a normal distribution, cell by cell."""
    scales = scales.copy()
    for cell in _cells(labelled, schemes):
        scales[cell] *= bulk_median(lengths[cell] / scales[cell]) / _NORMAL_MEDIAN
    return scales


def bulk_median(distances: FloatArray) -> float:
    """Median of the distances that are not far beyond it; some that are wrong hardly move it."""
    inner = distances[distances <= _BULK * np.median(distances)]
    return max(float(np.median(inner)), 1e-6)


def _difficulties(distances: FloatArray) -> FloatArray:
    """How much farther off an object's keypoints usually are, as the others of them tell.

    The median of the others is shrunk to 1 by as much as it varies by chance.
    """
    factors = np.ones_like(distances)
    counts = (~np.isnan(distances)).sum(axis=1)
    for count in np.unique(counts[counts >= LEAST_LABELS]):
        rows = np.flatnonzero(counts == count)
        others = np.stack(
            [np.nanmedian(np.delete(distances[rows], k, 1), axis=1) for k in _columns(distances)],
            axis=1,
        )
        logarithms = np.log(np.maximum(others, 1e-12))
        centre, spread = _lower_half(logarithms[~np.isnan(distances[rows])])
        by_chance = _LOG_SPREAD / np.sqrt(count - 1)
        share = max(0.0, 1 - (by_chance / spread) ** 2)
        factors[rows] = np.exp(share * (logarithms - centre))
    return factors


def _columns(values: FloatArray) -> range:
    return range(values.shape[1])


def _cells(labelled: BoolArray, schemes: IntArray) -> Iterator[tuple[IntArray, int]]:
    """Rows that are labelled with a keypoint by one scheme, keypoint by keypoint."""
    for k in range(labelled.shape[1]):
        few = np.zeros(len(labelled), bool)
        for scheme in np.unique(schemes):
            rows = labelled[:, k] & (schemes == scheme)
            if rows.sum() >= _MIN_LABELS:
                yield np.flatnonzero(rows), k
            else:
                few |= rows
        if few.any():
            yield np.flatnonzero(few), k


def _whole_objects(distances: FloatArray) -> FloatArray:
    """How likely the keypoints of an object are all as far off; 1 for too few of them."""
    p_values = np.ones(len(distances))
    counts = (~np.isnan(distances)).sum(axis=1)
    for count in np.unique(counts[counts >= LEAST_LABELS]):
        rows = counts == count
        medians = np.log(np.maximum(np.nanmedian(distances[rows], axis=1), 1e-12))
        p_values[rows] = norm.sf(medians, *_lower_half(medians))
    return p_values


def _lower_half(values: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of normal values, by their lower half: no mistakes reach it."""
    centre, low = np.quantile(values, [0.5, norm.cdf(-1)])
    return float(centre), float(max(centre - low, 1e-6))


def tail(distances: FloatArray, degrees: float) -> FloatArray:
    """Probability that a standard bivariate Student t lies farther off than some distances."""
    return (1 + distances**2 / degrees) ** (-degrees / 2)


def fit_degrees(distances: FloatArray) -> float:
    """Degrees of freedom of distances whose median is that of a standard normal distribution.

    Maximum likelihood of those below some medians, as a sample that is truncated there.
    """
    if len(distances) < _FEW:
        return _DEGREES_OF_FEW
    end = _BULK * _NORMAL_MEDIAN
    inner = distances[distances < end]

    def negative_log_likelihood(log_degrees: float) -> float:
        degrees = np.exp(log_degrees)
        scaled = inner / unit(degrees)
        inside = 1 - float(tail(np.array(end / unit(degrees)), degrees))
        density = np.log(np.maximum(inner, 1e-12)) - 2 * np.log(unit(degrees))
        density -= (degrees / 2 + 1) * np.log1p(scaled**2 / degrees)
        return float(-density.mean() + np.log(inside))

    bounds = np.log(_DEGREES)
    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=bounds).x))


def unit(degrees: float) -> float:
    """Scale of a bivariate Student t whose median distance is that of the normal distribution."""
    return float(_NORMAL_MEDIAN / np.sqrt(degrees * (2 ** (2 / degrees) - 1)))
