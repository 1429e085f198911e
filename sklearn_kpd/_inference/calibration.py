"""From the spread over moved copies to a standard deviation of the errors."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from sklearn_kpd.keypoints import FloatArray

# Fewer labelled validation values than this, and a coordinate is calibrated with all the others.
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
    with a floor beside the slope. Their ratio is that of maximum likelihood of errors with
    Student's distribution (Lange, Little and Taylor, Robust Statistical Modeling Using the t
    Distribution, JASA 1989), as squares would follow a few wrong labels. Their size is then set,
    for all coordinates at once, half way between the one within which 68.3 % of the errors lie and
    the one within twice of which 95.4 % do: the standard deviation where errors are normal, and
    near to both of its promises where tails are heavier.

    Parameters
    ----------
    spreads : ndarray of shape (n, n_outputs)
        From :func:`sklearn_kpd._inference.moves.mean_and_spread`.
    errors : ndarray of shape (n, n_outputs)
        Pixels, NaN where not labelled.

    Returns
    -------
    ndarray of shape (2, n_outputs)
        Floor in pixels, and slope.
    """
    labelled = ~np.isnan(errors)
    pooled = _fit_student(spreads[labelled], errors[labelled], start=np.array([0.5, 1.0]))
    fitted = np.transpose(
        [
            _fit_student(spreads[rows, j], errors[rows, j], start=pooled)
            if rows.sum() >= _MIN_VALUES
            else pooled
            for j, rows in enumerate(labelled.T)
        ]
    )
    scaled = np.abs(errors / calibrated(spreads, fitted))[labelled]
    sizes = np.quantile(scaled, _WITHIN) / [1, 2]
    return np.maximum(fitted * np.sqrt(np.prod(sizes)), _LEAST)


def calibrated(spreads: FloatArray, calibration: FloatArray) -> FloatArray:
    """Standard deviation of the errors from the spread.

    Parameters
    ----------
    spreads : ndarray of shape (n, n_outputs)
        From :func:`sklearn_kpd._inference.moves.mean_and_spread`.
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


def _fit_student(spreads: FloatArray, errors: FloatArray, start: FloatArray) -> FloatArray:
    """Floor and slope of one coordinate, by maximum likelihood."""

    def negative_log_likelihood(logarithms: FloatArray) -> tuple[float, FloatArray]:
        parts = np.exp(2 * logarithms)[:, np.newaxis] * np.stack(
            [np.ones_like(spreads), spreads**2]
        )
        squared_scale = parts.sum(axis=0)
        squares = errors**2 / squared_scale
        value = np.mean(np.log(squared_scale) + (_FREEDOM + 1) * np.log1p(squares / _FREEDOM))
        weights = (_FREEDOM + 1) / (_FREEDOM + squares)
        slope = (1 - weights * squares) / squared_scale
        return value, 2 * np.mean(parts * slope, axis=1)

    fit = minimize(
        negative_log_likelihood,
        np.log(np.maximum(start, 2 * _LEAST)),
        jac=True,
        bounds=[(np.log(_LEAST), np.log(1e3))] * 2,
    )
    return np.exp(fit.x)
