"""LabelIssueDisplay: labels that are probably wrong, beside what was predicted."""

from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

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
from sklearn_kpd.keypoints import FloatArray, check_keypoints, columns_from_names, in_form_of

_LABELLED = {"marker": "o", "s": 14, "facecolors": "none", "edgecolors": "#00e676"}
_SUSPECT = {
    "marker": "o", "s": 34, "facecolors": "none", "edgecolors": "#ff1744", "linewidths": 1.6,
}  # fmt: skip
_PREDICTED = {"marker": "x", "s": 22, "c": "#40c4ff", "linewidths": 1.4}
_SAID = ["row", "keypoint", "kind", "distance"]


class LabelIssueDisplay:
    r"""Labels that are probably wrong, beside what was predicted without them.

    Make it by :meth:`from_issues`. Green circles are the labels of the object, red ones those that
    are probably wrong, each joined to the blue cross where it was predicted.

    .. versionadded:: 0.2

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
        One image an issue.
    points_true : ndarray of shape (n, k, 2)
        Labels in pixels, NaN where there is none.
    points_pred : ndarray of shape (n, k, 2)
        Predictions in pixels.
    suspect : ndarray of shape (n, k), bool
        The keypoints of the issue.
    titles : list of str
        What is wrong, in words.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One an issue.

    See Also
    --------
    sklearn_kpd.label_quality.find_label_issues : Finds them.

    Examples
    --------
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import LabelIssueDisplay
    >>> from sklearn_kpd.label_quality import find_label_issues
    >>> X, y = make_faces(100, random_state=0)
    >>> y_pred = y + 0.5
    >>> y.loc[7, "nose_tip_x"] += 12
    >>> issues = find_label_issues(None, X, y, y_pred=y_pred)
    >>> LabelIssueDisplay.from_issues(X, y, issues).titles
    ['row 7: moved\nnose_tip, 11.5 px']
    """

    def __init__(
        self,
        images: Array,
        points_true: FloatArray,
        points_pred: FloatArray,
        suspect: Array,
        titles: list[str],
    ) -> None:
        self.images = images
        self.points_true = points_true
        self.points_pred = points_pred
        self.suspect = suspect
        self.titles = titles

    def plot(self, *, columns: int = 5, ax: Any = None) -> "LabelIssueDisplay":
        """Draw the issues.

        Parameters
        ----------
        columns : int, default=5
            Issues in a row.
        ax : array of matplotlib Axes, default=None
            At least one an issue; a new figure by default.

        Returns
        -------
        self
        """
        self.figure_, self.axes_ = face_axes(self.images, columns, ax)
        for i, axes in enumerate(self.axes_):
            true, found, which = self.points_true[i], self.points_pred[i], self.suspect[i]
            show_face(axes, self.images[i])
            show_points(axes, true[~which], label="labelled", **_LABELLED)
            show_points(axes, true[which], label="probably wrong", **_SUSPECT)
            show_points(axes, found[which], label="predicted", **_PREDICTED)
            for start, end in zip(true[which], found[which], strict=True):
                axes.plot(*np.transpose([start, end]), color="#ff1744", linewidth=0.8)
            axes.set_title(self.titles[i], fontsize=7)
        if ax is None:
            legend_below(self.figure_, self.axes_[0], n_columns=3)
        return self

    @classmethod
    def from_issues(
        cls,
        X: Any,
        y: ArrayLike,
        issues: Any,
        *,
        n_issues: int = 20,
        columns: int = 5,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
    ) -> "LabelIssueDisplay":
        """Draw the first issues of a table.

        Parameters
        ----------
        X : array-like, DataFrame or Crops
            Images. Of a table of photographs the crops are shown that `CropTransformer` cuts out
            by default.
        y : DataFrame or array-like
            Labels in pixels, in which the issues were found.
        issues : DataFrame
            From :func:`~sklearn_kpd.label_quality.find_label_issues`, or some of its rows.
        n_issues : int, default=20
            How many to show.
        columns : int, default=5
            Issues in a row.
        image_shape : tuple of int, default=None
            Shape of flat images that are no grey squares.
        ax : array of matplotlib Axes, default=None
            At least one an issue; a new figure by default.

        Returns
        -------
        LabelIssueDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            For a table that is none of issues, or not of this X and y.
        """
        issues = issues.iloc[:n_issues].copy()
        keypoints = check_keypoints(y)
        names = keypoints.names or tuple(map(str, range(keypoints.values.shape[1] // 2)))
        rows, suspect, found = _read_issues(issues, names, len(keypoints.values))
        shown = crops_of(X)
        predicted = keypoints.values.copy()
        predicted[rows] = found
        true = read_points(points_in(shown, y))[rows]
        pred = read_points(points_in(shown, in_form_of(y, predicted)))[rows]
        titles = [_title(*issue) for issue in zip(*(issues[name] for name in _SAID), strict=True)]
        display = cls(read_images(shown, image_shape, rows), true, pred, suspect, titles)
        return display.plot(columns=columns, ax=ax)


def _title(row: int, keypoint: str, kind: str, distance: float) -> str:
    """What is wrong, in two lines that fit over an image."""
    n_keypoints = keypoint.count(", ") + 1
    said = keypoint if n_keypoints == 1 else f"{n_keypoints} keypoints"
    return f"row {row}: {kind}\n{shorten(said, 28, placeholder='…')}, {distance:.1f} px"


def _read_issues(
    issues: Any, names: tuple[str, ...], n_rows: int
) -> tuple[Array, Array, FloatArray]:
    """Rows of the issues, their keypoints, (n, k), and predictions, (n, 2 * k)."""
    columns = [f"predicted_{column}" for column in columns_from_names(names)]
    absent = [column for column in (*_SAID, *columns) if column not in issues]
    if absent:
        raise ValueError(
            f"issues has no column {absent[0]!r}: give a table of find_label_issues, found in "
            "labels of the same keypoints."
        )
    issues["keypoint"] = issues["keypoint"].astype(str)  # numbers, read from a file
    rows = issues["row"].to_numpy(np.intp)
    if len(rows) and not 0 <= rows.min() <= rows.max() < n_rows:
        raise ValueError(f"issues names row {rows.max()}, and there are {n_rows} rows.")
    concerned = [set(text.split(", ")) for text in issues["keypoint"]]
    suspect = np.array([[name in some for name in names] for some in concerned])
    return rows, suspect.reshape(-1, len(names)), issues[columns].to_numpy(np.float64)
