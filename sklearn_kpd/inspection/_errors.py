"""KeypointErrorDisplay: the error of each keypoint, on a mean face."""

import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kpd.images import Array
from sklearn_kpd.inspection._grid import (
    FARTHEST,
    figure_and_axes,
    mean_image,
    read_points,
    show_face,
)
from sklearn_kpd.inspection._shown import crops_of, points_in
from sklearn_kpd.keypoints import FloatArray, check_keypoints, last_step
from sklearn_kpd.metrics import keypoint_root_mean_squared_error
from sklearn_kpd.metrics._scorers import name_predictions


class KeypointErrorDisplay:
    """Root mean squared error of each keypoint, drawn where it lies on the mean face.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. The radius of each disc is
    the error, to the scale of the face.

    Parameters
    ----------
    points : ndarray of shape (k, 2)
        Mean keypoints in pixels; NaN for one that is labelled nowhere.
    errors : ndarray of shape (k,)
        Root mean squared errors in pixels; NaN likewise.
    image : ndarray of shape (height, width, channels), uint8, default=None
        The mean face, to draw on.
    names : sequence of str, default=None
        Names of the keypoints.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        The axes.
    discs_ : matplotlib PatchCollection
        One disc for each keypoint that is labelled.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import KeypointErrorDisplay
    >>> X, y = make_faces(20, random_state=0)
    >>> display = KeypointErrorDisplay.from_predictions(X, y, y + 1)
    >>> display.errors[:2].round(3)
    array([1., 1.])
    """

    def __init__(
        self,
        points: FloatArray,
        errors: FloatArray,
        image: Array | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.points = points
        self.errors = errors
        self.image = image
        self.names = names

    def plot(self, *, ax: Axes | None = None) -> "KeypointErrorDisplay":
        """Draw the face.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        self
        """
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Circle

        self.figure_, ax = figure_and_axes(ax, (6, 5.2))
        self.ax_ = ax
        known = np.flatnonzero(np.isfinite(self.errors))
        if self.image is not None:
            show_face(ax, self.image)
        radii = np.minimum(self.errors, FARTHEST)
        discs = [Circle(tuple(self.points[k]), radii[k]) for k in known]
        self.discs_ = PatchCollection(discs, cmap="plasma", alpha=0.75, edgecolors="white")
        self.discs_.set_array(self.errors[known])
        ax.add_collection(self.discs_)
        for k in known:
            ax.annotate(
                f"{self.errors[k]:.1f}", self.points[k], fontsize=8, color="white",
                ha="center", va="bottom", textcoords="offset points", xytext=(0, 5),
                bbox={"boxstyle": "round,pad=0.1", "facecolor": "black", "alpha": 0.5, "lw": 0},
            )  # fmt: skip
        if self.image is None:
            ax.autoscale_view()
            ax.set_aspect("equal")
            ax.invert_yaxis()
        self.figure_.colorbar(self.discs_, ax=ax, label="RMSE (pixels)", shrink=0.8)
        return self

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None
    ) -> "KeypointErrorDisplay":
        """Predict keypoints and draw their errors.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like, DataFrame or Crops
            Images, or photographs.
        y : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        KeypointErrorDisplay
            The display, drawn.
        """
        image_shape = getattr(last_step(estimator), "image_shape_", None)
        y_pred = name_predictions(estimator.predict(X), estimator, y)
        return cls.from_predictions(
            crops_of(X, estimator), y, y_pred, image_shape=image_shape, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        image_shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> "KeypointErrorDisplay":
        """Draw the errors of predictions that are there already.

        Parameters
        ----------
        X : array-like, DataFrame, Crops or None
            Images, whose mean is drawn; None for none. Of photographs it is the mean crop, and
            errors are pixels of the crop.
        y_true : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        y_pred : DataFrame or array-like of the same shape
            Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
        image_shape : tuple of int, default=None
            Shape of flat images that are no grey squares.
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        KeypointErrorDisplay
            The display, drawn.
        """
        X = crops_of(X)
        y_true, y_pred = points_in(X, y_true), points_in(X, y_pred)
        errors = keypoint_root_mean_squared_error(y_true, y_pred)
        image = None
        if X is not None:
            image = mean_image(X, image_shape)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")  # labelled nowhere
            points = np.nanmean(read_points(y_true), axis=0)
        return cls(points, errors, image, check_keypoints(y_true).names).plot(ax=ax)
