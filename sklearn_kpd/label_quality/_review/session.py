"""A review under way: what is shown, and what the person does, kept before it counts."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sklearn_kpd.exceptions import PhotographError
from sklearn_kpd.keypoints import FloatArray
from sklearn_kpd.label_quality._review import corrections
from sklearn_kpd.label_quality._review.corrections import Corrections, Entry, as_json
from sklearn_kpd.label_quality._review.issues import Suspect
from sklearn_kpd.label_quality._review.journal import Journal
from sklearn_kpd.label_quality._review.labelled import Labelled
from sklearn_kpd.label_quality._review.pictures import Picture, Pictures


class OutOfDateError(ValueError):
    """The page shows a state that is no longer so: another window has gone on."""


class Session:
    """One review; its methods may be called from several threads.

    Parameters
    ----------
    data : Labelled
        What is looked at.
    suspects : list of Suspect
        Rows to look at, in order; at least one.
    journal : Journal
        Open for writing. What stands in it has been done already.
    out : str
        Name of the file that corrected labels go to.
    """

    def __init__(
        self, data: Labelled, suspects: list[Suspect], journal: Journal, out: str
    ) -> None:
        self._data = data
        self._out = out
        self._suspects = {suspect.row: suspect for suspect in suspects}
        self._journal = journal
        self._pictures = Pictures(data.photographs)
        self._lock = threading.RLock()
        self.corrections = replayed(data, suspects, journal.entries)
        self._version = len(journal.entries)

    def state(self) -> dict[str, Any]:
        """All that the page shows, in JSON's types."""
        with self._lock:
            now = self.corrections
            suspect = self._suspects[now.row]
            return {
                "version": self._version,
                "data": self._data.name,
                "out": self._out,
                "names": list(self._data.names),
                "counterparts": self._counterparts(),
                "row": now.row,
                "source": self._source(now.row),
                "position": now.position,
                "total": len(now.rows),
                "looked_at": len(now.looked_at),
                "this_looked_at": now.row in now.looked_at,
                "changed": len(now.changed),
                "can_undo": now.can_undo,
                "issues": [
                    {
                        "kind": issue.kind,
                        "keypoints": list(issue.keypoints),
                        "p_value": _number(issue.p_value),
                        "distance": _number(issue.distance),
                    }
                    for issue in suspect.issues
                ],
                "labels": list(map(as_json, now.points(now.row))),
                "before": list(map(as_json, self._data.labels[now.row])),
                "predicted": list(map(as_json, suspect.predicted)),
                **self._region(now.row),
            }

    def picture(self, row: int) -> Picture:
        """Picture of a row.

        Raises
        ------
        KeyError
            If the row is none of those that are looked at.
        PhotographError
            If the photograph cannot be read.
        """
        return self._pictures.picture(row, self._points_of(self._suspects[row]))

    def change(
        self, version: Any, row: Any, action: Any, keypoints: Any, points: Any = None
    ) -> None:
        """Change labels of a row.

        Parameters
        ----------
        version : int
            Of the state that the person sees.
        row : int
            Which has to be the one that is shown.
        action : {"move", "accept", "clear", "swap"}
            Put some keypoints elsewhere, take the predictions, take labels away, or have two
            keypoints, or several pairs of them, change places.
        keypoints : list of int
            Which ones; for "swap" those of a pair follow each other.
        points : list of (float, float), optional
            Where to, for "move".

        Raises
        ------
        OutOfDateError
            If the state is another by now.
        ValueError
            If this makes no sense.
        OSError
            If the journal cannot be written; nothing is changed then.
        """
        with self._lock:
            self._check(version, row)
            which = self._checked(keypoints)
            before = self.corrections.points(row)
            if action == "move":
                if not isinstance(points, list) or len(points) != len(which):
                    raise ValueError("there must be as many points as keypoints")
                to = dict(zip(which, map(corrections.as_point, points), strict=True))
                after = corrections.moved(before, to)
            elif action == "accept":
                after = corrections.accepted(before, which, self._suspects[row].predicted)
            elif action == "clear":
                after = corrections.cleared(before, which)
            elif action == "swap":
                after = corrections.swapped(before, which)
            else:
                raise ValueError(f"the action {action!r} is unknown")
            entry = corrections.entry_of(action, row, before, after, self._data.names)
            if entry is not None:
                self._do(entry)

    def undo(self, version: Any) -> None:
        """Take the last change back, and go to its row; raises as :meth:`change`."""
        with self._lock:
            self._check(version, self.corrections.row)
            if self.corrections.can_undo:
                self._do({"action": "undo"})

    def show(self, version: Any, row: Any, step: Any, looked_at: Any) -> None:
        """Go on by one row, or back, done with this one or not; raises as :meth:`change`."""
        with self._lock:
            self._check(version, row)
            if step not in (1, -1) or not isinstance(looked_at, bool):
                raise ValueError("a step is 1 or -1, and looked_at true or false")
            seen = row if looked_at and row not in self.corrections.looked_at else None
            there = self.corrections.neighbour(step)
            if there != row or seen is not None:
                self._do({"action": "show", "row": there, "looked_at": seen})

    def _do(self, entry: Entry) -> None:
        """Keep an entry, then let it count."""
        self._journal.append(entry)
        self.corrections.apply(entry)
        self._version += 1

    def _check(self, version: Any, row: Any) -> None:
        if version != self._version or row != self.corrections.row:
            raise OutOfDateError("another window has gone on: this is how things stand now")

    def _checked(self, keypoints: Any) -> list[int]:
        n = len(self._data.names)
        if not isinstance(keypoints, list) or not keypoints:
            raise ValueError("no keypoints are named")
        for k in keypoints:
            if type(k) is not int or not 0 <= k < n:
                raise ValueError(f"the keypoint {k!r} is none of 0 to {n - 1}")
        return keypoints

    def _counterparts(self) -> list[int]:
        """The keypoint that each swaps with, itself where there is none."""
        permutation = self._data.permutation
        return list(range(len(self._data.names))) if permutation is None else permutation.tolist()

    def _source(self, row: int) -> str | None:
        path = self._data.photographs.path(row)
        return None if isinstance(path, int) else str(path)

    def _points_of(self, suspect: Suspect) -> FloatArray:
        """Points that the picture is to show: they must not change while the person works."""
        return np.concatenate([self._data.labels[suspect.row], suspect.predicted])

    def _region(self, row: int) -> dict[str, Any]:
        """Edges of the picture; where it cannot be read, of the points, and why."""
        try:
            return {"region": list(self.picture(row).region), "problem": None}
        except PhotographError as error:
            points = self._points_of(self._suspects[row])
            points = points[~np.isnan(points).any(axis=1)]
            if not len(points):
                points = np.array([[0.0, 0.0], [100.0, 100.0]])
            edges = [*(points.min(axis=0) - 20), *(points.max(axis=0) + 20)]
            return {"region": list(map(float, edges)), "problem": str(error)}


def replayed(
    data: Labelled, suspects: Iterable[Suspect], entries: Iterable[Mapping[str, Any]]
) -> Corrections:
    """Labels after the entries of a journal.

    Raises
    ------
    ValueError
        If one of them cannot be; the message names it.
    """
    now = Corrections(data.labels, data.names, [suspect.row for suspect in suspects])
    for number, entry in enumerate(entries, start=2):  # the header is line 1
        try:
            now.apply(dict(entry))
        except ValueError as error:
            raise ValueError(f"The journal of the review, line {number}: {error}.") from error
    return now


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
