"""What the displays share: figures and legends, a grid of faces, and keypoints on them."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from sklearn_kpd.images import (
    Array,
    DeferredImages,
    as_images,
    grey_level_gain,
    pieces,
    to_grey_levels,
)
from sklearn_kpd.keypoints import FloatArray, align, check_keypoints


def read_images(
    X: ArrayLike, image_shape: tuple[int, ...] | None = None, rows: Array | None = None
) -> Array:
    """Images in any form, or some rows of them, as (n, height, width, channels), uint8."""
    images = _as_images(X, image_shape)
    gain = grey_level_gain(images)  # of all: some may be dark
    levels = to_grey_levels(images if rows is None else images[rows], gain)
    return _to_uint8(levels)


def mean_image(X: ArrayLike, image_shape: tuple[int, ...] | None = None) -> Array:
    """The mean of images in any form, as (height, width, channels), uint8."""
    images = _as_images(X, image_shape)
    gain = grey_level_gain(images)
    total = sum(
        to_grey_levels(piece, gain).sum(axis=0, dtype=np.float64) for piece in pieces(images)
    )
    return _to_uint8(total / len(images))


def _as_images(X: Any, image_shape: tuple[int, ...] | None) -> Any:
    # crops of photographs are made when rows are taken
    return X if isinstance(X, DeferredImages) else as_images(X, image_shape)


def _to_uint8(levels: Array) -> Array:
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def read_points(y: ArrayLike, like: Any = None) -> FloatArray:
    """Keypoints in any form, as (n, k, 2); in the order of `like`, where both have names."""
    keypoints = check_keypoints(y)
    if like is not None:
        keypoints = align(keypoints, check_keypoints(like).names)
    values = keypoints.values
    return values.reshape(len(values), -1, 2)


def figure_and_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure | SubFigure, Axes]:
    """The user's axes and their figure, or new ones of a size in inches."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax.figure, ax


def legend_below(figure: Figure | SubFigure, ax: Axes, n_columns: int) -> None:
    """One legend for all faces, below them: what `ax` shows, on grey, as some marks are bright."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=n_columns, facecolor="0.35",
        labelcolor="white", fontsize=8,
    )  # fmt: skip


def face_axes(images: Array, columns: int, ax: Any) -> tuple[Any, FloatArray]:
    """Figure and one axes an image; those of the user where `ax` is given.

    Raises
    ------
    ValueError
        If there is no face, or `ax` holds fewer axes than there are faces.
    """
    n_faces, height, width = images.shape[:3]
    if not n_faces:
        raise ValueError("There is no face to show: give one at least, and n_faces above 0.")
    if ax is not None:
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) < n_faces:
            raise ValueError(f"ax holds {len(axes)} axes, but there are {n_faces} faces to show.")
        return axes[0].figure, axes[:n_faces]
    columns = min(columns, n_faces)
    rows = -(-n_faces // columns)
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, layout="constrained",
        figsize=(1.9 * columns, (1.9 * height / width + 0.2) * rows + 0.5),
    )  # fmt: skip
    for unused in axes.ravel()[n_faces:]:
        unused.remove()
    return figure, axes.ravel()[:n_faces]


def show_face(ax: Axes, image: Array) -> None:
    """One image, the centre of its first pixel at (0, 0)."""
    if image.shape[-1] in (3, 4):
        ax.imshow(image)
    else:
        ax.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    ax.set_autoscale_on(False)  # a point beyond the frame must not shrink the face


# What lies so far away, in pixels, is not drawn: matplotlib would take for ever.
FARTHEST = 1e6


def show_points(ax: Axes, points: FloatArray, **style: Any) -> Any:
    """Keypoints that are labelled, and not absurdly far away."""
    points = points[(np.abs(points) < FARTHEST).all(axis=1)]
    return ax.scatter(points[:, 0], points[:, 1], **style)
