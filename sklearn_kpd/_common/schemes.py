"""Labelling schemes: rows that were annotated alike have an output of the network of their own.

Rows with other patterns of labels were often annotated by other people, to other standards. The
network gets one set of outputs for each scheme; all of it but the last layer is shared. A row's
labels stand in the outputs of its scheme, NaN in the others, so that the masked loss does the
rest.
"""

import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.columns import IntArray
from sklearn_kpd.keypoints import FloatArray

BoolArray = npt.NDArray[np.bool_]


# With fewer rows a pattern is chance.
_MIN_ROWS = 10


def find_schemes(labelled: BoolArray, min_share: float) -> BoolArray:
    """Patterns of labels that many rows share.

    Parameters
    ----------
    labelled : ndarray of shape (n, n_outputs), bool
        Where y is labelled.
    min_share : float
        Share of the labelled rows that a pattern needs to be a scheme. It needs ten rows besides.

    Returns
    -------
    ndarray of shape (n_schemes, n_outputs), bool
        The fullest first, then the most frequent. If no pattern is frequent, one scheme that
        holds every output.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.schemes import find_schemes
    >>> find_schemes(np.array([[True, False], [True, True], [True, False]] * 10), 0.05)
    array([[ True,  True],
           [ True, False]])
    """
    patterns, counts = np.unique(labelled[labelled.any(axis=1)], axis=0, return_counts=True)
    frequent = counts >= max(min_share * counts.sum(), _MIN_ROWS)
    if not frequent.any():
        return np.ones((1, labelled.shape[1]), dtype=bool)
    patterns, counts = patterns[frequent], counts[frequent]
    return patterns[np.lexsort([-counts, -patterns.sum(axis=1)])]


def nearest_scheme(labelled: BoolArray, schemes: BoolArray) -> IntArray:
    """Scheme of each row: the one whose pattern differs in the fewest places.

    Parameters
    ----------
    labelled : ndarray of shape (n, n_outputs), bool
        Where y is labelled.
    schemes : ndarray of shape (n_schemes, n_outputs), bool
        From :func:`find_schemes`.

    Returns
    -------
    ndarray of shape (n,), int
        Number of the scheme of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.schemes import nearest_scheme
    >>> schemes = np.array([[True, True, True], [True, False, False]])
    >>> nearest_scheme(np.array([[True, True, False], [False, False, False]]), schemes)
    array([0, 1])
    """
    # |a xor b| = |a| + |b| - 2 |a and b|; |a| is the same for every scheme
    common = labelled.astype(np.float32) @ schemes.T.astype(np.float32)
    return np.argmin(schemes.sum(axis=1) - 2 * common, axis=1)


def best_scheme(labelled: BoolArray, row_schemes: IntArray, n_schemes: int) -> IntArray:
    """Scheme that each output is predicted by: the fullest that labels it in most of its rows.

    Parameters
    ----------
    labelled : ndarray of shape (n, n_outputs), bool
        Where y is labelled.
    row_schemes : ndarray of shape (n,), int
        From :func:`nearest_scheme`.
    n_schemes : int
        Number of schemes.

    Returns
    -------
    ndarray of shape (n_outputs,), int
        For an output that no scheme labels in most rows, the one with most labels for it.
    """
    members = row_schemes == np.arange(n_schemes)[:, np.newaxis]
    counts = members.astype(np.float64) @ labelled
    usual = 2 * counts > members.sum(axis=1, keepdims=True)
    return np.where(usual.any(axis=0), usual.argmax(axis=0), counts.argmax(axis=0))


def to_scheme_outputs(values: FloatArray, row_schemes: IntArray, n_schemes: int) -> FloatArray:
    """Put each row into the outputs of its scheme, and NaN into the others.

    Parameters
    ----------
    values : ndarray of shape (n, n_outputs)
        Keypoints.
    row_schemes : ndarray of shape (n,), int
        Scheme of each row.
    n_schemes : int
        Number of schemes.

    Returns
    -------
    ndarray of shape (n, n_schemes * n_outputs)
        Each row's values in the outputs of its scheme, NaN in the others.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.schemes import to_scheme_outputs
    >>> to_scheme_outputs(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]), 2)
    array([[ 1.,  2., nan, nan],
           [nan, nan,  3.,  4.]])
    """
    outputs = np.full((len(values), n_schemes, values.shape[1]), np.nan, values.dtype)
    outputs[np.arange(len(values)), row_schemes] = values
    return outputs.reshape(len(values), -1)


def from_scheme_outputs(outputs: FloatArray, schemes: IntArray, n_schemes: int) -> FloatArray:
    """Choose among the outputs of the schemes.

    Parameters
    ----------
    outputs : ndarray of shape (n, n_schemes * n_outputs)
        Of the network.
    schemes : ndarray of shape (n_outputs,) or (n, 1), int
        Scheme of each output, or of each row.
    n_schemes : int
        Number of schemes.

    Returns
    -------
    ndarray of shape (n, n_outputs)
        The values of one scheme, each row's or each column's own.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd._common.schemes import from_scheme_outputs
    >>> from_scheme_outputs(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0, 1]), 2)
    array([[1., 4.]])
    """
    outputs = outputs.reshape(len(outputs), n_schemes, -1)
    chosen = np.broadcast_to(schemes, outputs[:, 0].shape)[:, np.newaxis]
    return np.take_along_axis(outputs, chosen, axis=1)[:, 0]
