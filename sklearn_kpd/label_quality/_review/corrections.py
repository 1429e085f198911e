"""What the journal says, in order, and the labels that follow from it; no file is touched here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_kpd.keypoints import FloatArray

#: Actions that change labels, by the name that the journal has for them.
CHANGES = ("move", "accept", "clear", "swap")

#: Digits after the point: a thousandth of a pixel is finer than anybody sees.
_DIGITS = 3

Entry = dict[str, Any]


class Corrections:
    """Labels, and where the person is, after some entries.

    Entries are::

        {"action": "move", "row": 7, "points": {"nose": [1.5, 2.0], "chin": null}}
        {"action": "undo"}
        {"action": "show", "row": 8, "looked_at": 7}

    Actions of :data:`CHANGES` say which labels became what (null: not labelled). ``undo`` takes
    back the last one that was not taken back, on whatever row. ``show`` goes to a row;
    ``looked_at`` is the row that the person was done with, or null.

    Parameters
    ----------
    labels : ndarray of shape (n, k, 2)
        Pixels, NaN where not labelled. Left as it is.
    names : sequence of str
        Of the keypoints.
    rows : sequence of int
        What is looked at, in order; at least one.

    Attributes
    ----------
    row : int
        The row that is looked at.
    looked_at : set of int
        Rows that the person was done with.
    """

    def __init__(self, labels: FloatArray, names: Sequence[str], rows: Sequence[int]) -> None:
        self._labels = labels
        self._names = {name: k for k, name in enumerate(names)}
        self.rows = list(rows)
        self.row = self.rows[0]
        self._at = {row: at for at, row in enumerate(self.rows)}
        self.looked_at: set[int] = set()
        self._current: dict[int, FloatArray] = {}
        self._before: list[tuple[int, FloatArray]] = []

    def points(self, row: int) -> FloatArray:
        """Labels of a row, shape (k, 2), as they are now."""
        return self._current.get(row, self._labels[row])

    @property
    def position(self) -> int:
        """Where the row that is looked at stands among all, from 0."""
        return self._at[self.row]

    @property
    def can_undo(self) -> bool:
        """Whether a change is there to be taken back."""
        return bool(self._before)

    @property
    def changed(self) -> list[int]:
        """Rows whose labels are no longer what they were, in ascending order."""
        return sorted(
            row
            for row, points in self._current.items()
            if not np.array_equal(points, self._labels[row], equal_nan=True)
        )

    def corrected(self) -> FloatArray:
        """All labels, shape (n, k, 2)."""
        labels = self._labels.copy()
        for row, points in self._current.items():
            labels[row] = points
        return labels

    def neighbour(self, step: int) -> int:
        """Row to go to: the next, or the one before, for a step of 1 or -1.

        After the last comes the first that was not looked at, if there is one.
        """
        at = self.position + step
        if at < len(self.rows):
            return self.rows[max(at, 0)]
        others = (row for row in self.rows if row not in self.looked_at and row != self.row)
        return next(others, self.row)

    def apply(self, entry: Entry) -> None:
        """Do what an entry says.

        Raises
        ------
        ValueError
            If it is no entry, or not one about these rows and keypoints; nothing is done then.
        """
        action = entry.get("action")
        if action in CHANGES:
            row, points = self._known(entry.get("row")), self._changes(entry.get("points"))
            before = self.points(row)
            after = before.copy()
            for k, point in points.items():
                after[k] = point
            self._before.append((row, before))
            self._current[row] = after
            self.row = row
        elif action == "undo":
            if not self._before:
                raise ValueError("there is no change to take back")
            self.row, before = self._before.pop()
            self._current[self.row] = before
        elif action == "show":
            row, looked_at = self._known(entry.get("row")), entry.get("looked_at")
            if looked_at is not None:
                self.looked_at.add(self._known(looked_at))
            self.row = row
        else:
            raise ValueError(f"the action {action!r} is unknown")

    def _known(self, row: Any) -> int:
        if type(row) is not int or row not in self._at:
            raise ValueError(f"the row {row!r} is not looked at here")
        return row

    def _changes(self, points: Any) -> dict[int, tuple[float, float]]:
        if not isinstance(points, Mapping) or not points:
            raise ValueError("the points are missing")
        unknown = [name for name in points if name not in self._names]
        if unknown:
            raise ValueError(f"the keypoint {unknown[0]!r} is unknown")
        return {self._names[name]: as_point(point) for name, point in points.items()}


def as_point(point: Any) -> tuple[float, float]:
    """Two finite numbers of JSON, or NaN for null.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if point is None:
        return math.nan, math.nan
    if not isinstance(point, Sequence) or len(point) != 2:
        raise ValueError(f"{point!r} is no point")
    for value in point:
        if type(value) not in (int, float) or not abs(value) < 1e6:
            raise ValueError(f"{value!r} is no coordinate in pixels")
    return float(point[0]), float(point[1])


def moved(points: FloatArray, to: Mapping[int, tuple[float, float]]) -> FloatArray:
    """Points of shape (k, 2), some of which are put elsewhere."""
    points = points.copy()
    for k, point in to.items():
        points[k] = np.round(point, _DIGITS)
    return points


def accepted(points: FloatArray, keypoints: Iterable[int], predicted: FloatArray) -> FloatArray:
    """Points, some of which are where they were predicted, if they were.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.label_quality._review.corrections import accepted
    >>> accepted(np.zeros((2, 2)), [0, 1], np.array([[1.5, 2], [np.nan, np.nan]])).tolist()
    [[1.5, 2.0], [0.0, 0.0]]
    """
    there = [k for k in keypoints if np.isfinite(predicted[k]).all()]
    return moved(points, {k: predicted[k] for k in there})


def cleared(points: FloatArray, keypoints: Iterable[int]) -> FloatArray:
    """Points, some of which are not labelled."""
    points = points.copy()
    points[list(keypoints)] = np.nan
    return points


def swapped(points: FloatArray, pairs: Sequence[int]) -> FloatArray:
    """Points, the first of which has changed places with the second, the third with the fourth ...

    Raises
    ------
    ValueError
        If these are no pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_kpd.label_quality._review.corrections import swapped
    >>> points = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> swapped(points, [0, 2]).tolist()
    [[3.0, 3.0], [2.0, 2.0], [1.0, 1.0]]
    """
    if len(pairs) % 2 or len(set(pairs)) < len(pairs):
        raise ValueError("keypoints that change places come in pairs, each once")
    first, second = list(pairs[::2]), list(pairs[1::2])
    points = points.copy()
    points[first + second] = points[second + first]
    return points


def entry_of(
    action: str, row: int, before: FloatArray, after: FloatArray, names: Sequence[str]
) -> Entry | None:
    """Entry that says what has changed on a row; None if nothing has."""
    same = ((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=1)
    if same.all():
        return None
    points = {names[k]: as_json(after[k]) for k in np.flatnonzero(~same).tolist()}
    return {"action": action, "row": row, "points": points}


def as_json(point: FloatArray) -> list[float] | None:
    """Two numbers, or None for a point that is not there."""
    return None if np.isnan(point).any() else [float(value) for value in point]
