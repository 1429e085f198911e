"""PhotographDisplay: photographs with the boxes and the keypoints of all their objects."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sklearn_kpd._common.texts import text_of_path
from sklearn_kpd.images import Array
from sklearn_kpd.inspection._grid import read_points
from sklearn_kpd.keypoints import FloatArray, check_keypoints
from sklearn_kpd.metrics._scorers import name_predictions
from sklearn_kpd.photographs._reading import read_reduced
from sklearn_kpd.photographs._tables import Photographs, check_photographs

# More pixels than that are not seen.
_LONGEST = 800
_TRUE, _PREDICTED, _BOX = "#00e676", "#ff1744", "#ffea00"
_SMALLEST, _LARGEST = 1.6, 4.8  # diameters of keypoints, in points of the figure
_DARK = "black"  # around lines and points, so that they are seen on bright ground


class PhotographDisplay:
    """Photographs with boxes and keypoints, all objects of one photograph in one picture.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. Boxes are yellow, true keypoints
    green circles, predicted ones red crosses; the skeleton joins the predicted keypoints, or the
    true ones if there are no others.

    Parameters
    ----------
    photographs : list of ndarray of shape (height, width, 3), uint8
        The photographs to show; they may be reduced.
    sizes : list of (float, float)
        Width and height of each in pixels of the photograph.
    titles : list of str
        Their names.
    boxes : list of ndarray of shape (m, 4)
        Of the objects of each: left, top, right, bottom; NaN where there is none.
    points_true, points_pred : list of ndarray of shape (m, k, 2), or None
        Pixels of the photograph, NaN where not labelled.
    skeleton : list of (int, int), default=()
        Keypoints that a line joins.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes
        One a photograph.

    See Also
    --------
    KeypointDisplay : Shows the objects cut out.

    Notes
    -----
    .. versionadded:: 0.2

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.inspection import PhotographDisplay
    >>> faces, y = make_faces(2, random_state=0)
    >>> X = pd.DataFrame({"image": list(faces)}).assign(left=5, top=5, right=90, bottom=95)
    >>> display = PhotographDisplay.from_predictions(X, y, y + 2, skeleton=[(0, 1), (10, 14)])
    >>> [boxes.tolist() for boxes in display.boxes]
    [[[5.0, 5.0, 90.0, 95.0]], [[5.0, 5.0, 90.0, 95.0]]]
    """

    def __init__(
        self,
        photographs: list[Array],
        sizes: list[tuple[float, float]],
        titles: list[str],
        boxes: list[FloatArray],
        points_true: list[FloatArray] | None = None,
        points_pred: list[FloatArray] | None = None,
        skeleton: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.photographs = photographs
        self.sizes = sizes
        self.titles = titles
        self.boxes = boxes
        self.points_true = points_true
        self.points_pred = points_pred
        self.skeleton = skeleton

    def plot(self, *, columns: int = 3, ax: Any = None) -> "PhotographDisplay":
        """Draw the photographs.

        Parameters
        ----------
        columns : int, default=3
            Photographs in a row.
        ax : Axes or array of matplotlib Axes, default=None
            At least one a photograph; a new figure by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `ax` holds fewer axes than there are photographs.
        """
        self.figure_, self.axes_ = _axes(self.photographs, columns, ax)
        size = _LARGEST
        for i, axes in enumerate(self.axes_):
            width, height = self.sizes[i]
            # the centre of the first pixel lies at (0, 0), also where they are reduced
            axes.imshow(self.photographs[i], extent=(-0.5, width - 0.5, height - 0.5, -0.5))
            axes.set_axis_off()
            axes.set_autoscale_on(False)
            axes.set_title(self.titles[i], fontsize=8)
            _show_boxes(axes, self.boxes[i])
            joined = self.points_true if self.points_pred is None else self.points_pred
            if joined is not None:
                color = _TRUE if self.points_pred is None else _PREDICTED
                size = _marker_size(axes, joined[i], width)
                _show_lines(axes, joined[i], self.skeleton, color, size)
            if self.points_true is not None:
                _show_circles(axes, self.points_true[i], size)
            if self.points_pred is not None:
                _show_crosses(axes, self.points_pred[i], size)
        handles, labels = self.axes_[0].get_legend_handles_labels()
        if ax is None and handles:
            self.figure_.legend(
                handles, labels, loc="outside lower center", ncols=3, facecolor="0.35",
                labelcolor="white", fontsize=8, markerscale=_LARGEST / size,
            )  # fmt: skip
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        n_photographs: int = 6,
        skeleton: Any = None,
        columns: int = 3,
        ax: Any = None,
    ) -> "PhotographDisplay":
        """Predict keypoints and draw them; what is not shown is not predicted.

        Parameters
        ----------
        estimator : estimator
            Fitted; a Pipeline of `CropTransformer` and `KeypointRegressor`.
        X : DataFrame, or list of paths or arrays
            Photographs, one row an object.
        y : DataFrame or array-like, default=None
            True keypoints in pixels of the photographs, if they are known.
        n_photographs, skeleton, columns, ax
            As in :meth:`from_predictions`.

        Returns
        -------
        PhotographDisplay
            The display, drawn.
        """
        photographs = check_photographs(X)
        rows = np.sort(np.concatenate(_groups(photographs)[:n_photographs]))
        X, y = _take(X, rows), None if y is None else _take(y, rows)
        return cls.from_predictions(
            X,
            y,
            name_predictions(estimator.predict(X), estimator, y),
            n_photographs=n_photographs,
            skeleton=skeleton,
            columns=columns,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: Any = None,
        y_pred: Any = None,
        *,
        n_photographs: int = 6,
        skeleton: Any = None,
        columns: int = 3,
        ax: Any = None,
    ) -> "PhotographDisplay":
        """Draw boxes, labels and predictions that are there already.

        Parameters
        ----------
        X : DataFrame, or list of paths or arrays
            Photographs, one row an object, such as `find_faces` makes them.
        y_true : DataFrame or array-like, default=None
            True keypoints in pixels of the photographs, NaN where not labelled, if they are known.
        y_pred : DataFrame, or array-like of shape (n, 2 * k) or (n, k, 2), default=None
            Predicted keypoints, if there are any. Two DataFrames meet by the names of their
            keypoints.
        n_photographs : int, default=6
            How many photographs to show, from the first.
        skeleton : list of pairs, default=None
            Keypoints that a line joins, by index or by name.
        columns : int, default=3
            Photographs in a row.
        ax : Axes or array of matplotlib Axes, default=None
            At least one a photograph; a new figure by default.

        Returns
        -------
        PhotographDisplay
            The display, drawn.

        Raises
        ------
        PhotographError
            If a photograph is not there or damaged.
        ValueError
            If X, y_true and y_pred do not fit together, or the skeleton names no keypoints.
        """
        photographs = check_photographs(X)
        labels = y_pred if y_true is None else y_true
        pred = None if y_pred is None else read_points(y_pred, like=y_true)
        true = None if y_true is None else read_points(y_true)
        _check_fit(len(photographs), true, pred)
        joined = _read_skeleton(skeleton, labels)
        groups = _groups(photographs)[:n_photographs]
        keys = photographs.keys()
        pictures = [_read(photographs, rows[0]) for rows in groups]
        return cls(
            [picture for picture, _ in pictures],
            [size for _, size in pictures],
            [_title(*keys[rows[0]]) for rows in groups],
            [photographs.boxes[rows] for rows in groups],
            None if true is None else [true[rows] for rows in groups],
            None if pred is None else [pred[rows] for rows in groups],
            joined,
        ).plot(columns=columns, ax=ax)


def _check_fit(n_rows: int, true: FloatArray | None, pred: FloatArray | None) -> None:
    shapes = {
        f"{name} keypoints of the shape {points.shape}": points.shape
        for name, points in (("y_true", true), ("y_pred", pred))
        if points is not None
    }
    if len({*shapes.values()}) > 1 or any(shape[0] != n_rows for shape in shapes.values()):
        raise ValueError(f"X has {n_rows} rows, {' and '.join(shapes)}; they must fit together.")


def _groups(photographs: Photographs) -> list[Any]:
    """Rows of each photograph, in the order of the first ones."""
    groups: dict[Any, list[int]] = {}
    for row, key in enumerate(photographs.keys()):
        groups.setdefault(key, []).append(row)
    return [np.array(rows) for rows in groups.values()]


def _take(values: Any, rows: Any) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, np.ndarray):
        return values[rows]
    return [values[row] for row in rows]


def _read(photographs: Photographs, row: int) -> tuple[Array, tuple[float, float]]:
    """Picture of a row's photograph, and its width and height in pixels of the photograph."""
    picture, scale = read_reduced(photographs.sources[row], "rgb", _LONGEST)
    width, height = scale * picture.shape[1::-1]
    return picture, (width, height)


def _title(name: Any, frame: int) -> str:
    title = text_of_path(PurePath(name).name) if isinstance(name, str) else f"#{name}"
    return title if frame < 0 else f"{title}, frame {frame}"


def _read_skeleton(skeleton: Any, y: Any) -> list[tuple[int, int]]:
    """Pairs of names or of numbers, as numbers."""
    if skeleton is None:
        return []
    if y is None:
        raise ValueError("skeleton joins keypoints, and neither y_true nor y_pred is given.")
    keypoints = check_keypoints(y)
    n_keypoints = keypoints.values.shape[1] // 2
    names = list(keypoints.names or [])
    pairs = []
    for pair in skeleton:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"skeleton holds {pair!r}, and it is made of pairs of keypoints.")
        ends = [names.index(end) if end in names else end for end in pair]
        for end in ends:
            if isinstance(end, str) or not 0 <= end < n_keypoints:
                known = ", ".join(names[:4]) + " ..." if names else "without names"
                raise ValueError(
                    f"skeleton joins {end!r}, which is none of the {n_keypoints} keypoints "
                    f"({known})."
                )
        pairs.append((int(ends[0]), int(ends[1])))
    return pairs


def _axes(photographs: list[Array], columns: int, ax: Any) -> tuple[Any, Any]:
    n_photographs = len(photographs)
    if ax is not None:
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) < n_photographs:
            raise ValueError(
                f"ax holds {len(axes)} axes, but there are {n_photographs} photographs to show."
            )
        return axes[0].figure, axes[:n_photographs]
    columns = min(columns, n_photographs)
    n_rows = -(-n_photographs // columns)
    shape = np.median([picture.shape[0] / picture.shape[1] for picture in photographs])
    width = 3.6 if columns > 1 else 6.0
    figure, axes = plt.subplots(
        n_rows, columns, squeeze=False, layout="constrained",
        figsize=(width * columns, (width * shape + 0.25) * n_rows + 0.3),
    )  # fmt: skip
    for unused in axes.ravel()[n_photographs:]:
        unused.remove()
    return figure, axes.ravel()[:n_photographs]


def _marker_size(ax: Any, points: FloatArray, width: float) -> float:
    """Diameter in points that leaves ground between the keypoints of the objects."""
    points = points[~np.isnan(points).all(axis=(1, 2))]
    if not len(points):
        return _LARGEST
    extent = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    side = np.median(extent.max(axis=1)) / width
    side *= ax.get_position().width * ax.figure.get_figwidth() * 72
    return float(np.clip(0.45 * side / points.shape[1] ** 0.5, _SMALLEST, _LARGEST))


def _outlined(width: float) -> list[Any]:
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=2.2 * width, foreground=_DARK, alpha=0.7)]


def _show_boxes(ax: Any, boxes: FloatArray) -> None:
    from matplotlib.patches import Rectangle

    known = boxes[~np.isnan(boxes).any(axis=1)]
    for number, (left, top, right, bottom) in enumerate(known):
        ax.add_patch(Rectangle(
            (left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=_BOX,
            linewidth=1.2, path_effects=_outlined(1.2), label="box" if number == 0 else None,
        ))  # fmt: skip


def _show_lines(
    ax: Any, points: FloatArray, skeleton: Sequence[tuple[int, int]], color: str, size: float
) -> None:
    from matplotlib.collections import LineCollection

    if not len(skeleton):
        return
    segments = points[:, np.asarray(skeleton)].reshape(-1, 2, 2)
    segments = segments[~np.isnan(segments).any(axis=(1, 2))]
    ax.add_collection(LineCollection(
        list(segments), colors=color, linewidths=0.25 * size, path_effects=_outlined(0.25 * size),
    ))  # fmt: skip


def _show_circles(ax: Any, points: FloatArray, size: float) -> None:
    known = points[~np.isnan(points).any(axis=2)]
    ax.scatter(
        *known.T, s=size**2, facecolors="none", edgecolors=_TRUE, linewidths=0.25 * size,
        path_effects=_outlined(0.25 * size), label="true",
    )  # fmt: skip


def _show_crosses(ax: Any, points: FloatArray, size: float) -> None:
    known = points[~np.isnan(points).any(axis=2)]
    ax.scatter(
        *known.T, s=(0.9 * size) ** 2, marker="x", c=_PREDICTED, linewidths=0.25 * size,
        path_effects=_outlined(0.25 * size), label="predicted",
    )  # fmt: skip
