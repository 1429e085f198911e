"""KeypointDisplay: faces with their true and predicted keypoints."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sklearn_kpd._common.sklearn import RandomState
from sklearn_kpd.images import Array
from sklearn_kpd.inspection._grid import (
    face_axes,
    legend_below,
    read_images,
    read_points,
    show_face,
    show_points,
)
from sklearn_kpd.inspection._shown import crops_of, points_in
from sklearn_kpd.keypoints import FloatArray, last_step
from sklearn_kpd.metrics._landmarks import face_root_mean_squared_error
from sklearn_kpd.metrics._scorers import name_predictions

_TRUE = {"marker": "o", "s": 26, "facecolors": "none", "edgecolors": "#00e676", "linewidths": 1.1}
_PREDICTED = {"marker": "x", "s": 18, "c": "#ff1744", "linewidths": 1.1}


class KeypointDisplay:
    """Faces with their true and predicted keypoints.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. True keypoints are green
    circles, predicted ones red crosses; what is not labelled is left out.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
        The faces to show, in this order.
    points_true : ndarray of shape (n, k, 2), or None
        Pixels, NaN where not labelled.
    points_pred : ndarray of shape (n, k, 2)
        Pixels.
    indices : ndarray of shape (n,), int
        Which rows of the data these are.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One a face.
    errors_ : ndarray of shape (n,), or None
        RMSE of each face over its labelled values, in pixels; NaN for a face with no label.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import KeypointDisplay
    >>> X, y = make_faces(6, random_state=0)
    >>> display = KeypointDisplay.from_predictions(X, y, y + 1, n_faces=4)
    >>> display.errors_.round(6)
    array([1., 1., 1., 1.])
    """

    def __init__(
        self,
        images: Array,
        points_true: FloatArray | None,
        points_pred: FloatArray,
        indices: Array,
    ) -> None:
        self.images = images
        self.points_true = points_true
        self.points_pred = points_pred
        self.indices = indices

    def plot(self, *, columns: int = 6, ax: Any = None) -> "KeypointDisplay":
        """Draw the faces.

        Parameters
        ----------
        columns : int, default=6
            Faces in a row.
        ax : array of matplotlib Axes, default=None
            At least one a face; a new figure by default.

        Returns
        -------
        self
        """
        self.figure_, self.axes_ = face_axes(self.images, columns, ax)
        self.errors_ = None
        if self.points_true is not None:
            self.errors_ = face_root_mean_squared_error(self.points_true, self.points_pred)
        for i, axes in enumerate(self.axes_):
            show_face(axes, self.images[i])
            title = f"#{self.indices[i]}"
            if self.points_true is not None and self.errors_ is not None:
                show_points(axes, self.points_true[i], label="true", **_TRUE)
                if np.isfinite(self.errors_[i]):
                    title += f"  {self.errors_[i]:.2f} px"
            show_points(axes, self.points_pred[i], label="predicted", **_PREDICTED)
            axes.set_title(title, fontsize=8)
        if ax is None:
            legend_below(self.figure_, self.axes_[0], n_columns=2)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_faces: int = 12,
        order: str = "worst",
        columns: int = 6,
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = None,
        ax: Any = None,
    ) -> "KeypointDisplay":
        """Predict keypoints and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted; a `KeypointRegressor` or a Pipeline that ends in one.
        X : array-like, DataFrame or Crops
            Images, or photographs, whose crops are shown.
        y : DataFrame or array-like, default=None
            True keypoints in pixels, if they are known.
        n_faces, order, columns, image_shape, random_state, ax
            As in :meth:`from_predictions`.

        Returns
        -------
        KeypointDisplay
            The display, drawn.
        """
        if image_shape is None:
            image_shape = getattr(last_step(estimator), "image_shape_", None)
        return cls.from_predictions(
            crops_of(X, estimator),
            y,
            name_predictions(estimator.predict(X), estimator, y),
            n_faces=n_faces,
            order=order,
            columns=columns,
            image_shape=image_shape,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        n_faces: int = 12,
        order: str = "worst",
        columns: int = 6,
        image_shape: tuple[int, ...] | None = None,
        random_state: RandomState = None,
        ax: Any = None,
    ) -> "KeypointDisplay":
        """Draw predictions that are there already.

        Parameters
        ----------
        X : array-like, DataFrame or Crops
            Images. Of a table of photographs the crops are shown that `CropTransformer` cuts out
            by default; errors are pixels of the crop then.
        y_true : DataFrame or array-like, or None
            True keypoints in pixels, NaN where not labelled, if they are known.
        y_pred : DataFrame, or array-like of shape (n, 2 * k) or (n, k, 2)
            Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
        n_faces : int, default=12
            How many faces to show.
        order : {"worst", "random", "first"}, default="worst"
            Which faces: those with the largest RMSE first, random ones, or the first ones.
            Without `y_true`, "worst" shows the first ones.
        columns : int, default=6
            Faces in a row.
        image_shape : tuple of int, default=None
            Shape of flat images that are no grey squares.
        random_state : int, RandomState instance or None, default=None
            Determines the random faces.
        ax : array of matplotlib Axes, default=None
            At least one a face; a new figure by default.

        Returns
        -------
        KeypointDisplay
            The display, drawn.
        """
        X = crops_of(X)
        y_true, y_pred = points_in(X, y_true), points_in(X, y_pred)
        n_images, pred = len(X), read_points(y_pred, like=y_true)
        true = None if y_true is None else read_points(y_true)
        if pred.shape[0] != n_images or (true is not None and true.shape != pred.shape):
            raise ValueError(
                f"X holds {n_images} images, y_pred keypoints of the shape {pred.shape}"
                + (f" and y_true of the shape {true.shape}" if true is not None else "")
                + "; they must fit together."
            )
        n_faces = min(n_faces, n_images)
        if order == "random":
            chosen = check_random_state(random_state).permutation(n_images)[:n_faces]
        elif order == "worst" and true is not None:
            # a face with no label comes last
            errors = np.nan_to_num(face_root_mean_squared_error(true, pred), nan=-1.0)
            chosen = np.argsort(-errors, kind="stable")[:n_faces]
        elif order in ("worst", "first"):
            chosen = np.arange(n_faces)
        else:
            raise ValueError(
                f"order={order!r} is unknown; it may be 'worst', 'random' or 'first'."
            )
        images = read_images(X, image_shape, chosen)
        display = cls(images, None if true is None else true[chosen], pred[chosen], chosen)
        return display.plot(columns=columns, ax=ax)
