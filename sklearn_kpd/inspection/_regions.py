"""Displays of regions: on faces, what they promise and keep, and what refusing is worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_kpd.images import Array
from sklearn_kpd.inspection._grid import (
    face_axes,
    figure_and_axes,
    read_images,
    read_points,
    show_face,
    show_points,
)
from sklearn_kpd.keypoints import FloatArray, check_keypoints, last_step
from sklearn_kpd.metrics._coverage import clopper_pearson, in_regions, shares
from sklearn_kpd.metrics._scorers import name_predictions

_COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
_TRUE = {"marker": "x", "s": 16, "c": "#00e676", "linewidths": 1.1}
_HELD, _MISSED = "#ffd54f", "#ff1744"
_THIRDS = ("smallest third", "middle third", "largest third")


class RegionDisplay:
    """Faces with the regions of their keypoints.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. Labels are green crosses; a
    region that does not hold its label is red, the others are yellow. Infinite regions are left
    out.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
        The faces to show.
    points_pred : ndarray of shape (n, k, 2)
        Pixels, the centres of the regions.
    regions : ndarray of shape (n, k) or (n, k, 2, 2)
        Radii, or matrices of ellipses.
    points_true : ndarray of shape (n, k, 2), default=None
        Pixels, NaN where not labelled.
    indices : ndarray of shape (n,), int, default=None
        Which rows of the data these are.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One a face.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import RegionDisplay
    >>> X, y = make_faces(6, random_state=0)
    >>> display = RegionDisplay.from_predictions(X, y, y + 1, np.full((6, 15), 2.0), n_faces=4)
    >>> len(display.axes_)
    4

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        images: Array,
        points_pred: FloatArray,
        regions: FloatArray,
        points_true: FloatArray | None = None,
        indices: Array | None = None,
    ) -> None:
        self.images = images
        self.points_pred = points_pred
        self.regions = regions
        self.points_true = points_true
        self.indices = indices

    def plot(self, *, columns: int = 4, ax: Any = None) -> "RegionDisplay":
        """Draw the faces.

        Parameters
        ----------
        columns : int, default=4
            Faces in a row.
        ax : array of matplotlib Axes, default=None
            At least one a face; a new figure by default.

        Returns
        -------
        self
        """
        self.figure_, self.axes_ = face_axes(self.images, columns, ax)
        missed = np.zeros(self.points_pred.shape[:2], bool)
        if self.points_true is not None and not np.isnan(self.points_true).all():
            inside, labelled = in_regions(self.points_true, self.points_pred, self.regions)
            missed = labelled & ~inside
        for i, axes in enumerate(self.axes_):
            show_face(axes, self.images[i])
            for k, (point, region) in enumerate(
                zip(self.points_pred[i], self.regions[i], strict=True)
            ):
                if np.isfinite(region).all():
                    axes.add_patch(_patch(point, region, _MISSED if missed[i, k] else _HELD))
            if self.points_true is not None:
                show_points(axes, self.points_true[i], **_TRUE)
            if self.indices is not None:
                axes.set_title(f"#{self.indices[i]}", fontsize=8)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        coverage: float = 0.9,
        joint: bool = False,
        n_faces: int = 8,
        columns: int = 4,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
    ) -> "RegionDisplay":
        """Predict regions of the first faces and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted; a :class:`~sklearn_kpd.conformal.ConformalKeypointRegressor`.
        X : array-like
            Images.
        y : DataFrame or array-like, default=None
            True keypoints in pixels, if they are known.
        coverage, joint
            As in `predict_region`.
        n_faces, columns, image_shape, ax
            As in :meth:`from_predictions`.

        Returns
        -------
        RegionDisplay
            The display, drawn.
        """
        if image_shape is None:
            image_shape = getattr(last_step(estimator), "image_shape_", None)
        X, y = X[:n_faces], None if y is None else y[:n_faces]
        regions, found = estimator.predict_region(X, coverage, joint, return_prediction=True)
        return cls.from_predictions(
            X,
            y,
            name_predictions(found, estimator, y),
            regions,
            n_faces=n_faces,
            columns=columns,
            image_shape=image_shape,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: Any,
        y_pred: Any,
        regions: Any,
        *,
        n_faces: int = 8,
        columns: int = 4,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
    ) -> "RegionDisplay":
        """Draw regions that are there already, of the first faces.

        Parameters
        ----------
        X : array-like
            Images.
        y_true : DataFrame or array-like, or None
            True keypoints in pixels, NaN where not labelled, if they are known.
        y_pred : DataFrame, or array-like of shape (n, 2 * k) or (n, k, 2)
            Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
        regions : array-like of shape (n, k) or (n, k, 2, 2)
            In the order of `y_pred`.
        n_faces : int, default=8
            How many faces to show.
        columns : int, default=4
            Faces in a row.
        image_shape : tuple of int, default=None
            Shape of flat images that are no grey squares.
        ax : array of matplotlib Axes, default=None
            At least one a face; a new figure by default.

        Returns
        -------
        RegionDisplay
            The display, drawn.
        """
        shown = np.arange(min(n_faces, len(X)))
        true = None if y_true is None else read_points(y_true, like=y_pred)[shown]
        display = cls(
            read_images(X, image_shape, shown),
            read_points(y_pred)[shown],
            np.asarray(regions, np.float64)[shown],
            true,
            shown,
        )
        return display.plot(columns=columns, ax=ax)


class CoverageDisplay:
    """What regions promise and what they keep, for all labels or for groups of them.

    Make it by :meth:`from_estimator`. A curve below the diagonal keeps less than it promises. The
    band of the curve of all labels is the interval of Clopper and Pearson for as many independent
    cases as there are objects.

    Parameters
    ----------
    promised : ndarray of shape (m,)
        Coverages that were asked for.
    kept : ndarray of shape (m, g)
        Share of the labels of each group that its regions hold.
    names : sequence of str
        Names of the groups.
    interval : ndarray of shape (2, m), default=None
        Lower and upper end, for a single group.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        The axes.
    lines_ : list of matplotlib Line2D
        The curves.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.inspection import CoverageDisplay
    >>> display = CoverageDisplay(np.array([0.5, 0.9]), np.array([[0.52], [0.88]]), ["all"])
    >>> len(display.plot().lines_)
    1

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        promised: FloatArray,
        kept: FloatArray,
        names: Sequence[str],
        interval: FloatArray | None = None,
    ) -> None:
        self.promised = promised
        self.kept = kept
        self.names = names
        self.interval = interval

    def plot(self, *, ax: Any = None, **curve_options: Any) -> "CoverageDisplay":
        """Draw the curves.

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
        self.figure_, self.ax_ = figure_and_axes(ax, (5.5, 4.5))
        ax = self.ax_
        promised = 100 * self.promised
        ax.plot(promised, promised, color="0.5", linestyle="--", linewidth=1)
        if self.interval is not None:
            ax.fill_between(promised, *(100 * self.interval), alpha=0.2)
        options = {"marker": "o", "markersize": 3, **curve_options}
        self.lines_ = [
            ax.plot(promised, 100 * kept, **{"label": name, **options})[0]
            for name, kept in zip(self.names, self.kept.T, strict=True)
        ]
        ax.set(xlabel="Promised (%)", ylabel="Labels in their regions (%)")
        ax.grid(visible=True, alpha=0.3)
        if len(self.lines_) > 5:  # they would hide curves
            ax.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
        else:
            ax.legend(loc="lower right")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        coverages: Sequence[float] = _COVERAGES,
        joint: bool = False,
        by: str | None = None,
        ax: Any = None,
        **curve_options: Any,
    ) -> "CoverageDisplay":
        """Predict regions of several coverages and draw how often they hold.

        Parameters
        ----------
        estimator : estimator
            Fitted; a :class:`~sklearn_kpd.conformal.ConformalKeypointRegressor`.
        X : array-like
            Images.
        y : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        coverages : sequence of float
            Which to promise.
        joint : bool, default=False
            Whether to count objects all of whose labels lie in their regions.
        by : {"keypoint", "size", "spread"} or None, default=None
            One curve for all labels, for each keypoint, for each third of the objects by size
            (root of width times height of the box about the labels), or for each third of the
            labels by the size of their region. With `joint`, None or "size".
        ax : matplotlib Axes, default=None
            A new figure by default.
        **curve_options
            For matplotlib's ``plot``.

        Returns
        -------
        CoverageDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            For another `by`.
        """
        if by not in (None, "size") and (joint or by not in ("keypoint", "spread")):
            raise ValueError(
                f"by={by!r} is unknown; it may be None, 'keypoint', 'size' or 'spread', and with "
                "joint=True None or 'size'."
            )
        several, found = estimator.predict_region(
            X, list(coverages), joint, return_prediction=True
        )
        y_pred = name_predictions(found, estimator, y)
        pairs = [in_regions(y, y_pred, regions) for regions in several]
        inside: Array = np.stack([pair[0] for pair in pairs])
        labelled: Array = pairs[0][1]
        names, groups = _groups(by, y, y_pred, several[-1], labelled)
        if joint:
            inside = np.all(inside | ~labelled, axis=2, keepdims=True)
            labelled, groups = np.any(labelled, axis=1, keepdims=True), groups[:, :1]
        members = [labelled & (groups == g) for g in range(len(names))]
        kept = np.stack([shares((inside & m).sum(axis=(1, 2)), m.sum()) for m in members], axis=1)
        interval = None
        if by is None:
            n_objects = int(labelled.any(axis=1).sum())
            interval = clopper_pearson(np.round(kept[:, 0] * n_objects), n_objects)
        return cls(np.asarray(coverages, np.float64), kept, names, interval).plot(
            ax=ax, **curve_options
        )


class RiskCoverageDisplay:
    """Error of the keypoints that are not refused, by how many those are.

    The keypoints with the smallest regions are kept first: where the curve rises, large regions
    tell large errors, and `max_radius` of `predict` refuses the right ones. El-Yaniv and Wiener,
    On the Foundations of Noise-free Selective Classification, JMLR 2010.

    Parameters
    ----------
    kept : ndarray of shape (m,)
        Shares of the labelled keypoints that are kept, rising to 1.
    errors : ndarray of shape (m,)
        Mean distance of those from their labels, in pixels.
    radii : ndarray of shape (m,)
        The `max_radius` that keeps so many.
    name : str, default=None
        For the legend.

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
    >>> import numpy as np
    >>> from sklearn_kpd.inspection import RiskCoverageDisplay
    >>> y = np.zeros((2, 4))
    >>> y_pred, radii = [[1, 0, 3, 0], [1, 0, 3, 0]], [[1, 9], [2, 8]]
    >>> RiskCoverageDisplay.from_predictions(y, y_pred, radii).errors.tolist()
    [1.0, 1.0, 1.66..., 2.0]

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        kept: FloatArray,
        errors: FloatArray,
        radii: FloatArray,
        name: str | None = None,
    ) -> None:
        self.kept = kept
        self.errors = errors
        self.radii = radii
        self.name = name

    def plot(self, *, ax: Any = None, **curve_options: Any) -> "RiskCoverageDisplay":
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
        self.figure_, self.ax_ = figure_and_axes(ax, (6, 4))
        ax = self.ax_
        (self.line_,) = ax.plot(
            100 * self.kept, self.errors, **{"label": self.name, **curve_options}
        )
        ax.set(xlabel="Keypoints that are kept (%)", ylabel="Mean error of those (pixels)")
        ax.set_xlim(0, 100)
        ax.grid(visible=True, alpha=0.3)
        if self.name is not None:
            ax.legend(loc="lower right")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        coverage: float = 0.9,
        name: str | None = None,
        ax: Any = None,
        **curve_options: Any,
    ) -> "RiskCoverageDisplay":
        """Predict regions and draw the curve.

        Parameters
        ----------
        estimator : estimator
            Fitted; a :class:`~sklearn_kpd.conformal.ConformalKeypointRegressor`.
        X : array-like
            Images.
        y : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        coverage : float, default=0.9
            Of the regions.
        name, ax, **curve_options
            As in :meth:`from_predictions`; the name is that of the class by default.

        Returns
        -------
        RiskCoverageDisplay
            The display, drawn.
        """
        regions, found = estimator.predict_region(X, coverage, return_prediction=True)
        return cls.from_predictions(
            y,
            name_predictions(found, estimator, y),
            regions,
            name=type(last_step(estimator)).__name__ if name is None else name,
            ax=ax,
            **curve_options,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        regions: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        **curve_options: Any,
    ) -> "RiskCoverageDisplay":
        """Draw the curve of regions that are there already.

        Parameters
        ----------
        y_true : DataFrame or array-like
            True keypoints in pixels, NaN where not labelled.
        y_pred : DataFrame or array-like of the same shape
            Predicted keypoints in pixels. Two DataFrames meet by the names of their keypoints.
        regions : array-like of shape (n, k) or (n, k, 2, 2)
            In the order of `y_pred`. Of an ellipse the longer semi-axis counts.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            A new figure by default.
        **curve_options
            For matplotlib's ``plot``.

        Returns
        -------
        RiskCoverageDisplay
            The display, drawn.
        """
        _, labelled = in_regions(y_true, y_pred, regions)
        errors = np.linalg.norm(read_points(y_true, like=y_pred) - read_points(y_pred), axis=2)
        radii = _radii(np.asarray(regions, np.float64))[labelled]
        order = np.argsort(radii, kind="stable")
        radii, errors = radii[order], errors[labelled][order]
        counts = np.arange(1, len(radii) + 1)
        # regions of one size are kept or refused together
        last = np.append(radii[1:] > radii[:-1], True)
        curve = counts[last] / len(radii), (np.cumsum(errors) / counts)[last], radii[last]
        return cls(*curve, name).plot(ax=ax, **curve_options)


def _patch(point: FloatArray, region: FloatArray, color: str) -> Any:
    """Disc or ellipse."""
    from matplotlib.patches import Ellipse

    matrix = region if np.ndim(region) else region**2 * np.eye(2)
    values, vectors = np.linalg.eigh(matrix)
    return Ellipse(
        tuple(point), *(2 * np.sqrt(values)),
        angle=np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])),
        facecolor="none", edgecolor=color, linewidth=1.0,
    )  # fmt: skip


def _radii(regions: FloatArray) -> FloatArray:
    """Radius, or the longer semi-axis."""
    if regions.ndim == 2:
        return regions
    finite = np.isfinite(regions[..., 0, 0])
    values = np.linalg.eigvalsh(np.where(finite[..., np.newaxis, np.newaxis], regions, np.eye(2)))
    return np.where(finite, np.sqrt(values[..., -1]), np.inf)


def _groups(
    by: str | None, y_true: Any, y_pred: Any, regions: FloatArray, labelled: Array
) -> tuple[list[str], Array]:
    """Names of the groups, and the group of each label, (n, k)."""
    if by is None:
        return ["all labels"], np.zeros(labelled.shape, np.intp)
    if by == "keypoint":
        numbers = np.arange(labelled.shape[1])
        names = check_keypoints(y_pred).names or [f"keypoint {k}" for k in numbers]
        return list(names), np.broadcast_to(numbers, labelled.shape)
    if by == "size":
        points = read_points(y_true)
        known = ~np.isnan(points)
        high = np.where(known, points, -np.inf).max(axis=1)
        low = np.where(known, points, np.inf).min(axis=1)
        sizes = np.sqrt(np.prod(np.maximum(high - low, 0), axis=1))
        measured = np.broadcast_to(sizes[:, np.newaxis], labelled.shape)
    else:
        measured = _radii(regions)
    # no interpolation: some may be infinite
    limits = np.quantile(measured[labelled], [1 / 3, 2 / 3], method="inverted_cdf")
    return list(_THIRDS), np.digitize(measured, limits)
