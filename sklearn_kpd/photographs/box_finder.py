"""BoxFinder: a network that learns where the object of a photograph lies."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_kpd._common.sklearn import Interval
from sklearn_kpd.augment import AugmentTransformer
from sklearn_kpd.keypoints import FloatArray, check_keypoints
from sklearn_kpd.photographs._detectors import overlaps
from sklearn_kpd.photographs._tables import BOX, check_photographs
from sklearn_kpd.photographs.transformer import CropTransformer
from sklearn_kpd.regressor import KeypointRegressor

# Middles of the edges: they lie on the object's outline, where corners lie on nothing.
_POINTS = [f"{edge}_{axis}" for edge in BOX for axis in "xy"]


class BoxFinder(BaseEstimator):
    """Learn where the object lies in photographs that show one.

    A network looks at the whole photograph, made small, and finds the four edges of the box.
    It finds one box in every photograph, also where there is no object or there are several.

    Parameters
    ----------
    network : str or callable, default="heatmap"
        As in `KeypointRegressor`.
    size : int or (int, int), default=96
        Side in pixels of the small photograph, or its height and width.
    margin : float, default=0.2
        Share of the side that is added at each side, where the box is made of keypoints.
    epochs : int, default=30
        Number of passes over the photographs.
    verbose : int, default=0
        As in `KeypointRegressor`.
    random_state : int, RandomState instance or None, default=None
        Determines the training.

    Attributes
    ----------
    pipeline_ : Pipeline
        What was trained: `CropTransformer`, `AugmentTransformer`, `KeypointRegressor`.

    See Also
    --------
    find_faces : Needs no training, and finds all faces of a photograph.

    Notes
    -----
    .. versionadded:: 0.2

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import cv2
    >>> import pandas as pd
    >>> from sklearn_kpd.datasets import make_faces
    >>> from sklearn_kpd.photographs import BoxFinder
    >>> images, y = make_faces(12, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [f"{folder}/{row}.png" for row in range(12)]
    ...     written = [cv2.imwrite(path, image) for path, image in zip(paths, images)]
    ...     X = pd.DataFrame({"path": paths})
    ...     found = BoxFinder("cnn", size=48, epochs=1, random_state=0).fit(X, y).predict(X)
    >>> found.columns.tolist()
    ['path', 'left', 'top', 'right', 'bottom']
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "network": [str, callable],
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "margin": [Interval(Real, 0, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        network: Any = "heatmap",
        *,
        size: Any = 96,
        margin: float = 0.2,
        epochs: int = 30,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.size = size
        self.margin = margin
        self.epochs = epochs
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "BoxFinder":
        """Train the network.

        Parameters
        ----------
        X : DataFrame, or list of paths or arrays
            Photographs, one row each; with the columns ``left``, ``top``, ``right``, ``bottom``
            where boxes are known.
        y : DataFrame or array-like of shape (n, 2 * k) or (n, k, 2), default=None
            Keypoints in pixels of the photographs, NaN where not labelled. Rows without a box get
            one around their keypoints; those without either are left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If two rows are of one photograph, or no row has a box or labelled keypoints.
        """
        self._validate_params()
        photographs, boxes = check_photographs(X), _known_boxes(X, y, self.margin)
        again = pd.Series(photographs.keys()).duplicated().to_numpy()
        if again.any():
            row = int(np.flatnonzero(again)[0])
            raise ValueError(
                f"X, row {row}: {photographs.path(row)} is in an earlier row too; BoxFinder finds "
                "one object a photograph."
            )
        rows = np.flatnonzero(~np.isnan(boxes).any(axis=1))
        if not len(rows):
            raise ValueError(
                "No row of X has a box, and none of y a labelled keypoint: nothing to learn."
            )
        pipeline = Pipeline([
            ("crop", CropTransformer(self.size, margin=0)),
            ("augment", AugmentTransformer(
                scale=0.2, translation=0.1, flip=0.5, brightness=0.1, contrast=0.2,
            )),
            ("regressor", KeypointRegressor(
                self.network, epochs=self.epochs, verbose=self.verbose,
                random_state=self.random_state,
            )),
        ])  # fmt: skip
        sources = [photographs.sources[row] for row in rows]
        self.pipeline_ = pipeline.fit(sources, _edge_middles(boxes[rows]))
        return self

    def predict(self, X: Any) -> pd.DataFrame:
        """Find the box in each photograph.

        Parameters
        ----------
        X : DataFrame, or list of paths or arrays
            Photographs. Boxes that are there already are not looked at.

        Returns
        -------
        DataFrame
            X, with ``left``, ``top``, ``right``, ``bottom`` in pixels of the photographs: for
            `CropTransformer`.
        """
        check_is_fitted(self)
        photographs = check_photographs(X)
        points = self.pipeline_.predict(photographs.sources).reshape(-1, 4, 2)
        # what a slice has as edges lies half a pixel before the middle of a pixel
        edges = points[:, [0, 1, 2, 3], [0, 1, 0, 1]] + 0.5
        low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
        middle, half = (low + high) / 2, np.maximum(high - low, 1) / 2  # a pixel at least
        found = np.concatenate([middle - half, middle + half], axis=1)
        if isinstance(X, pd.DataFrame):
            return X.assign(**dict(zip(BOX, found.T, strict=True)))
        column = "path" if all(isinstance(p, str) for p in photographs.paths()) else "image"
        table = pd.DataFrame(found, columns=list(BOX))
        table.insert(0, column, pd.Series(photographs.sources, dtype=object))
        return table

    def score(self, X: Any, y: Any = None) -> float:
        """Mean intersection over union of the boxes that are found and those that are known.

        Parameters
        ----------
        X, y
            As in :meth:`fit`. Rows without a box or labelled keypoints do not count.

        Returns
        -------
        float
            0 to 1.
        """
        known = _known_boxes(X, y, self.margin)
        found = self.predict(X)[list(BOX)].to_numpy()
        if np.isnan(known).any(axis=1).all():
            raise ValueError("No row of X has a box, and none of y a labelled keypoint.")
        return float(np.nanmean(overlaps(known, found)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _known_boxes(X: Any, y: Any, margin: float) -> FloatArray:
    """Boxes of X, and where there is none, those around the labelled keypoints of y."""
    boxes = check_photographs(X).boxes.copy()
    if y is None:
        return boxes
    values = check_keypoints(y).values
    check_consistent_length(boxes, values)
    points = values.reshape(len(values), -1, 2)
    labelled = np.all(np.any(np.logical_not(np.isnan(points)), axis=1), axis=1)
    rows = np.isnan(boxes).any(axis=1) & labelled
    low, high = np.nanmin(points[rows], axis=1), np.nanmax(points[rows], axis=1) + 1
    extra = margin * (high - low)
    boxes[rows] = np.concatenate([low - extra, high + extra], axis=1)
    return boxes


def _edge_middles(boxes: FloatArray) -> pd.DataFrame:
    """Middles of the edges as keypoints, whose names say which swap in a mirror image."""
    left, top, right, bottom = (boxes - 0.5).T
    x, y = (left + right) / 2, (top + bottom) / 2
    return pd.DataFrame(np.column_stack([left, y, x, top, right, y, x, bottom]), columns=_POINTS)
