"""MissingLabelDisplay: which keypoints are labelled together, and in how many rows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from sklearn_kpd.images import Array
from sklearn_kpd.inspection._grid import figure_and_axes
from sklearn_kpd.keypoints import check_keypoints


class MissingLabelDisplay:
    """Patterns of labels: one row a pattern, the most frequent first.

    Make it by :meth:`from_labels`.

    Parameters
    ----------
    patterns : ndarray of shape (n_patterns, k), bool
        Which keypoints are labelled.
    counts : ndarray of shape (n_patterns,), int
        Rows of y with each pattern.
    n_rows : int
        All rows of y, those with patterns that are not shown included.
    names : sequence of str, default=None
        Names of the keypoints.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        The axes.
    image_ : matplotlib AxesImage
        The patterns.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import MissingLabelDisplay
    >>> X, y = make_faces(20, random_state=0)
    >>> MissingLabelDisplay.from_labels(y).counts
    array([20])
    """

    def __init__(
        self,
        patterns: Array,
        counts: Array,
        n_rows: int,
        names: Sequence[str] | None = None,
    ) -> None:
        self.patterns = patterns
        self.counts = counts
        self.n_rows = n_rows
        self.names = names

    def plot(self, *, ax: Axes | None = None) -> "MissingLabelDisplay":
        """Draw the patterns.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        self
        """
        n_patterns, n_keypoints = self.patterns.shape
        size = 0.42 * n_keypoints + 2.2, 0.3 * n_patterns + 2.6
        self.figure_, ax = figure_and_axes(ax, size)
        self.ax_ = ax
        self.image_ = ax.imshow(self.patterns, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
        names = range(n_keypoints) if self.names is None else self.names
        ax.set_xticks(
            np.arange(n_keypoints), [str(name).replace("_", " ") for name in names],
            rotation=45, ha="right", rotation_mode="anchor", fontsize=8,
        )  # fmt: skip
        labels = [f"{count} ({count / self.n_rows:.1%})" for count in self.counts]
        ax.set_yticks(np.arange(n_patterns), labels, fontsize=8)
        ax.set_xticks(np.arange(n_keypoints + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(n_patterns + 1) - 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=1.5)
        ax.tick_params(which="both", length=0)
        ax.set_ylabel("Rows with this pattern")
        shown = self.counts.sum()
        title = "Labelled keypoints"
        if shown < self.n_rows:
            title += f"; {self.n_rows - shown} rows have rarer patterns"
        ax.set_title(title, fontsize=10)
        return self

    @classmethod
    def from_labels(
        cls, y: ArrayLike, *, max_patterns: int = 20, ax: Axes | None = None
    ) -> "MissingLabelDisplay":
        """Draw the patterns of a data set.

        Parameters
        ----------
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2)
            Keypoints in pixels, NaN where not labelled.
        max_patterns : int, default=20
            How many patterns to show at most.
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        MissingLabelDisplay
            The display, drawn.
        """
        values, names, _ = check_keypoints(y)
        labelled = ~np.isnan(values.reshape(len(values), -1, 2)).any(axis=-1)
        patterns, counts = np.unique(labelled, axis=0, return_counts=True)
        shown = np.argsort(-counts, kind="stable")[:max_patterns]
        return cls(patterns[shown], counts[shown], len(values), names).plot(ax=ax)
