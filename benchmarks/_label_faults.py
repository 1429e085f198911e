"""Faults of labels, of known kinds, put where they are known."""

from collections.abc import Callable

import numpy as np

from sklearn_kpd.keypoints import check_keypoints, flip_permutation, in_form_of

KINDS = ("moved", "swapped", "mirrored", "shifted", "wrong object")
LEAST = 4.0  # pixels
FARTHEST = 15.0


def spoil(y, share, random_state, *, width):
    """Spoil a share of the labelled keypoints, as many by each kind of fault.

    Each row has at most one fault: a keypoint moved by 4 to 15 pixels; left and right swapped, or
    any two keypoints; the face mirrored, its names swapped or not; the whole face shifted; the
    labels of another row that has the same keypoints.

    Returns the labels in the form of y, and the kind of each keypoint's fault, of shape (n, k): ""
    where it has none, "hardly" where the fault has left it within 4 pixels of where it was.
    """
    rng = np.random.default_rng(random_state)
    values, names, *_ = check_keypoints(y)
    right = values.reshape(len(values), -1, 2)
    faults = _Faults(right, flip_permutation(right.shape[1], names), width, rng)
    points, kinds = right.copy(), np.full(right.shape[:2], "", dtype="U16")
    wanted = share * faults.labelled.sum() / len(KINDS)
    rows = iter(rng.permutation(np.flatnonzero(faults.labelled.sum(axis=1) > 2)))
    for kind in KINDS:
        fault: Callable = getattr(faults, kind.replace(" ", "_"))
        while (kinds == kind).sum() < wanted:
            row = next(rows)
            for k, point in fault(row).items():
                points[row, k], kinds[row, k] = point, kind
    hardly = np.hypot(*np.moveaxis(points - right, 2, 0)) < LEAST
    kinds[(kinds != "") & hardly] = "hardly"
    return in_form_of(y, points.reshape(len(points), -1)), kinds


class _Faults:
    """One method a kind: a row's new points, by the number of their keypoint."""

    def __init__(self, right, permutation, width, rng):
        self.right, self.permutation, self.width, self.rng = right, permutation, width, rng
        self.labelled = ~np.isnan(right[..., 0])
        self.patterns = np.unique(self.labelled, axis=0, return_inverse=True)[1].ravel()

    def _step(self):
        angle = self.rng.uniform(0, 2 * np.pi)
        return self.rng.uniform(LEAST, FARTHEST) * np.array([np.cos(angle), np.sin(angle)])

    def _all(self, row, points):
        return {k: points[k] for k in np.flatnonzero(self.labelled[row])}

    def moved(self, row):
        k = self.rng.choice(np.flatnonzero(self.labelled[row]))
        while True:
            point = self.right[row, k] + self._step()
            if ((point >= 0) & (point < self.width)).all():
                return {k: point}

    def swapped(self, row):
        there = np.flatnonzero(self.labelled[row])
        a, b = self.rng.choice(there, 2, replace=False)
        sided = there[(self.permutation != np.arange(len(self.permutation)))[there]]
        if self.rng.random() < 0.75 and len(sided):
            a = self.rng.choice(sided)
            b = self.permutation[a]
        if not self.labelled[row, b]:
            return {}
        return {a: self.right[row, b], b: self.right[row, a]}

    def mirrored(self, row):
        points = self.right[row] * [-1, 1] + [self.width - 1, 0]
        swapped = points[self.permutation]
        if self.rng.random() < 0.5 and not np.isnan(swapped[self.labelled[row]]).any():
            points = swapped
        return self._all(row, points)

    def shifted(self, row):
        return self._all(row, self.right[row] + self._step())

    def wrong_object(self, row):
        others = np.flatnonzero(self.patterns == self.patterns[row])
        if len(others) < 2:
            return {}
        return self._all(row, self.right[self.rng.choice(others[others != row])])
