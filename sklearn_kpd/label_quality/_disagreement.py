"""Labels of one object that was labelled more than once, and not alike."""

import warnings

import numpy as np

from sklearn_kpd._common.schemes import IntArray
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.label_quality._evidence import Evidence, bulk_median, fit_degrees, tail, unit

# With fewer labels that have others, they are taken to differ as labels and predictions do.
_MIN_LABELS = 100


def disagreement(evidence: Evidence, objects: IntArray) -> FloatArray:
    """How likely a right label differs as much from the others of its object.

    The images are alike, not equal, so that residuals are compared: a crop that lies two pixels
    to the left moves labels and predictions alike.

    Parameters
    ----------
    evidence : Evidence
        Of all rows.
    objects : ndarray of shape (n,), int
        Which object each row shows.

    Returns
    -------
    ndarray of shape (n, k)
        NaN where there is no other label. Of two labels, the one that is farther from its
        prediction has the p-value, the other one has 1.
    """
    distances = np.full(evidence.scales.shape, np.nan)
    off = np.hypot(*np.moveaxis(evidence.residuals, 2, 0)) / evidence.scales
    pairs = []
    order = np.argsort(objects, kind="stable")
    starts = np.flatnonzero(np.diff(objects[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        if len(rows) > 1:
            residuals = evidence.residuals[rows]
            lengths = np.hypot(*np.moveaxis(residuals - _usual(residuals), 2, 0))
            distances[rows] = lengths / evidence.scales[rows] / np.sqrt(2)
        if len(rows) == 2:
            pairs.append(rows)
    known, degrees = distances[~np.isnan(distances)], evidence.degrees
    if len(known) >= _MIN_LABELS:
        distances *= np.sqrt(2 * np.log(2)) / bulk_median(known)
        degrees = fit_degrees(distances[~np.isnan(distances)])
        distances /= unit(degrees)
    p_values = tail(distances, degrees)
    for a, b in pairs:
        p_values[a, off[a] <= off[b]] = 1
        p_values[b, off[b] < off[a]] = 1
    return p_values


def _usual(residuals: FloatArray) -> FloatArray:
    """What the labels of one object are compared with: the other one, or the median of several."""
    if len(residuals) == 2:
        return residuals[::-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a keypoint that none of them labels
        return np.broadcast_to(np.nanmedian(residuals, axis=0), residuals.shape)
