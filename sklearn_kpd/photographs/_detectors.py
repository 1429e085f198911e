"""Detectors of faces: a photograph, uint8 (height, width, 3), to boxes, the surest first."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sklearn_kpd.images import Array
from sklearn_kpd.keypoints import FloatArray

Detector = Callable[[Array], Sequence[Any]]

#: Side in pixels of the smallest face that the detectors know.
SMALLEST = 24
# Boxes that share more than this, by intersection over union, are of one face.
_OVERLAP = 0.3


def get_detector(detector: Any) -> Detector:
    """Find a detector by its name; a callable is one.

    Raises
    ------
    ValueError
        For another name.
    ImportError
        If a package that it needs is not installed.
    """
    if callable(detector):
        return detector
    if detector is None:
        return lbp_detector()
    if detector == "mtcnn":
        return mtcnn_detector()
    raise ValueError(f"detector={detector!r} is unknown; it may be None, 'mtcnn' or a function.")


def lbp_detector() -> Detector:
    """Cascade of local binary patterns of scikit-image, of frontal faces."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return partial(_detect_by_lbp, Cascade(lbp_frontal_face_cascade_filename()))


def _detect_by_lbp(cascade: Any, photograph: Array) -> list[tuple[float, ...]]:
    side = min(photograph.shape[:2])
    if side < SMALLEST:
        return []
    found = cascade.detect_multi_scale(
        photograph, scale_factor=1.2, step_ratio=1,
        min_size=(SMALLEST, SMALLEST), max_size=(side, side),
    )  # fmt: skip
    boxes = [(d["c"], d["r"], d["c"] + d["width"], d["r"] + d["height"]) for d in found]
    return sorted(boxes, key=lambda box: box[0] - box[2])  # it has no scores: large ones first


def mtcnn_detector() -> Detector:
    """Networks of the package mtcnn, which has their weights in it.

    Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
    Networks, IEEE Signal Processing Letters 23, 2016.
    """
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        raise ImportError(
            f"detector='mtcnn' needs the package mtcnn ({error}): pip install 'sklearn-kpd[faces]'"
        ) from error
    return partial(_detect_by_mtcnn, MTCNN())


def _detect_by_mtcnn(networks: Any, photograph: Array) -> list[tuple[float, ...]]:
    faces = networks.detect_faces(photograph)
    corners = ((*face["box"], face["confidence"]) for face in faces)
    return [(x, y, x + width, y + height, score) for x, y, width, height, score in corners]


def suppress(boxes: FloatArray, scores: FloatArray | None = None) -> Any:
    """Non-maximum suppression: of boxes that overlap, the surest one stays.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4)
        Left, top, right, bottom.
    scores : ndarray of shape (n,), optional
        The higher, the surer; by default the first is the surest.

    Returns
    -------
    ndarray of int
        Which stay, the surest first.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.photographs._detectors import suppress
    >>> suppress(np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]), [0.5, 0.9, 0.7])
    array([1, 2])
    """
    left = np.arange(len(boxes))
    if scores is not None:
        left = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[overlaps(boxes[best], boxes[left]) <= _OVERLAP]
    return np.array(kept, dtype=int)


def overlaps(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of boxes, by broadcasting.

    Parameters
    ----------
    a, b : ndarray of shape (..., 4)
        Left, top, right, bottom.

    Returns
    -------
    ndarray of shape (...)
        Area of the intersection over that of the union, 0 to 1.
    """
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (a, b)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))
