"""Boxes, regions and matrices between photograph, piece and crop; nothing here reads a file.

Keypoints are pixels, (0, 0) the centre of the first one. Boxes are edges as in a slice:
``photograph[top:bottom, left:right]``, so that the whole photograph is 0, 0, width, height.
"""

import numpy as np

from sklearn_kpd.keypoints import FloatArray


def regions(
    boxes: FloatArray, frame: tuple[int, int], margin: float, keep_aspect: bool
) -> FloatArray:
    """What to cut out of photographs: boxes with a margin, in the shape of the frame.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4)
        Left, top, right, bottom.
    frame : (int, int)
        Height and width of the crop.
    margin : float
        Share of the box's side that is added at each side.
    keep_aspect : bool
        Whether the region is enlarged to the shape of the frame; else it is stretched to it.

    Returns
    -------
    ndarray of shape (n, 4)
        Left, top, right, bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.photographs._geometry import regions
    >>> regions(np.array([[10.0, 10.0, 30.0, 20.0]]), (96, 96), 0.1, True)
    array([[ 8.,  3., 32., 27.]])
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, size = (low + high) / 2, (high - low) * (1 + 2 * margin)
    if keep_aspect:
        shape = np.array(frame[::-1], dtype=float)
        size = (size / shape).max(axis=1, keepdims=True) * shape
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def crop_matrices(areas: FloatArray, frame: tuple[int, int]) -> FloatArray:
    """Matrices from pixels of the photograph to pixels of the crop.

    Parameters
    ----------
    areas : ndarray of shape (n, 4)
        From :func:`regions`.
    frame : (int, int)
        Height and width of the crop.

    Returns
    -------
    ndarray of shape (n, 3, 3)
        From pixels of the photograph to pixels of the crop.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.photographs._geometry import crop_matrices
    >>> crop_matrices(np.array([[0.0, 0.0, 192.0, 96.0]]), (96, 96))[0]
    array([[ 0.5 ,  0.  , -0.25],
           [ 0.  ,  1.  ,  0.  ],
           [ 0.  ,  0.  ,  1.  ]])
    """
    low, high = areas[:, :2], areas[:, 2:]
    scale = np.array(frame[::-1]) / (high - low)
    matrices = np.tile(np.eye(3), (len(areas), 1, 1))
    matrices[:, [0, 1], [0, 1]] = scale
    matrices[:, :2, 2] = (0.5 - low) * scale - 0.5
    return matrices


def move(points: FloatArray, matrices: FloatArray) -> FloatArray:
    """Send points through matrices that scale and shift, one for each row; NaN stays NaN.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
        Pixels.
    matrices : ndarray of shape (n, 3, 3)
        From :func:`crop_matrices`.

    Returns
    -------
    ndarray of shape (n, k, 2)
        Pixels of where they went.
    """
    scale = matrices[:, np.newaxis, [0, 1], [0, 1]]
    return points * scale + matrices[:, np.newaxis, :2, 2]


def move_back(points: FloatArray, matrices: FloatArray) -> FloatArray:
    """Send points from the crop to the photograph: the inverse of :func:`move`."""
    scale = matrices[:, np.newaxis, [0, 1], [0, 1]]
    return (points - matrices[:, np.newaxis, :2, 2]) / scale


def reduction(area: FloatArray, frame: tuple[int, int]) -> int:
    """Whole number by which a photograph may be reduced and still has the crop's resolution.

    Examples
    --------
    >>> from sklearn_kpd.photographs._geometry import reduction
    >>> reduction([0, 0, 500, 400], (96, 96))
    4
    """
    left, top, right, bottom = area
    height, width = frame
    return max(1, int(min((right - left) / width, (bottom - top) / height)))


def cut(
    area: FloatArray, reach: float, size: tuple[int, int], factor: int, *, reflected: bool = False
) -> tuple[int, int, int, int]:
    """Whole pixels of a photograph that hold a region and its surroundings.

    Parameters
    ----------
    area : array-like of shape (4,)
        Left, top, right, bottom.
    reach : float
        Share of the region's sides that is kept around it.
    size : (int, int)
        Height and width of the photograph.
    factor : int
        The pixels will be reduced by it, so that they begin and end at multiples of it.
    reflected : bool, default=False
        Whether what is shown beyond the edges, a mirror image, is needed too.

    Returns
    -------
    left, top, right, bottom : int
        The last two may lie beyond the photograph by less than `factor`.
    """
    area = np.asarray(area, dtype=float)
    beyond = reach * (area[2:] - area[:2]) + 2 * factor
    low, high, end = area[:2] - beyond, area[2:] + beyond, np.array(size[::-1])
    if reflected:
        low, high = np.minimum(low, 2 * end - high), np.maximum(high, -low)
    first = np.clip(low, 0, end) // factor * factor
    last = -(-np.clip(high, 0, end) // factor) * factor
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def piece_matrix(left: int, top: int, factor: int) -> FloatArray:
    """Matrix from pixels of a reduced piece to pixels of the photograph."""
    middle = (factor - 1) / 2  # of the pixels that have become one
    return np.array([[factor, 0.0, left + middle], [0.0, factor, top + middle], [0.0, 0.0, 1.0]])
