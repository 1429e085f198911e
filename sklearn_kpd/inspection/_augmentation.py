"""AugmentationDisplay: what training will see."""

from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_kpd._common.sides import sides
from sklearn_kpd.images import Array, made
from sklearn_kpd.inspection._grid import (
    face_axes,
    legend_below,
    read_images,
    read_points,
    show_face,
    show_points,
)
from sklearn_kpd.inspection._shown import crops_of, points_in
from sklearn_kpd.keypoints import FloatArray, check_keypoints
from sklearn_kpd.photographs import Crops

# The subject's left and right differ in colour and shape, so that a wrong swap meets the eye.
_STYLES = {
    "left": {"marker": "<", "s": 16, "c": "#40c4ff"},
    "right": {"marker": ">", "s": 16, "c": "#ffab40"},
    "middle": {"marker": "o", "s": 12, "c": "#00e676"},
}


class AugmentationDisplay:
    """Faces as they are, and draws of their augmentation, keypoints included.

    Parameters
    ----------
    images : ndarray of shape (n_faces, 1 + n_draws, height, width, channels), uint8
        Each face, then its draws.
    points : ndarray of shape (n_faces, 1 + n_draws, k, 2)
        Pixels, NaN where not labelled or out of the frame.
    sides : list of {"left", "right", "middle"}
        Side of each keypoint, for its style.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One an image.

    Examples
    --------
    >>> from sklearn_kpd import AugmentTransformer
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import AugmentationDisplay
    >>> X, y = make_faces(3, random_state=0)
    >>> transformer = AugmentTransformer(rotation=15, flip=0.5, random_state=0)
    >>> display = AugmentationDisplay.from_transformer(transformer, X, y, n_draws=4)
    >>> display.images.shape
    (3, 5, 96, 96, 1)
    """

    def __init__(self, images: Array, points: FloatArray, sides: list[str]) -> None:
        self.images = images
        self.points = points
        self.sides = sides

    def plot(self, *, ax: Any = None) -> "AugmentationDisplay":
        """Draw the grid.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            At least one an image; a new figure by default.

        Returns
        -------
        self
        """
        n_columns = self.images.shape[1]
        images = self.images.reshape(-1, *self.images.shape[2:])
        self.figure_, self.axes_ = face_axes(images, n_columns, ax)
        points = self.points.reshape(-1, *self.points.shape[2:])
        sides = np.array(self.sides)
        for i, axes in enumerate(self.axes_):
            show_face(axes, images[i])
            for side in sorted(set(self.sides)):
                show_points(axes, points[i][sides == side], label=side, **_STYLES[side])
            if i < n_columns:
                axes.set_title("original" if i == 0 else f"draw {i}", fontsize=8)
        if ax is None and len(set(self.sides)) > 1:
            legend_below(self.figure_, self.axes_[0], n_columns=3)
        return self

    @classmethod
    def from_transformer(
        cls,
        transformer: Any,
        X: Any,
        y: Any,
        *,
        n_faces: int = 4,
        n_draws: int = 5,
        random_state: int | None = None,
        ax: Any = None,
    ) -> "AugmentationDisplay":
        """Augment the first faces some times and draw what comes out.

        Parameters
        ----------
        transformer : AugmentTransformer, or Pipeline that has one
            Need not be fitted, but for a Pipeline that begins with `CropTransformer`.
        X : array-like, DataFrame or Crops
            Images, or photographs, whose crops are shown.
        y : DataFrame or array-like
            Keypoints in pixels.
        n_faces : int, default=4
            Faces to show, from the first.
        n_draws : int, default=5
            Draws of each.
        random_state : int or None, default=None
            Seed of the draws; None takes the transformer's own.
        ax : array of matplotlib Axes, default=None
            At least one an image; a new figure by default.

        Returns
        -------
        AugmentationDisplay
            The display, drawn.
        """
        names = check_keypoints(y).names
        X = crops_of(X, transformer)
        draws = _of_crops if isinstance(X, Crops) else _of_images
        images, points = draws(_augmenter(transformer), X, y, n_faces, n_draws, random_state)
        images, points = (
            v.reshape(1 + n_draws, -1, *v.shape[1:]).swapaxes(0, 1) for v in (images, points)
        )
        sides_ = sides(names) if names else ["middle"] * points.shape[2]
        return cls(images, points, sides_).plot(ax=ax)


def _augmenter(transformer: Any) -> Any:
    """Give the AugmentTransformer itself, or the one of a Pipeline."""
    steps = [step for _, step in getattr(transformer, "steps", [("", transformer)])]
    return next((step for step in steps if hasattr(step, "augment")), steps[0])


def _of_images(
    transformer: Any, X: Any, y: Any, n_faces: int, n_draws: int, random_state: int | None
) -> tuple[Array, FloatArray]:
    """Images and keypoints as they are, then their draws."""
    X, y = (v.iloc[:n_faces] if hasattr(v, "iloc") else v[:n_faces] for v in (X, y))
    # One draw of the faces repeated, so that each repetition gets numbers of its own.
    repeat = np.tile(np.arange(len(y)), n_draws)
    many_X, many_y = (
        v.iloc[repeat] if hasattr(v, "iloc") else np.asarray(v)[repeat] for v in (X, y)
    )
    moved_X, moved_y = transformer.augment(many_X, many_y, random_state=random_state)
    shape = transformer.image_shape
    images = np.concatenate([read_images(X, shape), read_images(moved_X, shape)])
    return images, np.concatenate([read_points(y), read_points(moved_y)])


def _of_crops(
    transformer: Any, crops: Crops, y: Any, n_faces: int, n_draws: int, random_state: int | None
) -> tuple[Array, FloatArray]:
    """Likewise, each draw one warp from the photograph, as in training."""
    y = points_in(crops, y)
    transformer = clone(transformer)
    if random_state is not None:
        transformer.set_params(random_state=random_state)
    augmentation = transformer.fit(crops, y).augmentation_
    rows = np.arange(min(n_faces, len(crops)))
    pieces = crops.read(augmentation.reach(crops.frame), rows=rows)
    points = read_points(y)[rows]
    repeat = np.tile(rows, n_draws)
    rng = np.random.default_rng(augmentation.seed)
    moved, moved_points, _ = augmentation.apply(pieces.batch(repeat), points[repeat], rng)
    images = np.concatenate([pieces[:], made(moved)])
    return images, np.concatenate([points, moved_points])
