"""CumulativeErrorDisplay: what share of the faces has at most which error."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_kpd.inspection._grid import figure_and_axes
from sklearn_kpd.keypoints import FloatArray, last_step
from sklearn_kpd.metrics import area_under_cumulative_error, cumulative_error_curve
from sklearn_kpd.metrics._scorers import name_predictions


class CumulativeErrorDisplay:
    """Cumulative error distribution (CED), of one estimator or several.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`; for several curves in one
    plot, give each the `ax` of the first: ``ax=display.ax_``.

    Parameters
    ----------
    errors : ndarray of shape (m + 1,)
        From :func:`sklearn_kpd.metrics.cumulative_error_curve`.
    shares : ndarray of shape (m + 1,)
        Likewise.
    threshold : float
        Where the plot ends.
    area : float, default=None
        Area under the curve up to the threshold, for the legend.
    name : str, default=None
        Name of the estimator, for the legend.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        The axes.
    line_ : matplotlib Line2D
        The curve.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import CumulativeErrorDisplay
    >>> X, y = make_faces(20, random_state=0)
    >>> display = CumulativeErrorDisplay.from_predictions(y, y + 1, name="one off")
    >>> display = CumulativeErrorDisplay.from_predictions(y, y, name="perfect", ax=display.ax_)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['one off (AUC = 0.5...)', 'perfect (AUC = 1.00)']
    """

    def __init__(
        self,
        errors: FloatArray,
        shares: FloatArray,
        threshold: float,
        area: float | None = None,
        name: str | None = None,
    ) -> None:
        self.errors = errors
        self.shares = shares
        self.threshold = threshold
        self.area = area
        self.name = name

    def plot(self, *, ax: Axes | None = None, **curve_options: Any) -> "CumulativeErrorDisplay":
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.
        **curve_options
            For matplotlib's ``plot``.

        Returns
        -------
        self
        """
        self.figure_, ax = figure_and_axes(ax, (6, 4))
        self.ax_ = ax
        label = self.name
        if self.area is not None:
            area = f"AUC = {self.area:.2f}"
            label = area if label is None else f"{label} ({area})"
        # the last share holds up to the end of the plot
        errors = np.append(self.errors, max(self.threshold, self.errors[-1]))
        shares = np.append(self.shares, self.shares[-1])
        (self.line_,) = ax.step(
            100 * errors, 100 * shares, where="post", **{"label": label, **curve_options}
        )
        ax.set(
            xlabel="Normalised mean error (%)", ylabel="Faces (%)",
            xlim=(0, 100 * self.threshold), ylim=(0, 102),
        )  # fmt: skip
        ax.grid(visible=True, alpha=0.3)
        if label is not None:
            ax.legend(loc="lower right")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        normalize: ArrayLike = "interocular",
        keypoint_names: Sequence[str] | None = None,
        threshold: float = 0.08,
        name: str | None = None,
        ax: Axes | None = None,
        **curve_options: Any,
    ) -> "CumulativeErrorDisplay":
        """Predict keypoints and draw the curve of their errors.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like
            Images.
        y : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        normalize, keypoint_names, threshold, name, ax, **curve_options
            As in :meth:`from_predictions`; the name is that of the class by default.

        Returns
        -------
        CumulativeErrorDisplay
            The display, drawn.
        """
        return cls.from_predictions(
            y,
            name_predictions(estimator.predict(X), estimator, y),
            normalize=normalize,
            keypoint_names=keypoint_names,
            threshold=threshold,
            name=type(last_step(estimator)).__name__ if name is None else name,
            ax=ax,
            **curve_options,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        normalize: ArrayLike = "interocular",
        keypoint_names: Sequence[str] | None = None,
        threshold: float = 0.08,
        name: str | None = None,
        ax: Axes | None = None,
        **curve_options: Any,
    ) -> "CumulativeErrorDisplay":
        """Draw the curve of predictions that are there already.

        Parameters
        ----------
        y_true : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        y_pred : DataFrame or array-like of the same shape
            Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
        normalize, keypoint_names
            As in :func:`sklearn_kpd.metrics.normalized_errors`.
        threshold : float, default=0.08
            Where the plot ends, and the area that the legend gives.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            A new figure by default.
        **curve_options
            For matplotlib's ``plot``.

        Returns
        -------
        CumulativeErrorDisplay
            The display, drawn.
        """
        options: dict[str, Any] = {"normalize": normalize, "keypoint_names": keypoint_names}
        errors, shares = cumulative_error_curve(y_true, y_pred, **options)
        area = area_under_cumulative_error(y_true, y_pred, threshold=threshold, **options)
        return cls(errors, shares, threshold, area, name).plot(ax=ax, **curve_options)
