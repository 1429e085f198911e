"""The file of issues, as ``find_label_issues(...).to_csv(index=False)`` writes it."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_kpd.keypoints import FloatArray, columns_from_names

_TEXTS = ("keypoint", "kind")
_NUMBERS = (
    "row", "p_value", "distance", "labelled_x", "labelled_y", "predicted_x", "predicted_y",
)  # fmt: skip

#: How far the labels in the file may be from those of the data, in pixels: digits are cut.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Issue:
    """What is suspected of a row.

    Attributes
    ----------
    kind : str
        Such as "moved" or "swapped".
    keypoints : tuple of int
        Those it is about.
    p_value, distance : float
        How surprising it is, and how far the worst keypoint is off, in pixels; NaN where the
        file does not say.
    """

    kind: str
    keypoints: tuple[int, ...]
    p_value: float
    distance: float


@dataclass(frozen=True)
class Suspect:
    """A row of the data, all that is suspected of it, and what was predicted, shape (k, 2)."""

    row: int
    issues: tuple[Issue, ...]
    predicted: FloatArray


def read_issues(
    content: bytes, path: Path, labels: FloatArray, names: Sequence[str]
) -> list[Suspect]:
    """Read the file of issues; rows come in its order, each once.

    Parameters
    ----------
    content : bytes
        Of the file.
    path : Path
        Its name, for errors.
    labels : ndarray of shape (n, k, 2)
        Labels that the issues are about.
    names : sequence of str
        Of the keypoints.

    Returns
    -------
    list of Suspect
        Maybe none.

    Raises
    ------
    ValueError
        If it is no such file, or about other data.
    """
    table = _read_table(content, path)
    predicted_columns = columns_from_names([f"predicted_{name}" for name in names])
    absent = [c for c in (*_TEXTS, *_NUMBERS, *predicted_columns) if c not in table]
    if absent:
        raise ValueError(
            f"{path}: the column {absent[0]!r} is missing: give what find_label_issues has found "
            "in this data, written by to_csv(index=False)."
        )
    numbers = {c: _numbers(table[c], c, path) for c in (*_NUMBERS, *predicted_columns)}
    predicted = np.column_stack([numbers[c] for c in predicted_columns])
    issues: dict[int, list[Issue]] = {}
    first: dict[int, int] = {}
    for at in range(len(table)):
        where = f"{path}, row {at + 1}"
        row = _row_of(numbers["row"][at], len(labels), where)
        label = np.array([numbers["labelled_x"][at], numbers["labelled_y"][at]])
        _check_label(label, labels[row], row, where)
        issues.setdefault(row, []).append(
            Issue(
                table["kind"].iloc[at].strip(),
                _keypoints_of(table["keypoint"].iloc[at], names, where),
                float(numbers["p_value"][at]),
                float(numbers["distance"][at]),
            )
        )
        first.setdefault(row, at)
    return [
        Suspect(row, tuple(found), predicted[first[row]].reshape(-1, 2))
        for row, found in issues.items()
    ]


def _read_table(content: bytes, path: Path) -> pd.DataFrame:
    """All fields as text: a keypoint may be called 'nan', or '0'."""
    try:
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    except ValueError as error:  # errors of pandas and of encodings are such
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: no table of issues in CSV: {reason}.") from error


def _numbers(column: "pd.Series[Any]", name: str, path: Path) -> FloatArray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    empty = column.str.strip().str.lower().isin(["", "nan", "na", "<na>"]).to_numpy()
    bad = ~np.isfinite(values) & ~empty
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{path}, row {at + 1}: the column {name!r} holds {column.iloc[at][:40]!r}, no number."
        )
    return values


def _row_of(value: float, n_rows: int, where: str) -> int:
    if math.isnan(value) or value % 1 or not 0 <= value < n_rows:
        raise ValueError(
            f"{where}: the row {value:g} is none of this data, which has the rows 0 to "
            f"{n_rows - 1}: were the issues found in another file?"
        )
    return int(value)


def _check_label(label: FloatArray, labels: FloatArray, row: int, where: str) -> None:
    """Refuse issues of other labels: the one that is told must be among those of its row."""
    if np.isnan(label).any():
        return
    distances = np.abs(labels - label).max(axis=1)
    if not (distances <= _TOLERANCE).any():
        raise ValueError(
            f"{where}: the label ({label[0]:g}, {label[1]:g}) is none of row {row} of this data: "
            "the issues were found in another file, or the labels were changed since."
        )


def _keypoints_of(text: str, names: Sequence[str], where: str) -> tuple[int, ...]:
    """Keypoints by their names, which may themselves have commas."""
    index = {name: k for k, name in enumerate(names)}
    pieces, found = text.split(", "), []
    while pieces:
        lengths = range(len(pieces), 0, -1)
        most = next((n for n in lengths if ", ".join(pieces[:n]) in index), 0)
        if not most:
            raise ValueError(f"{where}: the keypoint {pieces[0][:40]!r} is none of this data.")
        found.append(index[", ".join(pieces[:most])])
        pieces = pieces[most:]
    return tuple(dict.fromkeys(found))
