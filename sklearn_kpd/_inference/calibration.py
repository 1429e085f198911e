"""From the spread over moved copies to a standard deviation of the errors."""

import numpy as np
from scipy.optimize import minimize

from sklearn_kpd.keypoints import FloatArray

# Fewer labelled validation values than this, and a coordinate is calibrated with all the others.
_MIN_VALUES = 30


def calibrate(spreads: FloatArray, errors: FloatArray) -> FloatArray:
    """Fit the standard deviation of the errors to the spread.

    For each coordinate ``std² = floor² + (slope · spread)²``, floor and slope by maximum
    likelihood of normal errors, as the recalibration of Laves et al., Well-calibrated Regression
    Uncertainty in Medical Imaging with Deep Learning, MIDL 2020, with a floor beside the slope.

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
    pooled = _fit_normal(spreads[labelled], errors[labelled], start=np.array([0.5, 1.0]))
    return np.transpose(
        [
            _fit_normal(spreads[rows, j], errors[rows, j], start=pooled)
            if rows.sum() >= _MIN_VALUES
            else pooled
            for j, rows in enumerate(labelled.T)
        ]
    )


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


def _fit_normal(spreads: FloatArray, errors: FloatArray, start: FloatArray) -> FloatArray:
    """Floor and slope of one coordinate by maximum likelihood."""

    def negative_log_likelihood(logarithms: FloatArray) -> tuple[float, FloatArray]:
        parts = np.exp(2 * logarithms)[:, np.newaxis] * np.stack(
            [np.ones_like(spreads), spreads**2]
        )
        variance = parts.sum(axis=0)
        value = np.mean(np.log(variance) + errors**2 / variance)
        slope = (1 - errors**2 / variance) / variance
        return value, 2 * np.mean(parts * slope, axis=1)

    # A floor of a hundredth of a pixel keeps the likelihood of a perfect fit finite.
    fit = minimize(
        negative_log_likelihood,
        np.log(np.maximum(start, 0.02)),
        jac=True,
        bounds=[(np.log(0.01), np.log(1e3))] * 2,
    )
    return np.exp(fit.x)
