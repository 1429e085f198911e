"""Groups for splitting: near-identical images, and rows that were labelled alike."""

from numbers import Integral

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy.fft import dct
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sklearn_kpd._common.opencv import cv2
from sklearn_kpd._common.schemes import find_schemes, nearest_scheme
from sklearn_kpd.images import Array, as_images, grey_level_gain, to_grey_levels
from sklearn_kpd.keypoints import check_keypoints

__all__ = ["duplicate_groups", "labelling_schemes"]

#: Share of the rows that a pattern of labels needs to be a labelling scheme.
MIN_SHARE = 0.05

_THUMBNAIL, _FREQUENCIES = 32, 8
_PAIRS_AT_A_TIME = 2**23


def duplicate_groups(
    X: ArrayLike, *, max_distance: int = 6, image_shape: tuple[int, ...] | None = None
) -> npt.NDArray[np.intp]:
    """Group ids of near-identical images, for ``GroupKFold``.

    Images that are the same but for size, contrast, compression or a little noise share a
    group; duplicates in training and test folds would make the score better than it is.
    Images are compared by their perceptual hash: the signs of the 63 lowest frequencies of a
    cosine transform, without the mean (Zauner, Implementation and Benchmarking of Perceptual
    Image Hash Functions, 2010, section 3.2).

    Parameters
    ----------
    X : array-like of shape (n, h, w, c), (n, h, w) or (n, h * w)
        Images.
    max_distance : int, default=6
        Bits of 63 in which the hashes of two images of a group may differ. Groups are chains: if
        a is near b and b near c, all three are one.
    image_shape : tuple of int, default=None
        Shape of flat images, as in :class:`~sklearn_kpd.KeypointRegressor`.

    Returns
    -------
    ndarray of shape (n,), int
        Images of one group have the same number; the first image is in group 0.

    Raises
    ------
    ValueError
        For images that cannot be read, or a `max_distance` that is no int from 0 to 63.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.model_selection import duplicate_groups
    >>> X, y = make_faces(3, random_state=0)
    >>> duplicate_groups(np.concatenate([X, X[:1]]))
    array([0, 1, 2, 0])
    """
    n_bits = _FREQUENCIES**2 - 1
    whole = isinstance(max_distance, Integral) and not isinstance(max_distance, bool)
    if not whole or not 0 <= max_distance <= n_bits:
        raise ValueError(f"max_distance={max_distance!r} must be an int from 0 to {n_bits}.")
    signs = image_signs(as_images(X, image_shape))
    return _near_groups(signs, max_distance)


def labelling_schemes(y: ArrayLike, *, min_share: float = MIN_SHARE) -> npt.NDArray[np.intp]:
    """Labelling scheme of each row, known by its pattern of labels.

    Rows that carry the same keypoints were mostly annotated by the same people. Useful for
    ``StratifiedKFold``, or to measure the schemes one by one.

    Parameters
    ----------
    y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
        Keypoints in pixels, NaN where not labelled.
    min_share : float, default=0.05
        Share of the labelled rows that a pattern needs to be a scheme, and at least ten rows. Rows
        with a rarer one belong to the scheme that differs in the fewest labels.

    Returns
    -------
    ndarray of shape (n,), int
        0 for the scheme with most keypoints.

    Raises
    ------
    ValueError
        For keypoints that cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.model_selection import labelling_schemes
    >>> y = np.tile([[1.0, 2.0, np.nan, np.nan], [1.0, 2.0, 3.0, 4.0]], (10, 1))
    >>> labelling_schemes(y)[:4]
    array([1, 0, 1, 0])
    """
    labelled = ~np.isnan(check_keypoints(y).values)
    return nearest_scheme(labelled, find_schemes(labelled, min_share))


def _near_groups(signs: npt.NDArray[np.float32], max_distance: int) -> npt.NDArray[np.intp]:
    """Number the chains of near hashes, in the memory of a few of their pairs at a time."""
    # Equal hashes are compared once.
    _, firsts, inverse = np.unique(
        np.packbits(signs > 0, axis=1), axis=0, return_index=True, return_inverse=True
    )
    labels = firsts[inverse.ravel()]
    unique = signs[firsts]
    # For ±1, two hashes differ in (n_bits - dot product) / 2 places.
    nearest = signs.shape[1] - 2 * max_distance
    pairs: list[Array] = []
    size = max(1, _PAIRS_AT_A_TIME // len(unique))
    for start in range(0, len(unique), size):
        near = unique[start : start + size] @ unique[start:].T >= nearest
        pairs.append(firsts[np.stack(np.nonzero(near)) + start])
        if sum(part.shape[1] for part in pairs) > _PAIRS_AT_A_TIME // 4:
            labels, pairs = _connected(labels, pairs), []
    return _connected(labels, pairs)


def _connected(labels: npt.NDArray[np.intp], pairs: list[Array]) -> npt.NDArray[np.intp]:
    """Join the groups of each pair of rows; the first row is in group 0."""
    n_rows = len(labels)
    _, firsts, inverse = np.unique(labels, return_index=True, return_inverse=True)
    own = np.stack([np.arange(n_rows), firsts[inverse]])
    edges = np.concatenate([own, *pairs], axis=1)
    graph = coo_matrix((np.ones(edges.shape[1], bool), tuple(edges)), shape=(n_rows, n_rows))
    return connected_components(graph, directed=False)[1].astype(np.intp)


def image_signs(images: Array) -> npt.NDArray[np.float32]:
    """Perceptual hashes as ±1, (n, 63)."""
    gain = grey_level_gain(images)
    basis = dct(np.eye(_THUMBNAIL), axis=0, norm="ortho")[:_FREQUENCIES]
    signs = np.empty((len(images), _FREQUENCIES**2 - 1), np.float32)
    for i, image in enumerate(images):
        grey = to_grey_levels(image, gain).mean(axis=-1, dtype=np.float32)
        small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
        low = (basis @ small @ basis.T).ravel()[1:]
        signs[i] = np.where(low > np.median(low), 1, -1)
    return signs
