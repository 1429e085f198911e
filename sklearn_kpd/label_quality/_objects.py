"""What rows of X show: how large their images are, and which show the same object."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sklearn_kpd._common.folds import photographs_of
from sklearn_kpd._common.schemes import BoolArray, IntArray
from sklearn_kpd.images import as_images
from sklearn_kpd.keypoints import FloatArray, out_of_frame
from sklearn_kpd.model_selection import duplicate_groups
from sklearn_kpd.photographs._reading import photograph_size
from sklearn_kpd.photographs._tables import SOURCES, check_photographs, is_path
from sklearn_kpd.photographs.video import Frame, VideoReader

# Two rows of one photograph are one object if their points are nearer than this share of its size.
_NEAR = 0.1


def is_table(X: Any) -> bool:
    """Whether X names photographs, or frames of videos, or holds photographs in a table."""
    if hasattr(X, "columns"):
        return bool(set(SOURCES) & set(X.columns))
    return photographs_of(X) is not None


def outside(X: Any, labels: FloatArray, rows: IntArray, image_shape: Any) -> BoolArray:
    """Whether labels of some rows lie beyond their images, (len(rows), k)."""
    sizes = _sizes(X, rows, image_shape)
    return np.stack(
        [out_of_frame(labels[row], size) for row, size in zip(rows, sizes, strict=True)]
    )


def same_objects(X: Any, found: FloatArray, image_shape: Any) -> IntArray:
    """Number of the object that each row shows: near-identical images, or one photograph's place.

    Parameters
    ----------
    X : array-like or DataFrame
        Images, or a table of photographs.
    found : ndarray of shape (n, k, 2)
        What was predicted for the rows.
    image_shape : tuple of int or None
        Shape of flat images.
    """
    if not is_table(X):
        return duplicate_groups(X, image_shape=image_shape)
    _, photographs = np.unique(
        [f"{path}\0{frame}" for path, frame in check_photographs(X).keys()],  # noqa: SIM118
        return_inverse=True,
    )
    pairs = [np.arange(len(found))] * 2
    for photograph in np.flatnonzero(np.bincount(photographs) > 1):
        rows = np.flatnonzero(photographs == photograph)
        points = found[rows]
        distances = np.hypot(*np.moveaxis(points[:, np.newaxis] - points, 3, 0)).mean(axis=2)
        sizes = np.ptp(points, axis=1).max(axis=1)
        near = np.stack(np.nonzero(distances <= _NEAR * sizes[:, np.newaxis]))
        pairs = [np.append(known, rows[new]) for known, new in zip(pairs, near, strict=True)]
    graph = coo_matrix((np.ones(len(pairs[0])), tuple(pairs)), shape=(len(found),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def _sizes(X: Any, rows: IntArray, image_shape: ArrayLike | None) -> list[tuple[int, int]]:
    """Height and width of the images of some rows, in pixels."""
    if not is_table(X):
        _, height, width, _ = as_images(X, image_shape).shape  # type: ignore[arg-type]
        return [(height, width)] * len(rows)
    sources = check_photographs(X).sources
    return [_source_size(sources[row]) for row in rows]


def _source_size(source: Any) -> tuple[int, int]:
    if isinstance(source, Frame):
        return VideoReader(source.path).size()
    return photograph_size(source) if is_path(source) else source.shape[:2]
