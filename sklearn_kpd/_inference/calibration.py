"""From the spread of predictions to a standard deviation of their errors."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from sklearn_kpd.keypoints import FloatArray, IntArray

# Fewer labelled validation values than this, and a coordinate has the floor of all together.
_MIN_VALUES = 30
# A floor of a hundredth of a pixel keeps the likelihood of a perfect fit finite.
_LEAST = 0.01
# Degrees of freedom of Student's distribution: tails heavy enough that wrong labels weigh little.
_FREEDOM = 4
# Shares of normal errors within one and within two standard deviations.
_WITHIN = norm.cdf([1, 2]) - norm.cdf([-1, -2])


def calibrate(spreads: FloatArray, errors: FloatArray) -> FloatArray:
    """Fit the standard deviation of the errors to the spread.

    For each coordinate ``std² = floor² + (slope · spread)²``, as the recalibration of Laves et
    al., Well-calibrated Regression Uncertainty in Medical Imaging with Deep Learning, MIDL 2020,
    with a floor for each coordinate beside one slope for all. They are of maximum likelihood for
    errors with Student's distribution (Lange, Little and Taylor, Robust Statistical Modeling Using
    the t Distribution, JASA 1989), as squares would follow a few wrong labels. Their size is then
    set, for all coordinates at once, half way between the one within which 68.3 % of the errors
    lie and the one within twice of which 95.4 % do: the standard deviation where errors are
    normal, and near to both of its promises where tails are heavier.

    Parameters
    ----------
    spreads : ndarray of shape (n, n_outputs)
        From :meth:`sklearn_kpd._inference.predictor.Predictor.pixels_and_spread`.
    errors : ndarray of shape (n, n_outputs)
        Pixels, NaN where not labelled.

    Returns
    -------
    ndarray of shape (2, n_outputs)
        Floor in pixels, and slope, the same for all.
    """
    labelled = ~np.isnan(errors)
    columns = np.nonzero(labelled)[1]
    values = spreads[labelled], errors[labelled]
    (floor,), slope = _fit_student(*values, np.zeros_like(columns), np.array([0.5]), 1.0)
    floors = np.full(errors.shape[1], floor)
    own = np.flatnonzero(labelled.sum(axis=0) >= _MIN_VALUES)
    if len(own):
        chosen = np.isin(columns, own)
        values = values[0][chosen], values[1][chosen]
        which = np.searchsorted(own, columns[chosen])
        floors[own], slope = _fit_student(*values, which, floors[own], slope)
    fitted = np.stack([floors, np.full_like(floors, slope)])
    scaled = np.abs(errors / calibrated(spreads, fitted))[labelled]
    sizes = np.quantile(scaled, _WITHIN) / [1, 2]
    return np.maximum(fitted * np.sqrt(np.prod(sizes)), _LEAST)


def calibrated(spreads: FloatArray, calibration: FloatArray) -> FloatArray:
    """Standard deviation of the errors from the spread.

    Parameters
    ----------
    spreads : ndarray of shape (n, n_outputs)
        From :meth:`sklearn_kpd._inference.predictor.Predictor.pixels_and_spread`.
    calibration : ndarray of shape (2, n_outputs)
        From :func:`calibrate`.

    Returns
    -------
    ndarray of shape (n, n_outputs)
        Pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._inference.calibration import calibrated
    >>> calibrated(np.array([[2.0]]), np.array([[3.0], [2.0]]))
    array([[5.]])
    """
    floor, slope = calibration
    return np.hypot(floor, slope * spreads)


def _fit_student(
    spreads: FloatArray, errors: FloatArray, which: IntArray, floors: FloatArray, slope: float
) -> tuple[FloatArray, float]:
    """Floors and slope by maximum likelihood, from those given; `which` floor is of each value."""

    def negative_log_likelihood(logarithms: FloatArray) -> tuple[float, FloatArray]:
        squares = np.exp(2 * logarithms)
        by_floor, by_slope = squares[:-1][which], squares[-1] * spreads**2
        squared_scale = by_floor + by_slope
        ratio = errors**2 / squared_scale
        value = np.mean(np.log(squared_scale) + (_FREEDOM + 1) * np.log1p(ratio / _FREEDOM))
        weight = (_FREEDOM + 1) / (_FREEDOM + ratio)
        change = (1 - weight * ratio) / squared_scale
        for_floors = np.bincount(which, change * by_floor, len(floors))
        return value, 2 * np.append(for_floors, np.sum(change * by_slope)) / len(errors)

    fit = minimize(
        negative_log_likelihood,
        np.log(np.maximum(np.append(floors, slope), 2 * _LEAST)),
        jac=True,
        bounds=[(np.log(_LEAST), np.log(1e3))] * (len(floors) + 1),
    )
    found = np.exp(fit.x)
    return found[:-1], float(found[-1])
