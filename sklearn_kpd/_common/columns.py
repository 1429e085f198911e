"""Columns of a table of keypoints, in the conventions that exist.

=====================================  ======================================================
``nose_x``, ``nose.y``, ``nose X``     the coordinate after the name: Kaggle, SLEAP
``noseX``, ``P1Y``, ``1x``             likewise, by a capital or after a number
``x_0``, ``y_nose``, ``x00``           the coordinate before the name: OpenFace, MUCT
(scorer, part, coordinate)             levels, of which the last two count: DeepLabCut
``0``, ``1``, ``column_2``             no names: a bare array
=====================================  ======================================================

Beside x and y a keypoint may have its visibility, and a likelihood, which is no label.
"""

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.intp]

_VISIBILITY = ("v", "vis", "visible", "visibility")
_LIKELIHOOD = ("likelihood", "score", "confidence", "conf", "probability", "prob", "p", "c")
_KINDS = {
    "x": "x",
    "y": "y",
    **dict.fromkeys(_VISIBILITY, "visibility"),
    **dict.fromkeys(_LIKELIHOOD, "likelihood"),
}

_BARE = re.compile(r"(?:column_)?(\d+)")
# The usual way first, in which a name may end in anything.
_USUAL = re.compile(r"(?P<name>.+)_(?P<kind>[A-Za-z]+)")
_NAME_AND_KIND = re.compile(r"(?P<name>.*[^\s_.:/|-])[\s_.:/|-]+(?P<kind>[A-Za-z]+)")
_NAME_AND_CAPITAL = re.compile(r"(?P<name>.*[^\W_A-Z])(?P<kind>[A-Z][a-z]*)")
_NUMBER_AND_AXIS = re.compile(r"(?P<name>.*\d)(?P<kind>[xyv])")
_KIND_AND_NAME = re.compile(r"(?P<kind>[A-Za-z]+)[\s_.:/|-]+(?P<name>.+)")
_KIND_AT_NAME = re.compile(r"(?P<kind>[xyv](?=[A-Z\d])|[XYV](?=\d))(?P<name>.+)")

# Conventions, the usual one first.
_CONVENTIONS = (
    (_USUAL, _NAME_AND_KIND, _NAME_AND_CAPITAL, _NUMBER_AND_AXIS),
    (_KIND_AND_NAME, _KIND_AT_NAME),
)

# Name of the keypoint, and what of it the column holds.
_Reading = tuple[str, str]


class Columns(NamedTuple):
    """Where a table has its keypoints.

    Attributes
    ----------
    names : tuple of str
        Names of the keypoints, in the order of their first columns.
    coordinates : ndarray of shape (2 * k,), int
        Columns of x and y of each keypoint in turn.
    visibility : ndarray of shape (k,), int
        Columns of the visibilities; -1 for a keypoint without.
    """

    names: tuple[str, ...]
    coordinates: IntArray
    visibility: IntArray


def read_columns(columns: Iterable[Any]) -> Columns | None:
    """Find the keypoints among the columns of a table.

    Parameters
    ----------
    columns : Index, MultiIndex or sequence
        Labels of the columns, in any order.

    Returns
    -------
    Columns, or None
        None for numbers, as a bare ``DataFrame(array)`` has.

    Raises
    ------
    ValueError
        If a column is not understood, stands twice, or an x has no y.

    Examples
    --------
    >>> from sklearn_kpd._common.columns import read_columns
    >>> read_columns(["x_0", "x_1", "y_0", "y_1"])
    Columns(names=('0', '1'), coordinates=array([0, 2, 1, 3]), visibility=array([-1, -1]))
    """
    labels = list(columns)
    if labels and all(isinstance(label, tuple) and len(label) > 1 for label in labels):
        return _grouped(labels, _read_levels(labels, getattr(columns, "names", None)))
    numbers = [_bare_number(label) for label in labels]
    if None not in numbers:
        if numbers != sorted(set(numbers)):  # type: ignore[type-var]
            raise ValueError(
                "The columns of y are numbers that do not rise, so their order tells no x and y: "
                "name them '<name>_x', '<name>_y', or pass y.to_numpy()."
            )
        return None
    return _read_text([str(label).strip() for label in labels])


def find_keypoints(labels: Sequence[str]) -> Columns:
    """Find the keypoints of a table that has other columns too, such as names of files.

    Parameters
    ----------
    labels : sequence of str
        Labels of the columns, in any order.

    Returns
    -------
    Columns
        Maybe of no keypoint.

    Raises
    ------
    ValueError
        If a column stands twice, or an x has no y.

    Examples
    --------
    >>> from sklearn_kpd._common.columns import find_keypoints
    >>> find_keypoints(["file", "nose_x", "nose_y"]).names
    ('nose',)
    """
    conventions = [[_read_label(label, c) for label in labels] for c in _CONVENTIONS]
    conventions.sort(key=lambda readings: readings.count(None))
    readings = [usual or other for usual, other in zip(*conventions, strict=True)]
    known = {r[0] for r in readings if r is not None and r[1] in ("x", "y")}
    places = [at for at, r in enumerate(readings) if r is not None and r[0] in known]
    found = _grouped([labels[at] for at in places], [readings[at] for at in places])
    back = np.array([*places, -1], dtype=np.intp)
    return Columns(found.names, back[found.coordinates], back[found.visibility])


def _bare_number(label: Any) -> int | None:
    if isinstance(label, Integral):
        return int(label)
    bare = _BARE.fullmatch(label.strip()) if isinstance(label, str) else None
    return None if bare is None else int(bare[1])


def _read_levels(labels: list[tuple[Any, ...]], names: Any) -> list[_Reading]:
    """Columns of several levels: the last two are the keypoint and the coordinate."""
    for level in range(len(labels[0]) - 2):
        first, *others = dict.fromkeys(label[level] for label in labels)
        if others:
            name = None if names is None else names[level]
            name = level if name is None else name
            raise ValueError(
                f"The columns of y have {first!r} and {others[0]!r} in their level {name!r}, but "
                "a row of y holds the keypoints of one object, by one annotator: take "
                f"y.xs({first!r}, axis=1, level={name!r}), or make a row of each."
            )
    readings = []
    for label in labels:
        kind = _KINDS.get(str(label[-1]).strip().lower())
        if kind is None:
            raise ValueError(
                f"The column {label!r} of y ends in {label[-1]!r}, which is no x, y, visibility "
                "or likelihood: leave it out."
            )
        readings.append((str(label[-2]).strip(), kind))
    return readings


def _read_text(labels: list[str]) -> Columns:
    conventions = [[_read_label(label, c) for label in labels] for c in _CONVENTIONS]
    conventions.sort(key=lambda readings: readings.count(None))
    if conventions[0].count(None) == len(labels):
        shown = ", ".join(map(repr, labels[:3])) + (", ..." if len(labels) > 3 else "")
        raise ValueError(
            f"The columns of y, {shown}, name no x and y of keypoints: call them '<name>_x', "
            "'<name>_y', or pass y.to_numpy() where they are x and y in turn."
        )
    reason = None
    for readings in conventions:
        understood = [reading for reading in readings if reading is not None]
        if len(understood) == len(labels):
            try:
                return _grouped(labels, understood)
            except ValueError as error:
                reason = reason or error
    if reason is not None:
        raise reason
    odd = labels[conventions[0].index(None)]
    fine = next(a for a, b in zip(labels, conventions[0], strict=True) if b is not None)
    raise ValueError(
        f"The column {odd!r} of y is no x, y, visibility or likelihood of a keypoint, as {fine!r} "
        "is: leave it out, or name it likewise."
    )


def _read_label(label: str, patterns: Sequence[re.Pattern[str]]) -> _Reading | None:
    for pattern in patterns:
        match = pattern.fullmatch(label)
        if match and match["kind"].lower() in _KINDS:
            return match["name"], _KINDS[match["kind"].lower()]
    return None


def _grouped(labels: Sequence[Any], readings: list[_Reading]) -> Columns:
    """Bring the columns of each keypoint together."""
    places: dict[str, dict[str, int]] = {}
    for at, (name, kind) in enumerate(readings):
        before = places.setdefault(name, {}).setdefault(kind, at)
        if before != at:
            raise ValueError(
                f"The columns {labels[before]!r} and {labels[at]!r} both hold the {kind} of "
                f"the keypoint {name!r}: leave one out."
            )
    for name, place in places.items():
        for axis in ("x", "y"):
            if axis not in place:
                found = labels[min(place.values())]
                raise ValueError(
                    f"There is the column {found!r}, but none for the {axis} of the keypoint "
                    f"{name!r}: every keypoint needs both."
                )
    return Columns(
        tuple(places),
        np.array([place[axis] for place in places.values() for axis in "xy"], dtype=np.intp),
        np.array([place.get("visibility", -1) for place in places.values()], dtype=np.intp),
    )
