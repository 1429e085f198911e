"""What is wrong with the labels of an object: the fault that makes them most likely.

Each fault is a story of how the labels came about (two names were swapped, the whole face was
shifted, each keypoint slipped for itself ...). A story costs what its own numbers take to tell,
and what is left of the residuals after it; the cheapest one is believed (minimum description
length). Costs are negative log likelihoods, against that of a label where it is expected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklearn_kpd._common.schemes import BoolArray, IntArray
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.label_quality._evidence import LEAST_LABELS

# A fault is so much less likely than a right label: one in a hundred.
_RARE = np.log(100.0)


class Fault(NamedTuple):
    """What is wrong, and with which keypoints."""

    kind: str
    keypoints: tuple[int, ...]


_NONE = (np.inf, Fault("moved", ()))


@dataclass(frozen=True)
class Row:
    """The labelled keypoints of one object.

    Attributes
    ----------
    labels, expected : ndarray of shape (m, 2)
        Where they are, and where they were expected.
    scales : ndarray of shape (m,)
        Pixels that this usually is off.
    twins : ndarray of shape (m,), int
        Which of them takes each one's place in a mirror image; -1 for one that is not labelled.
    degrees : float
        Degrees of freedom of the distances' distribution.
    """

    labels: FloatArray
    expected: FloatArray
    scales: FloatArray
    twins: IntArray
    degrees: float

    def cost(self, labels: FloatArray) -> float:
        """What labels cost that stand where they are expected, or slipped one by one."""
        return float(np.minimum(self._off(labels), self._anywhere()).sum())

    def _off(self, labels: FloatArray) -> FloatArray:
        squares = ((labels - self.expected) ** 2).sum(axis=1) / self.scales**2
        return (self.degrees / 2 + 1) * np.log1p(squares / self.degrees)

    def _anywhere(self) -> FloatArray:
        return _RARE + 2 * np.log(self.extent) - self._log_areas()

    def _log_areas(self) -> FloatArray:
        return np.log(2 * np.pi * self.scales**2)

    @property
    def extent(self) -> float:
        """Pixels within which a label that slipped may lie: twice the object's size."""
        size = 2 * np.ptp(self.expected, axis=0).max()
        return float(max(size, 20 * self.scales.max()))

    def stories(self) -> Iterator[tuple[float, Fault]]:
        """What each fault would cost."""
        everything = tuple(range(len(self.labels)))
        place = np.log(self.extent / self.scales.mean())  # one number of pixels
        if len(everything) > 1:
            yield self._best_swap()
        if len(everything) < LEAST_LABELS:
            return
        shift = np.median(self.labels - self.expected, axis=0)
        yield _RARE + 2 * place + self.cost(self.labels - shift), Fault("shifted", everything)
        for order in self._mirrored_orders():
            mirrored = self.labels[order] * [-1, 1]
            mirrored[:, 0] += np.median(self.expected[:, 0] - mirrored[:, 0])
            yield _RARE + place + self.cost(mirrored), Fault("mirrored", everything)
        twins = self._swaps_sides()
        if twins is not None:
            sided = tuple(np.flatnonzero(twins != np.arange(len(twins))).tolist())
            yield _RARE + self.cost(self.labels[twins]), Fault("swapped", sided)
        yield _RARE + self._another_object(), Fault("wrong object", everything)

    def _best_swap(self) -> tuple[float, Fault]:
        """Two keypoints swapped; left and right are so more often than any two."""
        m = len(self.labels)
        off = np.stack([self._off(np.tile(label, (m, 1))) for label in self.labels])
        costs = np.minimum(off, self._anywhere())  # of each label in each one's place
        here = np.diag(costs)
        gains = costs + costs.T - here - here[:, np.newaxis]
        gains += np.where(self.twins == np.arange(m)[:, np.newaxis], 0.0, np.log(m))
        np.fill_diagonal(gains, np.inf)
        a, b = sorted(int(k) for k in np.unravel_index(np.argmin(gains), gains.shape))
        return _RARE + here.sum() + gains[a, b], Fault("swapped", (a, b))

    def _swaps_sides(self) -> IntArray | None:
        """The names of all sides swapped, if that changes more than one pair."""
        known = np.where(self.twins < 0, np.arange(len(self.twins)), self.twins)
        return known if (known != np.arange(len(known))).sum() > 2 else None

    def _mirrored_orders(self) -> Iterator[IntArray]:
        yield np.arange(len(self.labels))
        twins = self._swaps_sides()
        if twins is not None and (self.twins >= 0).all():
            yield twins

    def _another_object(self) -> float:
        """Labels as far off as those of another object of the same sort: alike in size only."""
        squares = ((self.labels - self.expected) ** 2).sum(axis=1)
        variance = max(np.median(squares) / (2 * np.log(2)), self.scales.max() ** 2)
        costs = np.log(2 * np.pi * variance) + squares / (2 * variance) - self._log_areas()
        return float(np.minimum(costs, self._anywhere()).sum()) + 1.0


def faults_of(row: Row, suspicious: BoolArray, alone: BoolArray) -> list[Fault]:
    """What is wrong with an object some of whose labels are suspicious.

    Parameters
    ----------
    row : Row
        Its labelled keypoints.
    suspicious : ndarray of shape (m,), bool
        Those that are to be explained.
    alone : ndarray of shape (m,), bool
        Those that would be so whatever the others of the object are: a fault of the others does
        not explain them.

    Returns
    -------
    list of Fault
        Keypoints that no fault of several explains were moved, one by one; if they are most of
        the object's, it is another one.
    """
    labels, open_, found = row.labels.copy(), suspicious.copy(), []
    while open_.any():
        now = Row(labels, row.expected, row.scales, row.twins, row.degrees)
        cost, fault = min(now.stories(), key=lambda story: story[0], default=_NONE)
        if cost >= now.cost(labels) or not open_[list(fault.keypoints)].any():
            break
        found.append(fault)
        open_[list(fault.keypoints)] = False
        open_ &= alone
        if fault.kind != "swapped" or len(fault.keypoints) > 2:
            break
        a, b = fault.keypoints
        labels[[a, b]] = labels[[b, a]]
    if open_.sum() > max(len(open_) / 2, LEAST_LABELS - 1):
        return [*found, Fault("wrong object", tuple(range(len(open_))))]
    return found + [Fault("moved", (int(k),)) for k in np.flatnonzero(open_)]
