"""rank_unlabelled: which images to label next."""

from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sklearn_kpd.inspection._grid import read_images
from sklearn_kpd.inspection._shown import crops_of
from sklearn_kpd.keypoints import FloatArray, last_step
from sklearn_kpd.model_selection import image_signs
from sklearn_kpd.photographs import Crops


def rank_unlabelled(estimator: Any, X: Any, *, n_images: int = 100) -> pd.DataFrame:
    """Rank images by what labels of them would teach: the next to label first.

    An image teaches the more the less sure the network is of it, and the less it is like one that
    stands before it in the list, so that near-duplicates do not fill it.

    Parameters
    ----------
    estimator : estimator
        Fitted; a `KeypointRegressor`, or a Pipeline that ends in one, which was fitted with
        validation rows: it has to tell standard deviations.
    X : array-like, DataFrame or list
        What the estimator takes: images without labels, or a table of photographs.
    n_images : int, default=100
        How many to rank; at most as many as there are.

    Returns
    -------
    DataFrame
        One row an image, the next to label first. ``row`` : its position in X. ``spread`` : the
        standard deviation of its keypoints, pixels of the image or of the crop, root mean square.
        ``novelty`` : 1 less the likeness to the most similar image before it, 0 for a copy.

    Raises
    ------
    ValueError
        For an estimator that tells no standard deviations, or an `n_images` below 1.

    Notes
    -----
    The next image is the one with the largest product of spread and novelty, as in maximal
    marginal relevance (Carbonell and Goldstein, SIGIR 1998). Likeness is the share of equal bits
    of two perceptual hashes, from 0 for half of them, as images that have nothing in common.

    .. versionadded:: 0.2

    Examples
    --------
    >>> from sklearn_kpd import KeypointRegressor
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.label_quality import rank_unlabelled
    >>> X, y = make_faces(40, random_state=0)
    >>> regressor = KeypointRegressor("cnn", epochs=1, verbose=0, random_state=0)
    >>> ranked = rank_unlabelled(regressor.fit(X[:30], y[:30]), X[30:], n_images=3)
    >>> ranked.columns.tolist(), len(ranked)
    (['row', 'spread', 'novelty'], 3)
    """
    check_is_fitted(estimator)
    if not isinstance(n_images, Integral) or n_images < 1:
        raise ValueError(f"n_images={n_images!r} must be an int, at least 1.")
    fitted = getattr(estimator, "best_estimator_", estimator)
    if getattr(last_step(fitted), "calibration_", None) is None:
        raise ValueError(
            f"{type(last_step(fitted)).__name__} tells no standard deviation, by which images are "
            "ranked: give a KeypointRegressor that was fitted with validation_split above 0."
        )
    shown = crops_of(X, fitted)
    _, y_std = fitted.predict(X, return_std=True)
    y_std = np.asarray(y_std, np.float64).reshape(len(y_std), -1)
    if isinstance(shown, Crops):
        y_std /= shown.scale_to_photograph(np.ones_like(y_std))
    spread = np.sqrt(np.mean(y_std**2, axis=1))
    image_shape = getattr(last_step(fitted), "image_shape_", None)
    rows, novelty = _diverse(spread, image_signs(read_images(shown, image_shape)), int(n_images))
    return pd.DataFrame({"row": rows, "spread": spread[rows], "novelty": novelty})


def _diverse(
    worth: FloatArray, signs: npt.NDArray[np.float32], n_images: int
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Rows of which each has the largest product of worth and novelty when its turn comes."""
    novelty, left = np.ones(len(worth)), worth.astype(np.float64)
    rows, then = [], []
    for _ in range(min(n_images, len(worth))):
        row = int(np.argmax(left * novelty))
        if left[row] * novelty[row] <= 0:  # copies alone are left
            row = int(np.argmax(left))
        rows.append(row)
        then.append(novelty[row])
        left[row] = -1
        likeness = np.maximum(signs @ signs[row] / signs.shape[1], 0)
        novelty = np.minimum(novelty, 1 - likeness)
    return np.array(rows, np.intp), np.array(then)
