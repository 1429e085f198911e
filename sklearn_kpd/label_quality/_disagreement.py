"""Labels of one object that was labelled more than once, and not alike."""

from itertools import combinations

import numpy as np

from sklearn_kpd._common.schemes import IntArray
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.label_quality._evidence import Evidence, bulk_median, fit_degrees, tail, unit

# With fewer pairs of labels, they are taken to differ as much as labels and predictions do.
_MIN_PAIRS = 100


def disagreement(evidence: Evidence, objects: IntArray) -> FloatArray:
    """How likely right labels of one object differ as much as each label does from the others.

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
        The p-value of the median one of the others; of two labels the one that is farther from
        its prediction has it. 1 where there is no other label.
    """
    rows = [
        pair
        for which in np.flatnonzero(np.bincount(objects) > 1)
        for pair in combinations(np.flatnonzero(objects == which), 2)
    ]
    p_values = np.ones(evidence.scales.shape)
    if not rows:
        return p_values
    a, b = np.array(rows).T
    lengths = np.hypot(*np.moveaxis(evidence.residuals[a] - evidence.residuals[b], 2, 0))
    distances = lengths / np.hypot(evidence.scales[a], evidence.scales[b])
    known, degrees = distances[~np.isnan(distances)], evidence.degrees
    if len(known) >= _MIN_PAIRS:
        distances *= np.sqrt(2 * np.log(2)) / bulk_median(known)
        degrees = fit_degrees(distances[~np.isnan(distances)])
        distances /= unit(degrees)
    likely = tail(distances, degrees)
    off = np.hypot(*np.moveaxis(evidence.residuals, 2, 0)) / evidence.scales
    for row in np.unique([a, b]):
        mine = (a == row) | (b == row)
        others = np.where(a[mine] == row, b[mine], a[mine])
        votes = likely[mine].copy()
        if len(others) == 1:
            votes[0, ~(off[row] > off[others[0]])] = np.nan
        voted = ~np.isnan(votes).all(axis=0)
        p_values[row, voted] = np.nanmedian(votes[:, voted], axis=0)
    return p_values
