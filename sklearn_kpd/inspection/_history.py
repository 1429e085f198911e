"""HistoryDisplay: how training went."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_kpd.inspection._grid import figure_and_axes
from sklearn_kpd.keypoints import last_step


class HistoryDisplay:
    """RMSE or loss of training and validation, epoch by epoch.

    Parameters
    ----------
    history : dict of str to list of float
        ``history_`` of a `KeypointRegressor`.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        The axes.
    lines_ : list of matplotlib Line2D
        Training, and validation if there was any.

    Examples
    --------
    >>> from sklearn_kpd.inspection import HistoryDisplay
    >>> history = {"rmse": [5.0, 3.0], "val_rmse": [4.0, 3.5]}
    >>> display = HistoryDisplay(history).plot()
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation']
    """

    def __init__(self, history: dict[str, list[float]]) -> None:
        self.history = history

    def plot(self, *, metric: str = "rmse", ax: Axes | None = None) -> "HistoryDisplay":
        """Draw the curves.

        Parameters
        ----------
        metric : {"rmse", "loss"}, default="rmse"
            Pixels, or what was minimised.
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        self
        """
        if metric not in self.history:
            known = [name for name in self.history if not name.startswith("val_")]
            raise ValueError(f"metric={metric!r} is not in the history; it holds {known}.")
        self.figure_, ax = figure_and_axes(ax, (6, 4))
        self.ax_ = ax
        self.lines_ = []
        for key, label in ((metric, "training"), (f"val_{metric}", "validation")):
            if key in self.history:
                values = self.history[key]
                self.lines_ += ax.plot(np.arange(1, len(values) + 1), values, label=label)
        ax.set(xlabel="Epoch", ylabel="RMSE (pixels)" if metric == "rmse" else metric.capitalize())
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("{x:g}" if metric == "rmse" else NullFormatter())
        ax.locator_params(axis="x", integer=True)
        ax.grid(visible=True, which="both", alpha=0.3)
        ax.legend()
        return self

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, metric: str = "rmse", ax: Axes | None = None
    ) -> "HistoryDisplay":
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : KeypointRegressor, Pipeline that ends in one, or search over either
            Fitted.
        metric, ax
            As in :meth:`plot`.

        Returns
        -------
        HistoryDisplay
            The display, drawn.
        """
        check_is_fitted(estimator)
        return cls(last_step(estimator).history_).plot(metric=metric, ax=ax)
