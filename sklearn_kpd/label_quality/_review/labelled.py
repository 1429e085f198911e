"""What is looked at: images or photographs, their labels, and which keypoints are a pair."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_kpd._common.columns import IntArray
from sklearn_kpd.keypoints import FloatArray, check_keypoints, flip_permutation
from sklearn_kpd.photographs._tables import Photographs, check_photographs


@dataclass(frozen=True)
class Labelled:
    """Objects with their labels.

    Attributes
    ----------
    name : str
        What the user calls the data.
    photographs : Photographs
        Where the pixels of each row are, and its box.
    labels : ndarray of shape (n, k, 2)
        Pixels, NaN where not labelled.
    names : tuple of str
        Of the keypoints.
    permutation : ndarray of shape (k,), or None
        Which keypoint each one swaps with; None where that is not known.
    """

    name: str
    photographs: Photographs
    labels: FloatArray
    names: tuple[str, ...]
    permutation: IntArray | None

    def fingerprint(self, issues: bytes) -> str:
        """Hash of the labels, the names and the content of the file of issues."""
        values = np.where(np.isnan(self.labels), np.nan, self.labels).astype("<f8")
        digest = hashlib.blake2b(digest_size=16)
        for part in (json.dumps(self.names).encode(), values.tobytes(), issues):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


def labelled(name: str, X: Any, y: Any, flip_pairs: Any = None) -> Labelled:
    """Put together what is looked at.

    Parameters
    ----------
    name : str
        What the user calls it.
    X : ndarray or DataFrame
        Images, or a table of photographs.
    y : DataFrame of shape (n, 2 * k)
        Labels in pixels.
    flip_pairs : list of pairs of str, optional
        Keypoints that swap left and right; by default their names tell.

    Returns
    -------
    Labelled
        Rows of X and y.
    """
    keypoints = check_keypoints(y)
    labels = keypoints.values.reshape(len(keypoints.values), -1, 2)
    names = keypoints.names or tuple(map(str, range(labels.shape[1])))
    try:
        permutation = flip_permutation(len(names), names, flip_pairs)
    except ValueError:  # the names do not tell left from right
        permutation = None
    return Labelled(name, check_photographs(X), labels, names, permutation)
